package explain

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/httpproxy"
	"paifang/internal/listener"
	"paifang/internal/model"
)

// enter finds the listener that the client's connection reaches. It adds a line only where the request ends: otherwise
// the SLB's or the listener's own line says it.
func (x *walker) enter() bool {
	l, port, ok := x.w.entry(x.addr, x.a.port, x.a.scheme, x.class)
	if !ok {
		at := x.addr.String()
		if x.a.port != 0 {
			at = netip.AddrPortFrom(x.addr, x.a.port).String()
		}
		text := fmt.Sprintf("no listener of ours has %s", at)
		if there := x.w.listenersAt(x.addr); len(there) > 0 {
			text += "; on " + x.addr.String() + " there are " + some(there, 4)
		} else if x.a.port == 0 {
			text += " for " + x.a.scheme
		}
		if behind := x.w.advertising(x.addr); len(behind) > 0 {
			text += "; " + some(behind, 4) + " advertise it: what stands in front of them does not run"
		}
		return x.end("connect", text, "", "no connection by us: nothing of ours listens there")
	}
	if x.done != nil && x.done.unreached.IsValid() {
		return x.end("connect", fmt.Sprintf("nothing takes connections at %s", x.done.unreached), "", "")
	}
	x.entry, x.port = &l, port
	return true
}

// entry is the listener that takes connections to an address. Without a port it is the one of the scheme there, and of
// several the one that serves the class that the name was published for.
func (w *World) entry(addr netip.Addr, port uint16, scheme string, class model.Class) (model.Listener, uint16, bool) {
	var best model.Listener
	var bestPort uint16
	score := 0
	for l := range w.Snapshot.Listeners() {
		if l.Protocol == model.DNS || l.Protocol == model.UDP {
			continue
		}
		for _, b := range l.Bind {
			if s := w.fit(l, b, addr, port, scheme, class); s > score {
				best, bestPort, score = l, b.Port(), s
			}
		}
	}
	return best, bestPort, score > 0
}

// fit scores a bound address: 0 = it does not take the connection.
func (w *World) fit(l model.Listener, b netip.AddrPort, addr netip.Addr, port uint16, scheme string, class model.Class) int {
	score := 0
	switch {
	case b.Addr().Unmap() == addr:
		score = 100
	case b.Addr().IsUnspecified():
		score = 60
	case advertises(l, addr) && !addr.IsLoopback():
		score = 20 // a balancer that is none of ours leads here; on a loopback address there is none
	default:
		return 0
	}
	if port != 0 {
		if b.Port() != port {
			return 0
		}
		return score
	}
	speaks := l.Protocol
	if l.Protocol == model.TCP || l.Protocol == model.TLS {
		if leads, ok := w.leadsTo(l); ok {
			speaks = leads.Protocol
			if class != "" && leads.EffectiveClass() == class {
				score += 10
			}
			score += 5 // what is in front comes before what is behind
		}
	} else if class != "" && l.EffectiveClass() == class {
		score += 10
	}
	want := model.HTTP
	if scheme == "https" {
		want = model.HTTPS
	}
	switch {
	case speaks == want:
		score += 4
	case speaks != model.TCP && speaks != model.TLS:
		return 0
	}
	if b.Port() == 80 && scheme == "http" || b.Port() == 443 && scheme == "https" {
		score += 2
	}
	return score
}

func advertises(l model.Listener, addr netip.Addr) bool {
	for _, a := range l.Advertise {
		if a.Unmap() == addr {
			return true
		}
	}
	return false
}

// advertising lists the listeners that an address leads to when what listens there runs.
func (w *World) advertising(addr netip.Addr) []string {
	var out []string
	for l := range w.Snapshot.Listeners() {
		bound := slices.ContainsFunc(l.Bind, func(b netip.AddrPort) bool { return b.Addr().Unmap() == addr })
		if advertises(l, addr) && !bound {
			out = append(out, string(l.ID))
		}
	}
	return out
}

