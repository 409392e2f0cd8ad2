package upstream

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"

	"paifang/internal/model"
)

// class is a set of endpoints that are chosen among alike, and everything that choosing needs. It is immutable.
type class struct {
	endpoints []*Endpoint // sorted by address
	weights   []int       // that count now, in thousandths
	order     []uint32    // in which they take turns, indices into endpoints; nil = one after the other
	ring      *ring
	maglev    *maglev
	kept      int  // of SameEndpoint: who has all requests, an index into endpoints
	anyway    bool // what own observation says does not count
}

// query is what a pick asks for, and what was found on the way.
type query struct {
	turn  uint64
	tried []*Endpoint
	key   Key
	keyed bool
	part  string

	passed bool // an endpoint was left out only because it was tried
	full   bool // an endpoint was left out only because no more may be sent to it now
}

// takes tells whether an endpoint may be chosen.
func (q *query) takes(e *Endpoint, anyway bool) bool {
	switch {
	case !anyway && e.live.down.Load():
		return false
	case contains(q.tried, e):
		q.passed = true
		return false
	case e.slot != nil && e.slot.full(e.most):
		q.full = true
		return false
	}
	return true
}

// contains compares what lives, not the value: a list may have changed between two tries.
func contains(tried []*Endpoint, e *Endpoint) bool {
	for _, t := range tried {
		if t.live == e.live {
			return true
		}
	}
	return false
}

// newClass makes a class. What the older one at its place was made of is taken over where it is the same.
func newClass(kind model.BalanceKind, endpoints []*Endpoint, weights []int, old *class) class {
	c := class{endpoints: endpoints, weights: weights}
	if len(endpoints) == 0 {
		return c
	}
	if old != nil && sameMembers(endpoints, weights, old) {
		c.order, c.ring, c.maglev, c.kept = old.order, old.ring, old.maglev, old.kept
		return c
	}
	if kind == model.SameEndpoint {
		c.kept = keptOf(endpoints, old)
		return c
	}
	c.order = schedule(weights) // of hashes too: for requests without a key
	switch kind {
	case model.RingHash:
		c.ring = newRing(endpoints, weights, old)
	case model.Maglev:
		c.maglev = newMaglev(endpoints, weights)
	}
	return c
}

// keptOf is who has all requests: the endpoint that had them, or the one after it where that is gone. The first is one by a hash, so that
// gateways that start with the same instances agree.
func keptOf(endpoints []*Endpoint, old *class) int {
	if old.len() == 0 {
		first := slices.MinFunc(endpoints, func(a, b *Endpoint) int { return cmp.Compare(identity(a), identity(b)) })
		return slices.Index(endpoints, first)
	}
	i, _ := slices.BinarySearchFunc(endpoints, old.endpoints[old.kept].Addr, func(e *Endpoint, addr netip.AddrPort) int { return e.Addr.Compare(addr) })
	return i % len(endpoints)
}

// len is how many there are. A nil class has none.
func (c *class) len() int {
	if c == nil {
		return 0
	}
	return len(c.endpoints)
}

func sameMembers(endpoints []*Endpoint, weights []int, old *class) bool {
	return slices.Equal(weights, old.weights) && slices.EqualFunc(endpoints, old.endpoints, func(a, b *Endpoint) bool { return a.Addr == b.Addr })
}

// choose returns the endpoint that a balance chooses, or nil.
func (c *class) choose(kind model.BalanceKind, q *query) *Endpoint {
	switch {
	case c.len() == 0:
		return nil
	case q.keyed && c.ring != nil:
		return c.walk(c.ring.owners, c.ring.at(q.key), q)
	case q.keyed && c.maglev != nil:
		return c.walk(c.maglev.owners, c.maglev.at(q.key), q)
	case kind.Chance() && len(c.endpoints) > 1:
		return c.better(kind, q)
	case kind == model.SameEndpoint:
		return c.after(c.kept, q)
	}
	return c.next(q)
}

// turn returns the endpoint whose turn it is, or nil if it is down or there is none.
func (c *class) turn(turn uint64) *Endpoint {
	var e *Endpoint
	switch n := uint64(len(c.endpoints)); {
	case n == 0:
		return nil
	case c.order != nil:
		e = c.endpoints[c.order[turn%uint64(len(c.order))]]
	default:
		e = c.endpoints[turn%n]
	}
	if e.live.down.Load() && !c.anyway {
		return nil
	}
	return e
}

// next returns the first endpoint from its turn on that may be chosen.
func (c *class) next(q *query) *Endpoint {
	if c.order != nil {
		return c.walk(c.order, int(q.turn%uint64(len(c.order))), q)
	}
	return c.after(int(q.turn%uint64(len(c.endpoints))), q)
}

// after returns the first endpoint from an index on that may be chosen.
func (c *class) after(at int, q *query) *Endpoint {
	for range c.endpoints {
		if e := c.endpoints[at]; q.takes(e, c.anyway) {
			return e
		}
		if at++; at == len(c.endpoints) {
			at = 0
		}
	}
	return nil
}

// walk returns the first endpoint from a place of a circle on that may be chosen.
func (c *class) walk(circle []uint32, at int, q *query) *Endpoint {
	for range circle {
		if e := c.endpoints[circle[at]]; q.takes(e, c.anyway) {
			return e
		}
		if at++; at == len(circle) {
			at = 0
		}
	}
	return nil
}

// better draws two endpoints by weight and returns the one that is less loaded for its weight; the first if they are equal,
// so that endpoints without load have their shares.
func (c *class) better(kind model.BalanceKind, q *query) *Endpoint {
	r := rand.Uint64()
	i, j := c.draw(uint32(r)), c.draw(uint32(r>>32))
	if n := len(c.endpoints); i == j {
		j = (i + 1 + int(r>>16)%(n-1)) % n
	}
	a, b := c.endpoints[i], c.endpoints[j]
	switch ta, tb := q.takes(a, c.anyway), q.takes(b, c.anyway); {
	case ta && tb:
	case ta:
		return a
	case tb:
		return b
	default:
		q.turn = r
		return c.next(q)
	}
	var la, lb float64
	if kind == model.PeakEWMA {
		now := a.live.table.now()
		la, lb = a.expects(now), b.expects(now)
	} else {
		la, lb = float64(a.live.inFlight.Load()), float64(b.live.inFlight.Load())
	}
	if lb*float64(c.weights[i]) < la*float64(c.weights[j]) {
		return b
	}
	return a
}

// draw is an index, by weight.
func (c *class) draw(r uint32) int {
	if c.order == nil {
		return int(uint64(r) * uint64(len(c.endpoints)) >> 32)
	}
	return int(c.order[uint64(r)*uint64(len(c.order))>>32])
}

// shares are the parts of the requests that each endpoint has, as far as chance and keys are even. They add up to 1.
func (c *class) shares(kind model.BalanceKind) []float64 {
	switch {
	case len(c.endpoints) == 0:
		return nil
	case c.ring != nil:
		return c.ring.shares()
	case c.maglev != nil:
		return c.maglev.shares(len(c.endpoints))
	case kind == model.SameEndpoint:
		out := make([]float64, len(c.endpoints))
		out[c.kept] = 1
		return out
	}
	total := 0
	for _, w := range c.weights {
		total += w
	}
	out := make([]float64, len(c.weights))
	for i, w := range c.weights {
		out[i] = float64(w) / float64(total)
	}
	return out
}
