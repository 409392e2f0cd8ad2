//go:build unix

package upstream

import (
	"errors"

	"golang.org/x/sys/unix"
)

// probe looks at sockets. It is room for the question, so that asking does not allocate.
type probe struct{ fds [1]unix.PollFd }

// stale looks at what waits in the socket without taking it: nothing is good; data, the end or an error is not.
func (p *probe) stale(fd uintptr) bool {
	for {
		p.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		n, err := unix.Poll(p.fds[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return n != 0 || err != nil
	}
}
