package httpproxy

import (
	"math/rand/v2"
	"net/netip"
	"strings"

	"paifang/internal/http1"
)

// Names of our own fields.
const (
	fieldReason = "X-Paifang-Reason" // of an answer of ours: its code
	fieldNode   = "X-Paifang-Node"   // the node of the listener that took the request
	fieldVia    = "X-Paifang-Via"    // the listeners that have sent the request on, each INSTANCE/LISTENER
)

// maxVia bounds the chain of gateways: longer ones are loops, or somebody plays.
const maxVia = 1 << 10

// maxRequestID bounds a request ID that is taken over.
const maxRequestID = 128

// identify replaces what the client says about itself by what is known. What a trusted proxy in front says is kept.
func (w *work) identify() {
	x, c := &w.x, w.c
	f, mem := &x.Request.Fields, &x.Request.Mem
	trusted := w.site.trusts(x.Peer)

	chain := c.peerText
	if trusted {
		chain, x.Client = w.forwarded()
		x.ID = f.Get("X-Request-ID")
	}
	clientText := c.peerText
	if x.Client != x.Peer {
		var b [48]byte
		clientText = mem.Join(bytesView(x.Client.AppendTo(b[:0])))
	}
	if x.ID == "" || len(x.ID) > maxRequestID || !http1.IsToken(x.ID) {
		x.ID = newID(mem)
	}
	proto := "http"
	if c.secure {
		proto = "https"
	}
	host, port := x.Request.Authority, c.portText
	if trusted {
		proto = orElse(f.Get("X-Forwarded-Proto"), proto)
		host = orElse(f.Get("X-Forwarded-Host"), host)
		port = orElse(f.Get("X-Forwarded-Port"), port)
	} else {
		f.DelFunc(isClaim)
	}
	f.Set("X-Forwarded-For", chain)
	f.Set("X-Forwarded-Proto", proto)
	if host != "" {
		f.Set("X-Forwarded-Host", host)
	}
	f.Set("X-Forwarded-Port", port)
	f.Set("X-Real-IP", clientText)
	f.Set("X-Request-ID", x.ID)
	if node := w.site.listener.Node; node != "" {
		f.Set(fieldNode, node)
	} else {
		f.Del(fieldNode)
	}
}

// forwarded returns the chain of addresses with the peer appended, and the client: the last address of the chain that is
// not trusted itself.
func (w *work) forwarded() (chain string, client netip.Addr) {
	x := &w.x
	mem := &x.Request.Mem
	for v := range x.Request.Fields.Values("X-Forwarded-For") {
		if v != "" && chain != "" {
			chain = mem.Join(chain, ", ", v)
		} else {
			chain = orElse(v, chain)
		}
	}
	client = x.Peer
	for rest := chain; rest != "" && w.site.trusts(client); {
		i := strings.LastIndexByte(rest, ',')
		a, ok := parseAddr(strings.Trim(rest[i+1:], " \t"))
		if !ok {
			break
		}
		client = a
		rest = rest[:max(i, 0)]
	}
	if chain == "" {
		return w.c.peerText, client
	}
	return mem.Join(chain, ", ", w.c.peerText), client
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

// isClaim tells the fields in which a client could say who it is or where it comes from.
func isClaim(name string) bool {
	switch len(name) {
	case 9:
		return http1.EqualFold(name, "x-real-ip") || http1.EqualFold(name, "forwarded")
	}
	return len(name) > 12 && http1.EqualFold(name[:12], "x-forwarded-") || http1.EqualFold(name, "x-request-id") || isCertificateClaim(name)
}

// isCertificateClaim tells the fields in which proxies say which certificate a client has shown: those of ingress-nginx, of
// HAProxy's and Apache's usage, and of RFC 9440. A client that sends one itself would be believed by what is behind.
func isCertificateClaim(name string) bool {
	if http1.EqualFold(name, "client-cert") {
		return true
	}
	for _, prefix := range [...]string{"ssl-client-", "x-ssl-client-", "x-client-cert", "client-cert-"} {
		if len(name) >= len(prefix) && http1.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// loops tells whether this listener has sent the request on before, and otherwise adds it to the chain.
func (w *work) loops() bool {
	f := &w.x.Request.Fields
	own := w.site.via
	chain := ""
	for v := range f.Values(fieldVia) {
		for list := v; list != ""; {
			var one string
			one, list, _ = strings.Cut(list, ",")
			if strings.Trim(one, " \t") == own {
				if loop := w.c.plane.cfg.Loop; loop != nil {
					loop(w.site.listener.ID, w.x.Request.Host, w.x.Request.Path)
				}
				return true
			}
		}
		chain = v
		if len(v) > maxVia {
			return true
		}
	}
	if chain != "" {
		own = w.x.Request.Mem.Join(chain, ", ", own)
	}
	f.Set(fieldVia, own)
	return false
}

// newID returns 128 random bits. They need not be secret, only unlike.
func newID(mem *http1.Arena) string {
	const digits = "0123456789abcdef"
	var b [32]byte
	for i := 0; i < len(b); i += 16 {
		for j, n := 0, rand.Uint64(); j < 16; j++ {
			b[i+j] = digits[n&15]
			n >>= 4
		}
	}
	return mem.Join(bytesView(b[:]))
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
