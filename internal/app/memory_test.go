package app

import (
	"errors"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		set   int
		want  int64
	}{
		{"no control groups", nil, 0, 2 << 30},
		{"version 2", map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1000000000\n"}, 0, 900_000_000},
		{"version 2 without a limit", map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n"}, 0, 2 << 30},
		{"version 2, a limit above", map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "500000000\n"}, 0, 450_000_000},
		{"version 2, more than enough", map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "99000000000\n"}, 0, 2 << 30},
		{"version 1", map[string]string{"/proc/self/cgroup": "5:cpu,memory:/x\n3:pids:/x\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "800000000\n"}, 0, 720_000_000},
		{"version 1 without a limit", map[string]string{"/proc/self/cgroup": "5:memory:/\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0, 2 << 30},
		{"nonsense", map[string]string{"/proc/self/cgroup": "x\n::\n0::/\n", "/sys/fs/cgroup/memory.max": "much\n"}, 0, 2 << 30},
		{"set", map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1000000000\n"}, 4096, 4 << 30},
		{"any", nil, -1, -1},
	} {
		read := func(name string) ([]byte, error) {
			if text, ok := c.files[name]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no such file")
		}
		if got := (&HTTP{Memory: c.set}).memory(read); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
