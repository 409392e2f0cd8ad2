package meter

import (
	"os"
	"strconv"
	"strings"
)

// usage is how many descriptors are open, how many may be, and how many bytes of memory are resident. What is not known
// is 0.
func usage() (open, most, bytes uint64) {
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		names, _ := dir.Readdirnames(-1) // what was read counts
		open = uint64(max(len(names)-1, 0))
		_ = dir.Close()
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 { // proc(5): pages in all, and resident
			pages, _ := strconv.ParseUint(f[1], 10, 64)
			bytes = pages * uint64(os.Getpagesize())
		}
	}
	return open, descriptors(), bytes
}
