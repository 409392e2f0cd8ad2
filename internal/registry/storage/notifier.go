package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Notifier wakes the followers of a store that only this process writes. It keeps the names of changed keys, each once, so
// that a slow follower costs no memory and sees the newest values. Make it with NewNotifier.
type Notifier struct {
	done chan struct{}

	mu        sync.Mutex
	closed    bool
	followers map[*follower]struct{}
}

type follower struct {
	prefix string
	wake   chan struct{}
	dirty  map[string]struct{} // guarded by the notifier's mutex
}

// Snapshot reads what a follower is told: keys, or all with the prefix where keys is nil, and the revision of the store at
// that moment.
type Snapshot func(prefix string, keys []string) (entries []Entry, revision int64, err error)

// NewNotifier returns one without followers.
func NewNotifier() *Notifier {
	return &Notifier{done: make(chan struct{}), followers: map[*follower]struct{}{}}
}

// Changed notes that a write is visible. It does not wait.
func (n *Notifier) Changed(changes []Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for f := range n.followers {
		woken := false
		for i := range changes {
			if strings.HasPrefix(changes[i].Key, f.prefix) {
				f.dirty[changes[i].Key] = struct{}{}
				woken = true
			}
		}
		if woken {
			select {
			case f.wake <- struct{}{}:
			default:
			}
		}
	}
}

// Follow is Store.Follow over a way to read.
func (n *Notifier) Follow(ctx context.Context, prefix string, read Snapshot, tell func(News)) error {
	f := &follower{prefix: prefix, wake: make(chan struct{}, 1), dirty: map[string]struct{}{}}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return fmt.Errorf("storage: follow %q: %w", prefix, ErrClosed)
	}
	n.followers[f] = struct{}{}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.followers, f)
		n.mu.Unlock()
	}()
	entries, revision, err := read(prefix, nil)
	if err != nil {
		return err
	}
	tell(News{Full: true, Entries: entries, Revision: revision})
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.done:
			return fmt.Errorf("storage: follow %q: %w", prefix, ErrClosed)
		}
		n.mu.Lock()
		keys := make([]string, 0, len(f.dirty))
		for k := range f.dirty {
			keys = append(keys, k)
		}
		clear(f.dirty)
		n.mu.Unlock()
		slices.Sort(keys)
		if len(keys) == 0 {
			continue
		}
		entries, revision, err := read(prefix, keys)
		if err != nil {
			return err
		}
		tell(News{Entries: entries, Gone: missing(keys, entries), Revision: revision})
	}
}

// missing are the keys without an entry; both are sorted.
func missing(keys []string, entries []Entry) []string {
	var gone []string
	for _, k := range keys {
		if len(entries) > 0 && entries[0].Key == k {
			entries = entries[1:]
		} else {
			gone = append(gone, k)
		}
	}
	return gone
}

// Close ends all that follow.
func (n *Notifier) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.closed = true
		close(n.done)
	}
}

// CheckCommit tells what is wrong with a write by itself. Errors are ErrTooLarge.
func CheckCommit(conditions []Condition, changes []Change) error {
	if n := len(conditions) + len(changes); n > MaxCommit {
		return fmt.Errorf("storage: commit %d keys, at most %d are allowed: %w", n, MaxCommit, ErrTooLarge)
	}
	for _, c := range changes {
		if len(c.Value) > MaxValue {
			return fmt.Errorf("storage: commit %q: %d bytes, at most %d are allowed: %w", c.Key, len(c.Value), MaxValue, ErrTooLarge)
		}
	}
	return nil
}
