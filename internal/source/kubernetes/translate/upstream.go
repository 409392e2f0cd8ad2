package translate

import (
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// balanced is load-balance and upstream-hash-by.
func (d *draft) balanced(u *model.Upstream) {
	u.Balance.Kind = d.set.Backend.Balance
	if len(d.set.Backend.HashBy) > 0 {
		u.Balance = model.Balance{Kind: model.RingHash, Hash: d.set.Backend.HashBy}
	}
}

// kept is affinity.
func (d *draft) kept(u *model.Upstream) {
	a := &d.set.Affinity
	if !a.Cookie {
		return
	}
	u.Affinity = model.Affinity{
		Mode: model.Balanced, Cookie: a.Name, Path: a.Path, RoutePath: a.Path == "", Domain: a.Domain, MaxAge: a.MaxAge, Expires: a.Expires,
		SameSite: a.SameSite, Secure: a.Secure, Move: a.Move,
	}
	if a.Persistent {
		u.Affinity.Mode = model.Persistent
	}
}

// spoken is backend-protocol.
func (d *draft) spoken(u *model.Upstream) {
	switch d.set.Backend.Protocol {
	case annotation.ProtocolHTTP:
		u.Protocol = model.HTTP1
	case annotation.ProtocolHTTPS:
		u.Protocol, u.TLS.Mode, u.TLS.SkipVerify = model.HTTP1, model.TLSAlways, true
	case annotation.ProtocolAuto:
		u.Protocol, u.TLS.Mode, u.TLS.SkipVerify = model.HTTP1, model.TLSAsAsked, true
	case annotation.ProtocolGRPC:
		u.Protocol = model.H2C
	case annotation.ProtocolGRPCS:
		u.Protocol, u.TLS.Mode, u.TLS.SkipVerify = model.H2, model.TLSAlways, true
	case annotation.ProtocolFCGI:
		u.Protocol, u.TLS, u.FastCGI = model.FCGI, model.UpstreamTLS{}, d.fastCGI()
	default: // what the Service says
	}
}

// clusterAddress is service-upstream: the address of the Service in place of its endpoints.
func (d *draft) clusterAddress(u *model.Upstream) {
	if !d.set.Backend.ServiceUpstream || d.service.Service == nil {
		return
	}
	o := d.get(Key{KindService, d.o.key.Namespace, d.service.Service.Name})
	if o == nil {
		return
	}
	v := o.Value.(*corev1.Service)
	addr, err := netip.ParseAddr(v.Spec.ClusterIP)
	port := portOf(u.ID)
	if err != nil || port == 0 {
		if d.say {
			d.diagnose(d.o, d.at, model.Warning, model.CodeAnnotationDiffers, "service-upstream: service %s/%s has no cluster address, so its endpoints are used", v.Namespace, v.Name)
		}
		return
	}
	list := model.EndpointsID{Keeper: model.KeeperKubernetes, Name: u.Endpoints[0].Name + "@cluster"}
	d.out.Endpoints = append(d.out.Endpoints, model.EndpointSet{List: list, Origin: o.at("spec.clusterIP"),
		Endpoints: []model.Endpoint{{Addr: netip.AddrPortFrom(addr, port), Name: v.Name}}})
	u.Endpoints = []model.EndpointsID{list}
}

// portOf is the port in the ID of the upstream of a Service.
func portOf(id model.UpstreamID) uint16 {
	text := string(id)
	n, err := strconv.ParseUint(text[strings.LastIndexByte(text, ':')+1:], 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// vhost is upstream-vhost.
func (d *draft) vhost() {
	host := d.set.Backend.Host
	if host == "" || d.service.Service == nil {
		return
	}
	values := map[string]string{"$namespace": d.o.key.Namespace, "$ingress_name": d.ingress.Name, "$service_name": d.service.Service.Name, "$service_port": d.servicePort()}
	for _, n := range annotation.HostNames() {
		host = strings.ReplaceAll(host, n, values[n])
	}
	d.forward(func(f *model.Forward) { f.Host, f.HostName = model.HostLiteral, host })
}
