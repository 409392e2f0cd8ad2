package snapshot

import (
	"runtime"
	"testing"
	"time"
)

// TestAlive: old generations go with whoever held them last.
func TestAlive(t *testing.T) {
	s := NewStore()
	defer s.Close()
	var held *Snapshot
	for v := range uint64(50) {
		next := New(Contents{Version: v + 1})
		if v == 20 {
			held = next
		}
		s.Publish(t.Context(), next)
		s.Publish(t.Context(), next) // again: it is the same one
	}
	want := func(n int) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); s.Alive() != n; time.Sleep(time.Millisecond) {
			if runtime.GC(); time.Now().After(end) {
				t.Fatalf("%d are alive, want %d", s.Alive(), n)
			}
		}
	}
	want(2)
	if held.Version() != 21 {
		t.Errorf("version %d is held", held.Version())
	}
	held = nil
	want(1)
}
