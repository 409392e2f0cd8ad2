package overload

import (
	"context"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLadder(t *testing.T) {
	const limit = 2 << 30
	var used, relieved uint64
	var changes []Level
	w := New(Config{Limit: limit, Gauge: func() uint64 { return used }, Relieve: func() { relieved++ }, Changed: func(from, to Level, _ uint64) {
		if from == to {
			t.Errorf("%v is no change", to)
		}
		changes = append(changes, to)
	}})
	now := time.Now()
	for _, c := range []struct {
		percent             float64
		level               Level
		idle                time.Duration
		keeps, refuse, shut bool
	}{
		{10, Calm, 75 * time.Second, true, false, false},
		{84.9, Calm, 75 * time.Second, true, false, false},
		{85.01, Hurried, 75 * time.Second, true, false, false},
		{90, Hurried, 38500 * time.Millisecond, true, false, false},
		{94.9, Hurried, 2700 * time.Millisecond, true, false, false},
		{95.01, Curt, 2 * time.Second, false, false, false},
		{98.01, Refuse, 2 * time.Second, false, true, false},
		{99.01, Closed, 2 * time.Second, false, true, true},
		{150, Closed, 2 * time.Second, false, true, true},
		{50, Calm, 75 * time.Second, true, false, false},
	} {
		used = uint64(limit * c.percent / 100)
		w.look(now)
		idle := w.Idle(75 * time.Second)
		if w.Level() != c.level || (idle-c.idle).Abs() > 100*time.Millisecond || w.KeepsAlive() != c.keeps || w.RefusesRequests() != c.refuse || w.RefusesConnections() != c.shut {
			t.Errorf("at %v %%: %v, idle %v, keeps %v, refuses requests %v and connections %v", c.percent, w.Level(), idle, w.KeepsAlive(), w.RefusesRequests(), w.RefusesConnections())
		}
		if short := w.Idle(time.Second); short != time.Second {
			t.Errorf("at %v %% one second becomes %v", c.percent, short)
		}
		if u, l := w.Used(); u != used || l != limit {
			t.Errorf("used %d of %d", u, l)
		}
	}
	if len(changes) != 5 || relieved != 1 {
		t.Errorf("changes %v, relieved %d times", changes, relieved)
	}
	used = limit
	w.look(now.Add(relieveEach))
	if relieved != 2 {
		t.Errorf("relieved %d times", relieved)
	}
}

func TestRunLooksAndEnds(t *testing.T) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Skip("somebody has set GOMEMLIMIT")
	}
	var used atomic.Uint64
	w := New(Config{Limit: 1 << 40, Every: time.Millisecond, Gauge: used.Load, Relieve: func() {}})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	for _, want := range []Level{Closed, Calm, Refuse} {
		used.Store((1 << 40) / 1000 * (shares[want] + 1))
		for end := time.Now().Add(5 * time.Second); w.Level() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the level is %v, want %v", w.Level(), want)
			}
		}
	}
	if l := debug.SetMemoryLimit(-1); l != (1<<40)/1000*850 {
		t.Errorf("the collector's limit is %d", l)
	}
	cancel()
	running.Wait()
	if w.Level() != Calm || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Error("the end leaves traces")
	}
}

func TestWithoutLimit(t *testing.T) {
	var none *Watch
	if none.Level() != Calm || none.Idle(time.Minute) != time.Minute || !none.KeepsAlive() || none.RefusesRequests() || none.RefusesConnections() {
		t.Error("no watch is not calm")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	none.Run(ctx)
	New(Config{}).Run(ctx)
}

func TestMemoryIsThatOfTheProcess(t *testing.T) {
	before := Memory()
	room := make([]byte, 64<<20)
	for i := 0; i < len(room); i += 4096 {
		room[i] = 1
	}
	if after := Memory(); before == 0 || after < before+32<<20 {
		t.Errorf("%d bytes, and %d with 64 MiB more", before, after)
	}
	room[0] = 2
}

func TestGroupLimit(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, c := range []struct {
		name string
		root fstest.MapFS
		want uint64
	}{
		{"version 2, in a container", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("536870912\n")}, 512 << 20},
		{"version 2, a service", fstest.MapFS{"proc/self/cgroup": file("0::/system.slice/paifang.service\n"),
			"sys/fs/cgroup/system.slice/paifang.service/memory.max": file("1073741824\n"), "sys/fs/cgroup/system.slice/memory.max": file("max\n")}, 1 << 30},
		{"version 2, the one above is lower", fstest.MapFS{"proc/self/cgroup": file("0::/kubepods/pod1/c1\n"),
			"sys/fs/cgroup/kubepods/pod1/c1/memory.max": file("max\n"), "sys/fs/cgroup/kubepods/pod1/memory.max": file("268435456\n"), "sys/fs/cgroup/kubepods/memory.max": file("8589934592\n")}, 256 << 20},
		{"version 2, no limit", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 0},
		{"version 1", fstest.MapFS{"proc/self/cgroup": file("12:cpu,cpuacct:/x\n5:memory:/docker/1\n1:name=systemd:/\n"),
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("402653184\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 384 << 20},
		{"version 1, the path is the host's", fstest.MapFS{"proc/self/cgroup": file("5:memory:/docker/1\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("402653184\n")}, 384 << 20},
		{"version 1, no limit", fstest.MapFS{"proc/self/cgroup": file("5:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 0},
		{"both", fstest.MapFS{"proc/self/cgroup": file("5:memory:/\n0::/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("402653184\n")}, 384 << 20},
		{"another system", fstest.MapFS{}, 0},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n0::/../..\n"), "sys/fs/cgroup/memory.max": file("much\n")}, 0},
	} {
		if got := GroupLimit(c.root); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]uint64{"off": 0, "2GiB": 2 << 30, "2Gi": 2 << 30, "512MiB": 512 << 20, "2G": 2e9, "500MB": 5e8,
		"1TiB": 1 << 40, "4096Mi": 4 << 30, "1073741824": 1 << 30, "40000KiB": 40000 << 10} {
		if got, err := ParseLimit(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "two", "-1GiB", "2giB", "2 GiB", "1.5GiB", "1MiB", "10", "99999999999GiB", "2GG", "2i"} {
		if got, err := ParseLimit(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
