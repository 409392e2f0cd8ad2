package app

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// defaultMemory is what the process may use where nobody says how much, and no container says less.
const defaultMemory = 2 << 30

// memory is the bytes that the process may use: as configured, or the default, or nine tenths of what its container may
// have where that is less.
func (h *HTTP) memory(read func(string) ([]byte, error)) int64 {
	switch {
	case h.Memory > 0:
		return int64(h.Memory) << 20
	case h.Memory < 0:
		return -1
	}
	limit := int64(defaultMemory)
	if c := containerMemory(read); c > 0 {
		limit = min(limit, c/10*9)
	}
	return limit
}

// containerMemory is the limit of the process's control group, in version 1 or 2, or of one above it; 0 = none. read is
// os.ReadFile.
func containerMemory(read func(string) ([]byte, error)) int64 {
	groups, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(groups)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy:controllers:path, see cgroups(7)
		if len(f) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		switch {
		case f[0] == "0" && f[1] == "":
		case strings.Contains(","+f[1]+",", ",memory,"):
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) {
			text, err := read(path.Join(root, dir, file))
			if n, perr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && perr == nil && n > 0 && n < 1<<50 && (least == 0 || n < least) {
				least = n // more than that is how version 1 says none
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// ownMemoryLimit tells whether the environment already says when the collector should hurry (GOMEMLIMIT).
func ownMemoryLimit() bool { return os.Getenv("GOMEMLIMIT") != "" }
