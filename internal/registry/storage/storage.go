// Package storage is the seam between the registry and what keeps its data: in memory, in one file (storage/bolt) or in a cluster
// of etcd (storage/etcd). It is a small map of texts to bytes, with conditional writes of several keys at once and followers that
// are told what has changed. What the keys mean is known to those who write them.
package storage

import (
	"context"
	"errors"
	"time"
)

// Errors that calls wrap.
var (
	ErrConflict    = errors.New("conflict")            // a condition of a write does not hold; nothing was written
	ErrUnavailable = errors.New("storage unavailable") // whether something was written is not known, unless the caller is told so
	ErrClosed      = errors.New("storage closed")
	ErrTooLarge    = errors.New("too large") // a value, or a write as a whole
)

// Bounds of what is kept.
const (
	MaxValue  = 1 << 20 // of one value, bytes
	MaxCommit = 100     // keys that one write names, in conditions and changes together
)

// Entry is a key with its value.
type Entry struct {
	Key      string
	Value    []byte
	Revision int64  // of the write that put it there; grows with every write of the store
	Owner    string // the process whose end takes it away (Shared.Batch); empty: it stays until somebody deletes it
}

// Condition is what must hold of a key for a write to happen.
type Condition struct {
	Key      string
	Revision int64 // the entry's; 0 = there is no such key
}

// Change puts a value or deletes a key. Deleting what is not there is no error.
type Change struct {
	Key    string
	Value  []byte
	Delete bool
}

// Put is a change that sets a value.
func Put(key string, value []byte) Change { return Change{Key: key, Value: value} }

// Delete is a change that takes a key away.
func Delete(key string) Change { return Change{Key: key, Delete: true} }

// News is what a follower is told.
type News struct {
	Full     bool     // Entries are all there is; what is not among them is gone
	Entries  []Entry  // new or changed, the newest value of each
	Gone     []string // keys that were deleted
	Revision int64    // of the store: everything up to it has been told
}

// Store keeps entries. It is used by any number of goroutines.
type Store interface {
	// Get reads a key as it is when the call is made, not as some copy has it, and false where there is none.
	Get(ctx context.Context, key string) (Entry, bool, error)
	// List reads all keys with a prefix, sorted, as they were at one revision, which it returns.
	List(ctx context.Context, prefix string) ([]Entry, int64, error)
	// Page reads the first keys with a prefix that are not before another one, sorted, as they are when the call is made; most is at
	// least 1. Who reads everything holds everything: pages are for what is large and looked through.
	Page(ctx context.Context, prefix, from string, most int) ([]Entry, error)
	// Commit makes all changes or, where a condition does not hold, none. When it returns without error, they outlive the
	// process and the machine's power, as far as the store keeps anything. It returns the revision of the write, which is 0 where it
	// may be that followers are told of none, because nothing was there to be deleted. A key stands in one change only.
	// Errors are ErrConflict, ErrTooLarge, ErrUnavailable, ErrClosed and those of ctx.
	Commit(ctx context.Context, conditions []Condition, changes ...Change) (int64, error)
	// Follow tells everything with a prefix and then every change, until ctx ends or the store is closed. The calls of tell
	// follow each other, and Follow waits for them. Changes of one key may be told as one. The store overcomes what it can by
	// itself; when it had to begin again, the next news are Full.
	Follow(ctx context.Context, prefix string, tell func(News)) error
	// Close ends followers and calls. It is called once, by the owner.
	Close() error
}

// Holder says on whose account a step of Shared.Batch may happen.
type Holder int

// Holders.
const (
	Anybody  Holder = iota // whatever stands there
	Mine                   // only where the key is this process's own
	NotOther               // where there is none, or it is this process's own
)

// Step is one change of a batch, with a condition of its own.
type Step struct {
	Change
	If   Holder
	At   int64 // the entry must still have this revision; 0: any
	AsOf int64 // with Anybody: an entry of another process must not be newer than this revision; 0: it may
}

// Shared is a Store that several processes use. What a process has put with Batch goes when the process does.
type Shared interface {
	Store
	// Batch makes the steps that may happen and tells which did. What it puts belongs to this process. A key stands in one
	// step only, at most MaxCommit/2 in all. Errors are ErrUnavailable, ErrClosed and those of ctx.
	Batch(ctx context.Context, steps []Step) (done []bool, revision int64, err error)
	// Owner is this process's name in Entry.Owner.
	Owner() string
	// Lost is ready each time what Batch had put may be gone, because the store was out of reach for too long.
	Lost() <-chan struct{}
	// Reachable tells whether the store answers, and since when it does not.
	Reachable() Contact
}

// Contact is how a process stands with the store that it shares.
type Contact struct {
	Lost  bool
	Since time.Time // it was noticed, while Lost
	Error string    // the last one
}
