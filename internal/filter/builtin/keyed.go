package builtin

import (
	"hash/maphash"
	"sync"
)

// keyedShards divides keyed state, so that requests seldom wait for each other.
const keyedShards = 32

// keyed is a state per key, for so many keys at most: when there is no room, the one that was not used for the longest time goes.
// It does not allocate once it is full.
type keyed[V any] struct {
	seed   maphash.Seed
	shards [keyedShards]keyedShard[V]
}

// keyedShard is a part of the keys. Its entries are a list from the one used last to the one used first.
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

// noEntry is where a list ends.
const noEntry = -1

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

// take returns the entry of a key, made where there is none: then fresh. Where there is no room, the oldest of a few that are not
// in use goes; nil if all of them are. The shard is locked.
func (s *keyedShard[V]) take(id key, inUse func(*V) bool) (at int32, fresh bool) {
	at, known := s.index[id]
	switch {
	case known:
		s.unlink(at)
	case len(s.entries) < s.most:
		at = int32(len(s.entries))
		s.entries = append(s.entries, keyedEntry[V]{})
	default:
		if at = s.spare(inUse); at == noEntry {
			return noEntry, false
		}
		s.unlink(at)
		delete(s.index, s.entries[at].key)
	}
	e := &s.entries[at]
	if !known {
		var none V
		e.key, e.value = id, none
		s.index[id] = at
	}
	e.prev, e.next = noEntry, s.first
	if s.first != noEntry {
		s.entries[s.first].prev = at
	}
	s.first = at
	if s.last == noEntry {
		s.last = at
	}
	return at, !known
}

// spareLooks bounds the search for an entry that may go.
const spareLooks = 8

func (s *keyedShard[V]) spare(inUse func(*V) bool) int32 {
	at := s.last
	for range spareLooks {
		if at == noEntry || inUse == nil || !inUse(&s.entries[at].value) {
			return at
		}
		at = s.entries[at].prev
	}
	return noEntry
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
