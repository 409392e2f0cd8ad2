package etcd

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/registry/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Without a cluster calls end with their context and say why, and Close ends followers. What it does with one is tested in the module
// test/registry.
func TestNoCluster(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s, err := Open(Config{Endpoints: []string{address}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Commit(ctx, nil, storage.Put("a", nil)); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("commit: %v", err)
	}
	if _, _, err := s.Get(ctx, "a"); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("get: %v", err)
	}
	if _, _, err := s.Batch(ctx, []storage.Step{{Change: storage.Put("a", nil)}}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("batch: %v", err)
	}
	if _, _, err := s.Batch(ctx, make([]storage.Step, storage.MaxCommit)); !errors.Is(err, storage.ErrTooLarge) {
		t.Errorf("large batch: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- s.Follow(context.Background(), "", func(storage.News) { t.Error("there are news of nobody") })
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, storage.ErrClosed) {
		t.Errorf("a follower: %v", err)
	}
	if _, _, err := s.Get(context.Background(), "a"); !errors.Is(err, storage.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := Open(Config{}); err == nil {
		t.Error("opened without endpoints")
	}
}

// A cluster that takes connections and says nothing is noticed without anybody's call.
func TestSilentCluster(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := Open(Config{Endpoints: []string{"http://" + l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	began := time.Now()
	for !s.Reachable().Lost {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it is taken for reachable")
		}
		time.Sleep(10 * time.Millisecond)
	}
	first := s.Reachable()
	if first.Since.Before(began) || first.Since.After(time.Now()) {
		t.Errorf("it is lost since %v", first.Since)
	}
	s.met(errEnded)
	if again := s.Reachable(); !again.Lost || !again.Since.Equal(first.Since) {
		t.Errorf("after another error %+v, before %+v", again, first)
	}
}
