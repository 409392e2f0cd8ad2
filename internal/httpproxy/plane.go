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
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Plane is the HTTP plane.
type Plane struct {
	cfg      Config
	blocks   *blocks
	works    sync.Pool
	counters counterSet
	shared   *filter.Shared
	binder   *binder
	instance string
	began    time.Time
	tick     time.Duration   // between two sweeps
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	sweeper  sync.WaitGroup
	clock    atomic.Int64 // milliseconds since began, as of the last sweep
	dateText atomic.Pointer[string]

	// Changed by Prepare, Commit, Abort and Close, which are never called at the same time.
	sites  map[model.Class]*boundSite
	stores map[model.Class]*certs.Store

	mu       sync.Mutex // over what is read from outside
	servers  map[model.ListenerID]*server
	draining map[*port]struct{}
	version  uint64
	failures []certs.Failure
}

var _ snapshot.Plane = (*Plane)(nil)

// New returns a plane that serves nothing yet. Close ends it.
func New(cfg Config) (*Plane, error) {
	if cfg.Upstreams == nil || cfg.Listeners == nil {
		return nil, errors.New("httpproxy: make plane: needs upstreams and listeners")
	}
	cfg.setDefaults()
	p := &Plane{
		cfg: cfg, blocks: newBlocks(), shared: filter.NewShared(), began: time.Now(), instance: fmt.Sprintf("%016x", rand.Uint64()),
		sites: map[model.Class]*boundSite{}, stores: map[model.Class]*certs.Store{},
		servers: map[model.ListenerID]*server{}, draining: map[*port]struct{}{},
	}
	p.binder = &binder{plane: p, routes: map[*snapshot.Route]*boundRoute{}, ids: map[model.RouteID]int{}}
	p.works.New = func() any { return &work{} }
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.tick = cfg.Timeouts.tick()
	p.tell(p.began)
	p.sweeper.Go(p.sweep)
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
	opened   []opening // handles of this generation
	gone     []*port   // not in it any more
	spare    []*listener.Handle
	bound    []*boundTable
	dropped  []*boundTable
	orphaned []*boundTable // of classes that went: ports that drain still serve them
	commits  []func()      // of certificate stores
	failures []certs.Failure
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
		servers: map[model.ListenerID]*server{},
	}
	secure := map[model.Class]bool{}
	for l := range next.Listeners() {
		if l.Elsewhere || l.Protocol != model.HTTP && l.Protocol != model.HTTPS {
			continue
		}
		class := l.EffectiveClass()
		if c.sites[class] == nil {
			c.sites[class] = c.bindSite(p.sites[class], next.Site(class))
		}
		if l.Protocol == model.HTTPS && !secure[class] {
			secure[class] = true
			if err := c.bindCertificates(class); err != nil {
				c.Abort()
				return nil, err
			}
		}
		c.servers[l.ID] = c.bindServer(ctx, l, class)
	}
	if err := ctx.Err(); err != nil {
		c.Abort()
		return nil, fmt.Errorf("httpproxy: prepare version %d: %w", next.Version(), err)
	}
	for class, old := range p.sites {
		if c.sites[class] == nil {
			for _, t := range old.hosts.All() {
				c.orphaned = append(c.orphaned, t)
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
		old = &boundSite{source: &snapshot.Site{}}
	}
	if old.source == next {
		return old
	}
	hosts := snapshot.Rebind(*old.source, *next, old.hosts, func(prev *boundTable, t *snapshot.HostTable) *boundTable {
		b := c.plane.binder.bind(t)
		c.bound = append(c.bound, b)
		if prev != nil {
			c.dropped = append(c.dropped, prev)
		}
		return b
	}, func(b *boundTable) { c.dropped = append(c.dropped, b) })
	return &boundSite{source: next, hosts: hosts}
}

// bindCertificates prepares the certificates of a class.
func (c *change) bindCertificates(class model.Class) error {
	store := c.plane.stores[class]
	if store == nil {
		var err error
		if store, err = certs.New(); err != nil {
			return fmt.Errorf("httpproxy: make certificate store of %s: %w", class, err)
		}
	}
	var list []model.Certificate
	for cert := range c.next.Certificates(class) {
		list = append(list, cert)
	}
	commit, failures := store.Prepare(list)
	c.stores[class] = store
	c.commits = append(c.commits, commit)
	c.failures = append(c.failures, failures...)
	return nil
}

// bindServer takes over the ports that stay and opens those that are new.
func (c *change) bindServer(ctx context.Context, l model.Listener, class model.Class) *server {
	s := &server{listener: l}
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
			p = &port{plane: c.plane, at: at}
			if l.Protocol == model.HTTPS {
				p.tls = c.stores[class].Config(protocols(l))
			}
		}
		c.opened = append(c.opened, opening{p, h})
		s.ports = append(s.ports, p)
	}
	return s
}

// protocols are what ALPN offers, the preferred first.
func protocols(l model.Listener) []string {
	if l.HTTP1Only {
		return []string{"http/1.1"}
	}
	return []string{"h2", "http/1.1"}
}

var _ snapshot.Change = (*change)(nil)

// Commit makes new requests see the generation, on connections that are open too.
func (c *change) Commit() {
	p := c.plane
	for _, commit := range c.commits {
		commit()
	}
	for _, s := range c.servers {
		st := &site{
			listener: s.listener, hosts: c.sites[s.listener.EffectiveClass()].hosts, version: c.next.Version(),
			via: viaName(p.instance, s.listener.ID),
		}
		for _, port := range s.ports {
			port.site.Store(st)
		}
	}
	for _, o := range c.opened {
		if old := o.port.take(o.handle); old != nil {
			c.spare = append(c.spare, old)
		}
	}
	p.sites, p.stores = c.sites, c.stores
	p.mu.Lock()
	defer p.mu.Unlock()
	p.servers, p.version, p.failures = c.servers, c.next.Version(), c.failures
	for _, old := range c.gone {
		p.draining[old] = struct{}{}
	}
	for port := range p.draining { // requests that come yet are served by what is current
		was := port.site.Load()
		if bound := c.sites[was.listener.EffectiveClass()]; bound != nil {
			port.site.Store(&site{was.listener, bound.hosts, c.next.Version(), was.via})
		}
	}
}

// Retire drains the ports that are gone and gives back what only the previous generation used. Routes still in use go
// with their last request.
func (c *change) Retire(ctx context.Context) {
	p := c.plane
	for _, t := range c.dropped {
		p.binder.drop(t)
	}
	var drains sync.WaitGroup
	for _, old := range c.gone {
		drains.Go(func() {
			old.drain(ctx)
			p.mu.Lock()
			delete(p.draining, old)
			p.mu.Unlock()
		})
	}
	for _, h := range c.spare {
		h.Release(ctx) // its socket has another user
	}
	drains.Wait()
	for _, t := range c.orphaned {
		p.binder.drop(t)
	}
}

// Abort gives back what Prepare took.
func (c *change) Abort() {
	for _, o := range c.opened {
		o.handle.Release(context.Background()) // never served, or not the last user: it returns at once
	}
	for _, t := range c.bound {
		c.plane.binder.drop(t)
	}
}

// Close drains every listener, at most until ctx ends, and ends the plane. No other method may be running, and the
// retiring of older generations must be over.
func (p *Plane) Close(ctx context.Context) {
	c, err := p.Prepare(context.WithoutCancel(ctx), snapshot.Empty())
	if err == nil { // nothing in an empty snapshot can fail
		c.Commit()
		c.Retire(ctx)
	}
	p.cancel()
	p.sweeper.Wait()
}
