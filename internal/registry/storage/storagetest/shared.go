package storagetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"paifang/internal/registry/storage"
)

// Shared is a storage.Shared for one process, whose answers are switched off and on. What Batch puts is not told to followers: a process
// knows its own. Make it with NewShared.
type Shared struct {
	*storage.Memory
	lost chan struct{}

	mu      sync.Mutex
	contact storage.Contact
}

var _ storage.Shared = (*Shared)(nil)

// NewShared returns one that answers.
func NewShared() *Shared { return &Shared{Memory: storage.NewMemory(), lost: make(chan struct{})} }

// Lose has it answer no more since a moment.
func (s *Shared) Lose(since time.Time) {
	s.set(storage.Contact{Lost: true, Since: since, Error: "no leader"})
}

// Find has it answer again.
func (s *Shared) Find() { s.set(storage.Contact{}) }

func (s *Shared) set(c storage.Contact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.contact = c
}

// Commit implements storage.Store.
func (s *Shared) Commit(ctx context.Context, conditions []storage.Condition, changes ...storage.Change) (int64, error) {
	if s.Reachable().Lost {
		return 0, fmt.Errorf("storagetest: commit: %w", storage.ErrUnavailable)
	}
	return s.Memory.Commit(ctx, conditions, changes...)
}

// Batch implements storage.Shared.
func (s *Shared) Batch(_ context.Context, steps []storage.Step) ([]bool, int64, error) {
	if s.Reachable().Lost {
		return nil, 0, fmt.Errorf("storagetest: batch: %w", storage.ErrUnavailable)
	}
	done := make([]bool, len(steps))
	for i := range done {
		done[i] = true
	}
	return done, 0, nil
}

// Owner implements storage.Shared.
func (s *Shared) Owner() string { return "this one" }

// Lost implements storage.Shared: nothing ever is.
func (s *Shared) Lost() <-chan struct{} { return s.lost }

// Reachable implements storage.Shared.
func (s *Shared) Reachable() storage.Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contact
}