func (w *World) listenersAt(addr netip.Addr) []string {
	var out []string
	for l := range w.Snapshot.Listeners() {
		for _, b := range l.Bind {
			if b.Addr().Unmap() == addr || b.Addr().IsUnspecified() {
				out = append(out, fmt.Sprintf("%s (%s, port %d)", l.ID, l.Protocol, b.Port()))
			}
		}
	}
	return out
}

// l4 is the upstream that a TCP listener forwards to.
func (w *World) l4(l model.Listener) (model.L4Route, bool) {
	routes := w.Snapshot.L4Routes(l.EffectiveClass())
	if len(routes) == 0 {
		return model.L4Route{}, false
	}
	return routes[0], true
}

// leadsTo is a listener behind a TCP listener: at an address of its upstream, or, where nothing runs, one that
// advertises the TCP listener's address on the same port.
func (w *World) leadsTo(l model.Listener) (model.Listener, bool) {
	route, ok := w.l4(l)
	if !ok {
		return model.Listener{}, false
	}
	if u, ok := w.upstream(route.Upstream, l.Node); ok {
		for _, e := range u.Endpoints {
			if behind, ok := w.listenerAt(e.Addr); ok {
				return behind, true
			}
		}
	}
	for _, b := range l.Bind {
		for behind := range w.Snapshot.Listeners() {
			if speaksHTTP(behind) && advertises(behind, b.Addr()) && len(behind.Bind) > 0 && behind.Bind[0].Port() == b.Port() {
				return behind, true
			}
		}
	}
	return model.Listener{}, false
}

// listenerAt is the HTTP listener bound to an address.
func (w *World) listenerAt(at netip.AddrPort) (model.Listener, bool) {
	for l := range w.Snapshot.Listeners() {
		if !speaksHTTP(l) {
			continue
		}
		for _, b := range l.Bind {
			if b == at || b.Addr().IsUnspecified() && b.Port() == at.Port() {
				return l, true
			}
		}
	}
	return model.Listener{}, false
}

// slb is what a TCP listener does, and the node it leads to; nothing where the client reached an HTTP listener.
func (x *walker) slb() bool {
	if speaksHTTP(*x.entry) {
		x.serving = x.entry
		return true
	}
	x.viaSLB = true
	route, ok := x.w.l4(*x.entry)
	if !ok {
		return x.end("slb", fmt.Sprintf("%s takes it and leads nowhere: no route is attached to class %s", x.entry.ID, x.entry.EffectiveClass()),
			x.w.at(x.entry.Origin), "no answer: the connection is closed")
	}
	source := x.w.at(route.Origin)
	u, known := x.w.upstream(route.Upstream, x.entry.Node)
	if !known || !u.Known {
		behind, ok := x.w.leadsTo(*x.entry)
		if !ok || known {
			return x.end("slb", fmt.Sprintf("%s leads to %s, whose nodes are not known yet", x.entry.ID, route.Upstream), source, "no answer: there is no node")
		}
		x.hop("slb", fmt.Sprintf("%s takes it; which node it leads to is decided while it runs", x.entry.ID), source)
		x.serving = &behind
		x.hop("node", fmt.Sprintf("%s or one like it", nodeOf(behind)), "")
		return true
	}
	next := u.Next
	if x.done != nil && x.done.passage != nil {
		next = x.done.passage.Endpoint
	}
	return x.choseNode(u, next, source)
}

func (x *walker) choseNode(u Upstream, next netip.AddrPort, source string) bool {
	healthy := 0
	var down []string
	for _, e := range u.Endpoints {
		if e.Ready() {
			healthy++
			continue
		}
		down = append(down, because(x.nodeName(e), e))
	}
	text := fmt.Sprintf("%d of %s healthy", healthy, count(len(u.Endpoints), "node"))
	if len(down) > 0 {
		text += " (" + some(down, 3) + ")"
	}
	if !next.IsValid() && u.Chance {
		return x.anyNode(u, text, source)
	}
	if !next.IsValid() {
		return x.end("slb", text+": nobody to lead to", source, "no answer: the SLB closes the connection")
	}
	chosen := x.nodeName(endpointAt(u.Endpoints, next))
	cs, equal := candidates(u.Endpoints, next, x.nodeName)
	h := x.hop("slb", text+", "+u.balanceText(equal)+x.choice(chosen, cs, equal, x.done.passageTry()), source)
	h.Candidates, h.MS = cs, x.done.passageMS()
	behind, ok := x.w.listenerAt(next)
	if !ok {
		return x.end("node", fmt.Sprintf("%s %s is no listener of ours", chosen, next), "", "what is there decides")
	}
	x.serving = &behind
	x.hop("node", fmt.Sprintf("%s %s", chosen, next), x.w.at(behind.Origin))
	return true
}

