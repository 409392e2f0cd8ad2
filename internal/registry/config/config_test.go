package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/registry/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var id = ID{Public, "DEFAULT_GROUP", "order.yaml"}

func open(t *testing.T, kv storage.Store, opt Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), kv, opt)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, s *Store, content, cas string) Item {
	t.Helper()
	out, err := s.Publish(t.Context(), Item{ID: id, Content: content}, cas)
	must(t, err)
	return out
}

func TestPublishReadRemove(t *testing.T) {
	s, ctx := open(t, storage.NewMemory(), Options{}), t.Context()
	if _, _, err := s.Get(ctx, id); !errors.Is(err, ErrUnknown) {
		t.Fatalf("nothing is there: %v", err)
	}
	one := publish(t, s, "a: 1", "")
	if one.MD5 != "270f9e65a80226eccd82c99cdd0dd2fb" || s.MD5(id) != one.MD5 || one.Type != "text" || one.Version != 1 {
		t.Errorf("%+v", one)
	}
	if again := publish(t, s, "a: 1", ""); again.Revision != one.Revision {
		t.Errorf("publishing the same changed it: %+v", again)
	}
	two := publish(t, s, "a: 2\nb: \x00", one.MD5)
	if _, err := s.Publish(ctx, Item{ID: id, Content: "a: 3"}, one.MD5); !errors.Is(err, ErrConflict) {
		t.Errorf("an old MD5 passed: %v", err)
	}
	got, stale, err := s.Get(ctx, id)
	if err != nil || stale || got.Content != two.Content || got.MD5 != two.MD5 || !got.Created.Equal(one.Created) {
		t.Errorf("%+v, %v, %v", got, stale, err)
	}
	if list := s.List(Public); len(list) != 1 || list[0].MD5 != two.MD5 || list[0].Content != "" || s.Count(Public) != 1 {
		t.Errorf("%+v", list)
	}
	if gone, err := s.Remove(ctx, id, "ann", "10.0.0.1"); !gone || err != nil {
		t.Fatalf("%v, %v", gone, err)
	}
	if gone, err := s.Remove(ctx, id, "", ""); gone || err != nil {
		t.Fatalf("removed twice: %v, %v", gone, err)
	}
	if _, err := s.Publish(ctx, Item{ID: id, Content: "a: 3"}, two.MD5); !errors.Is(err, ErrConflict) {
		t.Errorf("the MD5 of what is gone passed: %v", err)
	}
	publish(t, s, "a: 4", "")
	h, err := s.History(ctx, id)
	must(t, err)
	var text []string
	for _, v := range h {
		text = append(text, fmt.Sprintf("%d %s %q %s", v.Version, v.Op, v.Content, v.By))
	}
	want := `4 I "a: 4" , 3 D "a: 2\nb: \x00" ann, 2 U "a: 1" , 1 I "a: 1" `
	if got := strings.Join(text, ", "); got != want {
		t.Errorf("history:\n%s, want\n%s", got, want)
	}
}

// Of 40 changes the last 30 are told, each with what was there before it, and one more is kept, from which the oldest has that.
func TestHistoryIsBounded(t *testing.T) {
	kv := storage.NewMemory()
	now := time.Unix(1000, 0)
	s := open(t, kv, Options{Now: func() time.Time { now = now.Add(time.Second); return now }})
	for i := range 40 {
		_, err := s.Publish(t.Context(), Item{ID: id, Content: fmt.Sprint(i), By: fmt.Sprint("user", i), App: fmt.Sprint("app", i)}, "")
		must(t, err)
	}
	h, err := s.History(t.Context(), id)
	must(t, err)
	if len(h) != historyDepth {
		t.Fatalf("%d changes", len(h))
	}
	for i, c := range h {
		n := 39 - i
		if c.Content != fmt.Sprint(n-1) || c.MD5 != MD5(c.Content) || c.App != fmt.Sprint("app", n-1) || c.By != fmt.Sprint("user", n) || c.Op != Changed ||
			c.Version != int64(n+1) || c.Modified.Unix() != int64(1001+n) || !c.Created.Equal(c.Modified) {
			t.Errorf("change %d: %+v", n, c)
		}
	}
	list, _, err := kv.List(t.Context(), historyRoot)
	must(t, err)
	if len(list) != historyDepth+1 {
		t.Errorf("%d versions are kept", len(list))
	}
	// As programs before this one left it: what the oldest had changed is not there, and it is not told.
	_, err = kv.Commit(t.Context(), nil, storage.Delete(list[0].Key))
	must(t, err)
	if h, err = s.History(t.Context(), id); err != nil || len(h) != historyDepth-1 || h[len(h)-1].Content != "10" {
		t.Errorf("%d changes, %v", len(h), err)
	}
}

