//go:build unix && !linux

package socket

import "golang.org/x/sys/unix"

// pollEnd is what poll says of a connection whose other side has ended; here bytes say the same.
const pollEnd = unix.POLLIN
