package upstream

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// gate counts what an upstream has in flight. It belongs to the upstream's ID, so that a change of settings does not begin
// anew. Where there is no limit, nothing but retries is counted.
type gate struct {
	inFlight atomic.Int64
	conns    atomic.Int64 // open connections that were made for the upstream
	retries  atomic.Int64
	queued   atomic.Int64 // len(waiting), or more for a moment

	mu      sync.Mutex
	waiting []*waiter // first come, first served

	users int                      // handles; guarded by the table's lock
	slots map[netip.AddrPort]*slot // guarded by the table's lock
}

// waiter is a request that waits to be let in.
type waiter struct {
	most int64
	in   chan struct{} // closed when it is
}

// slot counts the requests of an upstream to one endpoint. It outlives the Endpoint values.
type slot struct{ n atomic.Int64 }

func (s *slot) full(most int64) bool { return s.n.Load() >= most }

// take counts one more, unless that is too many.
func (s *slot) take(most int64) bool {
	for {
		n := s.n.Load()
		if n >= most {
			return false
		}
		if s.n.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// defaultWait is how long a request waits for its turn where the upstream does not say.
const defaultWait = time.Second

// gateOf returns the gate of an upstream. The table's lock is held.
func (t *Table) gateOf(id model.UpstreamID) *gate {
	g := t.gates[id]
	if g == nil {
		g = &gate{}
		t.gates[id] = g
	}
	g.users++
	return g
}

// leaveGate gives a gate back. The table's lock is held.
func (t *Table) leaveGate(id model.UpstreamID, g *gate) {
	if g.users--; g.users == 0 && t.gates[id] == g {
		delete(t.gates, id)
	}
}

// slotOf returns the slot of an address. The table's lock is held.
func (g *gate) slotOf(addr netip.AddrPort) *slot {
	s := g.slots[addr]
	if s == nil {
		if s = (&slot{}); g.slots == nil {
			g.slots = map[netip.AddrPort]*slot{}
		}
		g.slots[addr] = s
	}
	return s
}

// tidy forgets the slots of addresses that a handle does not have and that are idle. The table's lock is held.
func (g *gate) tidy(h *Handle) {
	for addr, s := range g.slots {
		if h.use(addr) == nil && s.n.Load() == 0 {
			delete(g.slots, addr)
		}
	}
}

// Enter lets a request in, where the upstream has limits; Leave must follow if it returns nil. A request over a limit waits
// for another to leave, if it may. Where there is no limit nothing is counted.
//
// Errors: ErrRequestLimit, ErrPendingLimit, ErrPendingTimeout; ErrPendingTimeout also when ctx ends.
func (h *Handle) Enter(ctx context.Context) error {
	if !h.limited {
		return nil
	}
	most := h.most()
	if h.gate.queued.Load() == 0 && h.gate.enter(most) {
		return nil
	}
	return h.gate.wait(ctx, most, h.up.Limits)
}

// Leave ends what Enter began.
func (h *Handle) Leave() {
	if h.limited {
		h.gate.leave()
	}
}

// perConn is how many requests one connection carries: one over HTTP/1.1 and TCP, where a limit on connections is one on
// requests as well.
func (h *Handle) perConn() int64 {
	if h.Shared() && h.up.Dial.Proxy == model.ProxyNone {
		return int64(h.table.cfg.StreamsPerConn)
	}
	return 1
}

// most is how many requests may be in flight: of those that connections have room for.
func (h *Handle) most() int64 {
	l := &h.up.Limits
	most := bounded(l.Requests)
	if l.Connections > 0 {
		most = min(most, int64(l.Connections)*h.perConn())
	}
	if l.EndpointConnections > 0 {
		p := h.picker.Load()
		if n := p.ready.len() + p.far.len(); n > 0 {
			most = min(most, int64(n*l.EndpointConnections)*h.perConn())
		}
	}
	return most
}

func (g *gate) enter(most int64) bool {
	for {
		n := g.inFlight.Load()
		if n >= most {
			return false
		}
		if g.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (g *gate) wait(ctx context.Context, most int64, l model.Limits) error {
	g.mu.Lock()
	g.queued.Add(1) // before the last look: who leaves from now on looks at the queue
	if len(g.waiting) == 0 && g.enter(most) {
		g.queued.Add(-1)
		g.mu.Unlock()
		return nil
	}
	if len(g.waiting) >= l.Pending {
		g.queued.Add(-1)
		g.mu.Unlock()
		if l.Pending == 0 {
			return ErrRequestLimit
		}
		return ErrPendingLimit
	}
	w := &waiter{most, make(chan struct{})}
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()

	setDefault(&l.Wait, defaultWait)
	timer := time.NewTimer(l.Wait)
	defer timer.Stop()
	select {
	case <-w.in:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, w)
	if i < 0 {
		return nil // let in at the last moment
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	g.queued.Add(-1)
	return ErrPendingTimeout
}

// leave counts one less and lets in who waits.
func (g *gate) leave() {
	g.inFlight.Add(-1)
	if g.queued.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.waiting) > 0 && g.enter(g.waiting[0].most) {
		close(g.waiting[0].in)
		g.waiting[0] = nil
		g.waiting = g.waiting[1:]
		g.queued.Add(-1)
	}
}

// Retries says what a further try costs and may cost.
type Retries struct {
	Percent, Least int  // the budget: Least, or Percent of what is in flight to the upstream's endpoints
	Unseen         bool // the request cannot have been seen: the budget does not count it
}

// Again counts a request that is in its second or later try; Once must follow if it returns nil. It is called once for a
// request. Errors: ErrRetryLimit, ErrRetryBudget.
func (h *Handle) Again(r Retries) error {
	n := h.gate.retries.Add(1)
	if n > bounded(h.up.Limits.Retries) {
		h.gate.retries.Add(-1)
		return ErrRetryLimit
	}
	if err := h.affords(n, r); err != nil {
		h.gate.retries.Add(-1)
		return err
	}
	return nil
}

// Affords tells whether the budget allows one more try of a request that is counted by Again already.
func (h *Handle) Affords(r Retries) error { return h.affords(h.gate.retries.Load(), r) }

func (h *Handle) affords(n int64, r Retries) error {
	if r.Unseen || n <= int64(r.Least) {
		return nil
	}
	var inFlight int64
	for _, e := range h.picker.Load().members {
		inFlight += e.live.inFlight.Load()
	}
	if n*100 > inFlight*int64(r.Percent) {
		return ErrRetryBudget
	}
	return nil
}

// Once ends what Again began.
func (h *Handle) Once() { h.gate.retries.Add(-1) }

// connect makes room for one more connection to the endpoint's upstream. Where there is none, an idle one is closed.
func (h *Handle) connect() bool {
	most := int64(h.up.Limits.Connections)
	if most == 0 {
		return true
	}
	for {
		if n := h.gate.conns.Load(); n < most {
			if h.gate.conns.CompareAndSwap(n, n+1) {
				return true
			}
			continue
		}
		if !h.closeIdle() {
			return false
		}
	}
}

// closeIdle closes an idle connection that counts for this upstream.
func (h *Handle) closeIdle() bool {
	for _, e := range h.picker.Load().members {
		if e.live.pool.closeOldest(h.gate) || e.live.shared.closeIdle(h.gate) {
			return true
		}
	}
	return false
}

// waiting is how many requests wait to be let in.
func (h *Handle) waiting() int {
	h.gate.mu.Lock()
	defer h.gate.mu.Unlock()
	return len(h.gate.waiting)
}
