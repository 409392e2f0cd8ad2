package registry

import (
	"fmt"
	"net/netip"
	"time"
)

// Register adds an instance, or replaces the one of the same address: a persistent one is stored, an ephemeral one lives by
// heartbeats, of which this counts as the first. A service takes one kind only; the other is ErrInvalid. The registration is in
// the view, and watchers are woken, when it returns.
func (r *Registry) Register(key Key, in Instance) error {
	if err := key.Validate(); err != nil {
		return err
	}
	in, err := r.check(in)
	if err != nil {
		return err
	}
	if !in.Ephemeral {
		return r.registerFixed(key, in)
	}
	what := "register " + key.String()
	if err := r.reachable(what); err != nil {
		return err
	}
	r.mu.Lock()
	done, known, err := r.register(key, in)
	r.mu.Unlock()
	if err != nil || len(done) == 0 {
		return err
	}
	err = r.shares(what, done...)
	r.mu.Lock()
	defer r.mu.Unlock()
	known(err == nil)
	return err
}

// register makes the change here. done is closed when others know; known is called then, or where they could not be told, which undoes it.
func (r *Registry) register(key Key, in Instance) (done []chan struct{}, known func(bool), err error) {
	if err := r.takes(key, ephemeral); err != nil {
		return nil, nil, err
	}
	s, err := r.open(key)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	before := r.confirm(s, in.slot())
	p := s.beating[in.Addr]
	switch {
	case p == nil:
		if err := r.room(s, 1); err != nil {
			return nil, nil, err
		}
		p = &publication{}
		if in.Since = now; before != nil {
			in.Since, p.doubted = before.in.Since, r.shared != nil
		} else if q := s.foreign[in.slot()]; q != nil {
			in.Since, p.doubted = q.in.Since, !q.in.Offered() && !in.Offered()
		}
		p.lapse = lapse{service: s, publication: p, index: notQueued}
		s.beating[in.Addr] = p
	case p.in.Same(&in) && !r.writing(key, in.slot()):
		p.beat = now
		return nil, nil, nil
	default:
		in.Since = p.in.Since
		if p.in.Cluster != in.Cluster {
			defer r.orphan(s, p.in.slot())
		}
	}
	old := *p
	r.order++
	p.in, p.order, p.beat, p.lease = in, r.order, now, r.lease(s, &in)
	r.leases.put(&p.lapse, p.next())
	r.nudge()
	r.changed(s)
	if r.shared == nil {
		return nil, nil, nil
	}
	if old.order > 0 && old.in.slot() != in.slot() {
		done = append(done, r.announce(key, old.in.slot(), false))
	}
	order := r.order
	return append(done, r.announce(key, in.slot(), s.claims(&in))), func(told bool) {
		if told {
			p.doubted = false
		} else {
			r.unregister(s, p, old, order)
		}
	}, nil
}

// unregister undoes a registration of which the others could not be told, unless another one followed.
func (r *Registry) unregister(s *service, p *publication, old publication, order uint64) {
	switch {
	case s.beating[p.in.Addr] != p || p.order != order:
	case old.order == 0:
		r.drop(s, p)
		r.stay(s, p)
	default:
		r.announce(s.key, p.in.slot(), false)
		p.in, p.lease = old.in, old.lease
		r.announce(s.key, p.in.slot(), false)
		r.changed(s)
	}
}

// room tells whether a service may have n more instances; a service that was made for them and stays empty goes again.
func (r *Registry) room(s *service, n int) error {
	have := s.count()
	if have+n <= r.opt.MaxInstances {
		return nil
	}
	if have == 0 && s.revision == 0 && s.settings == nil {
		delete(r.services, s.key)
	}
	return fmt.Errorf("registry: register %s: %d instances are there: %w", s.key, have, ErrLimit)
}

// Deregister takes away a persistent instance or one that lives by heartbeats, in whatever cluster, and tells whether it was
// there. The view is without it, and watchers are woken, when it returns. Instances of connections are not touched: their
// clients would only bring them back. Of processes that share a storage the one whose client it is should be asked, see
// Elsewhere; here it is taken away from that one. Where the storage is out of reach, it is away here alone: the error is
// storage.ErrUnavailable, and the others hear of it later.
func (r *Registry) Deregister(key Key, addr netip.AddrPort) (bool, error) {
	return r.deregisterOf(key, addr, either)
}

// DeregisterKind is Deregister of an instance that has to be ephemeral, or persistent. Where the service's are of the other kind, it is not
// there.
func (r *Registry) DeregisterKind(key Key, addr netip.AddrPort, asEphemeral bool) (bool, error) {
	if asEphemeral {
		return r.deregisterOf(key, addr, ephemeral)
	}
	return r.deregisterOf(key, addr, persistent)
}

func (r *Registry) deregisterOf(key Key, addr netip.AddrPort, want kind) (bool, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	r.mu.Lock()
	stored, done, found, err := r.deregister(key, addr, want)
	r.mu.Unlock()
	if err == nil && len(stored) > 0 {
		err = r.deregisterFixed(key, stored)
	}
	if err == nil && len(done) > 0 {
		err = r.sharesNow("deregister "+key.String(), done...)
	}
	return found && err == nil, err
}

// deregister takes away what is not stored, and returns what is. What else it returns is closed when others know.
func (r *Registry) deregister(key Key, addr netip.AddrPort, want kind) (stored []slot, done []chan struct{}, found bool, err error) {
	if r.closed {
		return nil, nil, false, fmt.Errorf("registry: deregister %s %s: %w", key, addr, ErrClosed)
	}
	s := r.services[key]
	if s == nil || want != either && r.takes(key, want) != nil {
		return nil, nil, false, nil
	}
	for at := range s.restored {
		if at.addr == addr {
			r.confirm(s, at)
			r.orphan(s, at)
			r.changed(s)
			found = true
		}
	}
	for at := range s.moving {
		if at.addr == addr {
			r.lost(s, at)
			found = true
		}
	}
	if p := s.beating[addr]; p != nil {
		r.drop(s, p)
		found = true
		if d := r.takenBack(s, p); d != nil {
			done = append(done, d)
		}
	} else if p := s.foreignAt(addr); p != nil {
		done = append(done, r.evict(s, p))
		found = true
	}
	stored = s.fixedAt(addr)
	return stored, done, found || len(stored) > 0, nil
}

// drop removes a publication kept by heartbeats.
func (r *Registry) drop(s *service, p *publication) {
	delete(s.beating, p.in.Addr)
	r.leases.remove(&p.lapse)
	r.announce(s.key, p.in.slot(), false)
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
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	p := s.beating[addr]
	if p == nil {
		p = r.adopt(s, addr)
	}
	if from := s.foreignAt(addr); p == nil && from != nil {
		p = r.takeOver(s, from)
	}
	if p == nil {
		return r.usual.interval, false, nil
	}
	p.beat = time.Now()
	if !p.in.Healthy {
		p.in.Healthy = true
		r.announce(key, p.in.slot(), false)
		r.leases.put(&p.lapse, p.next())
		r.nudge()
		r.changed(s)
	}
	return p.lease.interval, true, nil
}
