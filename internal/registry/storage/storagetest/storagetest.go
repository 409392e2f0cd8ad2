// Package storagetest holds what every Store must keep to.
package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/registry/storage"
)

// Run tests a store that opens empty. It closes it.
func Run(t *testing.T, s storage.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	t.Run("conditions", func(t *testing.T) { conditions(ctx, t, s) })
	t.Run("counter", func(t *testing.T) { counter(ctx, t, s) })
	t.Run("pages", func(t *testing.T) { pages(ctx, t, s) })
	t.Run("follow", func(t *testing.T) { follow(ctx, t, s) })
	t.Run("bounds", func(t *testing.T) { bounds(ctx, t, s) })
	t.Run("close", func(t *testing.T) { closed(ctx, t, s) })
}

func conditions(ctx context.Context, t *testing.T, s storage.Store) {
	r1, err := s.Commit(ctx, []storage.Condition{{Key: "c/a"}}, storage.Put("c/a", []byte("1")), storage.Put("c/b", []byte("2")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(ctx, []storage.Condition{{Key: "c/a"}}, storage.Put("c/b", nil)); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("a key that is there passed for none: %v", err)
	}
	a, ok, err := s.Get(ctx, "c/a")
	if err != nil || !ok || string(a.Value) != "1" || a.Revision != r1 {
		t.Fatalf("%+v, %v, %v; want revision %d", a, ok, err, r1)
	}
	r2, err := s.Commit(ctx, []storage.Condition{{Key: "c/a", Revision: r1}}, storage.Delete("c/a"), storage.Delete("c/none"), storage.Put("c/b", []byte("3")))
	if err != nil || r2 <= r1 {
		t.Fatalf("%d, %v", r2, err)
	}
	if _, ok, err := s.Get(ctx, "c/a"); ok || err != nil {
		t.Fatalf("deleted and there: %v", err)
	}
	if _, err := s.Commit(ctx, []storage.Condition{{Key: "c/b", Revision: r1}}, storage.Delete("c/b")); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("an old revision passed: %v", err)
	}
	list, at, err := s.List(ctx, "c/")
	if err != nil || len(list) != 1 || list[0].Key != "c/b" || string(list[0].Value) != "3" || list[0].Revision != r2 || at < r2 {
		t.Fatalf("%+v at %d, %v", list, at, err)
	}
}

