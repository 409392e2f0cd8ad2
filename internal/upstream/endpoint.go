package upstream

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"paifang/internal/counter"
	"paifang/internal/few"
	"paifang/internal/model"
)

// EndpointKey is the identity of a live endpoint: everything that changes what is observed of it and what a
// connection to it is. Lists and upstreams with equal keys share observation, counters and connections.
type EndpointKey struct {
	Addr    netip.AddrPort
	Secure  bool              // TLS is spoken
	TLS     [32]byte          // tells its settings apart
	Observe [sha256.Size]byte // tells settings of health check and ejection apart
	Dial    model.Dial
	// Protocol is what is spoken, probes included.
	Protocol model.HTTPVersion
}

// Endpoint is what Pick returns: an address as its list describes it, and its live part, which it shares with every
// other list that has the address. It is immutable and may be kept; two tries of one address are compared with Same.
type Endpoint struct {
	model.Endpoint
	live    *live
	handle  *Handle
	slot    *slot // nil where the upstream does not limit its endpoints
	most    int64 // requests that may be in the slot
	conns   int64 // connections that may be open; 0 = any number
	number  uint64
	mark    string // that stands for it in cookies; see Mark
	answers *counter.Sharded[answers]
	// returned is when its source gave it back that had taken it out; zero = it has not.
	returned time.Time
}

// Result is how a request to an endpoint ended.
type Result uint8

// The results.
const (
	Succeeded    Result = iota // the endpoint answered, and not with 5xx
	Failed                     // no connection, a connection that broke before the answer, an answer that is none, or none in time
	Abandoned                  // the client went away or nothing was sent: says nothing about the endpoint
	ServerError                // it answered 5xx, but not one of the next
	GatewayError               // it answered 502, 503 or 504
	Broken                     // the connection broke, but that is not held against it: it had answered, or closed as it may
)

// ResultOf is the result of an answer with a status.
func ResultOf(status int) Result {
	switch {
	case status < 500:
		return Succeeded
	case status >= 502 && status <= 504:
		return GatewayError
	}
	return ServerError
}

// Done ends what Pick began. It must be called once for every successful Pick.
func (e *Endpoint) Done(r Result) {
	l := e.live
	l.inFlight.Add(-1)
	if e.slot != nil {
		e.slot.n.Add(-1)
	}
	switch r {
	case Succeeded:
		l.streak.end()
	case Failed:
		l.failures.Add(1)
		l.bad(r)
	case Broken:
		l.failures.Add(1)
	case ServerError, GatewayError:
		l.bad(r)
	case Abandoned:
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
	table   *Table
	key     EndpointKey
	conduct *conduct
	down    atomic.Bool // not up, or ejected. Read by every pick; written with the table's lock held

	inFlight   atomic.Int64
	requests   atomic.Uint64
	failures   atomic.Uint64
	streak     streak
	badResults atomic.Uint64 // failures and answers 5xx
	latency    peakEWMA
	sent       atomic.Int64
	received   atomic.Int64
	pool       pool
	turns      turns // of DialApart
	shared     sharedPool
	security   *security              // that of every upstream with this key
	sessions   tls.ClientSessionCache // nil where no TLS is spoken

	// Guarded by the table's lock.
	users      few.Set[*Handle]
	gone       bool               // nobody uses it
	ctx        context.Context    // ends with the live endpoint; nil until somebody asks, see context
	cancel     context.CancelFunc //
	met        time.Time          // when it was made
	since      time.Time          // of being up or down
	back       time.Time          // when it came up last; zero = it was never down
	reason     model.Code         // why a probe or a connect says that it is down
	ejected    model.Code         // why it is ejected
	until      time.Time          // of its ejection
	times      int                // by which its next ejection is longer
	ejections  uint64             // ever
	shown      bool               // down, as of the last news
	stopRetry  context.CancelFunc // of the goroutine that tries an endpoint that is down or ejected
	probes     uint64
	probeError string
}

// newLive begins an endpoint, up until something is observed against it. The table's lock is held.
func newLive(t *Table, key EndpointKey, c *conduct, s *security) *live {
	now := time.Now()
	l := &live{table: t, key: key, security: s, conduct: c, met: now, since: now}
	l.pool.table, l.pool.closed = t, t.closed
	if key.Secure {
		l.sessions = tls.NewLRUClientSessionCache(sessionsPerEndpoint)
	}
	if c.health.Kind != model.HealthNone && !t.closed {
		ctx := l.context()
		t.owned.Go(func() { l.watch(ctx) })
	}
	return l
}

// context ends with the endpoint. Most are never asked for theirs. The table's lock is held.
func (l *live) context() context.Context {
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancel(l.table.ctx)
	}
	return l.ctx
}

