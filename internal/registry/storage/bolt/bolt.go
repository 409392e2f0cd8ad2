// Package bolt keeps the registry's data in one file, with bbolt: for one process on one machine. A write that was acknowledged is on the
// disk, whenever the process or the machine ends.
package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"paifang/internal/registry/storage"
)

// Store is a storage.Store in a file. Make it with Open.
type Store struct {
	db     *bbolt.DB
	notify *storage.Notifier
	queue  chan *write
	done   chan struct{}
	closed sync.Once
	writer sync.WaitGroup
}

var _ storage.Store = (*Store)(nil)

// write waits to be part of a transaction.
type write struct {
	conditions []storage.Condition
	changes    []storage.Change
	revision   int64
	err        error
	ended      chan struct{}
}

// maxGroup is how many writes share one transaction, and so one wait for the disk; as many wait for the next one.
const maxGroup = 256

// lockWait is how long another process may take to let go of the file.
const lockWait = 2 * time.Second

// Open opens the file, made where it is missing, with its directory. Another process that has it open is an error.
func Open(file string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("bolt: open: %w", err)
	}
	if err := create(file); err != nil {
		return nil, fmt.Errorf("bolt: create %s: %w", file, err)
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return nil, fmt.Errorf("bolt: open %s: another process has it open: %w", file, err)
	}
	if err != nil {
		return nil, fmt.Errorf("bolt: open %s: %w", file, err)
	}
	s := &Store{db: db, notify: storage.NewNotifier(), queue: make(chan *write, maxGroup), done: make(chan struct{})}
	s.writer.Go(s.run)
	return s, nil
}

// create makes a file with its buckets beside its place and moves it there when it is whole: a process that is killed meanwhile
// must not leave half a file, which bbolt would refuse for ever.
func create(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	made := fmt.Sprintf("%s.%d.new", file, os.Getpid())
	defer os.Remove(made)
	if err := os.Remove(made); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	db, err := bbolt.Open(made, 0o600, &bbolt.Options{Timeout: lockWait})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket(entries)
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Link(made, file); err != nil && !errors.Is(err, os.ErrExist) { // a rename would replace the file of another process
		return err
	}
	return syncDirectory(filepath.Dir(file))
}

// entries is the one bucket. Its sequence is the revision of the store; a value begins with the revision of its write.
var entries = []byte("entries")

const head = 8 // bytes of the revision before a value

// Get implements storage.Store.
func (s *Store) Get(_ context.Context, key string) (storage.Entry, bool, error) {
	var out storage.Entry
	var found bool
	err := s.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket(entries).Get([]byte(key)); v != nil {
			out, found = entry(key, v), true
		}
		return nil
	})
	return out, found, s.failed("get "+key, err)
}

// List implements storage.Store.
func (s *Store) List(_ context.Context, prefix string) ([]storage.Entry, int64, error) {
	return s.read(prefix, nil)
}

// Page implements storage.Store.
func (s *Store) Page(_ context.Context, prefix, from string, most int) (out []storage.Entry, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(entries).Cursor()
		for k, v := c.Seek([]byte(max(prefix, from))); k != nil && bytes.HasPrefix(k, []byte(prefix)) && len(out) < most; k, v = c.Next() {
			out = append(out, entry(string(k), v))
		}
		return nil
	})
	return out, s.failed("list "+prefix, err)
}

func (s *Store) read(prefix string, keys []string) (out []storage.Entry, revision int64, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(entries)
		revision = int64(b.Sequence())
		if keys == nil {
			c := b.Cursor()
			for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
				out = append(out, entry(string(k), v))
			}
		}
		for _, k := range keys {
			if v := b.Get([]byte(k)); v != nil {
				out = append(out, entry(k, v))
			}
		}
		return nil
	})
	return out, revision, s.failed("list "+prefix, err)
}

// entry copies: bbolt's memory is valid during the transaction only.
func entry(key string, v []byte) storage.Entry {
	return storage.Entry{Key: key, Value: bytes.Clone(v[head:]), Revision: int64(binary.BigEndian.Uint64(v))}
}

// Commit implements storage.Store. Writes that come at the same time share a transaction.
func (s *Store) Commit(ctx context.Context, conditions []storage.Condition, changes ...storage.Change) (int64, error) {
	if err := storage.CheckCommit(conditions, changes); err != nil {
		return 0, err
	}
	w := &write{conditions: conditions, changes: changes, ended: make(chan struct{})}
	select {
	case <-s.done:
		return 0, fmt.Errorf("bolt: commit: %w", storage.ErrClosed)
	default:
	}
	select {
	case s.queue <- w:
	case <-s.done:
		return 0, fmt.Errorf("bolt: commit: %w", storage.ErrClosed)
	case <-ctx.Done():
		return 0, fmt.Errorf("bolt: commit: %w", ctx.Err())
	}
	select {
	case <-w.ended:
		return w.revision, w.err
	case <-ctx.Done():
		return 0, fmt.Errorf("bolt: commit: whether it happened is not known: %w", ctx.Err())
	}
}

// run is the one writer. When the store is closed, it answers who waits.
func (s *Store) run() {
	for {
		var group []*write
		select {
		case w := <-s.queue:
			group = append(group, w)
		case <-s.done:
			s.refuse()
			return
		}
	more:
		for len(group) < maxGroup {
			select {
			case w := <-s.queue:
				group = append(group, w)
			default:
				break more
			}
		}
		s.commit(group)
	}
}

func (s *Store) refuse() {
	for {
		select {
		case w := <-s.queue:
			w.err = fmt.Errorf("bolt: commit: %w", storage.ErrClosed)
			close(w.ended)
		default:
			return
		}
	}
}

func (s *Store) commit(group []*write) {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range group {
			if err := w.do(tx.Bucket(entries)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, w := range group {
		switch {
		case err != nil: // a full disk, most likely: nothing of the group happened
			w.revision, w.err = 0, fmt.Errorf("bolt: commit: %w: %w", err, storage.ErrUnavailable)
		case w.err == nil:
			s.notify.Changed(w.changes)
		}
		close(w.ended)
	}
}

// do makes one write inside a transaction. A condition that does not hold is that write's error and not the transaction's.
func (w *write) do(b *bbolt.Bucket) error {
	for _, c := range w.conditions {
		var have int64
		if v := b.Get([]byte(c.Key)); v != nil {
			have = int64(binary.BigEndian.Uint64(v))
		}
		if have != c.Revision {
			w.err = fmt.Errorf("bolt: commit: %q has changed: %w", c.Key, storage.ErrConflict)
			return nil
		}
	}
	revision, err := b.NextSequence()
	if err != nil {
		return err
	}
	w.revision = int64(revision)
	for _, c := range w.changes {
		if c.Delete {
			err = b.Delete([]byte(c.Key))
		} else {
			v := make([]byte, head, head+len(c.Value))
			binary.BigEndian.PutUint64(v, revision)
			err = b.Put([]byte(c.Key), append(v, c.Value...))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Follow implements storage.Store.
func (s *Store) Follow(ctx context.Context, prefix string, tell func(storage.News)) error {
	return s.notify.Follow(ctx, prefix, s.read, tell)
}

// Close implements storage.Store. It waits for a transaction that runs.
func (s *Store) Close() error {
	s.closed.Do(func() { close(s.done) })
	s.notify.Close()
	s.writer.Wait()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("bolt: close: %w", err)
	}
	return nil
}

func (s *Store) failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bbolterrors.ErrDatabaseNotOpen):
		return fmt.Errorf("bolt: %s: %w", what, storage.ErrClosed)
	}
	return fmt.Errorf("bolt: %s: %w", what, err)
}
