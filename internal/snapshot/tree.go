package snapshot

import (
	"slices"

	"paifang/internal/shard"
)

// A node holds the routes of a host whose paths begin with some segments. While they are few they are tried one after
// the other; beyond mostInNode it branches by the next segment. A tree only finds candidates, so what a route takes is
// decided in one place, Route.takes. Nodes never change: an edit copies the nodes on the way to its route.
//
// Routes and nodes stand in their nodes and not behind slices: among 100,000 routes each step to another place in memory
// costs more than all that is done there.
type node struct {
	few    [mostInNode]*Route // in the total order, with nil behind the last
	branch *branch            // in their stead
}

const (
	mostInNode    = 4
	leastInBranch = 2 // a branch with no more routes than these becomes a node without one again
)

type branch struct {
	here  pile            // routes that lead no further down: they end here, or go on with what no tree holds
	kids  shard.Map[node] // by the next segment
	other *node           // routes that take any next segment
	count int             // of all routes
}

func (n *node) size() int {
	if n.branch != nil {
		return n.branch.count
	}
	return len(n.routes())
}

// routes are the few of a node.
func (n *node) routes() []*Route {
	i := 0
	for i < len(n.few) && n.few[i] != nil {
		i++
	}
	return n.few[:i]
}

// fewOf makes a node of no more than mostInNode routes in their total order.
func fewOf(routes []*Route) (n node) {
	copy(n.few[:], routes)
	return n
}

// nodeOf makes a node of routes in their total order, whose heads are followed up to off.
func nodeOf(routes []*Route, off func(*Route) int) node {
	if len(routes) <= mostInNode {
		return fewOf(routes)
	}
	b := &branch{count: len(routes)}
	var here, variable []*Route
	literal := map[string][]*Route{}
	ends := map[*Route]int{}
	for _, r := range routes {
		seg, next, kind := r.step(off(r))
		switch kind {
		case stepEnds:
			here = append(here, r)
			continue
		case stepVariable:
			variable = append(variable, r)
		default:
			literal[seg] = append(literal[seg], r)
		}
		ends[r] = next
	}
	below := func(r *Route) int { return ends[r] }
	b.here = pileOf(here)
	if len(variable) > 0 {
		n := nodeOf(variable, below)
		b.other = &n
	}
	e := b.kids.Edit()
	for seg, rs := range literal {
		e.Set(seg, nodeOf(rs, below))
	}
	b.kids = e.Map()
	return node{branch: b}
}

// add returns the node with a route in it.
func (n node) add(r *Route, off int) node {
	if n.branch == nil {
		routes := inserted(n.routes(), r)
		if len(routes) <= mostInNode {
			return fewOf(routes)
		}
		return nodeOf(routes, depth(r, off))
	}
	b := *n.branch
	b.count++
	seg, next, kind := r.step(off)
	switch kind {
	case stepEnds:
		b.here = b.here.add(r)
	case stepVariable:
		var other node
		if b.other != nil {
			other = *b.other
		}
		other = other.add(r, next)
		b.other = &other
	default:
		kid, _ := b.kids.Get(seg)
		e := b.kids.Edit()
		e.Set(seg, kid.add(r, next))
		b.kids = e.Map()
	}
	return node{branch: &b}
}

// depth returns where each route's head goes on at the depth of a node, given that of one of them: all have the same
// number of segments behind them, of different length.
func depth(r *Route, off int) func(*Route) int {
	segments := 0
	for at := 0; at < off; segments++ {
		_, at, _ = r.step(at)
	}
	return func(o *Route) int {
		at := 0
		for range segments {
			_, at, _ = o.step(at)
		}
		return at
	}
}

// remove returns the node without a route that is in it.
func (n node) remove(r *Route, off int) node {
	if n.branch == nil {
		return fewOf(without(n.routes(), r))
	}
	b := *n.branch
	b.count--
	if b.count <= leastInBranch {
		rest := make([]*Route, 0, b.count)
		n.all(func(x *Route) {
			if x != r {
				rest = append(rest, x)
			}
		})
		slices.SortFunc(rest, compare)
		return fewOf(rest)
	}
	seg, next, kind := r.step(off)
	switch kind {
	case stepEnds:
		b.here = b.here.remove(r)
	case stepVariable:
		other := b.other.remove(r, next)
		if b.other = &other; other.size() == 0 {
			b.other = nil
		}
	default:
		kid, _ := b.kids.Get(seg)
		e := b.kids.Edit()
		if kid = kid.remove(r, next); kid.size() == 0 {
			e.Delete(seg)
		} else {
			e.Set(seg, kid)
		}
		b.kids = e.Map()
	}
	return node{branch: &b}
}

// all calls f for every route, in no order.
func (n *node) all(f func(*Route)) {
	if n.branch == nil {
		for _, r := range n.routes() {
			f(r)
		}
		return
	}
	n.branch.here.all(f)
	if n.branch.other != nil {
		n.branch.other.all(f)
	}
	for _, kid := range n.branch.kids.All() {
		kid.all(f)
	}
}

// beside yields, in the total order, the routes that stand where r does or would: among them are all with the same
// match.
func (n *node) beside(r *Route, yield func(*Route) bool) {
	off := 0
	for n != nil && n.branch != nil {
		seg, next, kind := r.step(off)
		switch kind {
		case stepEnds:
			n.branch.here.beside(r, yield)
			return
		case stepVariable:
			n = n.branch.other
		default:
			n = n.branch.kids.At(seg)
		}
		off = next
	}
	if n == nil {
		return
	}
	for _, x := range n.routes() {
		if !yield(x) {
			return
		}
	}
}

// inserted returns routes in order with one more among them, as a slice of its own.
func inserted(routes []*Route, r *Route) []*Route {
	i, _ := slices.BinarySearchFunc(routes, r, func(x, r *Route) int {
		if r.before(x) {
			return 1
		}
		return -1
	})
	out := make([]*Route, 0, len(routes)+1)
	out = append(out, routes[:i]...)
	out = append(out, r)
	return append(out, routes[i:]...)
}

// without returns routes with one less, as a slice of its own.
func without(routes []*Route, r *Route) []*Route {
	out := make([]*Route, 0, len(routes))
	for _, x := range routes {
		if x != r {
			out = append(out, x)
		}
	}
	return out
}
