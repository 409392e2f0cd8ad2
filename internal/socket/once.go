//go:build unix

package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

// Receive reads once and does not wait: unix.EAGAIN says that there is nothing. n = 0 without an error is the end. b must
// not be empty.
func Receive(fd uintptr, b []byte) (n int, err error) {
	for {
		n, errno := receive(fd, b)
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, unix.EAGAIN
		default:
			return 0, os.NewSyscallError("recv", errno)
		}
	}
}

// Send writes once, as much as goes without waiting, which may be nothing. b must not be empty.
func Send(fd uintptr, b []byte) (n int, err error) {
	for {
		n, errno := send(fd, b)
		switch errno {
		case 0:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil
		default:
			return 0, os.NewSyscallError("send", errno)
		}
	}
}
