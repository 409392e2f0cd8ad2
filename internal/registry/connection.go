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
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.closed {
		return fmt.Errorf("registry: register %s: the connection is closed: %w", key, ErrClosed)
	}
	if err := r.takes(key, ephemeral); err != nil {
		return err
	}
	s, err := r.open(key)
	if err != nil {
		return err
	}
	old := s.published[c]
	if err := r.room(s, len(batch)-len(old)); err != nil {
		return err
	}
	now, news := time.Now(), len(batch) != len(old)
	for _, p := range batch {
		p.in.Since = now
		q := find(old, p.in.slot())
		if q != nil {
			p.in.Since = q.in.Since
		}
		news = news || q == nil || !p.in.Same(&q.in)
		if before := r.confirm(s, p.in.slot()); before != nil {
			p.in.Since, news = before.in.Since, true
		}
		r.order++
		p.order = r.order
	}
	s.published[c] = batch
	c.services[s] = struct{}{}
	if news {
		r.orphans(s, old)
		r.changed(s)
	}
	return nil
}

// Withdraw takes back everything this connection publishes for a service.
func (c *Connection) Withdraw(key Key) error {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.closed || c.r.closed {
		return fmt.Errorf("registry: deregister %s: %w", key, ErrClosed)
	}
	if s := c.r.services[key]; s != nil {
		c.withdraw(s)
	}
	return nil
}

func (c *Connection) withdraw(s *service) {
	old, had := s.published[c]
	delete(s.published, c)
	delete(c.services, s)
	if had {
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
		c.withdraw(s)
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
