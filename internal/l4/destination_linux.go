package l4

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// controlRoom holds what the system says beside a datagram: the address that it was sent to.
const controlRoom = 128

// askDestination has the system say beside each datagram which address it was sent to, where a socket has several. The same words
// beside an answer have it leave from there (ip(7), IP_PKTINFO; RFC 3542 section 6).
func askDestination(c *net.UDPConn, at netip.AddrPort) {
	if !at.Addr().IsUnspecified() {
		return
	}
	// Where the system refuses, answers leave from the address that it chooses.
	if at.Addr().Is4() {
		_ = ipv4.NewPacketConn(c).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
		return
	}
	_ = ipv6.NewPacketConn(c).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
}
