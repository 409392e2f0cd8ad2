package upstream

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"paifang/internal/fastcgi"
	"paifang/internal/model"
)

// Handle is an upstream bound to its endpoints. Planes acquire it in Prepare and release it in Retire or Abort. All
// handles of one upstream with the same meaning are one value, so pointers may be compared.
type Handle struct {
	table  *Table
	key    string
	serial uint64          // of all handles of the table; the newest has the highest
	up     *model.Upstream // of a snapshot: it never changes
	picker atomic.Pointer[picker]
	turn   atomic.Uint64 // of first tries
	again  atomic.Uint64 // of further tries, which must not disturb the order of the first ones
	ready  chan struct{} // closed when the endpoints are known

	security *security
	fastCGI  *fastcgi.Settings // nil = it is not spoken
	conduct  *conduct
	decay    float64         // of latencies, in milliseconds; 0 = they are not measured
	affinity *model.Affinity // with its defaults
	tag      string          // in cookies
	gate     *gate
	limited  bool // requests pass the gate
	plain    bool // an endpoint is chosen by turn, and by nothing else

	overTLS *Handle // of requests that came over TLS, where their endpoints are spoken to in another way; nil = they are not

	refs  int // guarded by the table's lock
	lists []*list
	known bool
	uses  []*Endpoint // the members of the picker, sorted by address
}

// use is the endpoint of an address, nil if it is none of the handle's. The table's lock is held.
func (h *Handle) use(addr netip.AddrPort) *Endpoint {
	if i, is := slices.BinarySearchFunc(h.uses, addr, func(e *Endpoint, addr netip.AddrPort) int { return e.Addr.Compare(addr) }); is {
		return h.uses[i]
	}
	return nil
}

// Hint is what a request knows about where it may go.
type Hint struct {
	// Tried are the endpoints that are not to be chosen again. A pick with Tried takes no turn of the round robin.
	Tried []*Endpoint
	// Key is what a consistent hash goes by, if Keyed. Without it the request takes its turn.
	Key   Key
	Keyed bool
	// Mark is the number of the endpoint that the client is bound to, if Marked. While that is ready and up, it is chosen.
	Mark   uint64
	Marked bool
	// Part is the value of the upstream's preferred tag that the request names; empty = none.
	Part string
}

// Acquire binds an upstream and counts one more user of it. Release must follow. Everything that changes what the
// upstream means (lists, tags, balance, health check, dialling, TLS, protocol) makes another handle; its origin does not.
func (t *Table) Acquire(up *model.Upstream) *Handle {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.acquire(up)
}

// acquire is Acquire. The lock is held.
func (t *Table) acquire(up *model.Upstream) *Handle {
	conduct := t.conductOf(up)
	key := handleKey(up, conduct)
	h := t.handles[key]
	if h == nil {
		var overTLS *Handle
		if up.TLS.Mode == model.TLSAsAsked {
			secure := *up // one ID: a client's cookie, and a limit, hold in both ways
			secure.TLS.Mode = model.TLSAlways
			overTLS = t.acquire(&secure)
		}
		t.serial++
		h = &Handle{table: t, key: key, serial: t.serial, up: up, conduct: conduct, affinity: &up.Affinity, tag: up.ID.Tag(), decay: decayOf(up.Balance), overTLS: overTLS}
		h.security, h.fastCGI = t.securityOf(&up.TLS), fastCGIOf(up)
		if up.Affinity.Mode != model.NoAffinity {
			a := withCookie(up)
			h.affinity = &a
		}
		h.gate = t.gateOf(up.ID)
		h.limited = up.Limits.Requests > 0 || up.Limits.Connections > 0 || up.Limits.EndpointConnections > 0
		h.plain = up.Balance.Kind == model.RoundRobin && up.Prefer.Tag == "" && up.Affinity.Mode == model.NoAffinity && up.Limits.EndpointConnections == 0
		if e := withEjectionDefaults(up.Ejection); e.SuccessRate.On {
			t.rated[h] = &rating{due: time.Now().Add(e.Interval)}
			t.poke()
		}
		for _, id := range up.Endpoints {
			l := t.list(id)
			l.users.Add(h)
			h.lists = append(h.lists, l)
		}
		t.handles[key] = h
		t.remember(h)
		h.rebuild()
	}
	h.refs++
	return h
}

