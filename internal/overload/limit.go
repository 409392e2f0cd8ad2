package overload

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// DefaultLimit is the limit where there is no other, in bytes.
const DefaultLimit = 2 << 30

// unlimited is a number from which on a limit is none: control groups of version 1 say so with the largest there is.
const unlimited = 1 << 60

// GroupLimit returns the memory limit of the control group that the process is in, or of one above it, in bytes; 0
// where there is none. root is the file system from its root on.
func GroupLimit(root fs.FS) uint64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	lowest := uint64(math.MaxUint64)
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path (cgroups(7)); version 2 has hierarchy 0 and names no controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			lowest = min(lowest, lowestOf(root, "sys/fs/cgroup", parts[2], "memory.max"))
		case containsWord(parts[1], "memory"):
			lowest = min(lowest, lowestOf(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
		}
	}
	if lowest >= unlimited {
		return 0
	}
	return lowest
}

func containsWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// lowestOf is the lowest limit of a group and those above it. In a container the path may be that of the host: then the
// mount's own root counts, which is above all paths.
func lowestOf(root fs.FS, mount, group, file string) uint64 {
	lowest := uint64(math.MaxUint64)
	for at := path.Join(mount, path.Clean("/"+group)); strings.HasPrefix(at+"/", mount+"/"); at = path.Dir(at) {
		text, err := fs.ReadFile(root, path.Join(at, file))
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil { // "max" is no number
			lowest = min(lowest, n)
		}
	}
	return lowest
}

// ParseLimit reads a size: bytes, or with a unit as Kubernetes or people write it, 512Mi, 512MiB, 2G. "off" is 0, no
// limit.
func ParseLimit(text string) (uint64, error) {
	if text == "off" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "KMGTiB")
	scale := uint64(1)
	switch unit := strings.TrimSuffix(text[len(digits):], "B"); unit {
	case "":
	case "Ki":
		scale = 1 << 10
	case "Mi":
		scale = 1 << 20
	case "Gi":
		scale = 1 << 30
	case "Ti":
		scale = 1 << 40
	case "K":
		scale = 1e3
	case "M":
		scale = 1e6
	case "G":
		scale = 1e9
	case "T":
		scale = 1e12
	default:
		return 0, fmt.Errorf("overload: read size: %q has no unit that is known: write 2GiB or 512MiB", text)
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if scale == 1 {
		n, err = strconv.ParseUint(digits, 10, 60)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("overload: read size: %q is no size: write 2GiB, 512MiB or off", text)
	case n*scale < smallest:
		return 0, fmt.Errorf("overload: read size: %q is too small to run in: give at least 32MiB", text)
	}
	return n * scale, nil
}

// smallest is the least limit that makes sense, in bytes.
const smallest = 32 << 20
