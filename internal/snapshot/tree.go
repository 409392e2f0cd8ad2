package snapshot

import (
	"slices"

	"paifang/internal/shard"
)

// A node holds the routes of a host whose paths begin with some segments. While they are few it is a bucket, in which
// they are tried one after the other; beyond mostInBucket it branches by the next segment. A tree only finds
// candidates, so what a route takes is decided in one place, Route.takes. Nodes never change: an edit copies the nodes
// on the way to its route.
type node struct {
	bucket []*Route // in the total order
	branch *branch  // in its stead
}

const (
	mostInBucket  = 4
	leastInBranch = 2 // a branch with no more routes than these becomes a bucket again
)

type branch struct {
	here  pile             // routes that lead no further down: they end here, or go on with what no tree holds
	kids  shard.Map[*node] // by the next segment
	any   *node            // routes that take any next segment
	count int              // of all routes
}

func (n node) size() int {
	if n.branch != nil {
		return n.branch.count
	}
	return len(n.bucket)
}

// nodeOf makes a node of routes in their total order, whose heads are followed up to off.
func nodeOf(routes []*Route, off func(*Route) int) node {
	if len(routes) <= mostInBucket {
		return node{bucket: routes}
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
		b.any = &n
	}
	e := b.kids.Edit()
	for seg, rs := range literal {
		n := nodeOf(rs, below)
		e.Set(seg, &n)
	}
	b.kids = e.Map()
	return node{branch: b}
}

// add returns the node with a route in it.
func (n node) add(r *Route, off int) node {
	if n.branch == nil {
		bucket := inserted(n.bucket, r)
		if len(bucket) <= mostInBucket {
			return node{bucket: bucket}
		}
		return nodeOf(bucket, depth(r, off))
	}
	b := *n.branch
	b.count++
	seg, next, kind := r.step(off)
	switch kind {
	case stepEnds:
		b.here = b.here.add(r)
	case stepVariable:
		b.any = b.any.with(r, next)
	default:
		kid, _ := b.kids.Get(seg)
		e := b.kids.Edit()
		e.Set(seg, kid.with(r, next))
		b.kids = e.Map()
	}
	return node{branch: &b}
}

func (n *node) with(r *Route, off int) *node {
	if n == nil {
		n = &node{}
	}
	out := n.add(r, off)
	return &out
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
		return node{bucket: without(n.bucket, r)}
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
		return node{bucket: rest}
	}
	seg, next, kind := r.step(off)
	switch kind {
	case stepEnds:
		b.here = b.here.remove(r)
	case stepVariable:
		b.any = b.any.less(r, next)
	default:
		kid, _ := b.kids.Get(seg)
		e := b.kids.Edit()
		if kid = kid.less(r, next); kid == nil {
			e.Delete(seg)
		} else {
			e.Set(seg, kid)
		}
		b.kids = e.Map()
	}
	return node{branch: &b}
}

// less returns the node without a route, or nil where it was the last one.
func (n *node) less(r *Route, off int) *node {
	out := n.remove(r, off)
	if out.size() == 0 {
		return nil
	}
	return &out
}

// all calls f for every route, in no order.
func (n *node) all(f func(*Route)) {
	if n.branch == nil {
		for _, r := range n.bucket {
			f(r)
		}
		return
	}
	n.branch.here.all(f)
	if n.branch.any != nil {
		n.branch.any.all(f)
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
			n = n.branch.any
		default:
			n, _ = n.branch.kids.Get(seg)
		}
		off = next
	}
	if n == nil {
		return
	}
	for _, x := range n.bucket {
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
