package listener

import "golang.org/x/sys/unix"

// widenTable makes room in the table of descriptors for so many, or as many as the process may have. The system doubles the table when it
// is full, and whoever opens something then waits until all processors have passed a point of rest: 6 to 20 ms were seen, at 256, 512, 1,024
// and so on, with a thread that serves requests waiting too. Once there, it stays as large; it has 8 bytes for each.
func widenTable(n int) {
	if limit := descriptors(); limit > 0 {
		n = min(n, limit-1)
	}
	if fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, n); err == nil { // else it grows as it is needed
		_ = unix.Close(fd)
	}
}
