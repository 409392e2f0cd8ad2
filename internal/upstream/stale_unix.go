//go:build unix

package upstream

import (
	"errors"

	"golang.org/x/sys/unix"
)

// peekStale looks at what waits in the socket without taking it: nothing is good; data, the end or an error is not.
func peekStale(fd uintptr) bool {
	var b [1]byte
	for {
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return !errors.Is(err, unix.EAGAIN)
	}
}
