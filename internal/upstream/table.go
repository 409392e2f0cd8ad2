package upstream

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// Config is what a Table works with. Every zero field has a default.
type Config struct {
	Log *slog.Logger // default: none
	// Changed is told of every endpoint that own observation took out or brought back. It is called with the table's
	// lock held: it must not block and must not call the table. May be nil.
	Changed func(Observation)
	// Listed is told of every list that has changed or become known, likewise. May be nil.
	Listed func(model.EndpointsID)
	// IdlePerEndpoint bounds the idle connections kept to one endpoint. Default 512: as many as requests were in
	// flight to it at once within IdleTime, since the one used last is used first and the rest age out.
	IdlePerEndpoint int
	// IdleTime is how long an idle connection is kept. Default 60 s.
	IdleTime time.Duration
	// StreamsPerConn bounds the requests that share one connection (HTTP/2). Default 100; an endpoint may allow less.
	StreamsPerConn int
	// MaxWaiters bounds the requests that wait at one time for lists never delivered. Default 1,000.
	MaxWaiters int
	// WaitTime is how long one of them waits at most. Default 1 s.
	WaitTime time.Duration
	// RetryFirst and RetryMax are the first and the longest pause before an endpoint that is down, and has no active
	// health check, is probed again. Default 1 s, doubling to 30 s.
	RetryFirst, RetryMax time.Duration
	// Roots are trusted where TLS settings of an upstream name no CA. Default: the system's.
	Roots *x509.CertPool
	// Zone is where this process runs, for upstreams that prefer their own zone. Default: not known.
	Zone string
	// AffinityKey goes into the numbers that stand for endpoints in cookies. All replicas need the same. Default: none; who
	// guesses an address can then check the guess.
	AffinityKey []byte
}

// Observation says that an endpoint went down or came back by own observation.
type Observation struct {
	Addr   netip.AddrPort
	Down   bool
	Reason model.Code // why it is down
}

// Table holds every list of addresses that a source offers, and every endpoint that a plane uses. Its methods may be
// called from any goroutine.
type Table struct {
	cfg     Config
	began   time.Time
	ctx     context.Context // ends with Close; parent of every probe
	cancel  context.CancelFunc
	owned   sync.WaitGroup // every goroutine that the table started
	wake    chan struct{}  // to the keeper: an earlier expiry than it knows
	waiters atomic.Int64
	idle    idleStack
	plain   *security     // of all upstreams that have no TLS settings of their own
	usual   *conduct      // of all that have no settings of how they are observed
	open    chan struct{} // closed: what nobody waits for
	// The pickers of upstreams without endpoints: those whose lists are known, and others.
	empty, unknown picker

	mu        sync.Mutex // everything below, and the fields of list, Handle and live that say so
	closed    bool
	serial    uint64 // of the newest handle
	lists     map[model.EndpointsID]*list
	given     map[contributor][]model.EndpointsID
	known     map[string]bool // keepers all of whose sources are synced
	handles   map[string]*Handle
	byAddr    map[netip.AddrPort][]*live // those in use
	conns     map[*sharedConn]struct{}   // that are served
	histories map[model.UpstreamID]*history
	gates     map[model.UpstreamID]*gate
	ejected   map[*live]struct{}
	rated     map[*Handle]*rating
	warming   map[*Handle]time.Time // when their pickers are made anew
}

// contributor is a group of a source.
type contributor struct{ source, group string }

func (a contributor) compare(b contributor) int {
	if a.source != b.source {
		if a.source < b.source {
			return -1
		}
		return 1
	}
	switch {
	case a.group < b.group:
		return -1
	case a.group > b.group:
		return 1
	default:
		return 0
	}
}

// NewTable returns a table without lists. Close ends its goroutines.
func NewTable(cfg Config) *Table {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&cfg.IdlePerEndpoint, 512)
	setDefault(&cfg.IdleTime, time.Minute)
	setDefault(&cfg.StreamsPerConn, 100)
	setDefault(&cfg.MaxWaiters, 1000)
	setDefault(&cfg.WaitTime, time.Second)
	setDefault(&cfg.RetryFirst, time.Second)
	setDefault(&cfg.RetryMax, 30*time.Second)
	t := &Table{
		cfg: cfg, began: time.Now(), wake: make(chan struct{}, 1), open: make(chan struct{}), lists: map[model.EndpointsID]*list{},
		given: map[contributor][]model.EndpointsID{}, known: map[string]bool{}, handles: map[string]*Handle{},
		conns: map[*sharedConn]struct{}{}, byAddr: map[netip.AddrPort][]*live{}, histories: map[model.UpstreamID]*history{},
		gates: map[model.UpstreamID]*gate{}, ejected: map[*live]struct{}{}, rated: map[*Handle]*rating{}, warming: map[*Handle]time.Time{},
	}
	t.empty.known = true
	t.plain = newSecurity(&model.UpstreamTLS{}, cfg.Roots)
	t.usual = newConduct(&model.Upstream{})
	close(t.open)
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.owned.Go(t.keep)
	return t
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Close ends every probe, closes every idle connection and waits for the table's goroutines. Connections in use end
// with their users, but those that users share end now.
func (t *Table) Close() {
	t.mu.Lock()
	t.closed = true
	t.cancel()
	for _, same := range t.byAddr {
		for _, l := range same {
			l.pool.close()
		}
	}
	for c := range t.conns {
		c.http2.Kill()
	}
	t.mu.Unlock()
	t.owned.Wait()
}

