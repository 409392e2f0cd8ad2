package overload

import (
	"context"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

func TestStacksAreWorthGivingBack(t *testing.T) {
	began := time.Now()
	var s stacks
	for i, c := range []struct {
		name               string
		at                 time.Duration
		goroutines, cycles uint64
		want               bool
	}{
		{"few", 0, 100, 1, false},
		{"many come", 1, 5000, 1, false},
		{"some go", 2, 4100, 1, false},
		{"many are going", 3, 3000, 1, false},
		{"none goes any more", 4, 2990, 1, true},
		{"the collector ran", 5, 2990, 2, false},
		{"many go again, too soon", 6, 1500, 2, false},
		{"too soon", 13, 1500, 2, false},
		{"10 s later", 14, 1500, 2, true},
		{"more", 30, 9000, 3, false},
		{"they go, and the collector runs by itself", 31, 100, 4, false},
		{"nothing is left to give back", 32, 100, 4, false},
	} {
		if got := s.look(began.Add(c.at*time.Second), c.goroutines, c.cycles); got != c.want {
			t.Errorf("%d, %s: %v", i, c.name, got)
		}
	}
}

// TestPaceGivesStacksBack: when thousands of goroutines are gone, what they had is given back although there is no garbage.
func TestPaceGivesStacksBack(t *testing.T) {
	forced := func() uint64 {
		s := [...]metrics.Sample{{Name: "/gc/cycles/forced:gc-cycles"}}
		metrics.Read(s[:])
		return s[0].Value.Uint64()
	}
	ticks := make(chan time.Time)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { pace(ctx, ticks) })
	release := make(chan struct{})
	var crowd sync.WaitGroup
	for range 3 * leftMany {
		crowd.Go(func() { <-release })
	}
	before := forced()
	for range 3 { // the first two have been looked at when the third is taken
		ticks <- time.Now()
	}
	if n := forced(); n != before {
		t.Fatalf("it ran while they were there: %d", n-before)
	}
	close(release)
	crowd.Wait()
	await(t, "many are gone", func() bool {
		ticks <- time.Now()
		return forced() > before
	})
}
