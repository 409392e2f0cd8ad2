package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"paifang/internal/inward"
	"paifang/internal/source/kubernetes/translate"
)

// External says what Services of type ExternalName may lead to. Whoever may write a Service could otherwise have this
// controller, which reaches more than they do, speak to itself, to the metadata service of the cloud or past network policies.
type External struct {
	// Allow are addresses that are taken although they are loopback, link-local, or of Services or endpoints of the cluster.
	Allow []netip.Prefix
	Off   bool // none is looked up: what names such a Service is answered with 503
	// Resolver looks names up; default net.DefaultResolver.
	Resolver interface {
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
}

// The times and bounds of looking names up.
const (
	externalAgain  = 30 * time.Second // after an answer: the system's resolver tells no TTL
	externalRetry  = 5 * time.Second  // after none; the last addresses stay
	externalLookup = 5 * time.Second  // for one answer
	externalAtOnce = 8                // lookups
	mostExternals  = 1000             // Services
)

// external looks up the name of one Service.
type external struct {
	name string
	end  context.CancelFunc
}

// name of the object that the addresses are put into: one that the API server would not take.
func externalName(service string) string { return "external:" + service }

// resolve begins, ends or renews the lookups for a Service; v is nil where it is gone.
func (r *run) resolve(key translate.Key, v *corev1.Service) {
	name := ""
	if v != nil && v.Spec.Type == corev1.ServiceTypeExternalName {
		name = v.Spec.ExternalName
	}
	was := r.externals[key]
	if was != nil {
		was.end()
		delete(r.externals, key)
	}
	slice := translate.Key{Kind: translate.KindEndpointSlice, Namespace: key.Namespace, Name: externalName(key.Name)}
	if was != nil && was.name != name {
		r.store.Delete(slice) // those of another name
	}
	if name == "" {
		return
	}
	if len(r.externals) >= mostExternals {
		r.opt.Log.Warn("too many services of type ExternalName: this one is not looked up", "service", key, "most", mostExternals)
		return
	}
	f := r.feed(endpointSlices(), key.Namespace, "metadata.name="+slice.Name)
	x := &external{name: name}
	f.ctx, x.end = context.WithCancel(r.ctx)
	r.externals[key] = x
	r.unlisted[f] = true
	r.feeds.Go(func() { r.lookups(f, v) })
}

// lookups follows the addresses of a name.
func (r *run) lookups(f *feed, v *corev1.Service) {
	for first := true; ; first = false {
		addrs, err := r.lookup(f.ctx, v.Spec.ExternalName)
		wait := externalAgain
		switch {
		case err == nil:
			err = f.send(change{from: f, listed: true, all: []translate.Value{externalSlice(v, addrs, "")}})
		case first:
			wait = externalRetry
			err = f.send(change{from: f, listed: true, all: []translate.Value{externalSlice(v, nil, err.Error())}})
		default:
			wait = externalRetry
			r.opt.Log.Debug("a name is not found", "service", v.Namespace+"/"+v.Name, "err", err)
			err = nil
		}
		if err != nil || !sleep(f.ctx, wait) {
			return
		}
	}
}

func (r *run) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	if why := refusedName(name); why != "" {
		return nil, errors.New(why)
	}
	select {
	case r.tokens <- struct{}{}:
		defer func() { <-r.tokens }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, externalLookup)
	defer cancel()
	resolver := r.opt.External.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	all, err := resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("%s is not found: %w", name, err)
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// refusedName says why a name is not even looked up, or "".
func refusedName(name string) string {
	n := strings.TrimSuffix(strings.ToLower(name), ".")
	inside := func(suffix string) bool { return n == suffix[1:] || strings.HasSuffix(n, suffix) }
	if inside(".svc") || inside(".cluster.local") || strings.Contains(n, ".svc.") {
		return name + " is a name of the cluster itself, where a Service of another namespace must not be reached by"
	}
	if inside(".localhost") {
		return name + " is this machine itself"
	}
	return ""
}

// refusedAddress says why an address is not taken, or "". r.mu is held.
func (r *run) refusedAddress(a netip.Addr) string {
	for _, p := range r.opt.External.Allow {
		if p.Contains(a) {
			return ""
		}
	}
	if inward.Of(a) != inward.Outside {
		return a.String() + " is a loopback, link-local, unspecified, multicast or metadata service's address"
	}
	if c := inward.Carried(a); c.IsValid() { // of a Service, by way of a router that translates
		if why := r.refusedAddress(c); why != "" {
			return a.String() + " carries another: " + why
		}
	}
	text := a.String()
	for _, o := range r.store.Each(translate.KindService) {
		if v := o.Value.(*corev1.Service); v.Spec.ClusterIP == text || slices.Contains(v.Spec.ClusterIPs, text) {
			return text + " is the address of a Service of the cluster"
		}
	}
	for _, o := range r.store.Each(translate.KindEndpointSlice) {
		if isExternal(o.Value) {
			continue
		}
		for _, e := range o.Value.(*discoveryv1.EndpointSlice).Endpoints {
			if slices.Contains(e.Addresses, text) {
				return text + " is an endpoint of the cluster"
			}
		}
	}
	return ""
}

// externalSlice has the addresses of a name for every port of its Service, or why there are none.
func externalSlice(v *corev1.Service, addrs []netip.Addr, why string) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.Namespace, Name: externalName(v.Name), Labels: map[string]string{
			discoveryv1.LabelServiceName: v.Name, discoveryv1.LabelManagedBy: translate.ManagedByResolver}},
		AddressType: discoveryv1.AddressTypeIPv4,
	}
	if why != "" {
		out.Annotations = map[string]string{translate.AnnotationRefused: why}
	}
	for i := range v.Spec.Ports {
		p := &v.Spec.Ports[i]
		port := p.Port
		if t := p.TargetPort.IntVal; t > 0 {
			port = t
		}
		out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &port})
	}
	for _, a := range addrs {
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{Addresses: []string{a.String()}})
	}
	return out
}

// admit takes the addresses that are refused out of a slice that lookups made. r.mu is held.
func (r *run) admit(v translate.Value) {
	s, ok := v.(*discoveryv1.EndpointSlice)
	if !ok || !isExternal(v) {
		return
	}
	s.Endpoints = slices.DeleteFunc(s.Endpoints, func(e discoveryv1.Endpoint) bool {
		a, err := netip.ParseAddr(e.Addresses[0])
		if err != nil {
			return true
		}
		why := r.refusedAddress(a)
		if why != "" {
			s.Annotations = map[string]string{translate.AnnotationRefused: why}
		}
		return why != ""
	})
}

func isExternal(v translate.Value) bool {
	return v.GetLabels()[discoveryv1.LabelManagedBy] == translate.ManagedByResolver
}
