package httpproxy

import (
	"sync/atomic"
	"time"

	"paifang/internal/counter"
)

// tally is what is counted of the requests that one route took from one listener to one upstream, in one shard. Routes,
// upstreams and listeners have no counters of their own for it: theirs are sums of these.
type tally struct {
	class         [6]atomic.Uint64 // by the first digit of the status; 0: nothing was sent
	failures      atomic.Uint64    // that have a reason code
	latency       counter.Histogram
	firstByte     counter.Histogram // of answers of the upstream
	in, out       atomic.Uint64     // body bytes
	kept, dialled atomic.Uint64     // connections to endpoints that were kept, and made
	_             [128]byte
}

// counted is one request, at its end.
type counted struct {
	status        int
	failed        bool
	latency       time.Duration
	firstByte     time.Duration // 0: the answer is not the upstream's
	in, out       int64
	kept, dialled uint8
}

func (t *tally) count(c *counted) {
	if i := c.status / 100; i >= 0 && i < len(t.class) {
		t.class[i].Add(1)
	} else {
		t.class[0].Add(1)
	}
	if c.failed {
		t.failures.Add(1)
	}
	t.latency.Observe(c.latency)
	if c.firstByte > 0 {
		t.firstByte.Observe(c.firstByte)
	}
	if c.in > 0 {
		t.in.Add(uint64(c.in))
	}
	if c.out > 0 {
		t.out.Add(uint64(c.out))
	}
	if c.kept > 0 {
		t.kept.Add(uint64(c.kept))
	}
	if c.dialled > 0 {
		t.dialled.Add(uint64(c.dialled))
	}
}

// Totals are sums of what was counted.
type Totals struct {
	Class         [6]uint64         // by the first digit of the status; 0: nothing was sent
	Failures      uint64            // that have a reason code
	Latency       counter.Durations // from head to last byte
	FirstByte     counter.Durations // from head to the head of the upstream's answer
	In, Out       uint64            // body bytes from and to clients
	Kept, Dialled uint64            // connections to endpoints that were kept, and made
}

// Requests is how many there were.
func (t *Totals) Requests() uint64 {
	var n uint64
	for _, c := range t.Class {
		n += c
	}
	return n
}

// Add adds what was counted elsewhere.
func (t *Totals) Add(o *Totals) {
	for i, n := range o.Class {
		t.Class[i] += n
	}
	t.Failures += o.Failures
	t.Latency.Add(&o.Latency)
	t.FirstByte.Add(&o.FirstByte)
	t.In, t.Out = t.In+o.In, t.Out+o.Out
	t.Kept, t.Dialled = t.Kept+o.Kept, t.Dialled+o.Dialled
}

func (t *Totals) read(c *tally) {
	for i := range c.class {
		t.Class[i] += c.class[i].Load()
	}
	t.Failures += c.failures.Load()
	t.Latency.Read(&c.latency)
	t.FirstByte.Read(&c.firstByte)
	t.In, t.Out = t.In+c.in.Load(), t.Out+c.out.Load()
	t.Kept, t.Dialled = t.Kept+c.kept.Load(), t.Dialled+c.dialled.Load()
}
