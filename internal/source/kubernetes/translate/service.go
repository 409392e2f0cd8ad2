package translate

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"

	"paifang/internal/model"
)

// servicePorts are the ports that somebody may mean who names one: each number once, TCP before UDP.
func servicePorts(v *corev1.Service) []corev1.ServicePort {
	ports := slices.Clone(v.Spec.Ports)
	slices.SortStableFunc(ports, func(a, b corev1.ServicePort) int {
		return cmp.Compare(cmp.Or(a.Protocol, corev1.ProtocolTCP), cmp.Or(b.Protocol, corev1.ProtocolTCP))
	})
	var out []corev1.ServicePort
	for _, p := range ports {
		if p.Protocol != corev1.ProtocolSCTP && !slices.ContainsFunc(out, func(q corev1.ServicePort) bool { return q.Port == p.Port }) {
			out = append(out, p)
		}
	}
	return out
}

// listedPorts are the ports that become upstreams: servicePorts, and behind them the UDP ports whose number TCP has too.
func listedPorts(v *corev1.Service) []corev1.ServicePort {
	out := servicePorts(v)
	for _, p := range v.Spec.Ports {
		if doubled(v, p) {
			out = append(out, p)
		}
	}
	return out
}

// doubled tells whether a port is one of UDP with the number of a TCP port.
func doubled(v *corev1.Service, p corev1.ServicePort) bool {
	return p.Protocol == corev1.ProtocolUDP && slices.ContainsFunc(v.Spec.Ports, func(q corev1.ServicePort) bool {
		return q.Port == p.Port && cmp.Or(q.Protocol, corev1.ProtocolTCP) == corev1.ProtocolTCP
	})
}

// protocolOfList tells the list and the upstream of a UDP port from those of the TCP port with its number: a Service may lead the two to
// different ports of its pods. It is empty for all others.
func protocolOfList(v *corev1.Service, p corev1.ServicePort) string {
	if doubled(v, p) {
		return "/udp"
	}
	return ""
}

// listOf is the list of addresses behind a port of a Service.
func listOf(k Key, v *corev1.Service, p corev1.ServicePort) model.EndpointsID {
	id := listID(k.Namespace, k.Name, p.Port)
	id.Name += protocolOfList(v, p)
	return id
}

// labelPort is a label of Services that names their main port, as Spring Cloud Kubernetes reads it.
const labelPort = "primary-port-name"

// mainPort is the port that somebody means who names no port: that of the label, or else the one called http, or else the first.
func mainPort(v *corev1.Service) (corev1.ServicePort, bool) {
	ports := servicePorts(v)
	for _, name := range []string{v.Labels[labelPort], "http"} {
		if i := slices.IndexFunc(ports, func(p corev1.ServicePort) bool { return name != "" && p.Name == name }); i >= 0 {
			return ports[i], true
		}
	}
	if len(ports) == 0 {
		return corev1.ServicePort{}, false
	}
	return ports[0], true
}

// lists are those that the addresses of a port are in.
func (b *builder) lists(k Key, v *corev1.Service, p corev1.ServicePort) []model.EndpointsID {
	out := []model.EndpointsID{listOf(k, v, p)}
	if first, ok := mainPort(v); ok && b.store.opt.ByName && first == p {
		out = append(out, model.EndpointsID{Keeper: model.KeeperKubernetes, Name: k.Namespace + "/" + k.Name})
	}
	return out
}

// service makes an upstream per port.
func (b *builder) service(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	v := o.Value.(*corev1.Service)
	if b.refusesExternal(v) {
		b.diagnose(o, "spec.type", model.Warning, model.CodeUnsupported, "ExternalName is looked up in a cluster only, and not here: what names this service is answered with 503")
		return
	}
	for _, p := range listedPorts(v) {
		if p.Port < 1 || p.Port > 65535 {
			b.diagnose(o, portField(v, p, "port"), model.Error, model.CodeInvalid, "%d is not a port", p.Port)
			continue
		}
		b.out.Upstreams = append(b.out.Upstreams, b.upstream(o, v, p))
	}
	b.bridgeNotes(o, v)
}

