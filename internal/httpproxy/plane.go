package httpproxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/certs"
	"paifang/internal/filter"
	"paifang/internal/http2"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/park"
	"paifang/internal/snapshot"
	"paifang/internal/socket"
)

// Plane is the HTTP plane.
type Plane struct {
	cfg      Config
	blocks   *blocks
	works    sync.Pool
	heads    headBudget
	sections http2.Sections
	counters counterSet
	shared   *filter.Shared
	binder   *binder
	mover    socket.Mover
	lot      *park.Lot // of idle connections; nil where there is none
	instance string
	began    time.Time
	ending   atomic.Bool     // Close was called
	tick     atomic.Int64    // how long there should be between two sweeps, in nanoseconds
	period   atomic.Int64    // how long there is, which the clock may be behind
	hurried  chan struct{}   // tick has changed
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	sweeper  sync.WaitGroup
	clock    atomic.Int64 // milliseconds since began, as of the last sweep
	dateText atomic.Pointer[string]
	spilled  atomic.Int64 // bytes of request bodies in files
	stapler  *certs.Stapler

	// Changed by Prepare, Commit, Abort and Close, which are never called at the same time.
	sites   map[model.Class]*boundSite
	staples map[model.Class]bool // those with a listener that staples OCSP responses
	// stopped keeps what listeners have counted that are stopped and may be started again.
	stopped []*listenerCounters
	current *snapshot.Snapshot

	mu       sync.Mutex // over what is read from outside
	servers  map[model.ListenerID]*server
	stores   map[model.Class]*certs.Store
	draining map[*port]struct{}
	version  uint64
	failures map[model.Class][]certs.Failure
}

var _ snapshot.Plane = (*Plane)(nil)

// New returns a plane that serves nothing yet. Close ends it.
func New(cfg Config) (*Plane, error) {
	if cfg.Upstreams == nil || cfg.Listeners == nil {
		return nil, errors.New("httpproxy: make plane: needs upstreams and listeners")
	}
	cfg.setDefaults()
	lot, err := park.New()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("httpproxy: make plane: %w", err)
	}
	p := &Plane{
		cfg: cfg, lot: lot, blocks: newBlocks(), shared: filter.NewShared(), began: time.Now(), hurried: make(chan struct{}, 1), instance: fmt.Sprintf("%016x", rand.Uint64()),
		sites:   map[model.Class]*boundSite{},
		servers: map[model.ListenerID]*server{}, stores: map[model.Class]*certs.Store{}, draining: map[*port]struct{}{}, current: snapshot.Empty(),
	}
	p.shared.Log = cfg.Log
	p.binder = &binder{plane: p, routes: map[*snapshot.Route]*boundRoute{}, failed: map[*snapshot.Route]error{}}
	p.counters.begin(cfg.Series)
	p.heads.limit = int64(cfg.Heads)
	p.works.New = func() any {
		w := &work{shard: p.counters.shard()}
		w.x.Gatherer, w.x.Waiter = w, w
		w.x.Request.Fields.Grow(usualFields)
		return w
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.tick.Store(int64(cfg.Timeouts.tick()))
	p.period.Store(p.tick.Load())
	p.tell(p.began)
	p.sweeper.Go(p.sweep)
	p.stapler = certs.NewStapler(cfg.Staples)
	return p, nil
}

// Name is "http".
func (p *Plane) Name() string { return "http" }

// change is a prepared generation.
type change struct {
	plane    *Plane
	next     *snapshot.Snapshot
	sites    map[model.Class]*boundSite
	stores   map[model.Class]*certs.Store
	servers  map[model.ListenerID]*server
	past     map[model.ListenerID]*server // of the generation before
	opened   []opening                    // handles of this generation
	fresh    []*port                      // that this generation is the first with
	stopped  []*listenerCounters
	before   []*listenerCounters // of listeners that were stopped in the generation before
	gone     []*port             // not in it any more
	spare    []*listener.Handle
	bound    []*boundRoute
	dropped  []*boundRoute
	orphaned []served // of classes that went: ports that drain still serve them
	commits  []func() // of certificate stores
	failures map[model.Class][]certs.Failure
}

