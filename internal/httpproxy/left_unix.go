//go:build unix

package httpproxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// peek looks at what the client's side of a connection holds. It does not wait and takes nothing.
func peek(tcp *net.TCPConn) (unread, ended bool) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false, true
	}
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		unread = n > 0
		ended = n == 0 && err == nil || err != nil && err != unix.EAGAIN && err != unix.EWOULDBLOCK && err != unix.EINTR
	})
	return unread, ended || err != nil
}
