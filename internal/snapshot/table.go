package snapshot

import (
	"slices"

	"paifang/internal/model"
)

// HostTable is what a host does with paths. It is immutable; With makes the next version, which shares with this one
// all that did not change.
type HostTable struct {
	root   node // every route that claims the host
	Host   model.Host
	served *ordered // that can be reached
	lost   *ordered // that another one hides
	len    int      // of served
}

// Lost is a route that can never be reached, and the one that takes its place.
type Lost struct{ Route, To *Route }

// NewHostTable indexes the routes of a host, in any order.
func NewHostTable(host model.Host, routes []*Route) *HostTable {
	all := slices.SortedFunc(slices.Values(routes), compare)
	t := &HostTable{Host: host, root: nodeOf(all, func(*Route) int { return 0 })}
	var served, lost []*Route
	for _, r := range all {
		if t.twin(r) == r {
			served = append(served, r)
		} else {
			lost = append(lost, r)
		}
	}
	t.served, t.lost, t.len = orderedOf(served), orderedOf(lost), len(served)
	return t
}

// With returns the table without some of its routes and with others, at the cost of those. nil if none is left.
func (t *HostTable) With(remove, add []*Route) *HostTable {
	next := *t
	for _, r := range remove {
		next.remove(r)
	}
	if next.served == nil && len(add) > 0 || len(add) > next.root.size() {
		all := slices.Clone(add)
		next.root.all(func(r *Route) { all = append(all, r) })
		return NewHostTable(t.Host, all)
	}
	for _, r := range add {
		next.add(r)
	}
	if next.served == nil {
		return nil
	}
	return &next
}

func (t *HostTable) add(r *Route) {
	twin := t.twin(r)
	t.root = t.root.add(r, 0)
	switch {
	case twin == nil:
		t.len++
	case r.before(twin):
		t.served, _ = t.served.remove(twin)
		t.lost = t.lost.add(twin)
	default:
		t.lost = t.lost.add(r)
		return
	}
	t.served = t.served.add(r)
}

func (t *HostTable) remove(r *Route) {
	var ok bool
	if t.lost, ok = t.lost.remove(r); ok {
		t.root = t.root.remove(r, 0)
		return
	}
	if t.served, ok = t.served.remove(r); !ok {
		return
	}
	t.root = t.root.remove(r, 0)
	if twin := t.twin(r); twin != nil {
		t.lost, _ = t.lost.remove(twin)
		t.served = t.served.add(twin)
		return
	}
	t.len--
}

// twin returns the first route of the table with the same match as another one: it takes all that the other would. nil
// if there is none.
func (t *HostTable) twin(r *Route) (first *Route) {
	t.root.beside(r, func(x *Route) bool {
		if x.same(r) {
			first = x
		}
		return first == nil
	})
	return first
}

func (r *Route) same(o *Route) bool {
	return r == o || r.late == o.late && model.SameMatch(r.Match, o.Match)
}

// Rivals returns the routes of the table with the same match as another one, in the total order: the first can be
// reached, the others are lost to it.
func (t *HostTable) Rivals(r *Route) []*Route {
	if t == nil {
		return nil
	}
	var out []*Route
	t.root.beside(r, func(x *Route) bool {
		if x.same(r) {
			out = append(out, x)
		}
		return true
	})
	return out
}

// Len is the number of routes that can be reached.
func (t *HostTable) Len() int { return t.len }

// First returns the first route of the total order; a table has at least one.
func (t *HostTable) First() *Route { return t.served.first() }

// Routes returns the routes that can be reached, in the total order. It makes a slice of all: for those who list.
func (t *HostTable) Routes() []*Route {
	out := make([]*Route, 0, t.len)
	t.served.all(func(r *Route) bool { out = append(out, r); return true })
	return out
}

// Lost returns the routes that another one hides, in the total order.
func (t *HostTable) Lost() []Lost {
	var out []Lost
	t.lost.all(func(r *Route) bool { out = append(out, Lost{r, t.twin(r)}); return true })
	return out
}

// Candidates returns every route of the table whose conditions the request meets, in the total order, for those
// who explain. The first of them is the one that Find returns.
func (t *HostTable) Candidates(q Request) []*Route {
	var out []*Route
	t.served.all(func(r *Route) bool {
		if r.takes(q.LookupPath(), q) {
			out = append(out, r)
		}
		return true
	})
	return out
}

// Differences tells which routes can be reached in this version of a table and not in an older one, and the other way
// round, at the cost of what differs. Either table may be nil. A route may be told on both sides: what it comes to is
// no change.
func (t *HostTable) Differences(old *HostTable, gone, come func(*Route)) {
	var before, now *ordered
	if old != nil {
		before = old.served
	}
	if t != nil {
		now = t.served
	}
	differences(before, now, gone, come)
}
