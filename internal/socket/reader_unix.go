//go:build unix && !linux

package socket

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Reader reads one socket. The zero value is ready for Begin.
type Reader struct{}

// Begin has nothing to ask of this system.
func (r *Reader) Begin(uintptr) {}

// Read reads once and does not wait: unix.EAGAIN says that there is nothing. n = 0 without an error is the end. more is
// always true here: only another read tells. b must not be empty.
func (r *Reader) Read(fd uintptr, b []byte) (n int, more bool, err error) {
	for {
		n, err = unix.Read(int(fd), b)
		switch {
		case err == nil:
			return n, true, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, false, unix.EAGAIN
		}
		return 0, false, os.NewSyscallError("read", err)
	}
}
