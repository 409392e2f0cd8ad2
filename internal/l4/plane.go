package l4

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/socket"
)

// Plane is the L4 plane. Make one with New; Close ends it.
type Plane struct {
	cfg Config
	ctx context.Context // ends when connections are no longer to be made
	end context.CancelFunc

	buffers sync.Pool // of *[bufferSize]byte
	mover   socket.Mover

	mu       sync.Mutex
	closed   bool
	services map[place]*service         // as committed
	lanes    map[model.ListenerID]*lane // as committed
	faults   []model.Diagnostic         // of the last Prepare
	retiring sync.WaitGroup

	flows   atomic.Int64            // sessions of UDP, of all listeners
	passing atomic.Pointer[passing] // as committed; nil: nothing is passed on by server name
}

// place is what a service is for: a listener of protocol TCP, or one server name's route on one of protocol HTTPS.
type place struct {
	listener model.ListenerID
	route    model.RouteID // empty for TCP: whichever is the first
}

var _ snapshot.Plane = (*Plane)(nil)

// New returns a plane that serves nothing yet.
func New(cfg Config) *Plane {
	cfg.setDefaults()
	p := &Plane{cfg: cfg, services: map[place]*service{}}
	p.buffers.New = func() any { return new([bufferSize]byte) }
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

// Name returns "l4".
func (p *Plane) Name() string { return "l4" }

var errClosed = errors.New("l4: prepare: the plane is closed")

// Prepare binds the addresses that are new, without accepting. An address that cannot be bound is a diagnostic on its
// listener (see Diagnostics) and is tried again at the next Prepare; only when none at all can be bound is it an error.
func (p *Plane) Prepare(ctx context.Context, next *snapshot.Snapshot) (snapshot.Change, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	c := &change{plane: p, next: map[place]*service{}, lanes: lanes{next: map[model.ListenerID]*lane{}}}
	var failed []error
	bound := false
	for l := range next.Listeners() {
		if l.Protocol == model.HTTPS && !l.Elsewhere {
			c.pass(next, l)
		}
		if l.Protocol == model.UDP && !l.Elsewhere {
			faults, errs := c.lanes.prepare(ctx, p, next, l)
			c.faults, failed = append(c.faults, faults...), append(failed, errs...)
		}
		if l.Protocol != model.TCP || l.Elsewhere {
			continue
		}
		s, diagnostic := p.service(next, l)
		if s == nil {
			c.faults = append(c.faults, diagnostic)
			continue
		}
		c.take(place{listener: l.ID}, s)
		for i, at := range l.Bind {
			if s.sockets[i] != nil {
				bound = true
				continue
			}
			h, err := p.cfg.Sockets.Acquire(ctx, l, at)
			if err != nil {
				failed = append(failed, err)
				c.faults = append(c.faults, notBound(l, i, at, err))
				continue
			}
			bound = true
			c.opened = append(c.opened, opened{s, i, h})
		}
	}
	p.faults = c.faults
	if len(failed) > 0 && !bound && !c.lanes.bound() {
		c.abort()
		return nil, fmt.Errorf("l4: prepare: %w", errors.Join(failed...))
	}
	return c, nil
}

// service returns what a listener is to do: the service that does it already, where nothing about it changed, or a new
// one; or why there is none.
func (p *Plane) service(next *snapshot.Snapshot, l model.Listener) (*service, model.Diagnostic) {
	routes := next.L4Routes(l.EffectiveClass())
	if len(routes) == 0 {
		return nil, noRoute(l)
	}
	return p.serviceOf(next, l, routes[0], p.services[place{listener: l.ID}])
}

// serviceOf returns what carries the connections of a listener to the upstream of a route: old, which may be nil, where it does
// that already.
func (p *Plane) serviceOf(next *snapshot.Snapshot, l model.Listener, r model.L4Route, old *service) (*service, model.Diagnostic) {
	up, ok := next.Upstream(r.Upstream)
	if !ok {
		return nil, noUpstream(r)
	}
	h := p.cfg.Upstreams.Acquire(up)
	if old != nil && old.upstream == h && old.route == r.ID && old.idle == p.cfg.idle(r) && old.within == p.cfg.within(r) && old.tries == r.Tries && sameListener(old.listener, l) {
		h.Release()
		return old, model.Diagnostic{}
	}
	return newService(p, l, r, h), model.Diagnostic{}
}

// sameListener compares everything but where the listener was written down.
func sameListener(a, b model.Listener) bool {
	a.Origin, b.Origin = model.Origin{}, model.Origin{}
	return reflect.DeepEqual(a, b)
}

// current returns the service of a listener of protocol TCP, or nil.
func (p *Plane) current(id model.ListenerID) *service {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.services[place{listener: id}]
}

// Diagnostics returns what the last Prepare could not bind.
func (p *Plane) Diagnostics() []model.Diagnostic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

// Status returns how everything stands that the plane serves, by listener, route and upstream.
func (p *Plane) Status() []ListenerStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []ListenerStatus
	for _, s := range p.services {
		out = append(out, s.status())
	}
	for _, l := range p.lanes {
		out = append(out, l.status())
	}
	slices.SortFunc(out, func(a, b ListenerStatus) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Upstream, b.Upstream))
	})
	return out
}

