package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"paifang/internal/registry/probe"
	"paifang/internal/registry/storage"
)

// Errors that calls wrap. What they wrap says which service or instance and why.
var (
	ErrInvalid = errors.New("invalid")
	ErrLimit   = errors.New("limit reached")
	ErrClosed  = errors.New("registry closed")
	ErrUnknown = errors.New("not found")
	ErrExists  = errors.New("exists already")
)

// Options are what a registry may be told. The zero value is usable.
type Options struct {
	Addresses AddressRule // which addresses instances may have; default: none on this machine or its links

	Interval  time.Duration // between heartbeats, asked of clients; default 5 s
	Unhealthy time.Duration // without a heartbeat until unhealthy; default 15 s
	Delete    time.Duration // without a heartbeat until gone; default 30 s
	KeepEmpty time.Duration // a service without instances, and an update of an instance that is gone; default 60 s

	MaxServices  int // default 100,000
	MaxInstances int // of one service; default 10,000
	MaxMetadata  int // names and values of one instance, bytes; default 16 KiB

	Now func() time.Time // wall clock for View.LastRef; default time.Now

	// Store keeps what must outlive the process; Close does not close it. nil: nothing does. While it is out of reach, what needs it
	// fails with storage.ErrUnavailable or after Wait, and the rest goes on.
	Store     storage.Store
	Address   string        // host:port of HTTP, where other processes on the same storage reach this one; default: they do not
	Wait      time.Duration // for the storage, in one call; default 3 s
	SaveEvery time.Duration // ephemeral instances, for the next start; default 1 s
	Probes    probe.Options // of persistent instances
	Log       *slog.Logger  // default: nothing is logged
}

// Registry holds the services. New starts it, Close ends it; it is used by any number of goroutines.
type Registry struct {
	opt   Options
	usual lease
	done  chan struct{} // closed by Close
	ended chan struct{} // closed when the goroutine has returned
	rearm chan struct{} // the first lease to run out has become another one

	store   storage.Store
	own     storage.Store // the one that New made
	mirror  *storage.Mirror
	house   sync.WaitGroup
	tidy    chan struct{}  // there is something to save or to delete
	shared  storage.Shared // store, where several processes use it; nil: they do not
	sharing chan struct{}  // there is something to write for the others

	flipping   chan struct{} // likewise for tellHealth
	introduced bool          // the others know this process; of the goroutine that writes for them

	mu        sync.Mutex
	closed    bool
	feed      uint64           // counts news of the storage
	reserved  map[Key]int      // persistent instances that are being stored
	litter    map[string]int64 // stored keys to be deleted, with their revisions
	unsaved   map[*service]struct{}
	probes    *probe.Runner[probed]
	refs      refs
	processes map[string]process  // by their owners
	regrouped bool                // some came or went, in the news that are being applied
	unshared  map[place]*unshared // what is not written as it is
	flying    map[place]*unshared // and what is being written
	known     int64               // the revision of the storage that has come to here
	flips     map[probed]struct{} // persistent instances that were seen to be otherwise than they are stored
	cutOff    bool                // the storage that is shared did not answer when tellHealth looked last
	services  map[Key]*service
	revision  uint64
	lastRef   int64  // the highest LastRef of a view without a service
	order     uint64 // of publications
	leases    leases
	awake     time.Time // when the goroutine last looked
	conns     int
	watching  map[Key]map[*Watcher]struct{}

	watchNames map[*Watcher]struct{}
}

// New starts an empty registry that keeps nothing beyond its end. Options.Store is not used. The caller closes it.
func New(opt Options) *Registry {
	opt.Store = nil
	r, err := Open(context.Background(), opt)
	if err != nil {
		panic("registry: memory has no errors: " + err.Error())
	}
	return r
}

// Open starts a registry with what Options.Store has kept. It waits for the storage until ctx ends. The caller closes it,
// before the storage.
func Open(ctx context.Context, opt Options) (*Registry, error) {
	opt.Interval = cmp.Or(opt.Interval, DefaultInterval)
	opt.Unhealthy = cmp.Or(opt.Unhealthy, DefaultUnhealthy)
	opt.Delete = cmp.Or(opt.Delete, DefaultDelete)
	opt.KeepEmpty = cmp.Or(opt.KeepEmpty, time.Minute)
	opt.MaxServices = cmp.Or(opt.MaxServices, 100_000)
	opt.MaxInstances = cmp.Or(opt.MaxInstances, 10_000)
	opt.MaxMetadata = cmp.Or(opt.MaxMetadata, 16<<10)
	opt.Wait = cmp.Or(opt.Wait, 3*time.Second)
	opt.SaveEvery = cmp.Or(opt.SaveEvery, time.Second)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{
		opt:       opt,
		usual:     lease{opt.Interval, opt.Unhealthy, opt.Delete},
		done:      make(chan struct{}),
		ended:     make(chan struct{}),
		rearm:     make(chan struct{}, 1),
		services:  map[Key]*service{},
		awake:     time.Now(),
		watching:  map[Key]map[*Watcher]struct{}{},
		tidy:      make(chan struct{}, 1),
		reserved:  map[Key]int{},
		litter:    map[string]int64{},
		unsaved:   map[*service]struct{}{},
		store:     opt.Store,
		processes: map[string]process{},
		unshared:  map[place]*unshared{},
		flying:    map[place]*unshared{},
		sharing:   make(chan struct{}, 1),
		flips:     map[probed]struct{}{},
		flipping:  make(chan struct{}, 1),

		watchNames: map[*Watcher]struct{}{},
	}
	if r.store == nil {
		r.own = storage.NewMemory()
		r.store = r.own
	}
	r.shared, _ = r.store.(storage.Shared)
	go r.expire()
	if err := r.begin(ctx); err != nil {
		r.Close()
		return nil, fmt.Errorf("registry: open: %w", err)
	}
	return r, nil
}