// upstream is a port of a Service.
func (b *builder) upstream(o *stored, v *corev1.Service, p corev1.ServicePort) model.Upstream {
	ns, name := o.key.Namespace, o.key.Name
	u := model.Upstream{
		ID: upstreamID(ns, name, p.Port) + model.UpstreamID(protocolOfList(v, p)), Origin: o.at(portField(v, p, "")),
		Priority: b.store.opt.Priority, Endpoints: []model.EndpointsID{listOf(o.key, v, p)},
		Selector: model.NewTags(v.Spec.Selector), Protocol: protocolOf(p), Zones: zonesOf(v), Keep: b.store.set.Keep,
	}
	b.bridged(&u, v, p)
	return u
}

// protocolOf is what a port is spoken to in. Its appProtocol has names of Kubernetes' own (h2c is HTTP/2 by prior knowledge in
// clear text), those of the IANA registry, and grpc, which implementations agree on; what is none of HTTP/2 is spoken to in
// HTTP/1.1.
func protocolOf(p corev1.ServicePort) model.HTTPVersion {
	switch deref(p.AppProtocol) {
	case "kubernetes.io/h2c", "h2c", "grpc":
		return model.H2C
	}
	return model.HTTP1
}

// portField is the path of a port in its Service.
func portField(v *corev1.Service, p corev1.ServicePort, name string) string {
	i := slices.Index(v.Spec.Ports, p)
	field := "spec.ports" + nth(i)
	if name != "" {
		field += "." + name
	}
	return field
}

// endpoints makes the lists of a Service that no workload fills: from EndpointSlices and Endpoints objects, or empty
// where nothing runs behind it. An empty list is a fact and is answered at once; an unknown one is waited for.
func (b *builder) endpoints(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	v := o.Value.(*corev1.Service)
	if b.refusesExternal(v) || b.onlyRegistered(v) {
		return
	}
	fromSlices := b.store.opt.Slices || len(v.Spec.Selector) == 0
	if !fromSlices && b.selected(k, v) {
		return
	}
	for _, p := range listedPorts(v) {
		for i, list := range b.lists(k, v, p) {
			before, said := len(b.out.Endpoints), len(b.out.Diagnostics)
			if fromSlices {
				b.contributions(o, list, p)
			}
			if len(b.out.Endpoints) == before {
				b.out.Endpoints = append(b.out.Endpoints, model.EndpointSet{List: list, Origin: o.at("")})
			}
			if i > 0 {
				b.out.Diagnostics = b.out.Diagnostics[:said] // it was said of the first
			}
		}
	}
}

// contributions adds what slices and Endpoints objects have for a port. Of a Service with two families of addresses the first
// one counts, while it has any: each pod is in both, and must not be taken for two.
func (b *builder) contributions(o *stored, list model.EndpointsID, p corev1.ServicePort) {
	v := o.Value.(*corev1.Service)
	all := b.find("slices/" + o.key.Namespace + "/" + o.key.Name)
	if len(v.Spec.IPFamilies) > 1 {
		first := slices.DeleteFunc(slices.Clone(all), func(s *stored) bool {
			x, is := s.Value.(*discoveryv1.EndpointSlice)
			return is && string(x.AddressType) != string(v.Spec.IPFamilies[0])
		})
		before := len(b.out.Endpoints)
		for _, s := range first {
			b.contribution(s, list, p)
		}
		if slices.ContainsFunc(b.out.Endpoints[before:], func(s model.EndpointSet) bool { return len(s.Endpoints) > 0 }) {
			return
		}
		b.out.Endpoints = b.out.Endpoints[:before]
	}
	for _, s := range all {
		if why := s.Value.GetAnnotations()[AnnotationRefused]; why != "" {
			b.diagnose(o, "spec.externalName", model.Error, model.CodeEndpointRefused, "%s", why)
		}
		b.contribution(s, list, p)
	}
}

