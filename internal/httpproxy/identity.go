package httpproxy

import (
	"net/netip"
	"strconv"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// identify replaces what the client says about itself by what is known. What a trusted proxy in front says is kept, as
// far as it is one: each of these fields leaves here once, in one spelling.
func (w *work) identify() {
	x, c := &w.x, w.c
	f, mem := &x.Request.Fields, &x.Request.Mem
	proto := "http"
	if c.secure {
		proto = "https"
	}
	x.Claimed = filter.Claims{ForwardedFor: joined(f, mem, "X-Forwarded-For"), ForwardedHost: f.Get("X-Forwarded-Host"), RequestID: f.Get("X-Request-ID")}
	chain := c.peerText
	host, port := x.Request.Authority, c.portText
	trusted, trust := w.site.trusts(x.Peer), &w.site.listener.Trust
	if trusted {
		elements, named, first := w.forwarded(proto)
		saidProto, saidHost := f.Get("X-Forwarded-Proto"), f.Get("X-Forwarded-Host")
		if !f.Has("X-Forwarded-For") { // a proxy that writes the older fields passes this one on as it came
			saidProto = orElse(saidProto, parameter(first, "proto"))
			saidHost = orElse(saidHost, parameter(first, "host"))
		}
		saidPort, prefix := f.Get("X-Forwarded-Port"), f.Get("X-Forwarded-Prefix")
		if trust.Believe == model.BelieveAddress {
			saidProto, saidHost, saidPort, prefix, elements = "", "", "", "", ""
		}
		switch {
		case trust.Field != "":
			chain, x.Client = w.forwardedFor(joined(f, mem, trust.Field))
		case f.Has("X-Forwarded-For"):
			chain, x.Client = w.forwardedFor(x.Claimed.ForwardedFor)
		case elements != "" && named != x.Peer: // a proxy that only knows RFC 7239
			x.Client = named
			var b [48]byte
			chain = mem.Join(bytesView(named.AppendTo(b[:0])), ", ", c.peerText)
		}
		if trust.Believe == model.BelieveRequest {
			x.Client = x.Peer
		}
		x.ID = x.Claimed.RequestID
		switch {
		case http1.EqualFold(saidProto, "http"):
			proto = "http"
		case http1.EqualFold(saidProto, "https"):
			proto = "https"
		}
		if h, ok := http1.NormalAuthority(saidHost, mem); ok {
			host = h
		}
		if isPort(saidPort) {
			port = saidPort
		}
		if !isPrefix(prefix) {
			prefix = ""
		}
		set(f, "X-Forwarded-Prefix", prefix)
		set(f, "Forwarded", elements)
		if w.site.limits.Underscores == http1.KeepUnderscores {
			// The proxy in front knows the names with dashes. What its client wrote with underscores came past it.
			f.DelFunc(func(name string) bool { return strings.IndexByte(name, '_') >= 0 && isClaim(name) })
		}
		f.Del("Proxy")
	} else {
		f.DelFunc(isClaim)
	}
	clientText := c.peerText
	if x.Client != x.Peer {
		var b [48]byte
		clientText = mem.Join(bytesView(x.Client.AppendTo(b[:0])))
	}
	if !filter.IsRequestID(x.ID) {
		x.ID = newID(mem)
	}
	if trusted {
		f.DelFunc(isReplaced)
	}
	if trust.ClientOnly {
		chain = clientText
	}
	f.Add("X-Forwarded-For", chain)
	f.Add("X-Forwarded-Proto", proto)
	if host != "" {
		f.Add("X-Forwarded-Host", host)
	}
	f.Add("X-Forwarded-Port", port)
	f.Add("X-Real-IP", clientText)
	f.Add("X-Request-ID", x.ID)
	set(f, fieldNode, w.site.listener.Node)
}

// isReplaced tells the fields that identify writes anew where it believed those that came.
func isReplaced(name string) bool {
	if len(name) < len("x-real-ip") || name[0] != 'X' && name[0] != 'x' {
		return false
	}
	switch len(name) {
	case len("x-real-ip"):
		return http1.SameName(name, "x-real-ip")
	case len("x-request-id"):
		return http1.SameName(name, "x-request-id")
	case len("x-forwarded-for"):
		return http1.SameName(name, "x-forwarded-for")
	case len("x-forwarded-host"):
		return http1.SameName(name, "x-forwarded-host") || http1.SameName(name, "x-forwarded-port")
	case len("x-forwarded-proto"):
		return http1.SameName(name, "x-forwarded-proto")
	}
	return false
}

// set gives a field this value, or none.
func set(f *http1.Fields, name, value string) {
	if value == "" {
		f.Del(name)
		return
	}
	f.Set(name, value)
}

// forwardedFor returns a chain of addresses from the client on, with the peer appended, and the client.
func (w *work) forwardedFor(chain string) (kept string, client netip.Addr) {
	mem := &w.x.Request.Mem
	from := len(chain)
	walk := w.walk()
	for from > 0 && walk.wants() {
		at := strings.LastIndexByte(chain[:from], ',') + 1
		entry := strings.Trim(chain[at:from], " \t")
		if from = max(at-1, 0); entry != "" && !walk.take(entry) {
			from = at
			break
		}
		if !walk.wants() {
			from = at
		}
	}
	chain = strings.Trim(chain[from:], " \t,")
	if chain == "" {
		return w.c.peerText, walk.client
	}
	return mem.Join(chain, ", ", w.c.peerText), walk.client
}

// joined is the values of a field as one list (RFC 9110, 5.3).
func joined(f *http1.Fields, mem *http1.Arena, name string) (list string) {
	for v := range f.Values(name) {
		if v != "" && list != "" {
			list = mem.Join(list, ", ", v)
		} else {
			list = orElse(v, list)
		}
	}
	return list
}

// walk begins at the peer.
func (w *work) walk() hopWalk {
	return hopWalk{site: w.site, client: w.x.Peer, left: w.site.listener.Trust.Hops}
}

// hopWalk goes along a chain of forwarders, from the one that connected towards the client.
type hopWalk struct {
	site   *site
	client netip.Addr // as far as it is known
	left   int        // entries that are believed, where hops are counted
}

// wants tells whether the next entry is believed: it was written by a trusted forwarder.
func (h *hopWalk) wants() bool {
	if h.site.listener.Trust.Hops > 0 {
		return h.left > 0
	}
	return h.site.trusts(h.client)
}

// take reads the next entry. It is false for one that is no address: what stands before it cannot be believed.
func (h *hopWalk) take(entry string) bool {
	a, ok := parseAddr(entry)
	if ok {
		h.client = a
		h.left--
	}
	return ok
}

// parseAddr reads an address as proxies write it: alone, or with a port, an IPv6 address also in brackets.
func parseAddr(s string) (netip.Addr, bool) {
	if len(s) == 0 || len(s) > 64 {
		return netip.Addr{}, false
	}
	if c := s[len(s)-1]; s[0] != '[' && strings.Count(s, ":") != 1 {
		if c != ']' {
			a, err := netip.ParseAddr(s)
			return a.Unmap(), err == nil && a.Zone() == ""
		}
	}
	if s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
		a, err := netip.ParseAddr(s)
		return a.Unmap(), err == nil && a.Zone() == ""
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap(), err == nil && ap.Addr().Zone() == ""
}

// isPort tells a port in decimal digits.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '+' && s[0] != '0'
}

