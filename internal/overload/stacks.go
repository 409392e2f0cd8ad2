package overload

import (
	"runtime/metrics"
	"time"
)

// leftMany is how many goroutines have to be gone for their stacks to be worth a run of the collector: each has 4 to 32 KB. A client that
// comes back has to take them of the system again, which is why it is not done for fewer, nor more often.
const leftMany = 1000

// stacks tells when goroutines have left much memory behind. What they had is free, but the runtime gives free memory back only once the
// collector has run twice, and not all of it. In a process that makes hardly any garbage that is minutes later, and a Watch counts it as used.
type stacks struct {
	most, last uint64 // goroutines: since the collector ran, and when last looked at
	cycles     uint64 // of the collector, by then
	asked      time.Time
}

// look tells whether what goroutines have left should be given back: when many are gone, no more are going, and it was not done in
// the last 10 s.
func (s *stacks) look(now time.Time, goroutines, cycles uint64) bool {
	settled := goroutines+leftMany/10 >= s.last
	s.last = goroutines
	if cycles != s.cycles {
		s.cycles, s.most = cycles, 0
	}
	s.most = max(s.most, goroutines)
	if s.most-goroutines < leftMany || !settled || now.Sub(s.asked) < relieveEach {
		return false
	}
	s.asked = now
	return true
}

// goroutines returns how many there are, and how often the collector has run.
func goroutines() (n, cycles uint64) {
	s := [...]metrics.Sample{{Name: "/sched/goroutines:goroutines"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
