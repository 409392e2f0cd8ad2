package snapshot

import (
	"strings"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// Hosts maps host patterns to values. It is persistent: an edit copies what changes. The snapshot keeps tables in
// one, a plane its bound tables in another, and both are searched by the same code (Find).
type Hosts[V any] struct {
	exact, one, more shard.Map[V] // by the fixed part of the pattern
	any              V
	hasAny           bool
}

// Get returns the value of a pattern.
func (h *Hosts[V]) Get(host model.Host) (V, bool) {
	switch shape, fixed := host.Split(); shape {
	case model.HostExact:
		return h.exact.Get(fixed)
	case model.HostOneMore:
		return h.one.Get(fixed)
	case model.HostAnyMore:
		return h.more.Get(fixed)
	default:
		return h.any, h.hasAny
	}
}

// Len is the number of patterns.
func (h *Hosts[V]) Len() int {
	n := h.exact.Len() + h.one.Len() + h.more.Len()
	if h.hasAny {
		n++
	}
	return n
}

// All yields every pattern with its value, in no order.
func (h *Hosts[V]) All() func(yield func(model.Host, V) bool) {
	return func(yield func(model.Host, V) bool) {
		for prefix, m := range map[string]shard.Map[V]{"": h.exact, "*.": h.one, "**.": h.more} {
			for k, v := range m.All() {
				if !yield(model.Host(prefix+k), v) {
					return
				}
			}
		}
		if h.hasAny {
			yield("", h.any)
		}
	}
}

// HostsEditor makes the next version of a Hosts.
type HostsEditor[V any] struct {
	exact, one, more *shard.Editor[V]
	any              V
	hasAny           bool
}

// Edit begins a next version.
func (h *Hosts[V]) Edit() *HostsEditor[V] {
	return &HostsEditor[V]{h.exact.Edit(), h.one.Edit(), h.more.Edit(), h.any, h.hasAny}
}

func (e *HostsEditor[V]) part(shape model.HostShape) *shard.Editor[V] {
	switch shape {
	case model.HostExact:
		return e.exact
	case model.HostOneMore:
		return e.one
	default:
		return e.more
	}
}

// Set puts a value under a pattern.
func (e *HostsEditor[V]) Set(host model.Host, v V) {
	shape, fixed := host.Split()
	if shape == model.HostAny {
		e.any, e.hasAny = v, true
		return
	}
	e.part(shape).Set(fixed, v)
}

// Delete takes a pattern out.
func (e *HostsEditor[V]) Delete(host model.Host) {
	shape, fixed := host.Split()
	if shape == model.HostAny {
		var none V
		e.any, e.hasAny = none, false
		return
	}
	e.part(shape).Delete(fixed)
}

// Hosts returns the version as edited.
func (e *HostsEditor[V]) Hosts() Hosts[V] {
	return Hosts[V]{e.exact.Map(), e.one.Map(), e.more.Map(), e.any, e.hasAny}
}

// Rebind carries a plane's bound form from one version of the tables to the next at the cost of what changed: bind
// is called for each table that is new or different, with the bound form of its predecessor (the zero value where
// there is none); drop for each that went.
func Rebind[T comparable, B any](old, next Hosts[T], bound Hosts[B], bind func(prev B, t T) B, drop func(B)) Hosts[B] {
	e := bound.Edit()
	parts := []struct {
		old, next shard.Map[T]
		bound     *shard.Editor[B]
	}{{old.exact, next.exact, e.exact}, {old.one, next.one, e.one}, {old.more, next.more, e.more}}
	for _, p := range parts {
		for c := range p.next.Changes(p.old) {
			prev, _ := p.bound.Get(c.Key)
			switch {
			case !c.HasNew:
				p.bound.Delete(c.Key)
				drop(prev)
			case !c.HadOld || c.Old != c.New:
				p.bound.Set(c.Key, bind(prev, c.New))
			}
		}
	}
	switch {
	case old.hasAny && !next.hasAny:
		drop(e.any)
		var none B
		e.any, e.hasAny = none, false
	case next.hasAny && (!old.hasAny || old.any != next.any):
		e.any, e.hasAny = bind(e.any, next.any), true
	}
	return e.Hosts()
}

// Tabled is what Find searches: the snapshot's tables, and what planes make of them.
type Tabled interface{ Table() *HostTable }

// Found is the result of Find.
type Found[T Tabled] struct {
	In    T   // the table, or the plane's bound form of it
	Index int // of the route in Table().Routes
}

// Find returns the route that takes a request. It does not allocate. host is in lower case without port.
func Find[T Tabled](h *Hosts[T], rule model.HostRule, host string, q Request) (Found[T], bool) {
	var best Found[T]
	found, owned := false, false
	try := func(t T, onlyDefaults bool) {
		i, ok := t.Table().match(q, onlyDefaults)
		if !ok {
			return
		}
		if !found || beats(t.Table().Routes[i], best.In.Table().Routes[best.Index]) {
			best, found = Found[T]{t, i}, true
		}
	}
	if t, ok := h.exact.Get(host); ok {
		try(t, false)
		owned = true
	}
	first := true
	for rest := host; ; {
		if owned && rule == model.HostOwns {
			break
		}
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			break
		}
		rest = rest[dot+1:]
		if first {
			if t, ok := h.one.Get(rest); ok {
				try(t, false)
				owned = true
			}
			first = false
		}
		if owned && rule == model.HostOwns {
			break
		}
		if t, ok := h.more.Get(rest); ok {
			try(t, false)
			owned = true
		}
	}
	if h.hasAny && (rule == model.HostFalls || !found) {
		try(h.any, owned && rule == model.HostOwns)
	}
	return best, found
}

// beats tells whether the route of a less specific host comes before that of a more specific one: only by being
// no default, or by a rank of its own.
func beats(a, b *Route) bool {
	if a.Default != b.Default {
		return b.Default
	}
	return a.Rank.Compare(b.Rank) < 0
}
