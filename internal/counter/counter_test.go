package counter

import (
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestNothingIsLost(t *testing.T) {
	const workers, each = 8, 10_000
	s := New[Count](4)
	k := NewKeyed(4, 3, "other")
	type histogram struct{ Histogram }
	h := New[histogram](4)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				s.At(uint32(w)).Add(1)
				k.Add(uint32(w), [...]string{"a", "b", "c", "d", "e"}[i%5])
				h.At(uint32(w)).Observe(time.Duration(i%20) * time.Second)
			}
		})
	}
	wg.Wait()
	if n := Sum(s); n != workers*each {
		t.Errorf("%d counted, want %d", n, workers*each)
	}
	var sum uint64
	all := k.Read()
	for _, n := range all {
		sum += n
	}
	if len(all) != 4 || sum != workers*each || all["other"] < workers*each/5 {
		t.Errorf("by key: %v", all)
	}
	var d Durations
	for x := range h.All() {
		d.Read(&x.Histogram)
	}
	if d.Count() != workers*each || d.Sum != workers*each/20*190*time.Second {
		t.Errorf("histogram: %+v", d)
	}
	// 0 s; 1 s; 2 s; 3 to 5 s; 6 to 10 s; longer ones.
	want := map[int]uint64{0: 1, 10: 1, 11: 1, 12: 3, 13: 5, 14: 9}
	for i, n := range d.Counts {
		if n != want[i]*workers*each/20 {
			t.Errorf("bucket %d has %d, want %d", i, n, want[i]*workers*each/20)
		}
	}
	twice := d
	twice.Add(&d)
	if twice.Count() != 2*d.Count() || twice.Sum != 2*d.Sum {
		t.Errorf("added to itself: %+v", twice)
	}
}

func TestBoundsGrow(t *testing.T) {
	var last time.Duration
	for i := range Buckets {
		b, ok := Bound(i)
		if ok != (i < Buckets-1) || ok && b <= last {
			t.Errorf("bound %d is %v, %v after %v", i, b, ok, last)
		}
		last = b
	}
	var h Histogram
	h.Observe(time.Millisecond) // a bound belongs to its bucket
	if h.counts[1].Load() != 1 {
		t.Error("1 ms is not in the bucket up to 1 ms")
	}
}

func TestShards(t *testing.T) {
	if n := Shards(); n < 2 || n > maxShards || n&(n-1) != 0 {
		t.Errorf("%d shards", n)
	}
	if n := reflect.TypeFor[Count]().Size(); n != 64 {
		t.Errorf("a count has %d bytes: two share a cache line", n)
	}
	s := New[Count](4)
	if s.At(1) != s.At(5) || s.At(1) == s.At(2) {
		t.Error("numbers are not taken modulo the shards")
	}
	n := 0
	for range s.All() {
		n++
	}
	if n != 2 {
		t.Errorf("%d shards were made, two are used", n)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	s, k := New[Count](4), NewKeyed(4, 10, "")
	var h Histogram
	s.At(1).Add(1)
	k.Add(1, "a")
	if n := testing.AllocsPerRun(100, func() {
		s.At(1).Add(1)
		k.Add(1, "a")
		h.Observe(time.Second)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParallel(b *testing.B) {
	s, k := New[Count](Shards()), NewKeyed(Shards(), 10, "")
	type histogram struct {
		Histogram
		_ [64]byte
	}
	h := New[histogram](Shards())
	var next atomic.Uint32
	for _, c := range []struct {
		name string
		f    func(shard uint32)
	}{
		{"count", func(shard uint32) { s.At(shard).Add(1) }},
		{"keyed", func(shard uint32) { k.Add(shard, "connect-refused") }},
		{"histogram", func(shard uint32) { h.At(shard).Observe(3 * time.Millisecond) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				shard := next.Add(1)
				for pb.Next() { // a thousand at a time: the benchmark's own counters may share a cache line
					for range 1000 {
						c.f(shard)
					}
				}
			})
		})
	}
}