// keyOf is the key of an address that the upstream uses.
func (h *Handle) keyOf(e *model.Endpoint) EndpointKey {
	key := EndpointKey{Addr: e.Addr, Observe: h.conduct.digest, Dial: h.up.Dial, Protocol: h.up.Protocol}
	if key.Secure = h.security.on(e.Secure) && h.up.Protocol != model.FCGI || h.up.Protocol == model.H2; key.Secure {
		key.TLS = h.security.digest
	}
	return key
}

// conduct is how endpoints are observed, with the defaults. It is immutable.
type conduct struct {
	health   model.HealthCheck
	ejection model.Ejection
	digest   [sha256.Size]byte // of both, for EndpointKey
}

func newConduct(up *model.Upstream) *conduct {
	c := &conduct{health: withDefaults(up.Health), ejection: withEjectionDefaults(up.Ejection)}
	c.digest = sha256.Sum256(fmt.Appendf(nil, "%#v %#v", c.health, c.ejection))
	return c
}

// conductOf is that of an upstream.
func (t *Table) conductOf(up *model.Upstream) *conduct {
	if up.Health.Kind == model.HealthNone && up.Ejection == (model.Ejection{}) {
		return t.usual
	}
	return newConduct(up)
}

// decayOf is the time constant of measured latencies in milliseconds, 0 where none are.
func decayOf(b model.Balance) float64 {
	if b.Kind != model.PeakEWMA {
		return 0
	}
	setDefault(&b.Decay, 10*time.Second)
	return float64(b.Decay) / float64(time.Millisecond)
}

// end closes what belongs to the endpoint. The table's lock is held.
func (l *live) end() {
	if l.cancel != nil {
		l.cancel()
	}
	l.pool.close()
	l.shared.finish(true)
	delete(l.table.ejected, l)
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
	for h := range l.users.All {
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

// observe notes what a probe or a connect says of an endpoint and gives its users new pickers if that is news. The lock
// is held.
func (t *Table) observe(l *live, down bool, reason model.Code) {
	if (l.reason != "") == down || l.gone || t.closed {
		return
	}
	l.reason = reason
	if l.stopRetry != nil {
		l.stopRetry()
		l.stopRetry = nil
	}
	if down {
		l.ejected, l.until = "", time.Time{} // it comes back by a probe now, which knows better than a time
		delete(t.ejected, l)
		l.streak.end()
		l.pool.clear()
		l.shared.finish(false)
		if l.conduct.health.Kind == model.HealthNone {
			ctx, cancel := context.WithCancel(l.context())
			l.stopRetry = cancel
			overTLS := reason == CodeTLS || reason == CodeTLSTimeout
			t.owned.Go(func() { l.retry(ctx, overTLS) })
		}
	}
	t.news(l)
}

// news makes known what was observed last. The lock is held.
func (t *Table) news(l *live) {
	was, down := l.shown, l.reason != "" || l.ejected != ""
	l.down.Store(down)
	l.shown = down
	if was != down {
		l.since = time.Now()
		if !down {
			l.back = l.since
		}
		t.turned(l, down, l.why())
	}
	for h := range l.users.All {
		h.rebuild()
	}
	reason := l.why()
	t.cfg.Log.Info("endpoint observed", "addr", l.key.Addr, "down", down, "reason", string(reason))
	if t.cfg.Changed != nil {
		t.cfg.Changed(Observation{l.key.Addr, down, reason})
	}
}

// why is what stands against the endpoint. The lock is held.
func (l *live) why() model.Code {
	if l.reason != "" {
		return l.reason
	}
	return l.ejected
}

// note is observe for those who do not hold the lock.
func (l *live) note(down bool, reason model.Code) {
	l.table.mu.Lock()
	defer l.table.mu.Unlock()
	l.table.observe(l, down, reason)
}
