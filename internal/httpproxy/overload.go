package httpproxy

import (
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// CodeOverload is the code of 503 to requests that come when memory is nearly used up.
const CodeOverload model.Code = "overload"

// The steps of the ladder, in hundredths of Config.Memory. Between the first and the second the time that idle
// connections are kept shrinks to shortIdle.
const (
	shortenFrom = 85 // idle connections are kept for less time
	closeFrom   = 95 // those that are idle end, and no connection is kept after its answer
	refuseFrom  = 98 // new requests are answered 503
	shutFrom    = 99 // new connections are closed
)

const (
	shortIdle     = 2 * time.Second
	pressureEach  = 250 * time.Millisecond // between two looks
	giveBackEach  = 10 * time.Second       // between two times that free memory is given back to the system
	defaultMemory = 2 << 30
)

// pressure is how full memory is. The sweeper looks, everybody reads.
type pressure struct {
	percent atomic.Int64
	idle    atomic.Int64 // milliseconds that an idle connection is kept now

	limit    int64
	longIdle time.Duration
	samples  []metrics.Sample
	used     func() int64
	looked   time.Time
	gaveBack time.Time
}

// begin takes the settings. What is in use is what the last collection found alive, stacks, and what is no heap: garbage
// is no pressure.
func (m *pressure) begin(cfg *Config) {
	m.limit, m.longIdle = cfg.Memory, cfg.Timeouts.Idle
	m.idle.Store(m.longIdle.Milliseconds())
	if m.used = cfg.used; m.used != nil {
		return
	}
	m.samples = []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/memory/classes/metadata/other:bytes"}}
	m.used = func() int64 {
		metrics.Read(m.samples)
		sum := int64(0)
		for _, s := range m.samples {
			if s.Value.Kind() == metrics.KindUint64 {
				sum += int64(s.Value.Uint64())
			}
		}
		return sum
	}
}

// look measures, and returns whether idle connections are to end.
func (m *pressure) look(now time.Time) (endIdle bool) {
	if m.limit <= 0 || now.Sub(m.looked) < pressureEach {
		return false
	}
	m.looked = now
	percent := m.used() * 100 / m.limit
	m.percent.Store(percent)
	idle := m.longIdle
	switch {
	case percent >= closeFrom:
		idle = min(idle, shortIdle)
	case percent > shortenFrom && idle > shortIdle:
		idle -= (idle - shortIdle) * time.Duration(percent-shortenFrom) / (closeFrom - shortenFrom)
	}
	m.idle.Store(idle.Milliseconds())
	if percent >= closeFrom && now.Sub(m.gaveBack) >= giveBackEach {
		m.gaveBack = now
		debug.FreeOSMemory()
	}
	return percent >= closeFrom
}

// from tells whether a step of the ladder is reached.
func (m *pressure) from(step int64) bool { return m.percent.Load() >= step }

// keepIdle is how long an idle connection is kept.
func (m *pressure) keepIdle() time.Duration { return time.Duration(m.idle.Load()) * time.Millisecond }
