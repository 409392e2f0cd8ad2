package snapshot

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// PlaneState is how one plane stands.
type PlaneState struct {
	Name    string `json:"name"`
	Version uint64 `json:"version"`         // of the snapshot it serves
	Err     string `json:"error,omitempty"` // why it does not serve the newest
}

// Store publishes snapshots: it has all planes prepare, commits those that could, and retires in the
// background. A plane whose Prepare fails keeps its own previous generation, while the others go on.
type Store struct {
	planes  []Plane
	current atomic.Pointer[Snapshot]
	states  atomic.Pointer[[]PlaneState]
	retire  sync.WaitGroup
	stop    context.Context // ends the retiring of old generations
	cancel  context.CancelFunc
	alive   *atomic.Int64 // snapshots that the collector has not taken yet

	publishing sync.Mutex // held while Publish works
	sealed     bool
}

// NewStore returns a store over planes. Its current snapshot is empty.
func NewStore(planes ...Plane) *Store {
	s := &Store{planes: planes, alive: new(atomic.Int64)} // a counter of its own: it must not keep the store
	s.stop, s.cancel = context.WithCancel(context.Background())
	s.current.Store(Empty())
	s.watch(s.Load())
	states := make([]PlaneState, len(planes))
	for i, p := range planes {
		states[i].Name = p.Name()
	}
	s.states.Store(&states)
	return s
}

// Load returns the snapshot published last.
func (s *Store) Load() *Snapshot { return s.current.Load() }

// Alive is how many snapshots are in memory: the current one, those that something still holds, and those that the collector
// has not looked at yet.
func (s *Store) Alive() int { return int(s.alive.Load()) }

// watch counts a snapshot for as long as it is in memory.
func (s *Store) watch(next *Snapshot) {
	s.alive.Add(1)
	runtime.AddCleanup(next, func(alive *atomic.Int64) { alive.Add(-1) }, s.alive)
}

// Planes returns how each plane stands.
func (s *Store) Planes() []PlaneState { return *s.states.Load() }

// Publish makes next current. It returns once every plane has committed or refused, with the names of those that
// refused; calling it again with the same snapshot tries those again. After Seal it does nothing.
func (s *Store) Publish(ctx context.Context, next *Snapshot) (refused []string) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.sealed {
		return nil
	}
	before := *s.states.Load()
	states := make([]PlaneState, len(s.planes))
	changes := make([]Change, len(s.planes))
	for i, p := range s.planes {
		states[i] = before[i]
		if before[i].Version == next.Version() && before[i].Err == "" && next == s.Load() {
			continue
		}
		c, err := p.Prepare(ctx, next)
		if err != nil {
			states[i].Err = err.Error()
			refused = append(refused, p.Name())
			continue
		}
		changes[i] = c
		states[i].Version, states[i].Err = next.Version(), ""
	}
	for _, c := range changes {
		if c != nil {
			c.Commit()
		}
	}
	if next != s.Load() {
		s.watch(next)
	}
	s.current.Store(next)
	s.states.Store(&states)
	for _, c := range changes {
		if c != nil {
			s.retire.Go(func() { c.Retire(s.stop) })
		}
	}
	return refused
}

// Seal has the generation that is current be the last one. It returns once nothing is being published any more, so that
// planes may be closed.
func (s *Store) Seal() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.sealed = true
}

// Close ends what still retires and waits for it.
func (s *Store) Close() {
	s.cancel()
	s.retire.Wait()
}
