package registry

import (
	"fmt"
	"time"
)

// Connection vouches for instances: they are there as long as it is. It belongs to one client connection.
type Connection struct {
	r        *Registry
	closed   bool // guarded by the registry's mutex, as are the services
	services map[*service]struct{}
}

// Connect begins a connection. Its owner closes it.
func (r *Registry) Connect() (*Connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("registry: connect: %w", ErrClosed)
	}
	r.conns++
	return &Connection{r: r, services: map[*service]struct{}{}}, nil
}

// Publish replaces what this connection publishes for a service, as Nacos keeps one record for each connection and
// service. Without instances it is Withdraw. The change is in the view, and watchers are woken, when it returns.
func (c *Connection) Publish(key Key, list []Instance) error {
	if len(list) == 0 {
		return c.Withdraw(key)
	}
	if err := key.Validate(); err != nil {
		return err
	}
	r := c.r
	batch := make([]*publication, 0, len(list))
	have := make(map[slot]bool, len(list))
	for _, in := range list {
		in, err := r.check(in)
		if err != nil {
			return err
		}
		if !in.Ephemeral {
			return fmt.Errorf("registry: register %s %s: a connection vouches for ephemeral instances only: %w", key, in.Addr, ErrInvalid)
		}
		if have[in.slot()] {
			continue
		}
		have[in.slot()] = true
		batch = append(batch, &publication{in: in})
	}
	what := "register " + key.String()
	if err := r.reachable(what); err != nil {
		return err
	}
	r.mu.Lock()
	done, undo, err := c.publish(key, batch)
	r.mu.Unlock()
	if err != nil || len(done) == 0 {
		return err
	}
	err = r.shares(what, done...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		undo()
		return err
	}
	for _, p := range batch {
		p.doubted = false
	}
	return nil
}

// publish makes the change here. What it returns is closed when others know; until then it can be undone.
func (c *Connection) publish(key Key, batch []*publication) (done []chan struct{}, undo func(), err error) {
	r := c.r
	if c.closed {
		return nil, nil, fmt.Errorf("registry: register %s: the connection is closed: %w", key, ErrClosed)
	}
	if err := r.takes(key, ephemeral); err != nil {
		return nil, nil, err
	}
	s, err := r.open(key)
	if err != nil {
		return nil, nil, err
	}
	old := s.published[c]
	if err := r.room(s, len(batch)-len(old)); err != nil {
		return nil, nil, err
	}
	now, news := time.Now(), len(batch) != len(old)
	for _, p := range batch {
		p.in.Since = now
		q := find(old, p.in.slot())
		if q != nil {
			p.in.Since, p.revision, p.doubted = q.in.Since, q.revision, q.doubted && r.writing(key, p.in.slot())
		} else if f := s.foreign[p.in.slot()]; f != nil {
			p.in.Since, p.doubted = f.in.Since, !f.in.Offered() && !p.in.Offered()
		}
		news = news || q == nil || !p.in.Same(&q.in) || r.writing(key, p.in.slot())
		if before := r.confirm(s, p.in.slot()); before != nil {
			p.in.Since, p.doubted, news = before.in.Since, r.shared != nil, true
		}
		r.order++
		p.order = r.order
	}
	s.published[c] = batch
	c.services[s] = struct{}{}
	if !news {
		return nil, nil, nil
	}
	r.orphans(s, old)
	r.changed(s)
	if r.shared == nil {
		return nil, nil, nil
	}
	for _, p := range batch {
		done = append(done, r.announce(key, p.in.slot(), s.claims(&p.in)))
	}
	for _, q := range old {
		if find(batch, q.in.slot()) == nil {
			r.takenBack(s, q)
		}
	}
	return done, func() { c.unpublish(s, batch, old) }, nil
}

// unpublish undoes a publication of which the others could not be told, unless another one followed.
func (c *Connection) unpublish(s *service, batch, old []*publication) {
	have := s.published[c]
	if c.closed || len(have) == 0 || have[0] != batch[0] {
		return
	}
	if s.published[c] = old; len(old) == 0 {
		delete(s.published, c)
		delete(c.services, s)
	}
	for _, p := range batch {
		if find(old, p.in.slot()) == nil {
			c.r.stay(s, p)
		}
	}
	c.r.announceGone(s, batch)
	c.r.announceGone(s, old)
	c.r.changed(s)
}

// announceGone notes the slots of publications that were replaced or taken back.
func (r *Registry) announceGone(s *service, list []*publication) {
	for _, p := range list {
		r.announce(s.key, p.in.slot(), false)
	}
}

// Withdraw takes back everything this connection publishes for a service. Where the storage is out of reach, that is so here alone,
// and the error is storage.ErrUnavailable: the others hear of it later.
func (c *Connection) Withdraw(key Key) error {
	what := "deregister " + key.String()
	c.r.mu.Lock()
	if c.closed || c.r.closed {
		c.r.mu.Unlock()
		return fmt.Errorf("registry: %s: %w", what, ErrClosed)
	}
	var done []chan struct{}
	if s := c.r.services[key]; s != nil {
		gone := s.published[c]
		c.withdraw(s)
		for _, p := range gone {
			if d := c.r.takenBack(s, p); d != nil {
				done = append(done, d)
			}
		}
	}
	c.r.mu.Unlock()
	if len(done) == 0 {
		return nil
	}
	return c.r.sharesNow(what, done...)
}

func (c *Connection) withdraw(s *service) {
	old, had := s.published[c]
	delete(s.published, c)
	delete(c.services, s)
	if had {
		c.r.announceGone(s, old)
		c.r.orphans(s, old)
		c.r.changed(s)
	}
}

// Services is the number of services that the connection publishes for.
func (c *Connection) Services() int {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return len(c.services)
}

// Close takes back everything at once.
func (c *Connection) Close() {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.r.conns--
	if c.r.closed {
		return
	}
	for s := range c.services {
		gone := s.published[c]
		c.withdraw(s)
		for _, p := range gone {
			c.r.stay(s, p)
		}
	}
}

func (r *Registry) orphans(s *service, gone []*publication) {
	for _, p := range gone {
		r.orphan(s, p.in.slot())
	}
}

func find(list []*publication, at slot) *publication {
	for _, p := range list {
		if p.in.slot() == at {
			return p
		}
	}
	return nil
}

// Publishes tells whether the connection publishes for a service.
func (c *Connection) Publishes(key Key) bool {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	s := c.r.services[key]
	return s != nil && s.published[c] != nil
}
