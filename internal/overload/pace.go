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

// Of Pace where little garbage is made: GOGC there, and from how many living bytes on it is worth it. Under the usual GOGC the
// collector would run less than once in recently, and no longer more than twice.
const (
	thriftyPercent = 50
	thriftyFrom    = 16 << 20
	recently       = 8 // looks
)

// usualPercent is GOGC where nobody has set it: the collector runs when the heap has doubled.
const usualPercent = 100

// Pace runs until ctx ends. It keeps the collector from running over and over where little lives: the heap of a small
// process doubles with some hundred TLS handshakes. As long as that would be more than a few times a second the collector
// waits for 24 MiB of garbage; where more lives than that, and when the process is calm again, it does as usual. Where hardly any
// garbage is made, it does not wait for as much of it as lives: half of that comes seldom enough. And where many goroutines are gone,
// what they have left is given back to the system. A GOGC of the environment is left alone, and a memory limit goes before in any case.
func Pace(ctx context.Context) {
	if _, set := os.LookupEnv("GOGC"); set {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	pace(ctx, tick.C)
}

// pace looks with each tick.
func pace(ctx context.Context, ticks <-chan time.Time) {
	p := pacer{percent: usualPercent, recent: recently}
	p.look()
	defer func() { p.set(usualPercent) }()
	var left stacks
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks:
			p.set(p.wanted(p.look()))
			if n, cycles := goroutines(); left.look(now, n, cycles) {
				debug.FreeOSMemory()
			}
		}
	}
}

// pacer is the state of Pace.
type pacer struct {
	percent int     // in force
	cycles  uint64  // that the collector had made when it was last looked at
	recent  float64 // how often it ran recently
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
	p.recent += float64(ran) - p.recent/recently
	if usually := ran * uint64(p.percent) / usualPercent; usually < paceOften || live == 0 {
		if p.thrifty(live) {
			return thriftyPercent
		}
		return usualPercent
	}
	return max(usualPercent, int(min(paceRoom, paceFactor*live)*usualPercent/live))
}

// thrifty tells whether hardly any garbage is made beside what lives.
func (p *pacer) thrifty(live uint64) bool {
	most := 1.0
	if p.percent == thriftyPercent {
		most = 2 // that it does not go to and fro
	}
	return live >= thriftyFrom && p.recent*float64(p.percent)/usualPercent < most
}

// set puts a percentage in force. It stops the world for a moment, so what is much the same is not set.
func (p *pacer) set(percent int) {
	if d := percent - p.percent; d == 0 || percent != usualPercent && d > -20 && d < 20 {
		return
	}
	p.percent = percent
	debug.SetGCPercent(percent)
}
