package registry

import (
	"time"
)

// A client of a connection that was told to connect again, to this process or to another, ends the connection before it has the next one,
// and may take seconds until it has registered there: the official client for Java looks every three. What it had published stays
// meanwhile, as it does where the process is killed. So does that of a client which comes from another process, and cannot be told that
// it is here: the storage may have it, and then others know of it by this process alone.

// Leave is Close for a client that was told to connect again. What it has published stays until somebody publishes it again, here or at
// another process on the same storage, and otherwise for as long as an instance that lives by heartbeats may be silent.
func (c *Connection) Leave() {
	r := c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	r.conns--
	if r.closed {
		return
	}
	for s := range c.services {
		for _, p := range s.published[c] {
			if s.newest(p.in.slot()) == p { // or it was published again already
				r.expect(s, p)
			}
		}
		delete(s.published, c)
	}
}

// expect waits for the client of a publication to come back. The mutex is held.
func (r *Registry) expect(s *service, p *publication) {
	if s.moving == nil {
		s.moving = map[slot]*publication{}
	}
	s.moving[p.in.slot()] = p
	p.lapse = lapse{service: s, publication: p, index: notQueued}
	r.leases.put(&p.lapse, time.Now().Add(r.lease(s, &p.in).remove))
	r.nudge()
}

// stay is expect for what is published here no more, where its client came from another process and may not have arrived here. The
// mutex is held.
func (r *Registry) stay(s *service, p *publication) {
	if p.doubted && s.newest(p.in.slot()) == nil {
		r.expect(s, p)
		r.changed(s)
	}
}

// arrived ends the wait for the client of a slot, and returns what it had published here; nil: nobody waits. The mutex is held.
func (r *Registry) arrived(s *service, at slot) *publication {
	p := s.moving[at]
	if p != nil {
		delete(s.moving, at)
		r.leases.remove(&p.lapse)
		s.view = nil
	}
	return p
}

// lost takes away what was published by a client that has not come back. The mutex is held.
func (r *Registry) lost(s *service, at slot) {
	if r.arrived(s, at) == nil {
		return
	}
	r.announce(s.key, at, false)
	r.orphan(s, at)
	r.changed(s)
}
