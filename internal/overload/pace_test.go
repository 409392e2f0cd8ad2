package overload

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		name      string
		inForce   int
		live, ran uint64
		wanted    int
	}{
		{"calm", 100, 8 << 20, 7, 100},
		{"often", 100, 8 << 20, 8, 300},
		{"as often, in longer steps", 300, 8 << 20, 3, 300},
		{"calm again", 300, 8 << 20, 2, 100},
		{"as much lives as there is room", 100, 24 << 20, 50, 100},
		{"more lives", 100, 1 << 30, 50, 100},
		{"next to nothing lives", 100, 1 << 10, 50, 400},
		{"nothing lives", 100, 0, 50, 100},
	} {
		p := pacer{percent: c.inForce, recent: recently}
		if got := p.wanted(c.live, c.ran); got != c.wanted {
			t.Errorf("%s: %d, want %d", c.name, got, c.wanted)
		}
	}
}

func TestThrift(t *testing.T) {
	p := pacer{percent: usualPercent, recent: recently}
	looks := func(n int, live, ran uint64) int {
		for range n {
			p.percent = p.wanted(live, ran)
		}
		return p.percent
	}
	for _, c := range []struct {
		name      string
		n         int
		live, ran uint64
		want      int
	}{
		{"it has just begun", 10, 64 << 20, 0, usualPercent},
		{"calm for longer", 10, 64 << 20, 0, thriftyPercent},
		{"it runs now", 1, 64 << 20, 2, thriftyPercent},
		{"again and again", 3, 64 << 20, 2, usualPercent},
		{"less again, but still", 10, 64 << 20, 1, usualPercent},
		{"calm again", 20, 64 << 20, 0, thriftyPercent},
		{"little lives", 1, 8 << 20, 0, usualPercent},
		{"it runs in every second", 20, 64 << 20, 1, usualPercent},
	} {
		if got := looks(c.n, c.live, c.ran); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// gogc is the percentage in force.
func gogc() uint64 {
	s := [...]metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64()
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: GOGC is %d", what, gogc())
		}
	}
}

func TestPaceGivesRoomWhileGarbageIsMade(t *testing.T) {
	if v, set := os.LookupEnv("GOGC"); set {
		t.Skipf("GOGC is %q in the environment, and stays", v)
	}
	t.Cleanup(debug.FreeOSMemory) // other tests look at what the process has
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { Pace(ctx); done <- struct{}{} }()
	var calm atomic.Bool
	go func() {
		var sink []byte
		for !calm.Load() {
			sink = make([]byte, 64<<10)
		}
		_ = sink
		done <- struct{}{}
	}()
	await(t, "much garbage", func() bool { return gogc() > usualPercent })
	calm.Store(true)
	await(t, "calm", func() bool { return gogc() <= usualPercent })
	cancel()
	<-done
	<-done
}

func TestPaceLeavesWhatTheEnvironmentSays(t *testing.T) {
	t.Setenv("GOGC", "100")
	before := gogc()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	Pace(ctx)
	if now := gogc(); now != before {
		t.Errorf("GOGC was %d and is %d", before, now)
	}
}

func TestBallast(t *testing.T) {
	var b ballast
	now := time.Now()
	for _, c := range []struct {
		name       string
		after      time.Duration
		live, held uint64
		want       bool
	}{
		{"little more than lives", 0, 80 << 20, 99 << 20, false},
		{"twice what lives", time.Second, 80 << 20, 160 << 20, true},
		{"again, soon", time.Minute, 80 << 20, 160 << 20, false},
		{"again", ballastEach, 80 << 20, 160 << 20, true},
	} {
		now = now.Add(c.after)
		if got := b.look(now, c.live, c.held); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestCalmGivesBack: a process that made much garbage holds little more than lives once it makes none.
func TestCalmGivesBack(t *testing.T) {
	if v, set := os.LookupEnv("GOGC"); set {
		t.Skipf("GOGC is %q in the environment, and stays", v)
	}
	t.Cleanup(debug.FreeOSMemory)
	lives := make([][]byte, 2*thriftyFrom>>10)
	for i := range lives {
		lives[i] = make([]byte, 1<<10)
	}
	var garbage [][]byte
	for range 96 << 10 {
		garbage = append(garbage, make([]byte, 1<<10))
	}
	runtime.KeepAlive(garbage) // and not any longer
	runtime.GC()               // what lives is known; what does not is free, and held
	full := Memory()
	ticks := make(chan time.Time)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { pace(ctx, ticks); close(done) }()
	now := time.Now()
	for n := 0; Memory() > full-64<<20; n++ {
		if n > 100 {
			t.Fatalf("%d MB are held, %d MB before", Memory()>>20, full>>20)
		}
		now = now.Add(time.Second)
		ticks <- now
	}
	cancel()
	<-done
	runtime.KeepAlive(lives)
}