// opening is a handle for a port that is new, or whose listener has new settings.
type opening struct {
	port   *port
	handle *listener.Handle
}

// Prepare binds the sites, certificates and sockets of a snapshot. A listener whose address cannot be bound, and a route
// or certificate that cannot be used, are told by Listeners and Failures; they never fail the generation. It fails only
// when ctx ends.
func (p *Plane) Prepare(ctx context.Context, next *snapshot.Snapshot) (snapshot.Change, error) {
	c := &change{
		plane: p, next: next, sites: map[model.Class]*boundSite{}, stores: map[model.Class]*certs.Store{},
		servers: map[model.ListenerID]*server{}, failures: map[model.Class][]certs.Failure{},
	}
	bound := map[model.Class]bool{}
	for l := range next.Listeners() {
		if l.Elsewhere || l.Protocol != model.HTTP && l.Protocol != model.HTTPS {
			continue
		}
		class := l.EffectiveClass()
		if c.sites[class] == nil {
			c.sites[class] = c.bindSite(p.sites[class], next.Site(class))
		}
		if !bound[class] {
			bound[class] = true
			if err := c.bindTLS(class); err != nil {
				c.Abort()
				return nil, err
			}
		}
		c.servers[l.ID] = c.bindServer(ctx, l, class)
	}
	for l := range next.Stopped() {
		if !l.Elsewhere && (l.Protocol == model.HTTP || l.Protocol == model.HTTPS) {
			c.stopped = append(c.stopped, p.counters.listener(l.ID))
		}
	}
	if err := ctx.Err(); err != nil {
		c.Abort()
		return nil, fmt.Errorf("httpproxy: prepare version %d: %w", next.Version(), err)
	}
	for class, old := range p.sites {
		if c.sites[class] == nil {
			for _, s := range old.routes.All() {
				c.orphaned = append(c.orphaned, s)
			}
		}
	}
	for _, s := range p.servers {
		for _, old := range s.ports {
			if c.servers[s.listener.ID].portOf(old.at) != old {
				c.gone = append(c.gone, old)
			}
		}
	}
	return c, nil
}

// bindSite binds what changed of a class.
func (c *change) bindSite(old *boundSite, next *snapshot.Site) *boundSite {
	if old == nil {
		old = &boundSite{site: &snapshot.Site{}}
	}
	if old.site == next {
		return old
	}
	routes := old.routes.Edit()
	come := func(r *snapshot.Route) {
		b := c.plane.binder.bind(r)
		c.bound = append(c.bound, b)
		was, _ := routes.Get(r.Hash(), r)
		routes.Set(r.Hash(), r, served{b, was.hosts + 1})
	}
	gone := func(r *snapshot.Route) {
		was, _ := routes.Get(r.Hash(), r)
		c.dropped = append(c.dropped, was.bound)
		if was.hosts--; was.hosts == 0 {
			routes.Delete(r.Hash(), r)
		} else {
			routes.Set(r.Hash(), r, was)
		}
	}
	for t := range next.Changes(old.site) {
		t.New.Differences(t.Old, gone, come)
	}
	return &boundSite{site: next, routes: routes.Index()}
}

// bindServer takes over the ports that stay and opens those that are new.
func (c *change) bindServer(ctx context.Context, l model.Listener, class model.Class) *server {
	s := &server{listener: l, tracer: c.plane.cfg.Traces.Acquire(l.Tracing)}
	old := c.plane.servers[l.ID]
	for _, at := range l.Bind {
		p := old.portOf(at)
		if p != nil && (old.listener.Protocol != l.Protocol || old.listener.HTTP1Only != l.HTTP1Only || old.listener.EffectiveClass() != class) {
			p = nil
		}
		if p != nil && reflect.DeepEqual(old.listener, l) {
			s.ports = append(s.ports, p)
			continue
		}
		h, err := c.plane.cfg.Listeners.Acquire(ctx, l, at)
		if err != nil {
			c.plane.cfg.Log.Error("listener cannot be bound", "listener", string(l.ID), "addr", at, "error", err)
			s.failed = append(s.failed, BindError{at, err})
			continue
		}
		if p == nil {
			p = &port{plane: c.plane, at: at, secure: l.Protocol == model.HTTPS, counts: c.plane.counters.listener(l.ID)}
			c.fresh = append(c.fresh, p)
		}
		c.opened = append(c.opened, opening{p, h})
		s.ports = append(s.ports, p)
	}
	return s
}

