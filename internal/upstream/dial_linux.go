package upstream

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// lateBind leaves the choice of the port to connect(2), so that ports of an own address are used up per endpoint and
// not for all of them together: ip(7), IP_BIND_ADDRESS_NO_PORT.
func lateBind(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// A kernel without it (before 4.2) reserves the port at bind, as ever.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}
