// Package etcd keeps the registry's data in a cluster of etcd, for any number of processes. What a process puts for as long as
// it lives hangs on a few leases, not one for each key.
//
//	etcd.go    reading, writing
//	member.go  which member of the cluster is asked
//	follow.go  followers
//	lease.go   leases
//	batch.go   writes with a condition each
package etcd

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"paifang/internal/registry/storage"
)

// Config is what a store may be told. Only Endpoints must be set.
type Config struct {
	Endpoints []string    // URLs, or host:port
	Prefix    string      // of all keys; default /paifang/
	TLS       *tls.Config // nil: clear text
	Username  string
	Password  string
	TTL       time.Duration // of leases: how long what a process had put outlives it; default 30 s, above the time in which clients move
	Log       *slog.Logger  // default: nothing is logged
}

// Store is a storage.Shared on etcd. Make it with Open.
type Store struct {
	cfg    Config
	owner  string
	ctx    context.Context //nolint:containedctx // it ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	lost   chan struct{}
	doubts chan struct{} // whether the member answers
	leases [leaseCount]lease

	mu      sync.Mutex
	at      member        // that is asked; none before the first has answered
	changed chan struct{} // closed when another one is
	contact storage.Contact
}

var _ storage.Shared = (*Store)(nil)

// pageSize is how many keys one answer has at most.
const pageSize = 1000

// Open connects to the cluster. It does not wait for it: calls do.
func Open(cfg Config) (*Store, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("etcd: open: no endpoints are named")
	}
	cfg.Prefix = cmp.Or(cfg.Prefix, "/paifang/")
	cfg.TTL = cmp.Or(cfg.TTL, 30*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Endpoints = slices.Clone(cfg.Endpoints)
	rand.Shuffle(len(cfg.Endpoints), func(i, j int) { cfg.Endpoints[i], cfg.Endpoints[j] = cfg.Endpoints[j], cfg.Endpoints[i] }) // processes begin with different ones
	name := make([]byte, 8)
	_, _ = cryptorand.Read(name) // it ends the process where it cannot read
	ctx, cancel := context.WithCancel(context.Background())
	s := &Store{cfg: cfg, owner: hex.EncodeToString(name), ctx: ctx, cancel: cancel, lost: make(chan struct{}, 1), doubts: make(chan struct{}, 1), changed: make(chan struct{})}
	s.work.Go(s.watch)
	return s, nil
}

// Owner implements storage.Shared.
func (s *Store) Owner() string { return s.owner }

// Lost implements storage.Shared.
func (s *Store) Lost() <-chan struct{} { return s.lost }

// Reachable implements storage.Shared.
func (s *Store) Reachable() storage.Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contact
}

// met notes whether the cluster answers.
func (s *Store) met(err error) {
	s.mu.Lock()
	was := s.contact
	s.contact = storage.Contact{}
	if err != nil {
		s.contact = storage.Contact{Lost: true, Since: was.Since, Error: err.Error()}
		if !was.Lost {
			s.contact.Since = time.Now()
		}
	}
	s.mu.Unlock()
	switch {
	case err != nil && !was.Lost:
		s.cfg.Log.Warn("etcd does not answer: what is known stays, nothing new is taken", "err", err)
	case err == nil && was.Lost:
		s.cfg.Log.Info("etcd answers again")
	}
}

// failed tells whose fault an error is. Where it may be the member's, that is asked.
func (s *Store) failed(ctx context.Context, what string, err error) error {
	switch {
	case s.ctx.Err() != nil:
		return fmt.Errorf("etcd: %s: %w", what, storage.ErrClosed)
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("etcd: %s: %w", what, ctx.Err())
	}
	s.doubt()
	return fmt.Errorf("etcd: %s: %w: %w", what, storage.ErrUnavailable, err)
}

// Get implements storage.Store: a read that goes through the cluster's majority.
func (s *Store) Get(ctx context.Context, key string) (storage.Entry, bool, error) {
	r, err := s.read(ctx, "get "+key, s.cfg.Prefix+key)
	if err != nil {
		return storage.Entry{}, false, err
	}
	if len(r.Kvs) == 0 {
		return storage.Entry{}, false, nil
	}
	return s.entry(r.Kvs[0]), true, nil
}

