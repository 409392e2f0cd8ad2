package etcd

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// leaseCount is how many leases a process has. When one ends, the cluster deletes what hangs on it in one step, so that
// some are better than one, and a few are better than one for each key, each of which would have to be kept alive.
const leaseCount = 4

// lease is one of the process's; granted when it is needed first, and again after it was lost.
type lease struct {
	mu sync.Mutex
	id clientv3.LeaseID // 0: none
}

func (s *Store) leaseOf(key string) *lease {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return &s.leases[h.Sum32()%leaseCount]
}

// get returns the lease, granted where there is none.
func (s *Store) get(ctx context.Context, l *lease) (clientv3.LeaseID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id != 0 {
		return l.id, nil
	}
	c, err := s.client(ctx, "grant a lease")
	if err != nil {
		return 0, err
	}
	g, err := c.Grant(ctx, int64(max(s.cfg.TTL.Seconds(), 1)))
	if err != nil {
		return 0, s.failed(ctx, "grant a lease", err)
	}
	l.id = g.ID
	s.work.Go(func() { s.keep(l, g.ID) })
	return g.ID, nil
}

// keep keeps a lease alive, at whichever member is asked, until it is lost or the store is closed.
func (s *Store) keep(l *lease, id clientv3.LeaseID) {
	for s.ctx.Err() == nil {
		c, err := s.client(s.ctx, "keep a lease")
		if err != nil {
			return
		}
		if alive, err := c.KeepAlive(s.ctx, id); err == nil {
			for range alive { // until the lease is lost, or the member, or nobody has answered for as long as the lease lasts
			}
		}
		ctx, cancel := context.WithTimeout(s.ctx, askWithin)
		if t, err := c.TimeToLive(ctx, id); err == nil && t.TTL <= 0 {
			cancel()
			s.drop(l, id)
			return
		}
		cancel()
		select {
		case <-time.After(retryAfter):
		case <-s.ctx.Done():
		}
	}
}

// drop notes that a lease is lost, and with it what hung on it.
func (s *Store) drop(l *lease, id clientv3.LeaseID) {
	l.mu.Lock()
	current := l.id == id
	if current {
		l.id = 0
	}
	l.mu.Unlock()
	if !current || s.ctx.Err() != nil {
		return
	}
	s.cfg.Log.Warn("a lease of this process was lost: what other processes know of it may be gone for a moment")
	select {
	case s.lost <- struct{}{}:
	default:
	}
}
