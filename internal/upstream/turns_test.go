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
		if _, err := r.enter(t.Context(), waits(0)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// waits is somebody with so many requests under way who has a minute.
func waits(behind int) *dialler { return &dialler{behind: behind, late: time.Now().Add(time.Minute)} }

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
			if _, err := r.enter(t.Context(), waits(behind)); err == nil {
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
		go func() {
			_, err := r.enter(ctx, waits(0))
			errs <- err
		}()
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
	if _, err := r.enter(t.Context(), waits(crowd)); err != nil {
		t.Fatal(err)
	}
	r.spare, r.pace = 0, 1e-9 // nothing comes, for as long as this test takes
	done := make(chan error)
	go func() {
		_, err := r.enter(t.Context(), waits(crowd))
		done <- err
	}()
	r.until(t, 1)
	if _, err := r.enter(t.Context(), waits(crowd-1)); err != nil { // does not wait behind it
		t.Fatal(err)
	}
	r.leave()
	r.until(t, 1)
	r.mu.Lock()
	r.counted, r.pace = time.Now().Add(-time.Hour), firstPace
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
	if _, err := r.enter(t.Context(), &dialler{late: time.Now().Add(time.Millisecond)}); err != errNoTurn {
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

// TestPaceOfCrowds: late timers slow it down, timers in time let it grow, within bounds.
func TestPaceOfCrowds(t *testing.T) {
	r := &turns{pace: firstPace}
	r.heed(lateTimer + 1)
	if want := firstPace / 2; r.pace != want {
		t.Errorf("the pace is %v after a late timer, want %v", r.pace, want)
	}
	for range 100 {
		r.heed(time.Second)
	}
	if r.pace != leastPace {
		t.Errorf("the pace is %v where timers are always late, want %v", r.pace, leastPace)
	}
	r.heed(lateTimer)
	if r.pace <= leastPace {
		t.Errorf("the pace is %v after a timer in time", r.pace)
	}
	for range 100 {
		r.heed(0)
	}
	if r.pace != mostPace {
		t.Errorf("the pace is %v where timers are never late, want %v", r.pace, mostPace)
	}
}

// TestKeptInPlaceOfATurn: who is next has a connection that somebody else is through with, unless it was made for another name or a
// new one is needed.
func TestKeptInPlaceOfATurn(t *testing.T) {
	r := full(t)
	c := &Conn{name: "shop.test"}
	if r.gives(c) {
		t.Fatal("nobody waits, and it is taken")
	}
	for _, w := range []*dialler{{takes: "other.test"}, {takes: "shop.test", fresh: true}} {
		ctx, cancel := context.WithCancel(t.Context())
		w.late = time.Now().Add(time.Minute)
		done := make(chan error)
		go func() {
			_, err := r.enter(ctx, w)
			done <- err
		}()
		r.until(t, 1)
		if r.gives(c) {
			t.Errorf("it is taken by who asks for %q, fresh %v", w.takes, w.fresh)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	got := make(chan *Conn)
	for _, behind := range []int{5, 2} {
		go func() {
			kept, err := r.enter(t.Context(), &dialler{behind: behind, takes: "shop.test", late: time.Now().Add(time.Minute)})
			if behind == 2 && err == nil {
				got <- kept
			}
		}()
	}
	r.until(t, 2)
	if !r.gives(c) {
		t.Fatal("two wait, and it is not taken")
	}
	if kept := <-got; kept != c {
		t.Errorf("who is next has %p, want %p", kept, c)
	}
	r.until(t, 1)
	r.leave() // for the other one
	r.until(t, 0)
	if n := r.waits.Load(); n != 0 {
		t.Errorf("%d are counted as waiting, and nobody does", n)
	}
}

// TestCrowdsTakeWhatIsClosed: a connect in place of a connection that is closed waits for no pace.
func TestCrowdsTakeWhatIsClosed(t *testing.T) {
	r := &turns{widens: true}
	if _, err := r.enter(t.Context(), waits(crowd)); err != nil {
		t.Fatal(err)
	}
	r.leave()
	r.spare, r.pace = 0, 1e-9 // nothing comes with time
	const n = 1000
	for range n {
		r.freed()
		if _, err := r.enter(t.Context(), waits(crowd)); err != nil {
			t.Fatal(err)
		}
		r.leave()
	}
	done := make(chan error)
	go func() {
		_, err := r.enter(t.Context(), waits(crowd))
		done <- err
	}()
	r.until(t, 1)
	r.freed()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for range 10 * mostConnects * runtime.GOMAXPROCS(0) {
		r.freed()
	}
	if most := float64(mostConnects * runtime.GOMAXPROCS(0)); r.spare != most {
		t.Errorf("%v are spare, want %v", r.spare, most)
	}
}
