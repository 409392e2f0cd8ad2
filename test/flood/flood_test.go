package flood

import (
	"fmt"
	"testing"
	"time"
)

// What attacks may do: memory above what was resident before, and how long a victim waits in the worst of a hundred cases.
// The machine that runs all tests has others to serve, so there the wait has a floor; PAIFANG_VERSUS compares it strictly.
const (
	moreMemory = 64 << 20
	worse      = 2
	floor      = 500 * time.Millisecond
	calm       = 1500 * time.Millisecond
	struck     = 2500 * time.Millisecond
)

// result is what one attack did to one target.
type result struct {
	before, during *watched
	idle, peak     int
	made           int
	core           float64
}

func (r *result) String() string {
	return fmt.Sprintf("p99 %.2f ms, before %.2f ms; %d requests failed; memory %d MB, before %d MB; %d connections, %.2f of a core",
		ms(r.during.p99()), ms(r.before.p99()), len(r.during.failed), r.peak>>20, r.idle>>20, r.made, r.core)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// suffer attacks a target.
func suffer(t *testing.T, a *attack, at *target) *result {
	t.Helper()
	r := &result{before: watch(t, at.clear, calm, func() {})}
	r.idle = resident(t, at.pid)
	end := strike(t, a, at, struck)
	r.during = watch(t, at.clear, struck, func() { r.peak = max(r.peak, resident(t, at.pid)) })
	r.made, r.core = end()
	if r.core > share*1.1 {
		t.Fatalf("the attacker had %.2f of a core", r.core)
	}
	return r
}

func TestFloods(t *testing.T) {
	behind := origin(t)
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			r := suffer(t, &a, paifang(t, behind))
			t.Log(r)
			if r.peak-r.idle > moreMemory {
				t.Errorf("%d MB more than before, want %d at most", (r.peak-r.idle)>>20, moreMemory>>20)
			}
			if got, most := r.during.p99(), max(worse*r.before.p99(), floor); got > most {
				t.Errorf("a victim's p99 is %v, want %v at most", got, most)
			}
			if len(r.during.failed) > 0 {
				t.Errorf("%d of the victims' requests failed, such as: %s", len(r.during.failed), r.during.failed[0])
			}
		})
	}
}