// SetContribution replaces what one group of a source contributes to lists; no sets takes it away. Every upstream
// that uses a changed list has its new picker when the call returns. Addresses that the group loses by it, and that
// no other contribution has, stay for doubt as a last resort.
func (t *Table) SetContribution(source, group string, sets []model.EndpointSet, doubt time.Duration) {
	who := contributor{source, group}
	byList := map[model.EndpointsID][]model.EndpointSet{}
	var named []model.EndpointsID
	for _, s := range sets {
		if byList[s.List] == nil {
			named = append(named, s.List)
		}
		byList[s.List] = append(byList[s.List], s)
	}
	now := time.Now()

	t.mu.Lock()
	defer t.mu.Unlock()
	var fresh []netip.AddrPort // of which the source says something new
	touched := named
	for _, id := range t.given[who] {
		if byList[id] == nil {
			touched = append(touched, id)
		}
	}
	for _, id := range touched {
		l := t.list(id)
		wasKnown := t.knows(l)
		fresh = append(fresh, l.contribute(who, byList[id], doubt, now, t.known[id.Keeper])...)
		if l.merge(now) || !wasKnown || !t.knows(l) {
			t.rebuild(l)
		}
		t.tidy(l)
	}
	if len(named) == 0 {
		delete(t.given, who)
	} else {
		t.given[who] = named
	}
	for _, addr := range fresh {
		for _, l := range t.byAddr[addr] {
			// A probed endpoint comes back by its probe, which knows better.
			if l.conduct.health.Kind == model.HealthNone {
				t.observe(l, false, "")
			}
			t.readmit(l)
		}
	}
	if doubt > 0 {
		t.poke()
	}
}

// MarkKnown says that every source which keeps lists of this keeper has delivered its first full set: a list that is
// missing is empty from now on, no longer unknown.
func (t *Table) MarkKnown(keeper string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[keeper] {
		return
	}
	t.known[keeper] = true
	for id, l := range t.lists {
		if id.Keeper == keeper {
			t.rebuild(l)
			t.tidy(l)
		}
	}
}

// list returns a list, which it makes where there is none. The lock is held.
func (t *Table) list(id model.EndpointsID) *list {
	l := t.lists[id]
	if l == nil {
		l = newList(id)
		t.lists[id] = l
	}
	return l
}

// knows tells an empty list from an unknown one. The lock is held.
func (t *Table) knows(l *list) bool {
	return (l.delivered || t.known[l.id.Keeper]) && !l.unread()
}

// rebuild gives every upstream that uses a list its new picker, and tells that the list is another one. The lock is held.
func (t *Table) rebuild(l *list) {
	if t.cfg.Listed != nil {
		t.cfg.Listed(l.id)
	}
	for h := range l.users.All {
		h.rebuild()
	}
}

// tidy forgets a list that nobody offers and nobody uses. The lock is held. A list that was delivered and taken
// back stays while its keeper is not known as a whole: it is empty, not unknown.
func (t *Table) tidy(l *list) {
	if len(l.contributions) == 0 && len(l.doubted) == 0 && l.users.Len() == 0 && (t.known[l.id.Keeper] || !l.delivered) {
		delete(t.lists, l.id)
	}
}

// poke has the keeper look at what expires.
func (t *Table) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// sweepEvery is the grain of the sweeper of idle connections.
const sweepEvery = time.Second

// keep is the goroutine that ends doubts, ejections and slow starts in time and sweeps idle connections.
func (t *Table) keep() {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.wake:
		case <-due.C:
		case now := <-sweep.C:
			t.idle.sweep(now.Add(-t.cfg.IdleTime))
			t.checkShared(now)
			continue
		}
		due.Reset(t.expire(time.Now()))
	}
}

// expire does what is due and returns how long it is until something is next.
func (t *Table) expire(now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := time.Hour
	for _, l := range t.lists {
		left, changed := l.expire(now)
		if changed && l.merge(now) {
			t.rebuild(l)
		}
		t.tidy(l)
		next = min(next, left)
	}
	return min(next, t.readmitDue(now), t.rate(now), t.warmUp(now))
}

// warm has the picker of a handle made anew while weights grow: sixteen times in a slow start, at most ten times a second.
// The lock is held.
func (t *Table) warm(h *Handle, now time.Time) {
	if _, is := t.warming[h]; !is {
		t.warming[h] = now.Add(max(h.up.SlowStart.Window/16, 100*time.Millisecond))
		t.poke()
	}
}

// warmUp makes the pickers anew whose time has come and returns how long it is until the next one's has. The lock is held.
func (t *Table) warmUp(now time.Time) time.Duration {
	for h, at := range t.warming {
		if !at.After(now) {
			delete(t.warming, h)
			h.rebuild() // notes itself again if it must
		}
	}
	next := time.Hour
	for _, at := range t.warming {
		next = min(next, max(0, at.Sub(now)))
	}
	return next
}

// acquireLive returns the live endpoint of a key, which it makes where there is none. The lock is held.
func (t *Table) acquireLive(key EndpointKey, h *Handle) *live {
	same := t.byAddr[key.Addr]
	i := slices.IndexFunc(same, func(l *live) bool { return l.key == key })
	if i < 0 {
		i, same = len(same), append(same, newLive(t, key, h.conduct, h.security))
		t.byAddr[key.Addr] = same
	}
	l := same[i]
	l.users.Add(h)
	return l
}

// releaseLive takes back the use of a live endpoint; the last one closes it. The lock is held.
func (t *Table) releaseLive(l *live, h *Handle) {
	l.users.Remove(h)
	if l.users.Len() > 0 {
		return
	}
	l.gone = true
	same := slices.DeleteFunc(t.byAddr[l.key.Addr], func(o *live) bool { return o == l })
	if len(same) == 0 {
		delete(t.byAddr, l.key.Addr)
	} else {
		t.byAddr[l.key.Addr] = same
	}
	l.end()
}
