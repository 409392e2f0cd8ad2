package counter

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Keyed counts by key. A key that was counted before costs a look into a map that nobody changes; a new one costs a copy
// of it. So it is for keys that are few and come back: codes, causes.
type Keyed[K comparable] struct {
	shards, limit int
	other         K

	mu sync.Mutex // of who adds a key
	m  atomic.Pointer[map[K]*Sharded[Count]]
}

// NewKeyed returns counters in so many shards. Beyond limit keys, further ones are counted under the key other, so that
// nobody fills the memory with names.
func NewKeyed[K comparable](shards, limit int, other K) *Keyed[K] {
	k := &Keyed[K]{shards: shards, limit: limit, other: other}
	k.m.Store(&map[K]*Sharded[Count]{})
	return k
}

// Add counts under a key. The key is kept: a string in it must not be a view of memory that is used again.
func (k *Keyed[K]) Add(shard uint32, key K) {
	c := (*k.m.Load())[key]
	if c == nil {
		c = k.open(key)
	}
	c.At(shard).Add(1)
}

func (k *Keyed[K]) open(key K) *Sharded[Count] {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := *k.m.Load()
	if len(now) >= k.limit && now[key] == nil {
		key = k.other
	}
	if c := now[key]; c != nil {
		return c
	}
	next := maps.Clone(now)
	next[key] = New[Count](k.shards)
	k.m.Store(&next)
	return next[key]
}

// Read returns every key with its count.
func (k *Keyed[K]) Read() map[K]uint64 {
	now := *k.m.Load()
	out := make(map[K]uint64, len(now))
	for key, c := range now {
		out[key] = Sum(c)
	}
	return out
}
