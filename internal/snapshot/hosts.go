package snapshot

import (
	"iter"
	"strings"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// Hosts maps host patterns to values. It is persistent: an edit copies what changes.
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

// Match returns the value of the most specific pattern that means a name in lower case.
func (h *Hosts[V]) Match(name string) (v V, ok bool) {
	if v, ok = h.exact.Get(name); ok {
		return v, true
	}
	first := true
	for rest := name; ; first = false {
		dot := strings.IndexByte(rest, '.')
		if dot <= 0 {
			return h.any, h.hasAny
		}
		rest = rest[dot+1:]
		if first {
			if v, ok = h.one.Get(rest); ok {
				return v, true
			}
		}
		if v, ok = h.more.Get(rest); ok {
			return v, true
		}
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

// HostChange is one pattern whose value may differ between two versions.
type HostChange[V any] struct {
	Host     model.Host
	Old, New V // the zero value where the version has none
}

// Changes yields what may differ from an older version, at the cost of what does. A value that did not change may be
// yielded too: compare them where it matters.
func (h *Hosts[V]) Changes(old *Hosts[V]) iter.Seq[HostChange[V]] {
	return func(yield func(HostChange[V]) bool) {
		parts := [...]struct {
			prefix   string
			old, now shard.Map[V]
		}{{"", old.exact, h.exact}, {"*.", old.one, h.one}, {"**.", old.more, h.more}}
		for _, p := range parts {
			for c := range p.now.Changes(p.old) {
				if !yield(HostChange[V]{model.Host(p.prefix + c.Key), c.Old, c.New}) {
					return
				}
			}
		}
		if old.hasAny || h.hasAny {
			yield(HostChange[V]{"", old.any, h.any})
		}
	}
}
