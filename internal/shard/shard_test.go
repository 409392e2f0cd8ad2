package shard

import (
	"fmt"
	"maps"
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

func TestChangeCostsWhatChanged(t *testing.T) {
	build := func(n int) Map[int] {
		e := Map[int]{}.Edit()
		for i := range n {
			e.Set(fmt.Sprint(i), i)
		}
		return e.Map()
	}
	allocs := func(m Map[int]) float64 {
		return testing.AllocsPerRun(50, func() {
			e := m.Edit()
			e.Set("7", 8)
			e.Map()
		})
	}
	small, large := allocs(build(100)), allocs(build(100_000))
	if large > 3*small {
		t.Errorf("one change of 100,000 keys takes %v allocations, of 100 keys %v", large, small)
	}
	m := build(100_000)
	e := m.Edit()
	e.Set("7", 8)
	seen := 0
	for range e.Map().Changes(m) {
		seen++
	}
	if seen > 100 {
		t.Errorf("one change of 100,000 keys yields %d entries", seen)
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
