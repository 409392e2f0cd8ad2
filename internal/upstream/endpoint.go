package upstream

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// EndpointKey is the identity of a live endpoint: everything that changes what is observed of it and what a
// connection to it is. Lists and upstreams with equal keys share observation, counters and connections.
type EndpointKey struct {
	Addr   netip.AddrPort
	Secure bool
	Health model.HealthCheck
	Dial   model.Dial
	// Protocol is what is spoken, probes included.
	Protocol model.HTTPVersion
}

// Endpoint is what Pick returns: an address as its list describes it, and its live part, which it shares with every
// other list that has the address. It is immutable and may be kept; two tries of one address are compared with Same.
type Endpoint struct {
	model.Endpoint
	live *live
}

// Result is how a request to an endpoint ended.
type Result uint8

// The results.
const (
	Succeeded Result = iota // the endpoint answered, whatever it answered
	Failed                  // no connection, a connection that broke, or no answer in time
	Abandoned               // the client went away or nothing was sent: says nothing about the endpoint
)

// Done ends what Pick began. It must be called once for every successful Pick.
func (e *Endpoint) Done(r Result) {
	e.live.inFlight.Add(-1)
	if r == Failed {
		e.live.failures.Add(1)
	}
}

// Count adds to the bytes that went to and came from the endpoint.
func (e *Endpoint) Count(sent, received int64) {
	e.live.sent.Add(sent)
	e.live.received.Add(received)
}

// Same tells whether two endpoints are one address dialled in one way, however their lists describe it.
func (e *Endpoint) Same(o *Endpoint) bool { return e.live == o.live }

// Up tells whether own observation has nothing against the endpoint.
func (e *Endpoint) Up() bool { return !e.live.down.Load() }

// live is the part of an endpoint that outlives lists and generations. The last user closes it.
type live struct {
	table    *Table
	key      EndpointKey
	down     atomic.Bool // read by every pick; written with the table's lock held
	inFlight atomic.Int64
	requests atomic.Uint64
	failures atomic.Uint64
	sent     atomic.Int64
	received atomic.Int64
	pool     pool
	shared   sharedPool
	ctx      context.Context // ends with the live endpoint
	cancel   context.CancelFunc

	// Guarded by the table's lock.
	users      map[*Handle]struct{}
	since      time.Time // of being up or down
	reason     model.Code
	stopRetry  context.CancelFunc // of the goroutine that tries a down endpoint again
	probes     uint64
	probeError string
}

// newLive begins an endpoint, up until something is observed against it. The table's lock is held.
func newLive(t *Table, key EndpointKey) *live {
	l := &live{table: t, key: key, users: map[*Handle]struct{}{}, since: time.Now()}
	l.pool.limit = t.cfg.IdlePerEndpoint
	l.pool.closed = t.closed
	l.ctx, l.cancel = context.WithCancel(t.ctx)
	if key.Health.Kind != model.HealthNone && !t.closed {
		t.owned.Go(func() { l.watch() })
	}
	return l
}

// end closes what belongs to the endpoint. The table's lock is held.
func (l *live) end() {
	l.cancel()
	l.pool.close()
	l.shared.finish(true)
}

// connectFailed takes the address out at once, for everybody: a refused connection is a fact about the address.
func (l *live) connectFailed(reason model.Code) {
	l.down.Store(true) // before waiting for the lock: no pick from now on
	t := l.table
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, same := range t.byAddr[l.key.Addr] {
		t.observe(same, true, reason)
		t.dropDoubt(same)
	}
}

// dropDoubt drops an endpoint wherever it is only there in doubt. The lock is held.
func (t *Table) dropDoubt(l *live) {
	dropped := map[*list]bool{}
	for h := range l.users {
		for _, of := range h.lists {
			if of.drop(l.key.Addr) {
				dropped[of] = true
			}
		}
	}
	for of := range dropped {
		if of.merge(time.Now()) {
			t.rebuild(of)
		}
	}
}

// observe notes what own observation says of an endpoint and gives its users new pickers if that is news. The lock
// is held.
func (t *Table) observe(l *live, down bool, reason model.Code) {
	if (l.reason != "") == down || t.lives[l.key] != l || t.closed {
		return
	}
	l.reason, l.since = reason, time.Now()
	l.down.Store(down)
	if l.stopRetry != nil {
		l.stopRetry()
		l.stopRetry = nil
	}
	if down {
		l.pool.clear()
		l.shared.finish(false)
		if l.key.Health.Kind == model.HealthNone {
			ctx, cancel := context.WithCancel(l.ctx)
			l.stopRetry = cancel
			t.owned.Go(func() { l.retry(ctx) })
		}
	}
	for h := range l.users {
		h.rebuild()
	}
	t.cfg.Log.Info("endpoint observed", "addr", l.key.Addr, "down", down, "reason", string(reason))
	if t.cfg.Changed != nil {
		t.cfg.Changed(Observation{l.key.Addr, down, reason})
	}
}

// note is observe for those who do not hold the lock.
func (l *live) note(down bool, reason model.Code) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.table.observe(l, down, reason)
}
