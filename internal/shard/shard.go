// Package shard is a persistent map with string keys: a new version shares all shards that did not change, so
// that a change costs what changed and not what exists. Lookups are one hash, one array access and a short scan.
package shard

import (
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// perShard is the number of entries a shard holds on average before the map grows.
const perShard = 8

// seed is fixed for the process: two versions of a map must agree on where a key belongs.
var seed = maphash.MakeSeed()

type entry[V any] struct {
	key   string
	value V
}

// Map is one version. The zero value is empty and ready to use; copies are cheap and share everything.
type Map[V any] struct {
	shards []*[]entry[V] // length a power of two
	count  int
}

// Len is the number of keys.
func (m Map[V]) Len() int { return m.count }

// Get returns the value for a key and whether it is there. It does not allocate.
func (m Map[V]) Get(key string) (v V, ok bool) {
	if m.count == 0 {
		return v, false
	}
	s := m.shards[index(key, len(m.shards))]
	if s == nil {
		return v, false
	}
	for i := range *s {
		if (*s)[i].key == key {
			return (*s)[i].value, true
		}
	}
	return v, false
}

func index(key string, shards int) int {
	return int(maphash.String(seed, key) & uint64(shards-1))
}

// All yields every entry, in no order.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, s := range m.shards {
			if s == nil {
				continue
			}
			for _, e := range *s {
				if !yield(e.key, e.value) {
					return
				}
			}
		}
	}
}

// Sorted yields every entry in the order of its key. It sorts all keys: for dumps, not for requests.
func (m Map[V]) Sorted() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		all := make([]entry[V], 0, m.count)
		for k, v := range m.All() {
			all = append(all, entry[V]{k, v})
		}
		slices.SortFunc(all, func(a, b entry[V]) int { return strings.Compare(a.key, b.key) })
		for _, e := range all {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Change is one key whose value may differ between two versions.
type Change[V any] struct {
	Key      string
	Old, New V
	HadOld   bool
	HasNew   bool
}

// Changes yields what may differ from an older version: the entries of the shards that are not shared. An entry of
// such a shard that did not change is yielded too, with both values; compare them where it matters. After a growth
// everything is yielded.
func (m Map[V]) Changes(old Map[V]) iter.Seq[Change[V]] {
	return func(yield func(Change[V]) bool) {
		if len(m.shards) != len(old.shards) {
			m.changesAll(old, yield)
			return
		}
		for i := range m.shards {
			if m.shards[i] == old.shards[i] {
				continue
			}
			if !changesOf(m.shards[i], old.shards[i], yield) {
				return
			}
		}
	}
}

func (m Map[V]) changesAll(old Map[V], yield func(Change[V]) bool) {
	for k, v := range m.All() {
		o, had := old.Get(k)
		if !yield(Change[V]{k, o, v, had, true}) {
			return
		}
	}
	for k, o := range old.All() {
		if _, ok := m.Get(k); !ok {
			var none V
			if !yield(Change[V]{k, o, none, true, false}) {
				return
			}
		}
	}
}

func changesOf[V any](now, old *[]entry[V], yield func(Change[V]) bool) bool {
	var ns, os []entry[V]
	if now != nil {
		ns = *now
	}
	if old != nil {
		os = *old
	}
	find := func(es []entry[V], key string) (V, bool) {
		for _, e := range es {
			if e.key == key {
				return e.value, true
			}
		}
		var none V
		return none, false
	}
	for _, e := range ns {
		o, had := find(os, e.key)
		if !yield(Change[V]{e.key, o, e.value, had, true}) {
			return false
		}
	}
	for _, e := range os {
		if _, ok := find(ns, e.key); !ok {
			var none V
			if !yield(Change[V]{e.key, e.value, none, true, false}) {
				return false
			}
		}
	}
	return true
}

// Editor makes the next version. It copies each shard it touches once.
type Editor[V any] struct {
	shards []*[]entry[V]
	own    map[int]bool // shards copied by this editor; nil = all
	fresh  bool         // the array itself is a copy
	count  int
}

// Edit begins a next version of m. m itself never changes.
func (m Map[V]) Edit() *Editor[V] {
	return &Editor[V]{shards: m.shards, own: map[int]bool{}, count: m.count}
}

// Get returns the value for a key as edited so far.
func (e *Editor[V]) Get(key string) (V, bool) {
	return Map[V]{shards: e.shards, count: e.count}.Get(key)
}

// Set puts a value under a key.
func (e *Editor[V]) Set(key string, value V) {
	s := e.open(key)
	for i := range *s {
		if (*s)[i].key == key {
			(*s)[i].value = value
			return
		}
	}
	*s = append(*s, entry[V]{key, value})
	e.count++
	if e.count > perShard*len(e.shards) {
		e.grow()
	}
}

// Delete takes a key out; a key that is not there is no error.
func (e *Editor[V]) Delete(key string) {
	if _, ok := e.Get(key); !ok {
		return
	}
	s := e.open(key)
	*s = slices.DeleteFunc(*s, func(x entry[V]) bool { return x.key == key })
	e.count--
}

// Map returns the version as edited. The editor must not be used afterwards.
func (e *Editor[V]) Map() Map[V] {
	return Map[V]{shards: e.shards, count: e.count}
}

// open returns the shard of a key as this editor's own copy.
func (e *Editor[V]) open(key string) *[]entry[V] {
	if !e.fresh {
		if len(e.shards) == 0 {
			e.shards = make([]*[]entry[V], 1)
		} else {
			e.shards = slices.Clone(e.shards)
		}
		e.fresh = true
	}
	i := index(key, len(e.shards))
	if e.shards[i] == nil {
		e.shards[i] = &[]entry[V]{}
	} else if e.own != nil && !e.own[i] {
		c := slices.Clone(*e.shards[i])
		e.shards[i] = &c
	}
	if e.own != nil {
		e.own[i] = true
	}
	return e.shards[i]
}

// grow gives the map four times as many shards.
func (e *Editor[V]) grow() {
	next := make([]*[]entry[V], 4*len(e.shards))
	for k, v := range (Map[V]{shards: e.shards, count: e.count}).All() {
		i := index(k, len(next))
		if next[i] == nil {
			next[i] = &[]entry[V]{}
		}
		*next[i] = append(*next[i], entry[V]{k, v})
	}
	e.shards, e.own = next, nil
}
