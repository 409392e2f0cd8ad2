//go:build unix && !linux

package socket

import (
	"errors"

	"golang.org/x/sys/unix"
)

// receive reads once. The socket does not wait.
func receive(fd uintptr, b []byte) (int, unix.Errno) { return result(unix.Read(int(fd), b)) }

// send writes once. The socket does not wait.
func send(fd uintptr, b []byte) (int, unix.Errno) { return result(unix.Write(int(fd), b)) }

func result(n int, err error) (int, unix.Errno) {
	if errno, ok := errors.AsType[unix.Errno](err); ok {
		return 0, errno
	}
	return n, 0
}