// counter adds to one key from many goroutines: no increment may be lost.
func counter(ctx context.Context, t *testing.T, s storage.Store) {
	const workers, each = 4, 10
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := 0; n < each; {
				e, _, err := s.Get(ctx, "n/counter")
				if err != nil {
					t.Error(err)
					return
				}
				var v int
				_, _ = fmt.Sscan(string(e.Value), &v)
				_, err = s.Commit(ctx, []storage.Condition{{Key: "n/counter", Revision: e.Revision}}, storage.Put("n/counter", fmt.Append(nil, v+1)))
				switch {
				case err == nil:
					n++
				case !errors.Is(err, storage.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if e, _, err := s.Get(ctx, "n/counter"); err != nil || string(e.Value) != fmt.Sprint(workers*each) {
		t.Fatalf("counted %q, want %d (%v)", e.Value, workers*each, err)
	}
}

func pages(ctx context.Context, t *testing.T, s storage.Store) {
	var changes []storage.Change
	for _, k := range []string{"o/z", "p/a", "p/b", "p/b/c", "p/d", "q/a"} {
		changes = append(changes, storage.Put(k, []byte(k)))
	}
	r, err := s.Commit(ctx, nil, changes...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from string
		most int
		want string
	}{
		{"", 10, "p/a p/b p/b/c p/d "}, {"", 2, "p/a p/b "}, {"o/zz", 1, "p/a "}, {"p/b", 2, "p/b p/b/c "}, {"p/b\x00", 1, "p/b/c "}, {"p/d", 5, "p/d "}, {"p/e", 5, ""}, {"q", 5, ""},
	} {
		list, err := s.Page(ctx, "p/", c.from, c.most)
		got := ""
		for _, e := range list {
			got += e.Key + " "
			if string(e.Value) != e.Key || e.Revision != r {
				t.Errorf("%+v", e)
			}
		}
		if err != nil || got != c.want {
			t.Errorf("%d from %q: %q, %v; want %q", c.most, c.from, got, err, c.want)
		}
	}
}

// mirror is a follower's copy.
type mirror struct {
	mu       sync.Mutex
	m        map[string]string
	revision int64
	full     int
}

func (m *mirror) tell(n storage.News) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n.Full {
		m.m = map[string]string{}
		m.full++
	}
	for _, e := range n.Entries {
		m.m[e.Key] = string(e.Value)
	}
	for _, k := range n.Gone {
		delete(m.m, k)
	}
	m.revision = n.Revision
}

func (m *mirror) reaches(ctx context.Context, t *testing.T, revision int64, want string) {
	t.Helper()
	for {
		m.mu.Lock()
		have, at := fmt.Sprint(m.m), m.revision
		m.mu.Unlock()
		if at >= revision {
			if have != want {
				t.Fatalf("at %d: %s, want %s", at, have, want)
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("revision %d is not told: %d, %s", revision, at, have)
		case <-time.After(time.Millisecond):
		}
	}
}

func follow(ctx context.Context, t *testing.T, s storage.Store) {
	if _, err := s.Commit(ctx, nil, storage.Put("f/a", []byte("1")), storage.Put("g/a", []byte("1"))); err != nil {
		t.Fatal(err)
	}
	var m mirror
	inner, stop := context.WithCancel(ctx)
	var ended atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Follow(inner, "f/", m.tell); !errors.Is(err, context.Canceled) {
			t.Errorf("the follower ended: %v", err)
		}
		ended.Store(true)
	})
	r, err := s.Commit(ctx, nil, storage.Put("f/b", []byte("2")))
	if err != nil {
		t.Fatal(err)
	}
	m.reaches(ctx, t, r, "map[f/a:1 f/b:2]")
	for i := range 50 {
		if r, err = s.Commit(ctx, nil, storage.Put("f/b", fmt.Append(nil, i)), storage.Put("f/c", []byte("x"))); err != nil {
			t.Fatal(err)
		}
	}
	m.reaches(ctx, t, r, "map[f/a:1 f/b:49 f/c:x]")
	if r, err = s.Commit(ctx, nil, storage.Delete("f/a"), storage.Delete("f/c")); err != nil {
		t.Fatal(err)
	}
	m.reaches(ctx, t, r, "map[f/b:49]")
	if m.full != 1 {
		t.Errorf("told everything %d times", m.full)
	}
	stop()
	wg.Wait()
	if !ended.Load() {
		t.Error("Follow has not returned")
	}
}

func bounds(ctx context.Context, t *testing.T, s storage.Store) {
	if _, err := s.Commit(ctx, nil, storage.Put("big", make([]byte, storage.MaxValue+1))); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("a value of more than MaxValue: %v", err)
	}
	many := make([]storage.Change, storage.MaxCommit+1)
	for i := range many {
		many[i] = storage.Put(fmt.Sprint("many/", i), []byte("x"))
	}
	if _, err := s.Commit(ctx, nil, many...); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("a write of more than MaxCommit keys: %v", err)
	}
	if _, err := s.Commit(ctx, nil, many[1:]...); err != nil {
		t.Errorf("a write of MaxCommit keys: %v", err)
	}
	if _, err := s.Commit(ctx, nil, storage.Put("big", make([]byte, storage.MaxValue))); err != nil {
		t.Errorf("a value of MaxValue: %v", err)
	}
}

func closed(ctx context.Context, t *testing.T, s storage.Store) {
	told := make(chan struct{})
	end := make(chan error, 1)
	go func() {
		once := sync.OnceFunc(func() { close(told) })
		end <- s.Follow(ctx, "", func(storage.News) { once() })
	}()
	<-told
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-end; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a follower of a closed store: %v", err)
	}
	if _, err := s.Commit(ctx, nil, storage.Put("x", nil)); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a write to a closed store: %v", err)
	}
	if _, _, err := s.Get(ctx, "x"); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a read from a closed store: %v", err)
	}
}
