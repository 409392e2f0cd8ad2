package registry

import (
	"fmt"
	"net/netip"
	"slices"

	"paifang/internal/inward"
)

// AddressRule says which addresses an instance may have. Whoever may register decides where a gateway connects to, so
// by default no instance lies on this machine, on its links or at a cloud's metadata service.
type AddressRule struct {
	Within []netip.Prefix   // where instances must lie; empty = anywhere
	Also   []netip.Prefix   // loopback and link-local ranges that are allowed all the same
	Refuse []netip.AddrPort // never these: the own admin address; without a host (0.0.0.0, ::) the port on loopback
}

// Check returns the address in its plain form (an IPv4 address is not written as IPv6), or why it is refused. Errors
// are ErrInvalid.
func (r AddressRule) Check(a netip.AddrPort) (netip.AddrPort, error) {
	ip := a.Addr().Unmap()
	a = netip.AddrPortFrom(ip, a.Port())
	reach := inward.Of(ip)
	refuse := func(why string) (netip.AddrPort, error) {
		return a, fmt.Errorf("registry: instance address %s: %s: %w", a, why, ErrInvalid)
	}
	in := func(p netip.Prefix) bool { return p.Contains(ip) }
	switch {
	case !ip.IsValid():
		return refuse("is no IP address")
	case a.Port() == 0:
		return refuse("has no port")
	case ip.Zone() != "":
		return refuse("has a zone")
	case reach == inward.Nowhere:
		return refuse("is not the address of one machine")
	case slices.ContainsFunc(r.Refuse, func(own netip.AddrPort) bool {
		return own == a || own.Port() == a.Port() && own.Addr().IsUnspecified() && reach == inward.Loopback
	}):
		return refuse("is reserved")
	case slices.ContainsFunc(r.Also, in):
		return a, nil
	case reach == inward.Loopback:
		return refuse("loopback is not allowed")
	case reach == inward.Link:
		return refuse("link-local is not allowed")
	case reach == inward.Metadata:
		return refuse("metadata services are not allowed")
	case len(r.Within) > 0 && !slices.ContainsFunc(r.Within, in):
		return refuse("is outside the allowed ranges")
	}
	return a, nil
}
