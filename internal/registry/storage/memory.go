package storage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store that lasts as long as the process. Make it with NewMemory.
type Memory struct {
	notify *Notifier

	mu       sync.Mutex
	closed   bool
	entries  map[string]Entry
	revision int64
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{notify: NewNotifier(), entries: map[string]Entry{}}
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, key string) (Entry, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return Entry{}, false, fmt.Errorf("storage: get %q: %w", key, ErrClosed)
	}
	e, ok := m.entries[key]
	return e, ok, nil
}

// List implements Store.
func (m *Memory) List(_ context.Context, prefix string) ([]Entry, int64, error) {
	return m.read(prefix, nil)
}

// Page implements Store.
func (m *Memory) Page(_ context.Context, prefix, from string, most int) ([]Entry, error) {
	all, _, err := m.read(prefix, nil)
	i, _ := slices.BinarySearchFunc(all, from, func(e Entry, key string) int { return strings.Compare(e.Key, key) })
	return all[i:min(len(all), i+most)], err
}

func (m *Memory) read(prefix string, keys []string) ([]Entry, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, 0, fmt.Errorf("storage: list %q: %w", prefix, ErrClosed)
	}
	var out []Entry
	if keys == nil {
		for k, e := range m.entries {
			if strings.HasPrefix(k, prefix) {
				out = append(out, e)
			}
		}
		slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	}
	for _, k := range keys {
		if e, ok := m.entries[k]; ok {
			out = append(out, e)
		}
	}
	return out, m.revision, nil
}

// Commit implements Store.
func (m *Memory) Commit(_ context.Context, conditions []Condition, changes ...Change) (int64, error) {
	if err := CheckCommit(conditions, changes); err != nil {
		return 0, err
	}
	revision, err := m.commit(conditions, changes)
	if err == nil {
		m.notify.Changed(changes)
	}
	return revision, err
}

func (m *Memory) commit(conditions []Condition, changes []Change) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return 0, fmt.Errorf("storage: commit: %w", ErrClosed)
	}
	for _, c := range conditions {
		if m.entries[c.Key].Revision != c.Revision {
			return 0, fmt.Errorf("storage: commit: %q has changed: %w", c.Key, ErrConflict)
		}
	}
	m.revision++
	for _, c := range changes {
		if c.Delete {
			delete(m.entries, c.Key)
		} else {
			m.entries[c.Key] = Entry{Key: c.Key, Value: bytes.Clone(c.Value), Revision: m.revision}
		}
	}
	return m.revision, nil
}

// Follow implements Store.
func (m *Memory) Follow(ctx context.Context, prefix string, tell func(News)) error {
	return m.notify.Follow(ctx, prefix, m.read, tell)
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.notify.Close()
	return nil
}
