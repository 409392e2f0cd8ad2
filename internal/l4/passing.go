package l4

import (
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// passing is what listeners of protocol HTTPS pass on by server name. It is immutable.
type passing map[model.ListenerID]*snapshot.Hosts[*service]

func (p passing) orNil() *passing {
	if len(p) == 0 {
		return nil
	}
	return &p
}

// pass makes the services of what a listener passes on by server name.
func (c *change) pass(next *snapshot.Snapshot, l model.Listener) {
	names := next.Passed(l.EffectiveClass())
	if names.Len() == 0 {
		return
	}
	e := (&snapshot.Hosts[*service]{}).Edit()
	for host, r := range names.All() {
		at := place{l.ID, r.ID}
		s := c.next[at] // a route may have several names
		if s == nil {
			var fault model.Diagnostic
			if s, fault = c.plane.serviceOf(next, l, *r, c.plane.services[at]); s == nil {
				c.faults = append(c.faults, fault) // nil stands for its connections being refused: they are nobody else's
			} else {
				c.take(at, s)
			}
		}
		e.Set(host, s)
	}
	hosts := e.Hosts()
	if c.passed == nil {
		c.passed = passing{}
	}
	c.passed[l.ID] = &hosts
}

// Passes tells whether a listener passes anything on by server name. It is asked for each connection and neither waits nor
// allocates.
func (p *Plane) Passes(l model.ListenerID) bool {
	all := p.passing.Load()
	return all != nil && (*all)[l] != nil
}

// Passed tells whether a listener passes on what is for a name in lower case.
func (p *Plane) Passed(l model.ListenerID, name string) bool {
	_, ok := p.serving(l, name)
	return ok
}

func (p *Plane) serving(l model.ListenerID, name string) (*service, bool) {
	all := p.passing.Load()
	if all == nil || name == "" {
		return nil, false
	}
	hosts := (*all)[l]
	if hosts == nil {
		return nil, false
	}
	return hosts.Match(name)
}

// Pass returns what carries a connection of a listener that is for a name, to the end of the connection, which it closes; nil
// where that name is not passed on. What was read of the connection must have been put back (see listener.Conn.Unread). The
// connection counts from this call on, and what is returned must be called.
func (p *Plane) Pass(c *listener.Conn, l model.ListenerID, name string) (carry func()) {
	for {
		s, ok := p.serving(l, name)
		if !ok {
			return nil
		}
		if s == nil { // its upstream does not exist
			return func() { refuse(c) }
		}
		x := newSession(s, c)
		x.name = name
		if s.sessions.enter(x) {
			return func() {
				defer x.close()
				s.run(x)
			}
		}
		x.cancel()
		p.mu.Lock()
		closed := p.closed
		p.mu.Unlock()
		if closed {
			return func() { refuse(c) }
		} // else it retired between the two, and what follows it is there
	}
}

// refuse ends a connection that nobody serves. It must not be taken for another host's: that one's certificate is not what its
// client came for.
func refuse(c *listener.Conn) {
	_ = c.TCP().SetLinger(0)
	_ = c.Close()
}
