package snapshot

// ordered is a set of routes in their total order. It is persistent: a version shares with the one before it all but a
// path of nodes. It is a treap, whose shape follows from its members alone, so two versions are alike wherever they
// hold the same, and are compared at the cost of what differs. nil is the empty set.
type ordered struct {
	route       *Route
	left, right *ordered
}

// above tells whether a route stands above another one in the tree.
func above(a, b *Route) bool {
	if a.hash != b.hash {
		return a.hash > b.hash
	}
	return a.before(b)
}

// first returns the first route in the order, or nil.
func (t *ordered) first() *Route {
	if t == nil {
		return nil
	}
	for t.left != nil {
		t = t.left
	}
	return t.route
}

// all yields the routes in order.
func (t *ordered) all(yield func(*Route) bool) bool {
	return t == nil || t.left.all(yield) && yield(t.route) && t.right.all(yield)
}

func (t *ordered) add(r *Route) *ordered {
	switch {
	case t == nil:
		return &ordered{route: r}
	case above(r, t.route):
		left, right := t.split(r)
		return &ordered{r, left, right}
	case r.before(t.route):
		return &ordered{t.route, t.left.add(r), t.right}
	default:
		return &ordered{t.route, t.left, t.right.add(r)}
	}
}

// split divides the set into what comes after r and the rest.
func (t *ordered) split(r *Route) (rest, after *ordered) {
	switch {
	case t == nil:
		return nil, nil
	case r.before(t.route):
		rest, after = t.left.split(r)
		return rest, &ordered{t.route, after, t.right}
	default:
		rest, after = t.right.split(r)
		return &ordered{t.route, t.left, rest}, after
	}
}

// remove returns the set without a route, and whether it was there.
func (t *ordered) remove(r *Route) (*ordered, bool) {
	if t == nil {
		return nil, false
	}
	c := compare(r, t.route)
	if c == 0 && t.route == r {
		return join(t.left, t.right), true
	}
	if c <= 0 {
		if left, ok := t.left.remove(r); ok {
			return &ordered{t.route, left, t.right}, true
		}
	}
	if c >= 0 {
		if right, ok := t.right.remove(r); ok {
			return &ordered{t.route, t.left, right}, true
		}
	}
	return t, false
}

// join puts two sets together of which all of the first comes before all of the second.
func join(a, b *ordered) *ordered {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case above(a.route, b.route):
		return &ordered{a.route, a.left, join(a.right, b)}
	default:
		return &ordered{b.route, join(a, b.left), b.right}
	}
}

// orderedOf makes a set of routes that are in order, at the cost of one node each.
func orderedOf(routes []*Route) *ordered {
	var spine []*ordered // from the root to the right
	for _, r := range routes {
		t := &ordered{route: r}
		for n := len(spine); n > 0 && above(r, spine[n-1].route); n-- {
			t.left = spine[n-1]
			spine = spine[:n-1]
		}
		if n := len(spine); n > 0 {
			spine[n-1].right = t
		}
		spine = append(spine, t)
	}
	if len(spine) == 0 {
		return nil
	}
	return spine[0]
}

// differences tells what two versions do not have in common. A route may be told as gone and as come where its
// neighbour changed.
func differences(old, now *ordered, gone, come func(*Route)) {
	switch {
	case old == now:
	case old == nil:
		now.all(func(r *Route) bool { come(r); return true })
	case now == nil:
		old.all(func(r *Route) bool { gone(r); return true })
	case old.route == now.route:
		differences(old.left, now.left, gone, come)
		differences(old.right, now.right, gone, come)
	case old.route.hash == now.route.hash && compare(old.route, now.route) == 0: // the same route, changed in its place
		gone(old.route)
		come(now.route)
		differences(old.left, now.left, gone, come)
		differences(old.right, now.right, gone, come)
	case above(old.route, now.route): // it would be the root of both if both had it
		gone(old.route)
		left, right := now.split(old.route)
		differences(old.left, left, gone, come)
		differences(old.right, right, gone, come)
	default:
		come(now.route)
		left, right := old.split(now.route)
		differences(left, now.left, gone, come)
		differences(right, now.right, gone, come)
	}
}