// isPrefix tells paths, or a list of them, that may stand in front of another one: none that a browser takes for a host.
func isPrefix(s string) bool {
	for one := range strings.SplitSeq(s, ",") {
		if !http1.IsPath(strings.Trim(one, " \t")) {
			return false
		}
	}
	return true
}

// isClaim tells the fields in which a client could say who it is, where it comes from or what it asked for before
// somebody rewrote that, or which certificate it has shown (as ingress-nginx, HAProxy and RFC 9440 say it); and Proxy, which
// CGI programs take for a setting of their own. An underscore counts as a dash.
func isClaim(name string) bool {
	if len(name) < len("proxy") {
		return false
	}
	switch name[0] {
	case 'C', 'c':
		return hasPrefix(name, "client-cert")
	case 'F', 'f':
		return http1.SameName(name, "forwarded")
	case 'P', 'p':
		return http1.SameName(name, "proxy")
	case 'S', 's':
		return hasPrefix(name, "ssl-client-")
	case 'X', 'x':
		if name[1] != '-' && name[1] != '_' {
			return false
		}
		switch name[2] {
		case 'C', 'c':
			return hasPrefix(name, "x-client-cert")
		case 'F', 'f':
			return hasPrefix(name, "x-forwarded-")
		case 'O', 'o':
			return hasPrefix(name, "x-original-")
		case 'R', 'r':
			return http1.SameName(name, "x-real-ip") || http1.SameName(name, "x-request-id") || http1.SameName(name, "x-rewrite-url")
		case 'S', 's':
			return http1.SameName(name, "x-scheme") || hasPrefix(name, "x-ssl-client-")
		}
	}
	return false
}

func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && http1.SameName(name[:len(prefix)], prefix)
}