func endpointAt(all []Endpoint, at netip.AddrPort) Endpoint {
	for _, e := range all {
		if e.Addr == at {
			return e
		}
	}
	return Endpoint{Addr: at}
}

// nodeName is how an endpoint of the SLB is called.
func (x *walker) nodeName(e Endpoint) string {
	if l, ok := x.w.listenerAt(e.Addr); ok && l.Node != "" {
		return l.Node
	}
	for _, s := range []string{e.Node, e.Name} {
		if s != "" {
			return s
		}
	}
	return e.Addr.String()
}

func nodeOf(l model.Listener) string {
	if l.Node != "" {
		return l.Node
	}
	return string(l.ID)
}

// listenerName is a listener without what its node already says: "http" of node-1/http where the node is named beside
// it, "gateway" of gateway/http where it stands alone.
func listenerName(l model.Listener, besideNode bool) string {
	id := string(l.ID)
	if besideNode {
		return strings.TrimPrefix(id, l.Node+"/")
	}
	return strings.TrimSuffix(id, "/http")
}

// listen is the line of the listener that reads the request.
func (x *walker) listen() bool {
	l := *x.serving
	x.r.Listener, x.r.Node = l.ID, l.Node
	source := x.w.at(l.Origin)
	secure := ""
	switch {
	case l.Protocol == model.HTTPS && x.a.scheme == "http":
		return x.enterEnd(l, source, "clear text on a TLS port", "no answer: the listener wants a TLS handshake")
	case l.Protocol == model.HTTP && x.a.scheme == "https":
		return x.enterEnd(l, source, "a TLS handshake on a port for clear text", "400: the listener reads HTTP, not TLS")
	case l.Protocol == model.HTTPS:
		if r, ok := x.passed(l); ok {
			x.target, x.r.Route = r.Upstream, r.ID
			x.hop(x.listenHop(), x.listenText(l)+fmt.Sprintf(", TLS for %s is passed on as it comes%s", x.serverName(), in(x.w.at(r.Origin))), source).MS = x.done.connectMS(x.viaSLB)
			return true
		}
		secure = ", " + x.certificate(l)
	}
	x.hop(x.listenHop(), x.listenText(l)+secure, source).MS = x.done.connectMS(x.viaSLB)
	x.a.trust = l.Trust
	x.a.parse(listener.Limits(l.Parsing))
	if x.a.http.Moved {
		return x.endStatus("route", fmt.Sprintf("%%2F in the path: the client is sent to %s", x.a.http.Path), "", 307, string(httpproxy.CodeEncodedSlash))
	}
	if x.a.fault != nil {
		status, code := 400, ""
		if fault, ok := errors.AsType[http1.Fault](x.a.fault); ok {
			status, code = fault.Status(), fault.Code()
		}
		return x.endStatus("route", fmt.Sprintf("the request is refused as it is written: %v", x.a.fault), "", status, code)
	}
	return true
}

func (x *walker) enterEnd(l model.Listener, source, what, ending string) bool {
	return x.end(x.listenHop(), x.listenText(l)+": "+what, source, ending)
}

func (x *walker) listenHop() string {
	if x.viaSLB {
		return "ingress"
	}
	return "connect"
}

func (x *walker) listenText(l model.Listener) string {
	if x.viaSLB {
		return fmt.Sprintf("listener %s on %s takes it", listenerName(l, true), nodeOf(l))
	}
	return fmt.Sprintf("%s, listener %s", netip.AddrPortFrom(x.addr, x.port), listenerName(l, false)) + x.done.connectText()
}
