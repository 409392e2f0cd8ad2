package filter

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Ask says whom a kind of filter asks. Filters that say the same of it have one Dependency.
type Ask struct {
	Kind    string // of the filter
	Address string // without anything that is secret
	// As tells apart who has the address asked otherwise: another password, other consequences. It is shown to nobody.
	As string
	// Settles is for how long nothing must have failed until it counts as back; 0: one good answer is enough. It bounds how often
	// the log hears of one that is back and away again with each other request.
	Settles time.Duration
}

// Dependency is somebody whom filters ask: a Redis, a publisher of keys, a service that decides about requests. It knows whether that
// one is away, which is said of one that does not answer, and of one that answers and refuses. Each change is told to the log once.
type Dependency struct {
	ask      Ask
	log      *slog.Logger
	clock    Clock
	failures atomic.Uint64
	away     atomic.Bool // changed under mu

	mu        sync.Mutex
	err       error // of the last failure, and what is done
	meanwhile string
	since     time.Time // away: since when
	last      time.Time // failure
	good      bool      // it has answered since
}

// DependencyState is how a dependency stands.
type DependencyState struct {
	Kind, Address string
	Away          bool
	Failures      uint64
	// Where it is away:
	Since     time.Time
	Error     string
	Meanwhile string // what happens to requests
}

// Depend returns the dependency that all filters share who ask the same. Like every shared value it is there for as long as one of them is.
func Depend(env Env, a Ask) (*Dependency, error) {
	return Use(env, fmt.Sprintf("dependency %+v", a), func() (*Dependency, error) {
		log := env.lease.table.Log
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		return &Dependency{ask: a, log: log, clock: env.Clock}, nil
	})
}

// Answered notes that it has done what it was asked for. It costs nothing while it is not away.
func (d *Dependency) Answered() {
	if !d.away.Load() {
		return
	}
	d.mu.Lock()
	d.good = true
	d.mu.Unlock()
	d.settle()
}

// settle has it be back that has answered, once nothing has failed for long enough. Whoever looks does so too: nobody may ask again for long.
func (d *Dependency) settle() {
	d.mu.Lock()
	now := d.clock.Now()
	back, since := d.away.Load() && d.good && now.Sub(d.last) >= d.ask.Settles, d.since
	if back {
		d.away.Store(false)
	}
	d.mu.Unlock() // a log may be slow, and requests wait for the lock
	if !back {
		return
	}
	d.log.Info("a filter's dependency is well again", "filter", d.ask.Kind, "address", d.ask.Address, "away", now.Sub(since).Round(time.Millisecond))
}

// Failed notes that it could not be asked, or has not answered what it was asked for, and what happens meanwhile. Where that is another
// thing than before, the log is told again.
func (d *Dependency) Failed(err error, meanwhile string) {
	d.failures.Add(1)
	if !d.note(err, meanwhile) {
		return
	}
	d.log.Warn("a filter's dependency is away or refuses", "filter", d.ask.Kind, "address", d.ask.Address, "error", short(err), "meanwhile", meanwhile)
}

// note notes a failure, and returns whether it is news.
func (d *Dependency) note(err error, meanwhile string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last, d.err, d.good = d.clock.Now(), err, false
	if d.away.Load() && d.meanwhile == meanwhile {
		return false
	}
	if !d.away.Load() {
		d.since = d.last
		d.away.Store(true)
	}
	d.meanwhile = meanwhile
	return true
}

// Close is for Use.
func (d *Dependency) Close() error { return nil }

func (d *Dependency) state() DependencyState {
	out := DependencyState{Kind: d.ask.Kind, Address: d.ask.Address, Failures: d.failures.Load()}
	d.settle()
	d.mu.Lock()
	defer d.mu.Unlock()
	if out.Away = d.away.Load(); out.Away {
		out.Since, out.Error, out.Meanwhile = d.since, short(d.err), d.meanwhile
	}
	return out
}

// mostOfError bounds how much of an error is told: it may quote what somebody has sent.
const mostOfError = 200

func short(err error) string {
	text := err.Error()
	if len(text) > mostOfError {
		text = strings.ToValidUTF8(text[:mostOfError], "") + "…"
	}
	return text
}

// Dependencies returns how everybody stands whom filters ask, by kind and address. Who is asked in several ways is there once: away
// if one of them is.
func (s *Shared) Dependencies() []DependencyState {
	s.mu.Lock()
	var all []*Dependency
	for _, v := range s.values {
		if d, ok := v.value.(*Dependency); ok {
			all = append(all, d)
		}
	}
	s.mu.Unlock()
	states := make([]DependencyState, 0, len(all))
	for _, d := range all {
		states = append(states, d.state())
	}
	slices.SortFunc(states, func(a, b DependencyState) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Address, b.Address), cmp.Compare(b.Meanwhile, a.Meanwhile))
	})
	out := states[:0]
	for _, d := range states {
		if n := len(out); n > 0 && out[n-1].Kind == d.Kind && out[n-1].Address == d.Address { // one that is away came first
			out[n-1].Failures += d.Failures
			continue
		}
		out = append(out, d)
	}
	return out
}