// handleKey is a digest of what an upstream means: there is one for each of many thousands, and as text it has a kilobyte.
func handleKey(up *model.Upstream, c *conduct) string {
	b := sha256.New()
	fmt.Fprintf(b, "%q %+v %x %#v %#v %#v %#v %#v", up.ID, up.Dial, c.digest, up.Balance, up.Affinity, up.Zones, up.SlowStart, up.Limits)
	fmt.Fprintf(b, " %q %x %q %q", up.TLS.Mode, securityDigest(&up.TLS), up.Protocol, up.FastCGI)
	fmt.Fprintf(b, " %d %#v", up.EmptyStatus, up.Keep)
	for _, id := range up.Endpoints {
		fmt.Fprintf(b, " %q/%q", id.Keeper, id.Name)
	}
	fmt.Fprintf(b, " %q %q %q %q", up.Select, up.Except, up.Prefer, up.Without)
	return string(b.Sum(nil))
}

// StatusWhenEmpty is what requests are answered when Pick finds no endpoint.
func (h *Handle) StatusWhenEmpty() int { return h.up.StatusWhenEmpty() }

// Release gives the handle back. The last release ends the probes of endpoints that nobody else uses and closes
// their idle connections; requests in flight finish.
func (h *Handle) Release() {
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	h.release()
}

// release is Release. The lock is held.
func (h *Handle) release() {
	t := h.table
	if h.refs--; h.refs > 0 {
		return
	}
	if h.overTLS != nil {
		h.overTLS.release()
	}
	delete(t.handles, h.key)
	t.forget(h)
	delete(t.rated, h)
	delete(t.warming, h)
	t.leaveGate(h.up.ID, h.gate)
	for _, l := range h.lists {
		l.users.Remove(h)
		t.tidy(l)
	}
	for _, e := range h.uses {
		t.releaseLive(e.live, h)
	}
	h.uses = nil
}

// Find returns the newest handle of an upstream that somebody holds. It counts no user: it is for those who look at
// what a pick would do, through Peek, Candidates and Snapshot.
func (t *Table) Find(id model.UpstreamID) (*Handle, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *Handle
	for _, h := range t.handles {
		if h.up.ID == id && (found == nil || h.serial > found.serial) {
			found = h
		}
	}
	return found, found != nil
}

// ID names the upstream.
func (h *Handle) ID() model.UpstreamID { return h.up.ID }

// For returns the handle that a request goes by which came over TLS, or in clear text. They are one, unless the upstream says that
// its endpoints are spoken to as the request came.
func (h *Handle) For(secure bool) *Handle {
	if secure && h.overTLS != nil {
		return h.overTLS
	}
	return h
}

// Shared tells whether requests to the endpoints share connections: HTTP/2.
func (h *Handle) Shared() bool { return h.up.Protocol.Shared() }

// Pick chooses an endpoint and counts a request in flight to it: Done must be called once. It never blocks and does
// not allocate. Chosen from are, in this order: the Ready that are up, those of the own zone first where that is preferred;
// the Draining that are up; the LastResort; and, if own observation alone stands against all of them, the Ready (or else
// the Draining) anyway. Never chosen are Unhealthy and Disabled ones and those without weight.
//
// Before all these, a client that is bound to an endpoint stays there, and an endpoint that may have no more requests is
// passed over.
//
// Errors: ErrUnknown, ErrNoEndpoints, ErrAllUnhealthy, ErrAllTried, ErrConnectionLimit.
func (h *Handle) Pick(hint Hint) (*Endpoint, error) {
	if !h.plain || len(hint.Tried) > 0 {
		return h.pick(hint)
	}
	// The way of nearly every request: its turn, and nobody is in the way.
	p, turn := h.picker.Load(), h.turn.Add(1)-1
	e := p.ready.turn(turn)
	if e == nil {
		var err error
		if e, err = p.pick(&query{turn: turn}); err != nil {
			return nil, err
		}
	}
	e.live.inFlight.Add(1)
	e.live.requests.Add(1)
	return e, nil
}

func (h *Handle) pick(hint Hint) (*Endpoint, error) {
	for {
		p := h.picker.Load()
		q := query{tried: hint.Tried, key: hint.Key, keyed: hint.Keyed, part: hint.Part}
		var e *Endpoint
		if hint.Marked {
			e = p.keeps(hint.Mark, &q)
		}
		if e == nil {
			// Who is bound, or has a key, takes no turn from those who are not; and where all go to one there are no turns.
			switch {
			case q.keyed && p.kind.Hashes(), p.kind == model.SameEndpoint:
			case len(hint.Tried) == 0:
				q.turn = h.turn.Add(1) - 1
			default:
				q.turn = h.again.Add(1) - 1
			}
			var err error
			if e, err = p.pick(&q); err != nil {
				return nil, err
			}
		}
		if e.slot != nil && !e.slot.take(e.most) {
			continue // another request was faster: this endpoint is passed over now
		}
		e.live.inFlight.Add(1)
		e.live.requests.Add(1)
		return e, nil
	}
}

