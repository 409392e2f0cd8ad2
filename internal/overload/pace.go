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
// garbage is made, it does not wait for as much of it as lives: half of that comes seldom enough; and when a process comes to that, what
// it held until then is given back. And where many goroutines are gone,
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
	var kept ballast
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks:
			was := p.percent
			live, ran := p.look()
			p.set(p.wanted(live, ran))
			n, cycles := goroutines()
			gone := left.look(now, n, cycles)
			calm := was != thriftyPercent && p.percent == thriftyPercent && kept.look(now, live, Memory())
			if gone || calm {
				debug.FreeOSMemory()
			}
		}
	}
}

// Of ballast: how often it is given back, and from which part of what lives on it is worth a run of the collector.
const (
	ballastEach = 2 * time.Minute
	ballastPart = 4
)

// ballast tells when a process that has become calm holds much that it does not need: garbage of what it did before, and the room that it
// was made in. The runtime would keep that until it has run twice more, which is minutes later.
type ballast struct{ asked time.Time }

// look tells whether to give it back, of what lives and what the process holds, in bytes.
func (b *ballast) look(now time.Time, live, held uint64) bool {
	if now.Sub(b.asked) < ballastEach || held < live+live/ballastPart {
		return false
	}
	b.asked = now
	return true
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
