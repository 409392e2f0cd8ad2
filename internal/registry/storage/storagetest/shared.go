package storagetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"paifang/internal/registry/storage"
)

// Cluster is what several processes share, all of them in this one. Make it with NewCluster.
type Cluster struct {
	memory *storage.Memory

	mu     sync.Mutex
	owners map[int64]string // of what was written at a revision
}

// NewCluster returns an empty one.
func NewCluster() *Cluster { return &Cluster{memory: storage.NewMemory(), owners: map[int64]string{}} }

// Process returns what the process of a name uses.
func (c *Cluster) Process(name string) *Shared {
	return &Shared{Memory: c.memory, cluster: c, name: name, lost: make(chan struct{})}
}

// Shared is a storage.Shared for one process, whose answers are switched off and on.
type Shared struct {
	*storage.Memory
	cluster *Cluster
	name    string
	lost    chan struct{}

	mu      sync.Mutex
	contact storage.Contact
	hangs   bool
	mute    bool
	late    [][]storage.Step
}

var _ storage.Shared = (*Shared)(nil)

// NewShared returns one that answers, for a process alone.
func NewShared() *Shared { return NewCluster().Process("this one") }

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

// Hang has it take batches and answer none of them. What they want is done when it goes on.
func (s *Shared) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = true
}

// GoOn ends Hang, after what came meanwhile is done.
func (s *Shared) GoOn() {
	for _, steps := range s.answer() {
		_, _, _ = s.batch(steps) // nobody waits for the answer any more
	}
}

// Drop ends Hang, and nothing of what came meanwhile is done.
func (s *Shared) Drop() { s.answer() }

func (s *Shared) answer() (late [][]storage.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late = s.late
	s.hangs, s.late = false, nil
	return late
}

// Mute has it do what batches want, and answer none of them.
func (s *Shared) Mute(mute bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = mute
}

// Commit implements storage.Store.
func (s *Shared) Commit(ctx context.Context, conditions []storage.Condition, changes ...storage.Change) (int64, error) {
	if s.Reachable().Lost {
		return 0, fmt.Errorf("storagetest: commit: %w", storage.ErrUnavailable)
	}
	return s.Memory.Commit(ctx, conditions, changes...)
}

// Batch implements storage.Shared.
func (s *Shared) Batch(ctx context.Context, steps []storage.Step) ([]bool, int64, error) {
	s.mu.Lock()
	lost, hangs, mute := s.contact.Lost, s.hangs, s.mute
	if hangs && !lost {
		s.late = append(s.late, steps)
	}
	s.mu.Unlock()
	if lost {
		return nil, 0, fmt.Errorf("storagetest: batch: %w", storage.ErrUnavailable)
	}
	if !hangs {
		done, revision, err := s.batch(steps)
		if !mute {
			return done, revision, err
		}
	}
	<-ctx.Done()
	return nil, 0, fmt.Errorf("storagetest: batch: %w: %w", storage.ErrUnavailable, ctx.Err())
}

// batch makes the steps whose conditions hold.
func (s *Shared) batch(steps []storage.Step) (done []bool, revision int64, err error) {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	var changes []storage.Change
	for _, step := range steps {
		e, there, err := c.memory.Get(context.Background(), step.Key)
		if err != nil {
			return nil, 0, err
		}
		mine := there && c.owners[e.Revision] == s.name
		may := step.At == 0 || step.At == e.Revision
		switch step.If {
		case storage.Mine:
			may = may && mine
		case storage.NotOther:
			may = may && (mine || !there)
		case storage.Anybody:
			may = may && (mine || step.AsOf == 0 || e.Revision <= step.AsOf)
		}
		if done = append(done, may); may {
			changes = append(changes, step.Change)
		}
	}
	if len(changes) == 0 {
		_, revision, err = c.memory.List(context.Background(), "")
		return done, revision, err
	}
	revision, err = c.memory.Commit(context.Background(), nil, changes...) // followers wait for the mutex until its owner is known
	if err == nil {
		c.owners[revision] = s.name
	}
	return done, revision, err
}

// Follow implements storage.Store.
func (s *Shared) Follow(ctx context.Context, prefix string, tell func(storage.News)) error {
	return s.Memory.Follow(ctx, prefix, func(n storage.News) {
		s.cluster.mu.Lock()
		for i := range n.Entries {
			n.Entries[i].Owner = s.cluster.owners[n.Entries[i].Revision]
		}
		s.cluster.mu.Unlock()
		tell(n)
	})
}

// Owner implements storage.Shared.
func (s *Shared) Owner() string { return s.name }

// Lost implements storage.Shared: nothing ever is.
func (s *Shared) Lost() <-chan struct{} { return s.lost }

// Reachable implements storage.Shared.
func (s *Shared) Reachable() storage.Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contact
}
