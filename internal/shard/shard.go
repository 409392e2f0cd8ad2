// Package shard is persistent maps: a new version shares with the one before it all that did not change, so that a
// change costs what changed and not what exists, in time and in memory, and two versions are compared at that cost as
// well. Lookups are one hash and a walk of a few steps, and allocate nothing.
package shard

import (
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// seed is fixed for the process: two versions of a map must agree on where a key belongs.
var seed = maphash.MakeSeed()

// Hash is the hash of a text as Map takes it, for keys of an Index. It differs from process to process, so that nobody
// outside can choose texts that fall together.
func Hash(key string) uint64 { return maphash.String(seed, key) }

// Map is one version of a map with string keys. The zero value is empty and ready to use; copies are cheap and share
// everything.
type Map[V any] struct{ index Index[string, V] }

// Len is the number of keys.
func (m Map[V]) Len() int { return m.index.count }

// Get returns the value for a key and whether it is there. It does not allocate.
func (m *Map[V]) Get(key string) (v V, ok bool) {
	if m.index.count == 0 {
		return v, false
	}
	return m.index.Get(Hash(key), key)
}

// At returns where the value for a key stands, or nil. It is for values that are worth no copy, and must not be written
// to.
func (m *Map[V]) At(key string) *V {
	if m.index.count == 0 {
		return nil
	}
	if c := m.index.root.find(0, Hash(key), key); c != nil {
		return &c.value
	}
	return nil
}

// All yields every entry, in no order.
func (m Map[V]) All() iter.Seq2[string, V] { return m.index.All() }

// Sorted yields every entry in the order of its key. It sorts all keys: for dumps, not for requests.
func (m Map[V]) Sorted() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		type entry struct {
			key   string
			value V
		}
		all := make([]entry, 0, m.Len())
		for k, v := range m.All() {
			all = append(all, entry{k, v})
		}
		slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key, b.key) })
		for _, e := range all {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Changes yields what may differ from an older version, as Index.Changes does.
func (m Map[V]) Changes(old Map[V]) iter.Seq[Change[string, V]] { return m.index.Changes(old.index) }

// Same tells whether two versions are one and the same: nothing was written between them. False says nothing.
func (m Map[V]) Same(o Map[V]) bool { return m.index.root == o.index.root }

// Editor makes the next version of a Map.
type Editor[V any] struct{ index IndexEditor[string, V] }

// Edit begins a next version of m. m itself never changes.
func (m Map[V]) Edit() *Editor[V] { return &Editor[V]{IndexEditor[string, V]{x: m.index}} }

// Get returns the value for a key as edited so far.
func (e *Editor[V]) Get(key string) (V, bool) { return e.index.Get(Hash(key), key) }

// Set puts a value under a key.
func (e *Editor[V]) Set(key string, value V) { e.index.Set(Hash(key), key, value) }

// Delete takes a key out; a key that is not there is no error.
func (e *Editor[V]) Delete(key string) { e.index.Delete(Hash(key), key) }

// Map returns the version as edited so far. Later edits do not change it.
func (e *Editor[V]) Map() Map[V] { return Map[V]{e.index.Index()} }
