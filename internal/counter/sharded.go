package counter

import (
	"iter"
	"runtime"
	"sync/atomic"
)

// maxShards bounds the shards of one Sharded, and with them its memory.
const maxShards = 64

// Shards is how many shards are worth while on this machine: a power of two, at least two for each processor that Go
// uses, so that two of them seldom meet in one.
func Shards() int {
	n := 1
	for n < 2*runtime.GOMAXPROCS(0) && n < maxShards {
		n *= 2
	}
	return n
}

// Sharded is a set of counters T in shards. A shard is made when it is first used: what nobody counts in costs little. T
// holds atomics alone, and ends with a cache line of padding so that two shards never share one.
type Sharded[T any] struct{ shards []atomic.Pointer[T] }

// New returns a set with so many shards, a power of two.
func New[T any](shards int) *Sharded[T] {
	return &Sharded[T]{make([]atomic.Pointer[T], shards)}
}

// At returns the counters of a shard. Any number is one.
func (s *Sharded[T]) At(shard uint32) *T {
	p := &s.shards[shard&uint32(len(s.shards)-1)]
	if t := p.Load(); t != nil {
		return t
	}
	return open(p)
}

func open[T any](p *atomic.Pointer[T]) *T {
	fresh := new(T)
	if p.CompareAndSwap(nil, fresh) {
		return fresh
	}
	return p.Load()
}

// All yields the shards that are in use.
func (s *Sharded[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range s.shards {
			if t := s.shards[i].Load(); t != nil && !yield(t) {
				return
			}
		}
	}
}

// Count is one number.
type Count struct {
	atomic.Uint64
	_ [56]byte
}

// Sum adds the shards of a Count up.
func Sum(s *Sharded[Count]) uint64 {
	var n uint64
	for c := range s.All() {
		n += c.Load()
	}
	return n
}