// Up tells whether an endpoint is there that own observation has nothing against. Where the lists are not known yet, one may
// be.
func (h *Handle) Up() bool {
	p := h.picker.Load()
	if !p.known {
		return true
	}
	for _, c := range [...]*class{&p.ready, p.far, p.draining, p.last} {
		if c == nil {
			continue
		}
		for _, e := range c.endpoints {
			if !e.live.down.Load() {
				return true
			}
		}
	}
	return false
}

// Peek returns the endpoints that the next n picks will choose if nothing changes, of requests that are bound to none and
// have no key. It takes no turn. Where chance decides nobody can know, and it returns none: Candidates are what can be said.
func (h *Handle) Peek(n int) ([]*Endpoint, error) {
	p, turn := h.picker.Load(), h.turn.Load()
	out := make([]*Endpoint, 0, n)
	for i := range n {
		e, err := p.pick(&query{turn: turn + uint64(i)})
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if p.kind.Chance() && len(p.serving().endpoints) > 1 {
		return nil, nil
	}
	return out, nil
}

// Wait returns once a source has delivered the first of the upstream's lists. It waits Config.WaitTime at most and
// returns ErrUnknown after that, when ctx ends, and at once when too many are waiting already.
func (h *Handle) Wait(ctx context.Context) error {
	if h.picker.Load().known {
		return nil
	}
	t := h.table
	if t.waiters.Add(1) > int64(t.cfg.MaxWaiters) {
		t.waiters.Add(-1)
		return ErrUnknown
	}
	defer t.waiters.Add(-1)
	timer := time.NewTimer(t.cfg.WaitTime)
	defer timer.Stop()
	select {
	case <-h.ready:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	case <-t.ctx.Done():
	}
	return ErrUnknown
}

// without leaves out what the upstream does not want of any list. It comes before the union, where the state of an address that
// is on two lists is decided.
func (h *Handle) without(list []model.Endpoint) []model.Endpoint {
	if len(h.up.Without) == 0 {
		return list
	}
	out := make([]model.Endpoint, 0, len(list))
	for _, e := range list {
		if !e.Tags.Contains(h.up.Without) {
			out = append(out, e)
		}
	}
	return out
}

// rebuild makes the picker anew from the lists and what is observed of their endpoints, and swaps it in. The table's
// lock is held.
func (h *Handle) rebuild() {
	t := h.table
	known := false // every list is: what is missing is missing
	unknown := false
	var all []model.Endpoint
	for _, l := range h.lists {
		if t.knows(l) {
			known = true
		} else {
			unknown = true
		}
		all = append(all, h.without(l.merged)...)
	}
	if len(h.lists) > 1 {
		all = union(all)
	}
	now := time.Now()
	members := make([]*Endpoint, 0, len(all))
	for _, m := range all {
		if !h.up.Takes(m.Tags) {
			continue
		}
		m.Weight = h.up.Balance.WeightOf(m.Tags, m.Weight)
		key := h.keyOf(&m)
		e := h.use(m.Addr)
		if e == nil || e.live.key != key || !sameEndpoint(e.Endpoint, m) {
			e = &Endpoint{Endpoint: m, live: t.acquireLive(key, h), handle: h, answers: h.answersOf(m.Addr), returned: e.returns(&m, now)}
			if n := h.up.Limits.EndpointConnections; n > 0 {
				e.slot, e.most, e.conns = h.gate.slotOf(m.Addr), int64(n)*h.perConn(), int64(n)
			}
		}
		members = append(members, e)
	}
	old := h.uses
	h.uses = members
	for _, e := range old {
		if now := h.use(e.Addr); now == nil || now.live != e.live {
			t.releaseLive(e.live, h)
		}
	}
	h.gate.tidy(h)
	p := t.nobody(known && !unknown)
	if len(members) > 0 {
		p = h.newPicker(members, h.picker.Load(), now)
		p.known = known
	}
	if p.warming {
		t.warm(h, now)
	}
	h.picker.Store(p)
	switch {
	case p.known && h.ready == nil: // from the start
		h.known, h.ready = true, t.open
	case p.known && !h.known:
		h.known = true
		close(h.ready)
	case h.ready == nil:
		h.ready = make(chan struct{})
	}
}