// Close ends the plane: its sockets drain and close, its connections may end until ctx ends and are closed then. It
// waits for all of them, and for generations that still retire.
func (p *Plane) Close(ctx context.Context) {
	p.mu.Lock()
	p.closed = true
	services := slices.Collect(maps.Values(p.services))
	p.services = map[place]*service{}
	var end lanes // a generation without any
	end.commit(p)
	p.mu.Unlock()
	stop := context.AfterFunc(ctx, p.end)
	defer stop()
	var all sync.WaitGroup
	for _, s := range services {
		all.Go(func() { s.retire(ctx) })
	}
	all.Go(func() { end.retire(ctx) })
	all.Wait()
	p.retiring.Wait()
	p.mover.Close()
	p.end()
}

// change is a prepared generation.
type change struct {
	plane  *Plane
	next   map[place]*service
	fresh  []*service // of next: those that are new
	passed passing    // of the listeners that pass anything on
	lanes  lanes

	committed bool
	opened    []opened
	faults    []model.Diagnostic
	gone      []*service // set by Commit
}

// opened is a socket for the i-th address of a service.
type opened struct {
	service *service
	i       int
	socket  *listener.Handle
}

// take puts a service into the generation.
func (c *change) take(at place, s *service) {
	if c.plane.services[at] != s {
		c.fresh = append(c.fresh, s)
	}
	c.next[at] = s
}

// Commit begins to accept where the generation is new.
func (c *change) Commit() {
	p := c.plane
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed { // overtaken by Close, which ends the services before
		c.abort()
		return
	}
	for at, old := range p.services {
		if c.next[at] != old {
			c.gone = append(c.gone, old)
		}
	}
	p.services = c.next
	p.passing.Store(c.passed.orNil())
	c.committed = true
	p.retiring.Add(len(c.gone) + 1)
	c.lanes.commit(p)
	for _, o := range c.opened {
		o.service.sockets[o.i] = o.socket
		o.socket.Serve(o.service.serve)
	}
}

// Retire gives back the sockets of services that went, and waits for their connections: until Config.DrainTimeout
// has passed, or ctx ends; then they are closed.
func (c *change) Retire(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(c.plane.ctx, cancel)
	defer stop()
	var all sync.WaitGroup
	for _, s := range c.gone {
		all.Go(func() {
			defer c.plane.retiring.Done()
			s.retire(ctx)
		})
	}
	if c.committed {
		all.Go(func() {
			defer c.plane.retiring.Done()
			c.lanes.retire(ctx)
		})
	}
	all.Wait()
}

// Abort gives back what Prepare took.
func (c *change) Abort() {
	c.plane.mu.Lock()
	defer c.plane.mu.Unlock()
	c.abort()
}

// abort is Abort with the plane's lock held.
func (c *change) abort() {
	for _, o := range c.opened {
		o.socket.Release(c.plane.ctx)
	}
	for _, s := range c.fresh {
		s.upstream.Release()
	}
	c.lanes.abort()
}
