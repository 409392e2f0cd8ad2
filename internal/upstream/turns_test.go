package upstream

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"
)

// full takes every turn that begins at once.
func full(t *testing.T) *turns {
	t.Helper()
	r := &turns{widens: true} // no timer of its own: the test widens
	for range atOnce() {
		if err := r.enter(t.Context(), 0, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// until waits for so many to stand in line.
func (t *turns) until(tb testing.TB, n int) {
	tb.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		t.mu.Lock()
		now := len(t.waiting)
		t.mu.Unlock()
		if now == n {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("%d wait, want %d", now, n)
		}
	}
}

// TestTurnOrder: who has the fewest requests under way connects next, and of those with as many who came first.
func TestTurnOrder(t *testing.T) {
	r := full(t)
	came := make(chan int, 10)
	for i, behind := range []int{7, 3, 0, 3, 9, 1} {
		go func() {
			if err := r.enter(t.Context(), behind, time.Minute); err == nil {
				came <- i
			}
		}()
		r.until(t, i+1)
	}
	var order []int
	for range 6 {
		r.leave()
		order = append(order, <-came)
	}
	if want := []int{2, 5, 1, 3, 0, 4}; !slices.Equal(order, want) {
		t.Errorf("turns come as %v, want %v", order, want)
	}
}

// TestTurnsWiden: where those under way do not end, more begin, up to a bound.
func TestTurnsWiden(t *testing.T) {
	r := full(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const n = 2 * mostConnects
	errs := make(chan error, n)
	for range n {
		go func() { errs <- r.enter(ctx, 0, time.Minute) }()
	}
	r.until(t, n)
	r.widen()
	began := max(mostConnects, atOnce()) - atOnce()
	r.until(t, n-began) // the first by hand, the others by its own timer
	cancel()
	left := 0
	for range n {
		if err := <-errs; errors.Is(err, context.Canceled) {
			left++
		} else if err != nil {
			t.Error(err)
		}
	}
	if want := n - began; left != want {
		t.Errorf("%d had no turn, want %d", left, want)
	}
	r.until(t, 0)
}

// TestCrowdsArePaced: connects for clients with many requests under way begin one after the other, and hold up nobody.
func TestCrowdsArePaced(t *testing.T) {
	r := &turns{widens: true}
	if err := r.enter(t.Context(), crowd, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.spare = -1e6 // nothing is, for as long as this test takes
	done := make(chan error)
	go func() { done <- r.enter(t.Context(), crowd, time.Minute) }()
	r.until(t, 1)
	if err := r.enter(t.Context(), crowd-1, time.Minute); err != nil { // does not wait behind it
		t.Fatal(err)
	}
	r.leave()
	r.until(t, 1)
	r.mu.Lock()
	r.counted = time.Now().Add(-time.Hour)
	r.mu.Unlock()
	r.widen()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if most := float64(crowdSpare * runtime.GOMAXPROCS(0)); r.spare > most-1 {
		t.Errorf("%v are spare after an hour, want %v at most", r.spare, most-1)
	}
}

// TestTurnTakesTooLong: nobody waits for ever, and who has given up takes no turn.
func TestTurnTakesTooLong(t *testing.T) {
	r := full(t)
	r.under = mostConnects // or it would have one by waiting
	r.widens = false
	if err := r.enter(t.Context(), 0, time.Millisecond); err != errNoTurn {
		t.Errorf("%v", err)
	}
	r.under = atOnce()
	for range atOnce() {
		r.leave()
	}
	if r.under != 0 || len(r.waiting) != 0 {
		t.Errorf("%d are under way, %d wait", r.under, len(r.waiting))
	}
}