// Histories of what was removed are kept for 30 days, and of a bounded number of names; what is published again is not forgotten.
func TestHistoriesOfTheRemovedAreBounded(t *testing.T) {
	kv, ctx := storage.NewMemory(), t.Context()
	now := time.Unix(1000, 0)
	s := open(t, kv, Options{MaxRemoved: 5, Now: func() time.Time { return now }})
	named := func(i int) ID { return ID{Public, "g", fmt.Sprint("c", i)} }
	publishAndRemove := func(i, versions int) {
		t.Helper()
		for v := range versions {
			_, err := s.Publish(ctx, Item{ID: named(i), Content: fmt.Sprint(v)}, "")
			must(t, err)
		}
		if found, err := s.Remove(ctx, named(i), "", ""); !found || err != nil {
			t.Fatal(found, err)
		}
	}
	kept := func() string {
		t.Helper()
		list, _, err := kv.List(ctx, historyRoot)
		must(t, err)
		n := map[string]int{}
		for _, e := range list {
			n[strings.Split(e.Key, "/")[3]]++
		}
		return fmt.Sprint(n)
	}
	for i := range 5 {
		publishAndRemove(i, 40)
	}
	publish(t, s, "still there", "")
	_, err := s.Publish(ctx, Item{ID: named(0), Content: "again"}, "") // the first to be forgotten, were it not there again
	must(t, err)
	publishAndRemove(5, 1)
	if got, want := kept(), "map[c0:31 c1:31 c2:31 c3:31 c4:31 c5:2 "; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	publishAndRemove(6, 1)
	if got, want := kept(), "map[c0:31 c2:31 c3:31 c4:31 c5:2 c6:2 "; !strings.HasPrefix(got, want) {
		t.Errorf("one more: %s, want %s", got, want)
	}
	now = now.Add(keepRemoved)
	publishAndRemove(7, 1)
	if got, want := kept(), "map[c0:31 c7:2 "; !strings.HasPrefix(got, want) {
		t.Errorf("30 days later: %s, want %s", got, want)
	}
	if h, err := s.History(ctx, named(0)); err != nil || len(h) != historyDepth || h[0].Op != Added {
		t.Errorf("of what is there again: %d changes, %v", len(h), err)
	}
	if marks, _, err := kv.List(ctx, removedRoot); err != nil || len(marks) != 1 {
		t.Errorf("%d marks, %v", len(marks), err)
	}
}

