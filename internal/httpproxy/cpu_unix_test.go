//go:build unix

package httpproxy

import (
	"syscall"
	"time"
)

// processTime is the processor time this process has used, user and system.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
