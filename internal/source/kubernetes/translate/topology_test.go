package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func slice(name string, family discoveryv1.AddressType, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	http, port := "http", int32(8080)
	return &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: family, Ports: []discoveryv1.EndpointPort{{Name: &http, Port: &port}}, Endpoints: endpoints}
}

func dual(families ...corev1.IPFamily) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: corev1.ServiceSpec{IPFamilies: families, Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}}}
}

// found are the endpoints of shop/web with their zones.
func found(t *testing.T, o Options, values ...Value) string {
	t.Helper()
	o.Slices = true
	s := New(o)
	for _, v := range values {
		if err := s.Put(Object{Value: v}); err != nil {
			t.Fatal(err)
		}
	}
	var out []string
	for _, g := range s.Changed() {
		if g.Key != "endpoints/shop/web" {
			continue
		}
		for _, set := range g.Objects.Endpoints {
			for _, e := range set.Endpoints {
				out = append(out, strings.TrimSpace(fmt.Sprint(e.Addr, " ", e.Zone)))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func at(addr string) discoveryv1.Endpoint { return discoveryv1.Endpoint{Addresses: []string{addr}} }

func TestDualStack(t *testing.T) {
	four, six := slice("four", discoveryv1.AddressTypeIPv4, at("10.0.0.1")), slice("six", discoveryv1.AddressTypeIPv6, at("fd00::1"))
	for _, c := range []struct {
		name   string
		values []Value
		want   string
	}{
		{"IPv4 first", []Value{dual(corev1.IPv4Protocol, corev1.IPv6Protocol), four, six}, "10.0.0.1:8080"},
		{"IPv6 first", []Value{dual(corev1.IPv6Protocol, corev1.IPv4Protocol), four, six}, "[fd00::1]:8080"},
		{"the second while the first has none", []Value{dual(corev1.IPv4Protocol, corev1.IPv6Protocol), slice("four", discoveryv1.AddressTypeIPv4), six}, "[fd00::1]:8080"},
		{"one family", []Value{dual(corev1.IPv6Protocol), six}, "[fd00::1]:8080"},
	} {
		if got := found(t, Options{}, c.values...); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestZoneHints(t *testing.T) {
	east, zones := "east", func(names ...string) *discoveryv1.EndpointHints {
		h := &discoveryv1.EndpointHints{}
		for _, n := range names {
			h.ForZones = append(h.ForZones, discoveryv1.ForZone{Name: n})
		}
		return h
	}
	hinted := func(h *discoveryv1.EndpointHints) *discoveryv1.EndpointSlice {
		return slice("four", discoveryv1.AddressTypeIPv4, discoveryv1.Endpoint{Addresses: []string{"10.0.0.1"}, Zone: &east, Hints: h})
	}
	for _, c := range []struct {
		zone  string
		hints *discoveryv1.EndpointHints
		want  string
	}{
		{"", nil, "10.0.0.1:8080 east"},
		{"west", nil, "10.0.0.1:8080 east"},
		{"west", zones("north", "west"), "10.0.0.1:8080 west"},
		{"south", zones("north", "west"), "10.0.0.1:8080 north"},
	} {
		if got := found(t, Options{Zone: c.zone}, dual(), hinted(c.hints)); got != c.want {
			t.Errorf("in %s: %s, want %s", c.zone, got, c.want)
		}
	}
	close := corev1.ServiceTrafficDistributionPreferClose
	v := dual()
	if zonesOf(v).Prefer {
		t.Error("a zone is preferred though nobody asked")
	}
	v.Spec.TrafficDistribution = &close
	if !zonesOf(v).Prefer {
		t.Error("PreferClose does not prefer the zone")
	}
}

// TestTry asks what an Ingress would become, and nothing comes of it.
func TestTry(t *testing.T) {
	s := New(Options{Classes: []string{"paifang"}})
	class := "paifang"
	first := ingressOf("web", "shop.test", &class)
	if err := s.Put(Object{Value: first}); err != nil {
		t.Fatal(err)
	}
	before := s.All()
	other := ingressOf("web", "other.test", &class)
	groups, err := s.Try(Object{Value: other})
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, g := range groups {
		if g.Objects != nil {
			made = append(made, g.Key)
		}
	}
	if !slices.Contains(made, "ingress/other.test/shop/web") || slices.Contains(made, "ingress/shop.test/shop/web") {
		t.Errorf("made %v", made)
	}
	if _, err := s.Try(Object{Value: ingressOf("new", "new.test", &class)}); err != nil {
		t.Fatal(err)
	}
	if again := s.Changed(); len(again) != 0 {
		t.Errorf("it changed %v", again)
	}
	if after := s.All(); len(after) != len(before) {
		t.Errorf("%d groups, before it were %d", len(after), len(before))
	}
}

func ingressOf(name, host string, class *string) *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: networkingv1.IngressSpec{IngressClassName: class,
		Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web",
				Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}}}}
}
