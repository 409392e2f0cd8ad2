package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) { storagetest.Run(t, storage.NewMemory()) }

// What stands in for a cluster in tests of the registry does what etcd does, see test/registry.
func TestHolders(t *testing.T) {
	c := storagetest.NewCluster()
	a := c.Process("a")
	defer a.Close()
	storagetest.Holders(t, a, c.Process("b"))
}

func TestMirrorThatHearsNothing(t *testing.T) {
	s := storage.NewMemory()
	defer s.Close()
	m := storage.NewMirror(s, "", func(storage.News) {})
	defer m.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := m.Await(ctx, 1<<40); !errors.Is(err, storage.ErrUnavailable) {
		t.Error(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := m.Await(gone, 1<<40); !errors.Is(err, context.Canceled) || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a caller that left: %v", err)
	}
}
