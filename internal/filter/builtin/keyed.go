package builtin

import (
	"hash/maphash"
	"sync"
)

// keyedShards divides keyed state, so that requests seldom wait for each other.
const keyedShards = 32

// keyed is a state per key, for so many keys at most: when there is no room, the one goes that is not pinned and was not used for the longest
// time.
// It does not allocate once it is full.
type keyed[V any] struct {
	seed   maphash.Seed
	shards [keyedShards]keyedShard[V]
}

// keyedShard is a part of the keys. Its entries, but for those that are pinned, are a list from the one used last to the one used first.
type keyedShard[V any] struct {
	sync.Mutex
	index   map[key]int32
	entries []keyedEntry[V]
	first   int32 // -1 = there is none
	last    int32
	most    int
}

type keyedEntry[V any] struct {
	key        key
	prev, next int32
	value      V
}

const (
	noEntry = -1 // where a list ends
	pinned  = -2 // in place of prev: the entry is in no list
)

// newKeyed returns a table with room for about most keys.
func newKeyed[V any](most int) *keyed[V] {
	k := &keyed[V]{seed: maphash.MakeSeed()}
	for i := range k.shards {
		k.shards[i] = keyedShard[V]{index: map[key]int32{}, first: noEntry, last: noEntry, most: max(most/keyedShards, 1)}
	}
	return k
}

// Close is for filter.Shared: there is nothing to end.
func (k *keyed[V]) Close() error { return nil }

// lock returns the shard of a key, locked.
func (k *keyed[V]) lock(id key) (*keyedShard[V], uint32) {
	n := uint32(maphash.Comparable(k.seed, id) % keyedShards)
	s := &k.shards[n]
	s.Lock()
	return s, n
}

// take returns the entry of a key, made where there is none: then fresh. Where there is no room, the one that was not used for the longest
// time goes; noEntry if all of them are pinned. The shard is locked, and it is for all that follows.
func (s *keyedShard[V]) take(id key) (at int32, fresh bool) {
	at, known := s.index[id]
	switch {
	case known && s.entries[at].prev == pinned:
		return at, false
	case known:
		s.unlink(at)
	case len(s.entries) < s.most:
		at = int32(len(s.entries))
		s.entries = append(s.entries, keyedEntry[V]{})
	case s.last == noEntry:
		return noEntry, false
	default:
		at = s.last
		s.unlink(at)
		delete(s.index, s.entries[at].key)
	}
	if !known {
		var none V
		s.entries[at].key, s.entries[at].value = id, none
		s.index[id] = at
	}
	s.link(at)
	return at, !known
}

// pin keeps an entry from being forgotten, until unpin. It is out of the list meanwhile, so that nobody who looks for room comes upon it.
func (s *keyedShard[V]) pin(at int32) {
	if s.entries[at].prev != pinned {
		s.unlink(at)
		s.entries[at].prev = pinned
	}
}

// unpin makes a pinned entry one like others, that was used now.
func (s *keyedShard[V]) unpin(at int32) { s.link(at) }

// link puts an entry in front of the list.
func (s *keyedShard[V]) link(at int32) {
	e := &s.entries[at]
	e.prev, e.next = noEntry, s.first
	if s.first != noEntry {
		s.entries[s.first].prev = at
	}
	s.first = at
	if s.last == noEntry {
		s.last = at
	}
}

func (s *keyedShard[V]) unlink(at int32) {
	e := &s.entries[at]
	if e.prev != noEntry {
		s.entries[e.prev].next = e.next
	} else {
		s.first = e.next
	}
	if e.next != noEntry {
		s.entries[e.next].prev = e.prev
	} else {
		s.last = e.prev
	}
}

// len is the number of keys.
func (k *keyed[V]) len() int {
	n := 0
	for i := range k.shards {
		s := &k.shards[i]
		s.Lock()
		n += len(s.index)
		s.Unlock()
	}
	return n
}
