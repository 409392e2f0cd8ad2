package overload

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Level is how short of room the process is. Each does what those before it do, too.
type Level int32

// The levels, and the share of the limit from which each holds.
const (
	Calm    Level = iota
	Hurried       // 85 %: idle connections are kept shorter, the shortest from 95 % on
	Curt          // 95 %: connections are not kept, and memory is given back to the system
	Refuse        // 98 %: new requests are answered with 503
	Closed        // 99 %: new connections are reset
)

// String is the level in a word.
func (l Level) String() string {
	return [...]string{"calm", "hurried", "curt", "refuse", "closed"}[l]
}

// shares are per mille of the limit, by level.
var shares = [...]uint64{Calm: 0, Hurried: 850, Curt: 950, Refuse: 980, Closed: 990}

// shortest is how long an idle connection is kept from Curt on.
const shortest = 2 * time.Second

// relieveEach is the pause between two requests to the collector to give memory back: each looks at all of it.
const relieveEach = 10 * time.Second

// Config is what a Watch works with. Every zero field but Limit has a default.
type Config struct {
	Limit uint64        // bytes; 0 = there is none, and the level is always Calm
	Gauge func() uint64 // bytes in use; default Memory
	Every time.Duration // between two looks; default 250 ms
	// Relieve gives memory back. It is called in the goroutine of the watch, at most every 10 s. Default debug.FreeOSMemory.
	Relieve func()
	// Changed is told of each change of the level, in the goroutine of the watch. May be nil.
	Changed func(from, to Level, used uint64)
}

// Watch looks at the gauge while it runs. Its other methods may be called from any goroutine, cost an atomic load, and
// may be called on nil, which is always calm.
type Watch struct {
	cfg      Config
	level    atomic.Int32
	used     atomic.Uint64
	relieved time.Time
}

// New returns a watch that has not looked yet.
func New(cfg Config) *Watch {
	if cfg.Gauge == nil {
		cfg.Gauge = Memory
	}
	if cfg.Every == 0 {
		cfg.Every = 250 * time.Millisecond
	}
	if cfg.Relieve == nil {
		cfg.Relieve = debug.FreeOSMemory
	}
	return &Watch{cfg: cfg}
}

// Run looks until ctx ends. Where nobody has set a limit for the collector (GOMEMLIMIT), it has one meanwhile: the share
// at which Hurried begins.
func (w *Watch) Run(ctx context.Context) {
	if w == nil || w.cfg.Limit == 0 {
		<-ctx.Done()
		return
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(w.cfg.Limit / 1000 * shares[Hurried]))
		defer debug.SetMemoryLimit(math.MaxInt64)
	}
	tick := time.NewTicker(w.cfg.Every)
	defer tick.Stop()
	for {
		w.look(time.Now())
		select {
		case <-ctx.Done():
			w.level.Store(int32(Calm))
			return
		case <-tick.C:
		}
	}
}

func (w *Watch) look(now time.Time) {
	used := w.cfg.Gauge()
	w.used.Store(used)
	next := Calm
	for l := Hurried; l <= Closed; l++ {
		if used/1000*1000 >= w.cfg.Limit/1000*shares[l] {
			next = l
		}
	}
	if before := w.Level(); before != next {
		w.level.Store(int32(next))
		if w.cfg.Changed != nil {
			w.cfg.Changed(before, next, used)
		}
	}
	if next >= Curt && now.Sub(w.relieved) >= relieveEach {
		w.relieved = now
		w.cfg.Relieve()
	}
}

// Level is how short of room the process is.
func (w *Watch) Level() Level {
	if w == nil {
		return Calm
	}
	return Level(w.level.Load())
}

// Used is what the gauge showed last, and the limit, both in bytes.
func (w *Watch) Used() (used, limit uint64) {
	if w == nil {
		return 0, 0
	}
	return w.used.Load(), w.cfg.Limit
}

// Idle is how long a connection may be idle now that could be for so long otherwise.
func (w *Watch) Idle(normal time.Duration) time.Duration {
	if w.Level() == Calm || normal <= shortest {
		return normal
	}
	from, to := w.cfg.Limit/1000*shares[Hurried], w.cfg.Limit/1000*shares[Curt]
	used := min(max(w.used.Load(), from), to)
	return normal - time.Duration(float64(normal-shortest)*float64(used-from)/float64(to-from))
}

// KeepsAlive tells whether connections are used for another request.
func (w *Watch) KeepsAlive() bool { return w.Level() < Curt }

// RefusesRequests tells whether new requests are answered with 503.
func (w *Watch) RefusesRequests() bool { return w.Level() >= Refuse }

// RefusesConnections tells whether new connections are reset.
func (w *Watch) RefusesConnections() bool { return w.Level() >= Closed }

// Memory is what the runtime has of the system's memory and has not given back, in bytes: what debug.SetMemoryLimit
// limits.
func Memory() uint64 {
	s := [...]metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s[:])
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
