package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, file string) *Store {
	t.Helper()
	s, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	storagetest.Run(t, open(t, filepath.Join(t.TempDir(), "deep", "registry.db")))
}

// What was written is there again, with its revision, and revisions go on growing.
func TestReopen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "registry.db")
	s := open(t, file)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := s.Commit(t.Context(), nil, storage.Put(fmt.Sprint("k/", i), fmt.Append(nil, i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	before, r1, err := s.List(t.Context(), "k/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, file)
	defer s.Close()
	after, r2, err := s.List(context.Background(), "k/")
	if err != nil || len(after) != 20 || fmt.Sprint(after) != fmt.Sprint(before) || r2 != r1 {
		t.Errorf("after: %v at %d, %v; before: %v at %d", after, r2, err, before, r1)
	}
	if r, err := s.Commit(t.Context(), nil, storage.Delete("k/1")); err != nil || r <= r1 {
		t.Errorf("revision %d, %v", r, err)
	}
	if left, err := filepath.Glob(file + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