// Of writers with one MD5 exactly one wins, and none of those without is lost.
func TestWritersTogether(t *testing.T) {
	s, ctx := open(t, storage.NewMemory(), Options{}), t.Context()
	base := publish(t, s, "base", "").MD5
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			_, err := s.Publish(ctx, Item{ID: id, Content: fmt.Sprint("cas", i)}, base)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
	for i := range 8 {
		wg.Go(func() {
			if _, err := s.Publish(ctx, Item{ID: id, Content: fmt.Sprint("plain", i)}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, _, err := s.Get(ctx, id); err != nil || got.Version != 10 {
		t.Errorf("version %d, %v", got.Version, err)
	}
}

func TestWatch(t *testing.T) {
	kv := storage.NewMemory()
	s, other := open(t, kv, Options{}), open(t, kv, Options{})
	w, all := other.Watch(), other.WatchAll()
	defer w.Close()
	defer all.Close()
	if w.Add(id) != "" {
		t.Error("it is not there yet")
	}
	second := ID{Public, "g", "second"}
	told := func(w *Watcher, want ...ID) {
		t.Helper()
		select {
		case <-w.C():
		case <-time.After(10 * time.Second):
			t.Fatal("nobody was told")
		}
		if got := w.Take(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told of %v, want %v", got, want)
		}
	}
	one := publish(t, s, "1", "")
	told(w, id)
	told(all, id)
	if other.MD5(id) != one.MD5 {
		t.Error("told before it is known")
	}
	_, err := s.Publish(t.Context(), Item{ID: second, Content: "x"}, "")
	must(t, err)
	told(all, second)
	if _, err := s.Remove(t.Context(), id, "", ""); err != nil {
		t.Fatal(err)
	}
	told(w, id)
	w.Remove(id)
	publish(t, s, "2", "")
	told(all, id)
	if got := w.Take(); len(got) > 0 {
		t.Errorf("told of %v after Remove", got)
	}
}

// away is a storage that can be out of reach.
type away struct {
	storage.Store
	off bool
}

func (a *away) Get(ctx context.Context, key string) (storage.Entry, bool, error) {
	if a.off {
		return storage.Entry{}, false, storage.ErrUnavailable
	}
	return a.Store.Get(ctx, key)
}

// silent is a store that stopped answering, as a cluster without a majority does: calls end with their context.
type silent struct{ storage.Store }

func (silent) fail(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, ctx.Err())
}

func (s silent) Get(ctx context.Context, _ string) (storage.Entry, bool, error) {
	return storage.Entry{}, false, s.fail(ctx)
}

func (s silent) List(ctx context.Context, _ string) ([]storage.Entry, int64, error) {
	return nil, 0, s.fail(ctx)
}

// A write is given up by itself: who asks over HTTP sets no deadline.
func TestStorageIsSilent(t *testing.T) {
	s, ctx := open(t, silent{storage.NewMemory()}, Options{WriteWait: 20 * time.Millisecond}), t.Context()
	for name, call := range map[string]func() error{
		"publish":          func() error { _, err := s.Publish(ctx, Item{ID: id, Content: "x"}, ""); return err },
		"remove":           func() error { _, err := s.Remove(ctx, id, "", ""); return err },
		"history":          func() error { _, err := s.History(ctx, id); return err },
		"create namespace": func() error { return s.CreateNamespace(ctx, Namespace{ID: "dev", Name: "dev"}) },
		"remove namespace": func() error { _, err := s.RemoveNamespace(ctx, "dev"); return err },
	} {
		done := make(chan error, 1)
		go func() { done <- call() }()
		select {
		case err := <-done:
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s still waits", name)
		}
	}
}

func TestStorageOutOfReach(t *testing.T) {
	kv := &away{Store: storage.NewMemory()}
	s, ctx := open(t, kv, Options{MaxRemember: 10}), t.Context()
	publish(t, s, "small", "")
	large := ID{Public, "g", "large"}
	_, err := s.Publish(ctx, Item{ID: large, Content: "more than ten bytes"}, "")
	must(t, err)
	kv.off = true
	if got, stale, err := s.Get(ctx, id); err != nil || !stale || got.Content != "small" {
		t.Errorf("%+v, %v, %v", got, stale, err)
	}
	if _, _, err := s.Get(ctx, large); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a content that is not kept: %v", err)
	}
	if _, err := s.Publish(ctx, Item{ID: id, Content: "x"}, ""); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("written while out of reach: %v", err)
	}
}

func TestRefused(t *testing.T) {
	s, ctx := open(t, storage.NewMemory(), Options{MaxContent: 10, MaxItems: 1}), t.Context()
	for name, in := range map[string]Item{
		"empty":     {ID: id},
		"type":      {ID: id, Content: "x", Type: "exe"},
		"slash":     {ID: ID{Public, "g", "a/b"}, Content: "x"},
		"no name":   {ID: ID{Public, "g", ""}, Content: "x"},
		"long name": {ID: ID{Public, "g", strings.Repeat("x", 257)}, Content: "x"},
	} {
		if _, err := s.Publish(ctx, in, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	publish(t, s, "x", "")
	for name, in := range map[string]Item{
		"large":  {ID: id, Content: "more than ten bytes"},
		"labels": {ID: id, Content: "x", Description: strings.Repeat("x", 17<<10)},
		"second": {ID: ID{Public, "g", "second"}, Content: "x"},
	} {
		if _, err := s.Publish(ctx, in, ""); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Publish(ctx, Item{ID: ID{"other", "g", "second"}, Content: "x"}, ""); err != nil {
		t.Errorf("another namespace: %v", err)
	}
}

func TestNamespaces(t *testing.T) {
	s, ctx := open(t, storage.NewMemory(), Options{}), t.Context()
	must(t, s.CreateNamespace(ctx, Namespace{"dev", "Development", "for everybody"}))
	if err := s.CreateNamespace(ctx, Namespace{ID: "dev", Name: "x"}); !errors.Is(err, ErrConflict) {
		t.Errorf("made twice: %v", err)
	}
	if err := s.CreateNamespace(ctx, Namespace{ID: Public, Name: "x"}); !errors.Is(err, ErrConflict) {
		t.Errorf("the public one was made: %v", err)
	}
	must(t, s.ChangeNamespace(ctx, Namespace{ID: "dev", Name: "Dev"}))
	if got := fmt.Sprint(s.Namespaces()); got != "[{public public } {dev Dev }]" {
		t.Error(got)
	}
	if err := s.ChangeNamespace(ctx, Namespace{ID: "none", Name: "x"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("changed one that is not there: %v", err)
	}
	_, err := s.Publish(ctx, Item{ID: ID{"dev", "g", "x"}, Content: "x"}, "")
	must(t, err)
	if _, err := s.RemoveNamespace(ctx, "dev"); !errors.Is(err, ErrConflict) {
		t.Errorf("removed with a configuration in it: %v", err)
	}
	if _, err := s.Remove(ctx, ID{"dev", "g", "x"}, "", ""); err != nil {
		t.Fatal(err)
	}
	if gone, err := s.RemoveNamespace(ctx, "dev"); !gone || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	if gone, err := s.RemoveNamespace(ctx, "dev"); gone || err != nil {
		t.Errorf("removed twice: %v, %v", gone, err)
	}
}

// held is a storage whose next commit waits until something else has been done.
type held struct {
	storage.Store
	first func()
}

func (h *held) Commit(ctx context.Context, conditions []storage.Condition, changes ...storage.Change) (int64, error) {
	if first := h.first; first != nil {
		h.first = nil
		first()
	}
	return h.Store.Commit(ctx, conditions, changes...)
}

// A write that is held up while others add and remove a configuration until its version is no longer kept does not take the number of then:
// the numbers after it would be taken, and nobody could write the configuration any more.
func TestWriteFromLongAgo(t *testing.T) {
	kv, ctx := &held{Store: storage.NewMemory()}, t.Context()
	s := open(t, kv, Options{})
	again := func() {
		publish(t, s, "quick", "")
		_, err := s.Remove(ctx, id, "", "")
		must(t, err)
	}
	again()
	kv.first = func() {
		for range historyDepth {
			again()
		}
	}
	if slow := publish(t, s, "slow", ""); slow.Version != 2*historyDepth+3 {
		t.Errorf("version %d after %d", slow.Version, 2*historyDepth+2)
	}
	for i := range 3 * historyDepth {
		publish(t, s, fmt.Sprint("later ", i), "")
	}
	if got, _, err := s.Get(ctx, id); err != nil || got.Version != 5*historyDepth+3 {
		t.Errorf("%+v, %v", got, err)
	}
}
