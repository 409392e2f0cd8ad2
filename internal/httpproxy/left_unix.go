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

// takes tells whether the system has room for a good part more that the client is sent.
func takes(tcp *net.TCPConn) bool {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	room := false
	err = raw.Control(func(fd uintptr) {
		set := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(set[:], 0)
		room = n > 0 || err != nil // a connection that has ended is found when it is written to
	})
	return room || err != nil
}
