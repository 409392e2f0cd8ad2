package httpproxy

import (
	"testing"
	"time"
)

// TestNewShortTimeIsWhole: where a route brings a time that is shorter than what the clock may be behind, waits that begin before
// the sweeper has heard of it last as long as they should. Then it looks as often as the new one needs.
func TestNewShortTimeIsWhole(t *testing.T) {
	const short, old = 80 * time.Millisecond, 200 * time.Millisecond
	for range 20 {
		s := newStand(t, nil)
		p := s.plane
		period := time.Duration(p.period.Load())
		behind := func() time.Duration { return time.Since(p.began) - time.Duration(p.clock.Load())*time.Millisecond }
		if period <= old {
			t.Fatalf("the clock is never behind by %v", old)
		}
		eventually(t, func() bool { return behind() > old })
		began := time.Since(p.began)
		p.hurry(short)
		end := time.Duration(p.in(short)) * time.Millisecond
		if behind() > period {
			continue // the sweeper is late because of others: nothing is to be learned
		}
		if got := end - began; got < short {
			t.Errorf("a wait of %v ends after %v", short, got)
		}
		eventually(t, func() bool { return p.period.Load() == int64(shortestTick) })
		return
	}
	t.Skip("the sweeper is always late here")
}
