package shard

import "iter"

// Index is a persistent map whose keys bring their hash along: for keys that are compared and never read, as pointers
// are. One key must always come with the same hash. The zero value is empty and ready to use.
type Index[K comparable, V any] struct {
	root  slot[K, V]
	count int
}

// Len is the number of keys.
func (x Index[K, V]) Len() int { return x.count }

// Get returns the value for a key and whether it is there. It does not allocate.
func (x *Index[K, V]) Get(hash uint64, key K) (v V, ok bool) {
	if c := x.root.find(0, hash, key); c != nil {
		return c.value, true
	}
	return v, false
}

// All yields every entry, in no order.
func (x Index[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { x.root.all(yield) }
}

// Change is one key whose value may differ between two versions.
type Change[K comparable, V any] struct {
	Key      K
	Old, New V
	HadOld   bool
	HasNew   bool
}

// Changes yields what may differ from an older version. An entry that was written anew with the same value, or whose
// neighbour was, may be yielded too, with both values; compare them where it matters. It costs what the versions do
// not share.
func (x Index[K, V]) Changes(old Index[K, V]) iter.Seq[Change[K, V]] {
	return func(yield func(Change[K, V]) bool) { x.root.changes(0, &old.root, yield) }
}

// IndexEditor makes the next version of an Index.
type IndexEditor[K comparable, V any] struct {
	x  Index[K, V]
	by *owner // nil until something is written: who only looks allocates no mark
}

// Edit begins a next version of x. x itself never changes.
func (x Index[K, V]) Edit() *IndexEditor[K, V] { return &IndexEditor[K, V]{x: x} }

// Get returns the value for a key as edited so far.
func (e *IndexEditor[K, V]) Get(hash uint64, key K) (V, bool) { return e.x.Get(hash, key) }

// Set puts a value under a key.
func (e *IndexEditor[K, V]) Set(hash uint64, key K, value V) {
	root, added := e.x.root.set(e.owner(), 0, hash, key, value)
	e.x.root = root
	if added {
		e.x.count++
	}
}

// Delete takes a key out; a key that is not there is no error.
func (e *IndexEditor[K, V]) Delete(hash uint64, key K) {
	if e.x.root.find(0, hash, key) == nil {
		return
	}
	e.x.root = e.x.root.remove(e.owner(), 0, hash, key)
	e.x.count--
}

// Index returns the version as edited so far. Later edits do not change it.
func (e *IndexEditor[K, V]) Index() Index[K, V] {
	e.by = nil
	return e.x
}

func (e *IndexEditor[K, V]) owner() *owner {
	if e.by == nil {
		e.by = &owner{}
	}
	return e.by
}
