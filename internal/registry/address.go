package registry

import (
	"fmt"
	"net/netip"
	"slices"
)

// AddressRule says which addresses an instance may have. Whoever may register decides where a gateway connects to, so
// by default no instance lies on this machine, on its links or at a cloud's metadata service.
type AddressRule struct {
	Within []netip.Prefix   // where instances must lie; empty = anywhere
	Also   []netip.Prefix   // loopback and link-local ranges that are allowed all the same
	Refuse []netip.AddrPort // never these: the own admin address
}

// Check returns the address in its plain form (an IPv4 address is not written as IPv6), or why it is refused. Errors
// are ErrInvalid.
func (r AddressRule) Check(a netip.AddrPort) (netip.AddrPort, error) {
	ip := a.Addr().Unmap()
	a = netip.AddrPortFrom(ip, a.Port())
	leads := translated(ip)
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
	case ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return refuse("is not the address of one machine")
	case slices.Contains(r.Refuse, a):
		return refuse("is reserved")
	case slices.ContainsFunc(r.Also, in):
		return a, nil
	case ip.IsLoopback() || leads.IsLoopback():
		return refuse("loopback is not allowed")
	case ip.IsLinkLocalUnicast() || leads.IsLinkLocalUnicast():
		return refuse("link-local is not allowed")
	case slices.Contains(metadataServices, ip) || slices.Contains(metadataServices, leads):
		return refuse("metadata services are not allowed")
	case len(r.Within) > 0 && !slices.ContainsFunc(r.Within, in):
		return refuse("is outside the allowed ranges")
	}
	return a, nil
}

// metadataServices are those of clouds that lie outside the link-local ranges: AWS on IPv6, Alibaba, Oracle.
var metadataServices = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("192.0.0.192"),
}

// translations are ranges of IPv6 whose addresses carry one of IPv4, at a byte, to which a router or the system may take them: NAT64
// (RFC 6052), 6to4 (RFC 3056) and the compatible addresses of old (RFC 4291, 2.5.5.1).
var translations = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// translated is the address of IPv4 that one of IPv6 carries, else the zero Addr.
func translated(ip netip.Addr) netip.Addr {
	for _, t := range translations {
		if t.prefix.Contains(ip) {
			b := ip.As16()
			return netip.AddrFrom4([4]byte(b[t.at : t.at+4]))
		}
	}
	return netip.Addr{}
}
