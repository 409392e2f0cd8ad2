package registry

import (
	"fmt"
	"net/netip"
	"time"
)

// Register adds an instance that lives by heartbeats, or replaces the one of the same address; it counts as the first
// heartbeat. The registration is in the view, and watchers are woken, when it returns.
func (r *Registry) Register(key Key, in Instance) error {
	if err := key.Validate(); err != nil {
		return err
	}
	in, err := r.check(in)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.register(key, in)
}

func (r *Registry) register(key Key, in Instance) error {
	s, err := r.open(key)
	if err != nil {
		return err
	}
	now := time.Now()
	p := s.beating[in.Addr]
	switch {
	case p == nil:
		if err := r.room(s, 1); err != nil {
			return err
		}
		in.Since = now
		p = &publication{}
		p.lapse = lapse{service: s, publication: p, index: notQueued}
		s.beating[in.Addr] = p
	case p.in.Same(&in):
		p.beat = now
		return nil
	default:
		in.Since = p.in.Since
		if p.in.Cluster != in.Cluster {
			defer r.orphan(s, p.in.slot())
		}
	}
	r.order++
	p.in, p.order, p.beat, p.lease = in, r.order, now, in.lease(r.usual)
	r.leases.put(&p.lapse, p.next())
	r.nudge()
	r.changed(s)
	return nil
}

// room tells whether a service may have n more instances; a service that was made for them and stays empty goes again.
func (r *Registry) room(s *service, n int) error {
	have := s.count()
	if have+n <= r.opt.MaxInstances {
		return nil
	}
	if have == 0 && s.revision == 0 {
		delete(r.services, s.key)
	}
	return fmt.Errorf("registry: register %s: %d instances are there: %w", s.key, have, ErrLimit)
}

// Deregister takes away an instance that lives by heartbeats, in whatever cluster, and tells whether it was there. The
// view is without it, and watchers are woken, when it returns. Instances of connections are not touched: their clients
// would only bring them back.
func (r *Registry) Deregister(key Key, addr netip.AddrPort) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false, fmt.Errorf("registry: deregister %s %s: %w", key, addr, ErrClosed)
	}
	s := r.services[key]
	if s == nil {
		return false, nil
	}
	p := s.beating[netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())]
	if p == nil {
		return false, nil
	}
	r.drop(s, p)
	return true, nil
}

// drop removes a publication kept by heartbeats.
func (r *Registry) drop(s *service, p *publication) {
	delete(s.beating, p.in.Addr)
	r.leases.remove(&p.lapse)
	r.orphan(s, p.in.slot())
	r.changed(s)
}

// Beat is a heartbeat: the instance is healthy and lives on. It returns the time until the next one, and false for an
// instance that is not known; its client has to register.
func (r *Registry) Beat(key Key, addr netip.AddrPort) (time.Duration, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, false, fmt.Errorf("registry: heartbeat of %s %s: %w", key, addr, ErrClosed)
	}
	s := r.services[key]
	if s == nil {
		return r.usual.interval, false, nil
	}
	p := s.beating[netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())]
	if p == nil {
		return r.usual.interval, false, nil
	}
	p.beat = time.Now()
	if !p.in.Healthy {
		p.in.Healthy = true
		r.leases.put(&p.lapse, p.next())
		r.nudge()
		r.changed(s)
	}
	return p.lease.interval, true, nil
}

// Update changes an instance by hand, however it was registered. It outlives the registration for Options.KeepEmpty,
// so that an instance that was taken out does not come back by registering again. Errors are ErrUnknown and ErrInvalid.
func (r *Registry) Update(key Key, addr netip.AddrPort, cluster string, patch Patch) error {
	if patch.Weight != nil {
		if err := checkWeight(*patch.Weight); err != nil {
			return err
		}
	}
	if err := r.checkMetadata(patch.Metadata); err != nil {
		return err
	}
	if cluster == "" {
		cluster = "DEFAULT"
	}
	at := slot{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), cluster}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("registry: update %s %s: %w", key, addr, ErrClosed)
	}
	s := r.services[key]
	if s == nil || !s.holds(at) {
		return fmt.Errorf("registry: update %s: no instance %s in cluster %s: %w", key, at.addr, cluster, ErrUnknown)
	}
	o := s.overrides[at]
	if o == nil {
		o = &override{}
		o.lapse = lapse{service: s, override: at, index: notQueued}
		s.overrides[at] = o
	}
	o.patch = patch.over(o.patch)
	r.changed(s)
	return nil
}

// orphan lets the override of a slot that nobody publishes any more run out.
func (r *Registry) orphan(s *service, at slot) {
	if o := s.overrides[at]; o != nil && !s.holds(at) {
		r.leases.put(&o.lapse, time.Now().Add(r.opt.KeepEmpty))
		r.nudge()
	}
}
