package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"paifang/internal/registry/storage"
)

// Holders says what two processes on one storage may do to each other's keys. The keys begin with holders/.
func Holders(t *testing.T, a, b storage.Shared) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const one, two = "holders/one", "holders/two"
	batch := func(s storage.Shared, want []bool, steps ...storage.Step) int64 {
		t.Helper()
		done, revision, err := s.Batch(ctx, steps)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(done, want) {
			t.Fatalf("%+v: %v, want %v", steps, done, want)
		}
		return revision
	}
	holds := func(key, value string) storage.Entry {
		t.Helper()
		all, _, err := a.List(ctx, "holders/")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Key == key && string(e.Value) == value {
				return e
			}
		}
		t.Fatalf("%s is not %q: %+v", key, value, all)
		return storage.Entry{}
	}
	put := func(key, value string) storage.Change { return storage.Put(key, []byte(value)) }

	first := batch(a, []bool{true, true}, storage.Step{Change: put(one, "a"), If: storage.NotOther}, storage.Step{Change: put(two, "a"), If: storage.NotOther})
	batch(a, []bool{true, true}, storage.Step{Change: put(one, "a again"), If: storage.NotOther}, storage.Step{Change: put(two, "a again"), If: storage.Mine})
	batch(b, []bool{false, false}, storage.Step{Change: put(one, "b"), If: storage.NotOther}, storage.Step{Change: storage.Delete(two), If: storage.Mine})

	// A claim as of a moment: what another process has written later stands, and what is one's own does not count.
	batch(b, []bool{false}, storage.Step{Change: put(one, "b"), AsOf: first})
	now := batch(a, []bool{true}, storage.Step{Change: put(one, "a still"), AsOf: first})
	holds(one, "a still")
	batch(b, []bool{true, true}, storage.Step{Change: put(one, "b"), AsOf: now}, storage.Step{Change: put("holders/three", "b"), AsOf: first})
	e := holds(one, "b")
	batch(a, []bool{false}, storage.Step{Change: put(one, "a"), AsOf: now})
	batch(a, []bool{false}, storage.Step{Change: storage.Delete(one), At: e.Revision - 1})
	batch(a, []bool{true}, storage.Step{Change: storage.Delete(one), At: e.Revision})
	batch(a, []bool{true}, storage.Step{Change: put("holders/three", "a")})
	holds("holders/three", "a")
	batch(b, []bool{false, true}, storage.Step{Change: storage.Delete("holders/three"), If: storage.Mine}, storage.Step{Change: put(two, "b")})
	holds(two, "b")
}
