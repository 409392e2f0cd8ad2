package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Mirror follows a prefix for somebody who keeps a copy of it, and knows how far the copy is. Its goroutine ends with
// Close, or when the store is closed.
type Mirror struct {
	cancel context.CancelFunc
	ended  chan struct{}

	mu       sync.Mutex
	told     bool
	revision int64
	err      error
	grown    chan struct{} // closed and replaced when revision grows or the end has come
}

// NewMirror begins to follow; tell is called with news, one call after the other.
func NewMirror(s Store, prefix string, tell func(News)) *Mirror {
	ctx, cancel := context.WithCancel(context.Background())
	m := &Mirror{cancel: cancel, ended: make(chan struct{}), grown: make(chan struct{})}
	go func() {
		defer close(m.ended)
		err := s.Follow(ctx, prefix, func(n News) {
			tell(n)
			m.grow(true, n.Revision, nil)
		})
		if errors.Is(err, context.Canceled) {
			err = ErrClosed
		}
		m.grow(false, 0, err)
	}()
	return m
}

func (m *Mirror) grow(told bool, revision int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = m.told || told
	m.revision = max(m.revision, revision)
	m.err = err
	close(m.grown)
	m.grown = make(chan struct{})
}

// Await waits until everything up to a revision has been told; 0 waits for the first news. Where ctx runs out first, the error is
// ErrUnavailable.
func (m *Mirror) Await(ctx context.Context, revision int64) error {
	for {
		m.mu.Lock()
		done, err, grown := m.told && m.revision >= revision, m.err, m.grown
		m.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return fmt.Errorf("storage: wait for revision %d: %w", revision, err)
		}
		select {
		case <-grown:
		case <-ctx.Done():
			err = ctx.Err()
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
			return fmt.Errorf("storage: wait for revision %d: %w", revision, err)
		}
	}
}

// Close ends following. It returns when the last call of tell has.
func (m *Mirror) Close() {
	m.cancel()
	<-m.ended
}
