package shard

import (
	"fmt"
	"maps"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// TestAgainstMap edits a Map and a built-in map alike and compares every version that was made on the way.
func TestAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Map[int]
		want := map[string]int{}
		type version struct {
			m    Map[int]
			want map[string]int
		}
		var past []version
		for range rapid.IntRange(1, 12).Draw(t, "versions") {
			e := m.Edit()
			for range rapid.IntRange(0, 60).Draw(t, "edits") {
				k := fmt.Sprint(rapid.IntRange(0, 200).Draw(t, "key"))
				if rapid.Bool().Draw(t, "delete") {
					e.Delete(k)
					delete(want, k)
				} else {
					v := rapid.Int().Draw(t, "value")
					e.Set(k, v)
					want[k] = v
				}
			}
			old := m
			m = e.Map()
			checkChanges(t, m, old)
			past = append(past, version{m, maps.Clone(want)})
		}
		for i, p := range past {
			if got := maps.Collect(p.m.All()); !maps.Equal(got, p.want) || p.m.Len() != len(p.want) {
				t.Fatalf("version %d is %v (len %d), want %v", i, got, p.m.Len(), p.want)
			}
		}
	})
}

func checkChanges(t *rapid.T, m, old Map[int]) {
	applied := maps.Collect(old.All())
	for c := range m.Changes(old) {
		if v, ok := old.Get(c.Key); ok != c.HadOld || v != c.Old {
			t.Fatalf("change of %s says old %v %v", c.Key, c.Old, c.HadOld)
		}
		if c.HasNew {
			applied[c.Key] = c.New
		} else {
			delete(applied, c.Key)
		}
	}
	if !maps.Equal(applied, maps.Collect(m.All())) {
		t.Fatalf("the changes applied to the old version give %v", applied)
	}
}

// TestIndexWithPoorHashes is the same for keys that fall together.
func TestIndexWithPoorHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mask := rapid.SampledFrom([]uint64{0, 1, 0x0f, 0xf0, 1 << 63, 0xffff}).Draw(t, "mask")
		hash := func(k int) uint64 { return uint64(k) * 0x9e3779b97f4a7c15 & mask }
		var x Index[int, int]
		want := map[int]int{}
		for range rapid.IntRange(1, 8).Draw(t, "versions") {
			old, before := x, maps.Clone(want)
			e := x.Edit()
			for range rapid.IntRange(0, 40).Draw(t, "edits") {
				k := rapid.IntRange(0, 60).Draw(t, "key")
				if rapid.Bool().Draw(t, "delete") {
					e.Delete(hash(k), k)
					delete(want, k)
				} else {
					v := rapid.IntRange(0, 3).Draw(t, "value")
					e.Set(hash(k), k, v)
					want[k] = v
				}
			}
			x = e.Index()
			if !maps.Equal(maps.Collect(x.All()), want) || x.Len() != len(want) || !maps.Equal(maps.Collect(old.All()), before) {
				t.Fatalf("it is %v, want %v; the version before is %v, want %v", maps.Collect(x.All()), want, maps.Collect(old.All()), before)
			}
			for k := range 61 {
				v, ok := x.Get(hash(k), k)
				if w, had := want[k]; ok != had || v != w {
					t.Fatalf("%d is %v %v, want %v %v", k, v, ok, w, had)
				}
			}
			for c := range x.Changes(old) {
				if c.HasNew {
					before[c.Key] = c.New
				} else {
					delete(before, c.Key)
				}
			}
			if !maps.Equal(before, want) {
				t.Fatalf("the changes applied to the old version give %v, want %v", before, want)
			}
		}
	})
}

func TestVersionsOfOneEditor(t *testing.T) {
	e := Map[int]{}.Edit()
	for i := range 100 {
		e.Set(fmt.Sprint(i), i)
	}
	m := e.Map()
	e.Set("7", 0)
	e.Delete("8")
	if v, _ := m.Get("7"); v != 7 || m.Len() != 100 {
		t.Errorf("a later edit changed a version: 7 is %d, of %d keys", v, m.Len())
	}
	if now := e.Map(); now.Len() != 99 || now.Same(m) || !m.Same(m.Edit().Map()) {
		t.Errorf("%d keys", now.Len())
	}
}

func TestChangeCostsWhatChanged(t *testing.T) {
	build := func(n int) Map[int] {
		e := Map[int]{}.Edit()
		for i := range n {
			e.Set(fmt.Sprint(i), i)
		}
		return e.Map()
	}
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint(i))
	}
	const runs = 1000
	cost := func(m Map[int]) (count, size uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range runs {
			e := m.Edit()
			e.Set(keys[i%100], i)
			e.Map()
		}
		runtime.ReadMemStats(&after)
		return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
	}
	few, many := build(100), build(100_000)
	count, size := cost(few)
	countMany, sizeMany := cost(many)
	t.Logf("one change of 100 keys: %d allocations, %d B; of 100,000: %d, %d B", count, size, countMany, sizeMany)
	if countMany > 3*count || sizeMany > 3*size {
		t.Error("that is more than three times as much")
	}
	e := many.Edit()
	e.Set("7", 8)
	e.Set("new", 1)
	e.Delete("8")
	seen := 0
	for range e.Map().Changes(many) {
		seen++
	}
	if seen < 3 || seen > 30 {
		t.Errorf("three changes of 100,000 keys yield %d entries", seen)
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	e := Map[int]{}.Edit()
	for i := range 1000 {
		e.Set(fmt.Sprint(i), i)
	}
	m := e.Map()
	if n := testing.AllocsPerRun(100, func() {
		if v, ok := m.Get("77"); !ok || v != 77 {
			t.Error("77 is not there")
		}
	}); n > 0 {
		t.Errorf("a lookup takes %v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		e := Map[int]{}.Edit()
		for i := range n {
			e.Set(fmt.Sprint("host-", i, ".test"), i)
		}
		m := e.Map()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Get("host-7.test")
			}
		})
	}
}
