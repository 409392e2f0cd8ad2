//go:build !linux

package l4

import (
	"net"
	"net/netip"
)

// controlRoom is of nothing: what this system says of a datagram's destination is not what it takes beside an answer.
const controlRoom = 0

func askDestination(*net.UDPConn, netip.AddrPort) {}