var _ snapshot.Change = (*change)(nil)

// Commit makes new requests see the generation, on connections that are open too.
func (c *change) Commit() {
	p := c.plane
	for _, commit := range c.commits {
		commit()
	}
	for _, s := range c.servers {
		class := s.listener.EffectiveClass()
		st := &site{
			listener: s.listener, bound: c.sites[class], limits: listener.Limits(s.listener.Parsing), version: c.next.Version(),
			via: viaName(p.instance, s.listener.ID), certs: c.stores[class], tls: c.terminator(s.listener), clients: p.cfg.clients(s.listener.Clients), tracer: s.tracer,
		}
		p.hurry(min(st.clients.Head, st.clients.Body, st.clients.Idle))
		for _, port := range s.ports {
			port.site.Store(st)
		}
	}
	for _, o := range c.opened {
		if old := o.port.take(o.handle); old != nil {
			c.spare = append(c.spare, old)
		}
	}
	c.keepStaples()
	p.sites, p.current = c.sites, c.next
	c.past = p.servers
	c.before, p.stopped = p.stopped, c.stopped
	p.mu.Lock()
	defer p.mu.Unlock()
	p.servers, p.stores, p.version, p.failures = c.servers, c.stores, c.next.Version(), c.failures
	for _, old := range c.gone {
		p.draining[old] = struct{}{}
	}
	for port := range p.draining { // requests that come yet are served by what is current
		was := port.site.Load()
		if bound := c.sites[was.listener.EffectiveClass()]; bound != nil {
			next := *was
			next.bound, next.version = bound, c.next.Version()
			port.site.Store(&next)
		}
	}
}

// Retire drains the ports that are gone and gives back what only the previous generation used. Routes still in use go
// with their last request.
func (c *change) Retire(ctx context.Context) {
	p := c.plane
	for _, b := range c.dropped {
		p.binder.drop(b)
	}
	var drains sync.WaitGroup
	for _, old := range c.gone {
		drains.Go(func() {
			old.drain(ctx)
			p.mu.Lock()
			delete(p.draining, old)
			p.mu.Unlock()
			p.counters.giveListener(old.counts)
		})
	}
	for _, l := range c.before {
		p.counters.giveListener(l)
	}
	for _, h := range c.spare {
		h.Release(ctx) // its socket has another user
	}
	drains.Wait()
	for _, s := range c.past {
		p.cfg.Traces.Release(s.tracer)
	}
	for _, s := range c.orphaned {
		for range s.hosts {
			p.binder.drop(s.bound)
		}
	}
}

// Abort gives back what Prepare took.
func (c *change) Abort() {
	for _, o := range c.opened {
		o.handle.Release(context.Background()) // never served, or not the last user: it returns at once
	}
	for _, p := range c.fresh {
		c.plane.counters.giveListener(p.counts)
	}
	for _, l := range c.stopped {
		c.plane.counters.giveListener(l)
	}
	for _, b := range c.bound {
		c.plane.binder.drop(b)
	}
	for _, s := range c.servers {
		c.plane.cfg.Traces.Release(s.tracer)
	}
}

// Close drains every listener, at most until ctx ends, and ends the plane. No other method may be running, and the
// retiring of older generations must be over.
func (p *Plane) Close(ctx context.Context) {
	p.ending.Store(true)
	c, err := p.Prepare(context.WithoutCancel(ctx), snapshot.Empty())
	if err == nil { // nothing in an empty snapshot can fail
		c.Commit()
		c.Retire(ctx)
	}
	p.cancel()
	p.stapler.Close()
	p.sweeper.Wait()
	if p.lot != nil {
		p.lot.Close()
	}
	p.mover.Close()
}