// entry reads what put and Commit wrote: the value of a key on a lease begins with its owner.
func (s *Store) entry(kv *mvccpb.KeyValue) storage.Entry {
	e := storage.Entry{Key: strings.TrimPrefix(string(kv.Key), s.cfg.Prefix), Value: kv.Value, Revision: kv.ModRevision}
	if kv.Lease != 0 {
		owner, value, _ := strings.Cut(string(kv.Value), "\n")
		e.Owner, e.Value = owner, []byte(value)
	}
	return e
}

// List implements storage.Store, in pages of one revision.
func (s *Store) List(ctx context.Context, prefix string) ([]storage.Entry, int64, error) {
	var out []storage.Entry
	var revision int64
	from, end := s.cfg.Prefix+prefix, clientv3.GetPrefixRangeEnd(s.cfg.Prefix+prefix)
	for {
		r, err := s.read(ctx, "list "+prefix, from, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
		if err != nil {
			return nil, 0, err
		}
		if revision == 0 {
			revision = r.Header.Revision
		}
		for _, kv := range r.Kvs {
			out = append(out, s.entry(kv))
		}
		if !r.More {
			return out, revision, nil
		}
		from = string(r.Kvs[len(r.Kvs)-1].Key) + "\x00"
	}
}

// Page implements storage.Store: a read that goes through the cluster's majority.
func (s *Store) Page(ctx context.Context, prefix, from string, most int) ([]storage.Entry, error) {
	begin, end := s.cfg.Prefix+max(prefix, from), clientv3.GetPrefixRangeEnd(s.cfg.Prefix+prefix)
	r, err := s.read(ctx, "list "+prefix, begin, clientv3.WithRange(end), clientv3.WithLimit(int64(most)))
	if err != nil {
		return nil, err
	}
	out := make([]storage.Entry, 0, len(r.Kvs))
	for _, kv := range r.Kvs {
		out = append(out, s.entry(kv))
	}
	return out, nil
}

// Commit implements storage.Store. After ErrUnavailable it is not known whether the write happened.
func (s *Store) Commit(ctx context.Context, conditions []storage.Condition, changes ...storage.Change) (int64, error) {
	if err := storage.CheckCommit(conditions, changes); err != nil {
		return 0, err
	}
	compares := make([]clientv3.Cmp, 0, len(conditions))
	for _, k := range conditions {
		compares = append(compares, clientv3.Compare(clientv3.ModRevision(s.cfg.Prefix+k.Key), "=", k.Revision))
	}
	ops := make([]clientv3.Op, 0, len(changes))
	for _, c := range changes {
		if c.Delete {
			ops = append(ops, clientv3.OpDelete(s.cfg.Prefix+c.Key))
		} else {
			ops = append(ops, clientv3.OpPut(s.cfg.Prefix+c.Key, string(c.Value)))
		}
	}
	c, err := s.client(ctx, "commit")
	if err != nil {
		return 0, err
	}
	r, err := c.Txn(ctx).If(compares...).Then(ops...).Commit()
	if err != nil {
		return 0, s.failed(ctx, "commit", err)
	}
	if !r.Succeeded {
		return 0, fmt.Errorf("etcd: commit: a key has changed: %w", storage.ErrConflict)
	}
	for _, op := range r.Responses {
		if d := op.GetResponseDeleteRange(); d == nil || d.Deleted > 0 {
			return r.Header.Revision, nil
		}
	}
	return 0, nil // there was nothing to delete: etcd has no revision for that, and tells no follower
}

// Close implements storage.Store. Leases are left to run out: clients of this process need that time to move to another
// one.
func (s *Store) Close() error {
	s.cancel()
	s.work.Wait()
	if c := s.present().client; c != nil {
		if err := c.Close(); err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("etcd: close: %w", err)
		}
	}
	return nil
}
