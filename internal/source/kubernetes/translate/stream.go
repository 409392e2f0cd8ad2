package translate

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/installation"
)

// streams is the ConfigMap of TCP or UDP services: a listener at every place and a route for each port.
func (b *builder) streams(name string, protocol model.Protocol) {
	o := b.configured(b.store.opt.Installed, transport(protocol)+"-services-configmap", name)
	if o == nil {
		return
	}
	for _, s := range installation.Streams(o.Value.(*corev1.ConfigMap).Data, protocol == model.TCP) {
		at := "data." + s.Key
		if s.Fault != "" {
			b.diagnose(o, at, model.Error, model.CodeInvalid, "%s: it is not served", s.Fault)
			continue
		}
		b.stream(o, at, s, protocol)
	}
}

// transport is a protocol as IDs and flags have it.
func transport(p model.Protocol) string { return strings.ToLower(string(p)) }

// stream serves one port. Nothing that is wrong with it costs another.
func (b *builder) stream(o *stored, at string, s installation.Stream, protocol model.Protocol) {
	id := fmt.Sprintf("%s/%d", transport(protocol), s.Port)
	svc := b.get(Key{KindService, s.Namespace, s.Service})
	if svc == nil {
		b.diagnose(o, at, model.Error, model.CodeServiceMissing, "service %s/%s does not exist: port %d is not served", s.Namespace, s.Service, s.Port)
		return
	}
	v := svc.Value.(*corev1.Service)
	if b.refusesExternal(v) {
		b.diagnose(o, at, model.Error, model.CodeUnsupported, "service %s/%s is of type ExternalName, which only a cluster looks up: port %d is not served", s.Namespace, s.Service, s.Port)
		return
	}
	p, found := streamPort(v, s, protocol)
	if !found {
		b.diagnose(o, at, model.Error, model.CodePortMissing, "service %s/%s has no port %s of protocol %s: port %d is not served", s.Namespace, s.Service, s.PortText(), protocol, s.Port)
		return
	}
	up := b.upstream(svc, v, p)
	if s.Encode {
		up.ID += model.UpstreamID("@" + id)
		up.Dial.Proxy = model.ProxyV1
		b.out.Upstreams = append(b.out.Upstreams, up)
	}
	class := model.Class(id)
	for _, place := range b.store.opt.Installed.Places {
		l := model.Listener{
			ID: model.ListenerID(place.Node + "/" + id), Origin: o.at(at), Class: class, Protocol: protocol, Node: place.Node,
			Bind: []netip.AddrPort{netip.AddrPortFrom(place.Addr, s.Port)}, Advertise: place.Advertise, Elsewhere: place.Elsewhere,
		}
		if s.Decode {
			l.Trust.ProxyFrom = model.Everybody()
		}
		b.out.Listeners = append(b.out.Listeners, l)
	}
	r := model.L4Route{ID: model.RouteID(id), Origin: o.at(at), Attach: []model.Class{class}, Priority: b.store.opt.Priority, Upstream: up.ID, Idle: b.store.set.StreamIdle}
	if protocol == model.UDP {
		r.Responses = b.store.set.StreamResponses
	} else {
		r.Tries, r.Within = b.store.set.StreamTries, b.store.set.StreamWithin
	}
	b.out.L4Routes = append(b.out.L4Routes, r)
}

// streamPort is the port of a Service that a stream leads to.
func streamPort(v *corev1.Service, s installation.Stream, protocol model.Protocol) (corev1.ServicePort, bool) {
	for _, p := range listedPorts(v) {
		if cmp.Or(p.Protocol, corev1.ProtocolTCP) == corev1.Protocol(protocol) && (p.Name == s.Name || s.Name == "" && p.Port == s.Number) {
			return p, true
		}
	}
	return corev1.ServicePort{}, false
}
