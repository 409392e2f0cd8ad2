//go:build unix

package listener

import "golang.org/x/sys/unix"

// descriptors is how many files and sockets the process may have open, 0 where that is unknown or unlimited.
func descriptors() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<30 {
		return 0
	}
	return int(l.Cur)
}
