package overload

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Of Pace: how much garbage the collector may let collect where it would run too often otherwise, in bytes and as a multiple of
// what lives; and how often in a second that is.
const (
	paceRoom   = 24 << 20
	paceFactor = 4
	paceOften  = 8
)

// usualPercent is GOGC where nobody has set it: the collector runs when the heap has doubled.
const usualPercent = 100

// Pace runs until ctx ends. It keeps the collector from running over and over where little lives: the heap of a small
// process doubles with some hundred TLS handshakes. As long as that would be more than a few times a second the collector
// waits for 24 MiB of garbage; where more lives than that, and when the process is calm again, it does as usual. A GOGC of the
// environment is left alone, and a memory limit goes before in any case.
func Pace(ctx context.Context) {
	if _, set := os.LookupEnv("GOGC"); set {
		<-ctx.Done()
		return
	}
	p := pacer{percent: usualPercent}
	p.look()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer func() { p.set(usualPercent) }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.set(p.wanted(p.look()))
		}
	}
}

// pacer is the state of Pace.
type pacer struct {
	percent int    // in force
	cycles  uint64 // that the collector had made when it was last looked at
}

// look returns what lives, and how often the collector has run since the last look.
func (p *pacer) look() (live, ran uint64) {
	s := [...]metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/automatic:gc-cycles"}}
	metrics.Read(s[:])
	live, cycles := s[0].Value.Uint64(), s[1].Value.Uint64()
	ran, p.cycles = cycles-p.cycles, cycles
	return live, ran
}

// wanted returns the percentage for what lives, where the collector ran so often in a second under the one in force.
func (p *pacer) wanted(live, ran uint64) int {
	if usually := ran * uint64(p.percent) / usualPercent; usually < paceOften || live == 0 {
		return usualPercent
	}
	return max(usualPercent, int(min(paceRoom, paceFactor*live)*usualPercent/live))
}

// set puts a percentage in force. It stops the world for a moment, so what is much the same is not set.
func (p *pacer) set(percent int) {
	if d := percent - p.percent; d == 0 || percent != usualPercent && d > -20 && d < 20 {
		return
	}
	p.percent = percent
	debug.SetGCPercent(percent)
}
