package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"paifang/internal/registry/storage"
)

// Times of a follower.
const (
	listWithin = 10 * time.Second       // to read everything
	retryAfter = 100 * time.Millisecond // when the cluster does not answer
)

// Follow implements storage.Store. When the cluster is out of reach, it goes on where it was told last, unless what it missed
// is not kept any more: then it tells everything again.
func (s *Store) Follow(ctx context.Context, prefix string, tell func(storage.News)) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	var next int64 // the revision to go on with; 0: everything is to be told
	for {
		at := s.present().client
		err := s.follow(inner, prefix, &next, tell)
		switch {
		case s.ctx.Err() != nil:
			return fmt.Errorf("etcd: follow %s: %w", prefix, storage.ErrClosed)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err != nil && at != nil && at == s.present().client { // and not because another member is asked now
			s.met(err)
		}
		s.doubt()
		select {
		case <-time.After(retryAfter):
		case <-inner.Done():
		}
	}
}

// follow tells until something fails.
func (s *Store) follow(ctx context.Context, prefix string, next *int64, tell func(storage.News)) error {
	ctx, cancel := context.WithCancel(ctx) // ends the watch
	defer cancel()
	if *next == 0 {
		inner, done := context.WithTimeout(ctx, listWithin)
		entries, revision, err := s.List(inner, prefix)
		done()
		if err != nil {
			return err
		}
		tell(storage.News{Full: true, Entries: entries, Revision: revision})
		*next = revision + 1
	}
	c, err := s.client(ctx, "follow "+prefix)
	if err != nil {
		return err
	}
	// A member that has no leader, because it is cut off, ends the watch; it would be silent otherwise.
	w := c.Watch(clientv3.WithRequireLeader(ctx), s.cfg.Prefix+prefix, clientv3.WithPrefix(), clientv3.WithRev(*next), clientv3.WithCreatedNotify())
	for r := range w {
		if r.CompactRevision != 0 {
			*next = 0
			return nil
		}
		if err := r.Err(); err != nil {
			return err
		}
		if len(r.Events) > 0 {
			n := s.news(&r)
			tell(n)
			*next = n.Revision + 1
		}
	}
	return errEnded
}

var errEnded = errors.New("etcd: the watch has ended")

// news keeps the last event of each key. They reach as far as the last one does: the header names the revision that the member has,
// which is ahead of them where there is more to tell than one answer holds.
func (s *Store) news(r *clientv3.WatchResponse) storage.News {
	n := storage.News{Revision: r.Events[len(r.Events)-1].Kv.ModRevision}
	last := make(map[string]int, len(r.Events))
	for i, e := range r.Events {
		last[string(e.Kv.Key)] = i
	}
	for i, e := range r.Events {
		if last[string(e.Kv.Key)] != i {
			continue
		}
		entry := s.entry(e.Kv)
		if e.Type == mvccpb.DELETE {
			n.Gone = append(n.Gone, entry.Key)
		} else {
			n.Entries = append(n.Entries, entry)
		}
	}
	return n
}
