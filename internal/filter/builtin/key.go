package builtin

import (
	"fmt"
	"hash/maphash"
	"net/netip"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Key says by what a limit tells requests apart.
type Key struct {
	// By is address (the default: the client's, as the listener believes it), header, user (that an earlier filter has found the
	// client to be) or all, which counts every request together. Where there is no such header or user, the address counts.
	By     string `json:"by,omitempty"`
	Header string `json:"header,omitempty"` // with header: its name
	IPv6   int    `json:"ipv6,omitempty"`   // with address: so many bits of an IPv6 address are one client; default 64, as networks give whole ranges to one
}

// The values of Key.By.
const (
	byAddress = "address"
	byHeader  = "header"
	byUser    = "user"
	byAll     = "all"
)

func (c Key) validate() error {
	switch c.By {
	case "", byAddress, byUser, byAll:
		if c.Header != "" {
			return fmt.Errorf("key.header is given, and key.by is not header")
		}
	case byHeader:
		if !http1.IsToken(c.Header) {
			return fmt.Errorf("key.header %q is no header name", c.Header)
		}
	default:
		return fmt.Errorf("key.by %q is none of address, header, user, all", c.By)
	}
	if c.IPv6 < 0 || c.IPv6 > 128 {
		return fmt.Errorf("key.ipv6 is %d: want 1 to 128 bits", c.IPv6)
	}
	return nil
}

// key is who is counted: an address, or a digest of a text.
type key struct {
	kind byte
	id   [16]byte
}

// keyer finds the key of a request. The seeds keep clients from choosing texts with equal digests.
type keyer struct {
	Key
	seeds [2]maphash.Seed
}

func newKeyer(c Key) keyer {
	if c.IPv6 == 0 {
		c.IPv6 = 64
	}
	return keyer{c, [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// of returns the key of a request; ok is false where not even the client's address is known.
func (k *keyer) of(x *filter.Exchange) (id key, ok bool) {
	switch k.By {
	case byAll:
		return key{}, true
	case byHeader:
		if v := x.Request.Fields.Get(k.Header); v != "" {
			return k.digest(2, v), true
		}
	case byUser:
		if x.User != "" {
			return k.digest(3, x.User), true
		}
	}
	return k.address(x.Client)
}

// text is what tells who is counted from everybody else, the same in all processes.
func (k *keyer) text(x *filter.Exchange) string {
	switch k.By {
	case byAll:
		return byAll
	case byHeader:
		if v := x.Request.Fields.Get(k.Header); v != "" {
			return byHeader + " " + v
		}
	case byUser:
		if x.User != "" {
			return byUser + " " + x.User
		}
	}
	id, _ := k.address(x.Client)
	return byAddress + " " + netip.AddrFrom16(id.id).String()
}

func (k *keyer) address(a netip.Addr) (key, bool) {
	switch {
	case !a.IsValid():
		return key{}, false
	case a.Is6() && k.IPv6 < 128:
		if p, err := a.WithZone("").Prefix(k.IPv6); err == nil {
			a = p.Addr()
		}
	}
	return key{1, a.As16()}, true
}

func (k *keyer) digest(kind byte, text string) key {
	out := key{kind: kind}
	for i, seed := range k.seeds {
		h := maphash.String(seed, text)
		for j := range 8 {
			out.id[8*i+j] = byte(h >> (8 * j))
		}
	}
	return out
}
