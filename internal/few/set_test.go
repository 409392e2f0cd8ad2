package few

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// A Set does what a map does, below and above the number from which it is one.
func TestSetIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s Set[int]
	want := map[int]struct{}{}
	for i := range 2000 {
		x, add := random.IntN(4*most), random.IntN(1000) < i%1000 // it grows and shrinks
		if add {
			s.Add(x)
			want[x] = struct{}{}
		} else {
			s.Remove(x)
			delete(want, x)
		}
		if got := slices.Sorted(s.All); !slices.Equal(got, slices.Sorted(maps.Keys(want))) || s.Len() != len(want) {
			t.Fatalf("after %d steps: %v (%d), want %v", i, got, s.Len(), want)
		}
	}
	n := 0
	for range s.All {
		n++
		break
	}
	if n != 1 {
		t.Errorf("went on after the end: %d", n)
	}
}

func TestSetsGoWithTheirLastMember(t *testing.T) {
	sets := map[string]Set[int]{}
	Put(sets, "a", 1)
	Put(sets, "a", 2)
	Take(sets, "a", 1)
	if a := sets["a"]; a.Len() != 1 {
		t.Errorf("%v", sets)
	}
	Take(sets, "a", 2)
	Take(sets, "b", 1)
	if len(sets) != 0 {
		t.Errorf("%v", sets)
	}
}
