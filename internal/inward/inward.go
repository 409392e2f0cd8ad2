// Package inward tells addresses that lead to this machine, its links or the metadata service of a cloud from those of others.
// Where somebody else says what is connected to, these are refused: whoever says it could reach there what only this process may.
package inward

import "net/netip"

// Reach is where an address leads.
type Reach uint8

// The reaches.
const (
	Outside  Reach = iota // to a machine, near or far
	Nowhere               // to no one machine: unspecified, multicast, broadcast, or no address at all
	Loopback              // to this machine
	Link                  // to what is on its links, where clouds have metadata services too
	Metadata              // to the metadata service of a cloud
)

// Of tells where an address leads, by itself or by the address of IPv4 that it carries.
func Of(ip netip.Addr) Reach {
	ip = ip.Unmap()
	if r := plain(ip); r != Outside {
		return r
	}
	if carried := Carried(ip); carried.IsValid() {
		return plain(carried)
	}
	return Outside
}

func plain(ip netip.Addr) Reach {
	switch {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return Nowhere
	case ip.IsLoopback():
		return Loopback
	case ip.IsLinkLocalUnicast():
		return Link
	case isMetadata(ip.WithZone("")):
		return Metadata
	}
	return Outside
}

// isMetadata knows the services of clouds that lie outside the link-local ranges: AWS on IPv6, Alibaba, Oracle.
func isMetadata(ip netip.Addr) bool {
	switch ip {
	case netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54}), // fd00:ec2::254
		netip.AddrFrom4([4]byte{100, 100, 100, 200}), netip.AddrFrom4([4]byte{192, 0, 0, 192}):
		return true
	}
	return false
}

// Carried is the address of IPv4 that one of IPv6 carries, to which a router or the system may take it, else the zero Addr: mapped
// (RFC 4291, 2.5.5.2), of NAT64 (RFC 6052), of 6to4 (RFC 3056), and compatible as of old (RFC 4291, 2.5.5.1).
func Carried(ip netip.Addr) netip.Addr {
	if !ip.Is6() {
		return netip.Addr{}
	}
	b := ip.As16()
	switch {
	case b[0] == 0x20 && b[1] == 0x02: // 2002::/16
		return netip.AddrFrom4([4]byte(b[2:6]))
	case ip.Is4In6(), [12]byte(b[:12]) == [12]byte{0: 0x00, 1: 0x64, 2: 0xff, 3: 0x9b}, [12]byte(b[:12]) == [12]byte{}: // 64:ff9b::/96, ::/96
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.Addr{}
}
