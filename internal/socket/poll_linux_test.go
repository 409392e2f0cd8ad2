package socket

import "golang.org/x/sys/unix"

// pollEnd is what poll says of a connection whose other side has ended.
const pollEnd = unix.POLLRDHUP
