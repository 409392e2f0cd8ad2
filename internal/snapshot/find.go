package snapshot

import (
	"strings"

	"paifang/internal/model"
)

// Found is the result of Find.
type Found struct {
	Route *Route
	Table *HostTable // that it was found in
}

// Find returns the route that takes a request. It does not allocate. host is in lower case without port.
func Find(h *Site, rule model.HostRule, host string, q Request) (Found, bool) {
	f := newFinder(q)
	f.site(h, rule, host)
	return Found{f.found, f.in}, f.found != nil
}

// FindPath is Find for a request that meets whatever conditions routes have besides the path: the first route that may take this path.
func FindPath(h *Site, rule model.HostRule, host, path string) (Found, bool) {
	f := finder{path: path, odd: strings.IndexByte(path, ';') >= 0}
	f.site(h, rule, host)
	return Found{f.found, f.in}, f.found != nil
}

// finder looks for the first route that takes a request.
type finder struct {
	q    Request // nil: one that meets every condition
	path string
	odd  bool   // segments have parameters
	best *Route // in the table at hand
	late bool   // only default routes count

	found *Route // in the tables so far
	in    *HostTable
}

func newFinder(q Request) finder {
	path := q.LookupPath()
	return finder{q: q, path: path, odd: strings.IndexByte(path, ';') >= 0}
}

// site looks in the tables of the hosts that mean a name.
func (f *finder) site(h *Site, rule model.HostRule, host string) {
	owned := false
	if h.exact.Len() > 0 {
		if t, ok := h.exact.Get(host); ok {
			f.table(t)
			owned = true
		}
	}
	if h.one.Len()+h.more.Len() > 0 && !(owned && rule == model.HostOwns) {
		owned = f.wildcards(h, rule, host) || owned
	}
	if h.hasAny && (rule == model.HostFalls || f.found == nil) {
		f.late = owned && rule == model.HostOwns
		f.table(h.any)
	}
}

// wildcards tries the tables of wildcard hosts, the most specific first, and tells whether there are any.
func (f *finder) wildcards(h *Site, rule model.HostRule, host string) (owned bool) {
	for first := true; ; first = false {
		dot := strings.IndexByte(host, '.')
		if dot < 0 {
			return owned
		}
		host = host[dot+1:]
		if first {
			if t, ok := h.one.Get(host); ok {
				f.table(t)
				owned = true
			}
		}
		if owned && rule == model.HostOwns {
			return true
		}
		if t, ok := h.more.Get(host); ok {
			f.table(t)
			owned = true
		}
	}
}

// table looks in one more table, of a less specific host than those before.
func (f *finder) table(t *HostTable) {
	f.best = nil
	f.node(&t.root, 0)
	if f.best != nil && (f.found == nil || beats(f.best, f.found)) {
		f.found, f.in = f.best, t
	}
}

// beats tells whether the route of a less specific host comes before that of a more specific one: only by being
// no default, or by a rank of its own.
func beats(a, b *Route) bool {
	if a.late != b.late {
		return b.late
	}
	return a.rank.Compare(b.rank) < 0
}

// node goes down the segments from at, the index of a slash or the end of the path. What is further down fixes more
// of the path and comes first in most orders, so it is tried first: what is further up is then often known to come later
// without a look at it.
func (f *finder) node(n *node, at int) {
	b := n.branch
	if b == nil {
		for _, r := range n.few {
			if r == nil || f.try(r) {
				return
			}
		}
		return
	}
	if at < len(f.path) && f.path[at] == '/' && len(f.path) > 1 {
		end := segmentEnd(f.path, at)
		seg := f.path[at+1 : end]
		if kid := b.kids.At(seg); kid != nil {
			f.node(kid, end)
		}
		if f.odd { // patterns do not see them, others do
			if text := withoutParameters(seg); len(text) < len(seg) {
				if kid := b.kids.At(text); kid != nil {
					f.node(kid, end)
				}
			}
		}
		if b.other != nil && seg != "" {
			f.node(b.other, end)
		}
	}
	f.pile(&b.here)
}

// list tries routes that are in the total order.
func (f *finder) list(routes []*Route) {
	for _, r := range routes {
		if f.try(r) {
			return
		}
	}
}

// try looks at one route and tells whether those after it in the total order need no look any more.
func (f *finder) try(r *Route) (enough bool) {
	if f.best != nil && !r.before(f.best) {
		return true
	}
	if f.late && !r.late || !r.takes(f.path, f.q) {
		return false
	}
	f.best = r
	return true
}

func (f *finder) pile(p *pile) {
	if p.many == nil {
		f.list(p.few)
		return
	}
	if f.q == nil {
		p.all(func(r *Route) { f.try(r) })
		return
	}
	f.ordered(p.many.plain)
	for i := range p.many.fields {
		x := &p.many.fields[i]
		for n := 0; ; n++ {
			value, ok := f.q.LookupValue(x.in, x.name, n)
			if !ok {
				break
			}
			if text, ok := x.of(value); ok {
				of, _ := x.values.Get(text)
				f.ordered(of)
			}
		}
	}
}

func (f *finder) ordered(t *ordered) (enough bool) {
	return t != nil && (f.ordered(t.left) || f.try(t.route) || f.ordered(t.right))
}