// begin reads what is stored: what this process had before its restart, then what is followed.
func (r *Registry) begin(ctx context.Context) error {
	if r.shared == nil {
		r.refs.floor = r.opt.Now().Add(clockAhead).UnixMilli()
	}
	switch {
	case r.shared != nil:
		if err := r.moveClock(ctx); err != nil {
			return err
		}
	case r.own == nil:
		if err := r.beginRefs(ctx); err != nil {
			return err
		}
		if err := r.restore(ctx); err != nil {
			return err
		}
	}
	r.mirror = storage.NewMirror(r.store, root, r.news)
	if err := r.mirror.Await(ctx, 0); err != nil {
		return err
	}
	r.house.Go(r.keepHouse)
	if r.shared != nil {
		r.house.Go(r.share)
		r.house.Go(r.tellHealth)
	}
	return nil
}

// Close drops everything. Calls that follow fail with ErrClosed; views that were read stay as they are. It returns when
// the registry's goroutine has ended.
func (r *Registry) Close() {
	r.mu.Lock()
	first := !r.closed
	if first {
		r.closed = true
		close(r.done)
	}
	probes := r.probes
	r.mu.Unlock()
	<-r.ended
	r.house.Wait()
	if !first {
		return
	}
	if probes != nil {
		probes.Close()
	}
	if r.mirror != nil {
		r.mirror.Close()
	}
	if r.own != nil {
		_ = r.own.Close() // memory
	}
}

// Done is closed when the registry is.
func (r *Registry) Done() <-chan struct{} { return r.done }

// View is a service at one moment. Nobody changes it.
type View struct {
	Key       Key
	Known     bool       // false: there is no such service; the list is empty
	Revision  uint64     // of the registry, when the service last changed; 0 without a service
	LastRef   int64      // milliseconds since 1970 of the last change; grows strictly with every change of the service
	Instances []Instance // by address and cluster
	Settings  *Settings  // nil: none were set; not to be changed
	Local     bool       // the last change, or how an instance is, was seen by this process while it could not tell the others
}

// View returns a service as it is now; never nil.
func (r *Registry) View(key Key) *View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.services[key]; s != nil {
		return s.render()
	}
	// Whoever is told now that there is nothing must take the first real list for newer.
	r.lastRef = max(r.lastRef, r.refs.now(r.opt.Now()))
	return &View{Key: key, LastRef: r.lastRef}
}

// Has tells whether there is a service, with or without instances.
func (r *Registry) Has(key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.services[key] != nil
}

// Keys returns all services, sorted.
func (r *Registry) Keys() []Key {
	r.mu.Lock()
	keys := make([]Key, 0, len(r.services))
	for k := range r.services {
		keys = append(keys, k)
	}
	r.mu.Unlock()
	slices.SortFunc(keys, Key.Compare)
	return keys
}

// Services returns the names of a group's services, sorted.
func (r *Registry) Services(namespace, group string) []string {
	names := []string{}
	r.mu.Lock()
	for k := range r.services {
		if k.Namespace == namespace && k.Group == group {
			names = append(names, k.Service)
		}
	}
	r.mu.Unlock()
	slices.Sort(names)
	return names
}

// Stats counts what is there.
type Stats struct {
	Services    int
	Instances   int // publications: an address that two connections publish counts twice
	Beating     int // those kept by heartbeats
	Connections int
	Watches     int // pairs of watcher and service
	Revision    uint64
}

// Stats counts what is there.
func (r *Registry) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Services: len(r.services), Connections: r.conns, Revision: r.revision}
	for _, v := range r.services {
		s.Instances += v.count()
		s.Beating += len(v.beating)
	}
	for _, w := range r.watching {
		s.Watches += len(w)
	}
	return s
}

// changed gives a service its next revision and wakes who watches it. The mutex is held.
func (r *Registry) changed(s *service) {
	fresh := s.revision == 0
	r.revision++
	s.revision = r.revision
	if s.shown { // what nobody was told needs no value of its own
		s.lastRef++
	}
	s.lastRef = max(r.refs.now(r.opt.Now()), s.lastRef)
	s.view, s.shown = nil, false
	s.local = r.shared != nil && r.shared.Reachable().Lost
	r.unsave(s)
	if fresh {
		r.cameOrWent(s.key)
	} else {
		r.wake(s.key)
	}
	if s.count() == 0 {
		r.leases.put(&s.cleanup, time.Now().Add(r.opt.KeepEmpty))
		r.nudge()
	}
}

// open returns a service, made where it is missing. The mutex is held and the key is valid.
func (r *Registry) open(key Key) (*service, error) {
	if r.closed {
		return nil, fmt.Errorf("registry: register %s: %w", key, ErrClosed)
	}
	s := r.services[key]
	if s == nil {
		if len(r.services) >= r.opt.MaxServices {
			return nil, fmt.Errorf("registry: register %s: %d services are there: %w", key, len(r.services), ErrLimit)
		}
		s = newService(key, r.lastRef)
		r.services[key] = s
	}
	return s, nil
}
