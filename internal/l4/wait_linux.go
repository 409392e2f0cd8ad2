package l4

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// waiting returns how many bytes wait to be read once there are some. 0 = the end, a failure, or bytes that came just
// now: the next read does not wait, and tells.
func waiting(raw syscall.RawConn) (n int, err error) {
	err = raw.Read(func(fd uintptr) bool {
		if n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ); n > 0 { // of a broken connection it knows nothing, poll does
			return true
		}
		at := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		ready, err := unix.Poll(at[:], 0)
		for errors.Is(err, unix.EINTR) {
			ready, err = unix.Poll(at[:], 0)
		}
		return ready != 0 || err != nil
	})
	return n, err
}