// selected tells whether a workload's pods carry the labels that a Service selects.
func (b *builder) selected(k Key, v *corev1.Service) bool {
	selector := labels.SelectorFromSet(v.Spec.Selector)
	for _, w := range b.find("label/" + k.Namespace + "/" + firstLabel(v.Spec.Selector)) {
		if selector.Matches(labels.Set(podLabels(w))) {
			return true
		}
	}
	return false
}

// contribution adds the addresses that one slice, or one Endpoints object, has for a port.
func (b *builder) contribution(o *stored, list model.EndpointsID, p corev1.ServicePort) {
	switch v := o.Value.(type) {
	case *discoveryv1.EndpointSlice:
		b.slice(o, v, list, p)
	case *corev1.Endpoints: //nolint:staticcheck // see Object.Key
		set := model.EndpointSet{List: list, Origin: o.at("")}
		for i, sub := range v.Subsets {
			port, ok := matchPort(len(sub.Ports), p, func(i int) (string, int32) { return sub.Ports[i].Name, sub.Ports[i].Port })
			if !ok {
				continue
			}
			add := func(addresses []corev1.EndpointAddress, state model.EndpointState, field string) { //nolint:staticcheck // as above
				for j, a := range addresses {
					b.endpoint(o, &set, a.IP, port, state, deref(a.NodeName), targetName(a.TargetRef), "subsets"+nth(i)+"."+field+nth(j)+".ip")
				}
			}
			add(sub.Addresses, model.Ready, "addresses")
			add(sub.NotReadyAddresses, model.Unhealthy, "notReadyAddresses")
		}
		b.out.Endpoints = append(b.out.Endpoints, set)
	}
}

// slice reads the conditions as the EndpointSlice API defines them: ready unless it says no; serving while terminating
// drains.
func (b *builder) slice(o *stored, v *discoveryv1.EndpointSlice, list model.EndpointsID, p corev1.ServicePort) {
	port, ok := matchPort(len(v.Ports), p, func(i int) (string, int32) { return deref(v.Ports[i].Name), deref(v.Ports[i].Port) })
	if !ok {
		return
	}
	if v.AddressType == discoveryv1.AddressTypeFQDN {
		b.diagnose(o, "addressType", model.Warning, model.CodeUnsupported, "addresses of type FQDN are not supported")
		return
	}
	set := model.EndpointSet{List: list, Origin: o.at("")}
	for i, e := range v.Endpoints {
		ready := e.Conditions.Ready == nil || *e.Conditions.Ready
		terminating := e.Conditions.Terminating != nil && *e.Conditions.Terminating
		serving := e.Conditions.Serving == nil && ready || e.Conditions.Serving != nil && *e.Conditions.Serving
		state := model.Unhealthy
		switch {
		case ready && !terminating:
			state = model.Ready
		case serving && terminating:
			state = model.Draining
		}
		before := len(set.Endpoints)
		for j, a := range e.Addresses {
			b.endpoint(o, &set, a, port, state, deref(e.NodeName), targetName(e.TargetRef), "endpoints"+nth(i)+".addresses"+nth(j))
		}
		for j := before; j < len(set.Endpoints); j++ {
			set.Endpoints[j].Zone = b.zone(e)
		}
	}
	b.out.Endpoints = append(b.out.Endpoints, set)
}

func (b *builder) endpoint(o *stored, set *model.EndpointSet, ip string, port uint16, state model.EndpointState, node, name, field string) {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		b.diagnose(o, field, model.Error, model.CodeInvalid, "%q is not an IP address", ip)
		return
	}
	set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.AddrPortFrom(addr.Unmap(), port), State: state, Node: node, Name: name})
}

// matchPort finds a Service port among n ports by name; where neither side has a name, the only port is meant.
func matchPort(n int, p corev1.ServicePort, at func(int) (string, int32)) (uint16, bool) {
	for i := range n {
		if name, port := at(i); name == p.Name && port > 0 && port <= 65535 {
			return uint16(port), true
		}
	}
	return 0, false
}

func targetName(r *corev1.ObjectReference) string {
	if r == nil {
		return ""
	}
	return r.Name
}
