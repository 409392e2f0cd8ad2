package installation

import (
	"net/netip"
	"slices"

	"paifang/internal/http1"
	"paifang/internal/model"
)

// Forwarded is whom ingress-nginx believes about clients, and how much.
type Forwarded struct {
	Headers bool           // what was forwarded is believed: who the client is and how it asked
	Full    bool           // endpoints are told everybody who passed a request on
	RealIP  bool           // who the client is is believed, and nothing else
	Proxy   bool           // connections begin with a PROXY protocol header
	From    []netip.Prefix // who is believed; nil = every IPv4 address
	Field   string         // that tells the client in place of X-Forwarded-For; "" = that one
}

// trust is the same as listeners have it. Who the client is is told by the PROXY header where there is one, and by fields else.
func (f *Forwarded) trust() model.Trust {
	var t model.Trust
	everybody := model.Everybody()
	from := f.From
	if from == nil {
		from = everybody[:1]
	}
	if f.Proxy {
		t.ProxyFrom = from
		if slices.Contains(from, everybody[0]) { // nginx wants the header of every connection, of IPv6 too
			t.ProxyFrom = everybody
		}
	}
	switch {
	case f.Headers && f.Proxy:
		t.Believe = model.BelieveRequest
	case f.Headers:
	case f.RealIP && !f.Proxy:
		t.Believe = model.BelieveAddress
	default:
		return t
	}
	t.ForwardedFrom, t.Field, t.ClientOnly = from, f.Field, !f.Full || !f.Headers
	return t
}

// believed reads ranges that are believed. Of a list with a bad one nothing is taken, and nobody is believed: whom it was
// meant to keep out is not known.
func (v *value) believed() {
	from := []netip.Prefix{}
	for _, s := range v.list() {
		p, err := netip.ParsePrefix(s)
		if a, bad := netip.ParseAddr(s); err != nil && bad == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			v.invalid("%q is neither an address nor a range like 10.0.0.0/8: nobody is believed", s)
			v.s.Forwarded.From = []netip.Prefix{}
			return
		}
		from = append(from, p)
	}
	if len(from) == 0 {
		from = nil
	}
	v.s.Forwarded.From = from
}

// forwardedField reads the name of the field that tells the client.
func (v *value) forwardedField() {
	if !http1.IsToken(v.text) {
		v.invalid("%q is no name of a field: it has no effect", v.text)
		return
	}
	if http1.EqualFold(v.text, "X-Forwarded-For") {
		v.s.Forwarded.Field = ""
		return
	}
	v.s.Forwarded.Field = v.text
}
