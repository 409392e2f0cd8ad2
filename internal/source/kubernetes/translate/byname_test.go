package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestServicesByName: a Service is a list of its own name too, with the addresses of its main port.
func TestServicesByName(t *testing.T) {
	ports := func(names ...string) (out []corev1.ServicePort) {
		for i, n := range names {
			out = append(out, corev1.ServicePort{Name: n, Port: int32(80 + i)})
		}
		return out
	}
	for _, c := range []struct {
		ports  []corev1.ServicePort
		label  string
		byName bool
		want   string
	}{
		{ports("a", "b"), "", false, "shop/web:80=8000 shop/web:81=8001"},
		{ports("a", "b"), "", true, "shop/web:80=8000 shop/web:81=8001 shop/web=8000"},
		{ports("a", "http"), "", true, "shop/web:80=8000 shop/web:81=8001 shop/web=8001"},
		{ports("a", "http", "c"), "c", true, "shop/web:80=8000 shop/web:81=8001 shop/web:82=8002 shop/web=8002"},
		{ports("a"), "none", true, "shop/web:80=8000 shop/web=8000"},
		{nil, "", true, ""},
	} {
		s := New(Options{Slices: true, ByName: c.byName})
		v := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{labelPort: c.label}}, Spec: corev1.ServiceSpec{Ports: c.ports}}
		sl := slice("s", discoveryv1.AddressTypeIPv4, at("10.0.0.1"))
		sl.Ports = nil
		for i, p := range c.ports {
			port := int32(8000 + i)
			sl.Ports = append(sl.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &port})
		}
		for _, x := range []Value{v, sl} {
			if err := s.Put(Object{Value: x}); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, g := range s.Changed() {
			if g.Key != "endpoints/shop/web" || g.Objects == nil {
				continue
			}
			for _, set := range g.Objects.Endpoints {
				for _, e := range set.Endpoints {
					got = append(got, fmt.Sprintf("%s=%d", set.List.Name, e.Addr.Port()))
				}
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, label %q: %s, want %s", c.ports, c.label, got, c.want)
		}
	}
}
