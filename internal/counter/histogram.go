package counter

import (
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of the buckets, each included; a last bucket takes what is longer.
var bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
	5 * time.Second, 10 * time.Second,
}

// Buckets is how many buckets a Histogram has.
const Buckets = len(bounds) + 1

// Bound is the upper bound of a bucket, and false for the last one, which has none.
func Bound(bucket int) (time.Duration, bool) {
	if bucket >= len(bounds) {
		return 0, false
	}
	return bounds[bucket], true
}

// Histogram counts durations by bucket. It is part of a shard.
type Histogram struct {
	counts [Buckets]atomic.Uint64
	sum    atomic.Int64
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Durations is a reading of histograms.
type Durations struct {
	Counts [Buckets]uint64 // of each bucket alone
	Sum    time.Duration
}

// Read adds what a histogram has counted.
func (d *Durations) Read(h *Histogram) {
	for i := range h.counts {
		d.Counts[i] += h.counts[i].Load()
	}
	d.Sum += time.Duration(h.sum.Load())
}

// Add adds another reading.
func (d *Durations) Add(o *Durations) {
	for i, n := range o.Counts {
		d.Counts[i] += n
	}
	d.Sum += o.Sum
}

// Count is how many durations there were.
func (d *Durations) Count() uint64 {
	var n uint64
	for _, c := range d.Counts {
		n += c
	}
	return n
}
