package l4

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// waiter waits for bytes on a socket without reading them. It belongs to one direction of one session and lives as long,
// so that a wait allocates nothing.
type waiter struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool // the method, bound once
	n    int
	at   [1]unix.PollFd
}

func newWaiter(raw syscall.RawConn) *waiter {
	w := &waiter{raw: raw}
	w.look = w.ready
	return w
}

// wait returns how many bytes wait to be read once there are some. 0 = the end, a failure, or bytes that came just
// now: the next read does not wait, and tells.
func (w *waiter) wait() (int, error) {
	w.n = 0
	err := w.raw.Read(w.look)
	return w.n, err
}

func (w *waiter) ready(fd uintptr) bool {
	if w.n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ); w.n > 0 { // of a broken connection it knows nothing, poll does
		return true
	}
	w.at[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	ready, err := unix.Poll(w.at[:], 0)
	for errors.Is(err, unix.EINTR) {
		ready, err = unix.Poll(w.at[:], 0)
	}
	return ready != 0 || err != nil
}
