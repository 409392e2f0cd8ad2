package l4

import (
	"net"

	"golang.org/x/sys/unix"
)

// tcpClose is the state of a connection that was reset (TCP_CLOSE of the kernel's tcp_states.h).
const tcpClose = 7

// isReset tells whether a connection was broken off. A splice that fails does not say on which side it did.
func isReset(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	reset := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		reset = err == nil && info.State == tcpClose
	})
	return err == nil && reset
}
