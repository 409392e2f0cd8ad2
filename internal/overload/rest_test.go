package overload

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestRest has the collector rest while nothing is made, and run again when there is something to collect.
func TestRest(t *testing.T) {
	if v, set := os.LookupEnv("GOGC"); set {
		t.Skipf("GOGC is %q in the environment, and stays", v)
	}
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Skip("there is a memory limit in the environment")
	}
	t.Cleanup(debug.FreeOSMemory) // other tests look at what the process has
	alive := make([][]byte, 64)
	for i := range alive {
		alive[i] = make([]byte, 1<<20)
	}
	debug.FreeOSMemory() // what was there before is not what lives
	ctx, cancel := context.WithCancel(context.Background())
	ticks, done := make(chan time.Time), make(chan struct{})
	go func() { defer close(done); pace(ctx, ticks) }()
	looks := func(n int) {
		for range n {
			ticks <- time.Now()
		}
	}
	looks(restAfter - 1)
	if gogc() > usualPercent {
		t.Errorf("after %d looks GOGC is %d", restAfter-1, gogc())
	}
	looks(3)
	if gogc() <= usualPercent {
		t.Fatalf("at rest GOGC is %d", gogc())
	}
	limit := debug.SetMemoryLimit(-1)
	if limit < 80<<20 || limit > 144<<20 {
		t.Errorf("64 MiB live, and the limit is %d MiB", limit>>20)
	}
	before, made := lookAtHeap(), 0
	for lookAtHeap().automatic == before.automatic && made < 200 {
		garbage = make([]byte, 1<<20)
		made++
	}
	if made < 8 || made > 48 {
		t.Errorf("the collector ran after %d MiB of garbage, with 64 MiB that live", made)
	}
	garbage = nil
	looks(2)
	if gogc() > usualPercent || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Errorf("after it ran GOGC is %d, and the limit %d", gogc(), debug.SetMemoryLimit(-1))
	}
	looks(restAfter + 1)
	if gogc() <= usualPercent {
		t.Errorf("at rest again, GOGC is %d", gogc())
	}
	cancel()
	<-done
	if gogc() != usualPercent || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Errorf("at the end GOGC is %d, and the limit %d", gogc(), debug.SetMemoryLimit(-1))
	}
	runtime.KeepAlive(alive)
}

// garbage has what is made in vain be made on the heap.
var garbage []byte

// TestNoRest names what keeps the collector from resting.
func TestNoRest(t *testing.T) {
	const live = 64 << 20
	for _, c := range []struct {
		name string
		each heap // what changes from look to look
		live uint64
	}{
		{"as much is made as the collector runs for within two minutes", heap{made: restLeast/restForced + 1}, live},
		{"it runs by itself", heap{automatic: 1, runs: 1}, live},
		{"somebody has it run", heap{runs: 1}, live},
		{"little lives", heap{}, thriftyFrom - 1},
	} {
		var r rest
		found := heap{live: c.live}
		for range 3 * restAfter {
			found.made, found.automatic, found.runs = found.made+c.each.made, found.automatic+c.each.automatic, found.runs+c.each.runs
			if r.look(found, usualPercent) {
				r.end(usualPercent)
				t.Errorf("%s: at rest", c.name)
				break
			}
		}
	}
}
