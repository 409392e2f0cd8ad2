package upstream

import (
	"math"
	"sync/atomic"
	"time"
)

// peakEWMA is the latency of an endpoint as an exponentially weighted moving average that jumps to peaks: what is slow once is
// believed at once, what is fast again is believed with time. It is a float32 of microseconds and the millisecond, since
// the table was made, of its last change, in one word: both change together.
type peakEWMA struct{ word atomic.Uint64 }

// unknownLoad is what a request in flight to an endpoint counts of which no latency is known: it gets one request, and the
// next once that is answered.
const unknownLoad = 1e12

func (p *peakEWMA) at(now uint32, decay float64) float64 {
	word := p.word.Load()
	cost := float64(math.Float32frombits(uint32(word)))
	if cost == 0 {
		return 0
	}
	return cost * math.Exp(-sinceMillis(now, uint32(word>>32))/decay)
}

// sinceMillis is right for 24 days, after which the cost is forgotten anyway. Clocks of two cores may be a little apart.
func sinceMillis(now, then uint32) float64 { return float64(max(0, int32(now-then))) }

func (p *peakEWMA) observe(now uint32, took time.Duration, decay float64) {
	us := max(1, float64(took)/float64(time.Microsecond))
	for {
		word := p.word.Load()
		cost := float64(math.Float32frombits(uint32(word)))
		if us >= cost {
			cost = us
		} else {
			w := math.Exp(-sinceMillis(now, uint32(word>>32)) / decay)
			cost = cost*w + us*(1-w)
		}
		if p.word.CompareAndSwap(word, uint64(now)<<32|uint64(math.Float32bits(float32(cost)))) {
			return
		}
	}
}

// Measured tells whether Observe is of use: the caller need not look at clocks otherwise.
func (e *Endpoint) Measured() bool { return e.handle.decay > 0 }

// Observe notes how long a request took from being sent to the head of its answer. It is called before Done, for answered
// requests only.
func (e *Endpoint) Observe(took time.Duration) {
	if d := e.handle.decay; d > 0 {
		e.live.latency.observe(e.live.table.now(), took, d)
	}
}

// expects is the load of an endpoint: the latency that the next request has to expect.
func (e *Endpoint) expects(now uint32) float64 {
	inFlight := float64(e.live.inFlight.Load())
	cost := e.live.latency.at(now, e.handle.decay)
	if cost == 0 {
		return unknownLoad * inFlight
	}
	return cost * (inFlight + 1)
}

// now is the time since the table was made, in milliseconds.
func (t *Table) now() uint32 { return uint32(time.Since(t.began).Milliseconds()) }

// believed is the latency that is expected of an idle endpoint.
func (e *Endpoint) believed() time.Duration {
	if !e.Measured() {
		return 0
	}
	return time.Duration(e.live.latency.at(e.live.table.now(), e.handle.decay) * float64(time.Microsecond))
}
