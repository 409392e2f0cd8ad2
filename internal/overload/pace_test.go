package overload

import (
	"context"
	"os"
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
