package l4

import (
	"context"
	"fmt"
	"sync"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// lanes are what a generation has of listeners of protocol UDP.
type lanes struct {
	next   map[model.ListenerID]*lane
	fresh  []*lane    // of next: those that are new
	opened []*packets // sockets that are new
	joins  []joined
	gone   []*lane    // set by commit
	closed []*packets // sockets that nobody of the generation has; set by commit
}

// joined is a socket for the i-th address of a lane.
type joined struct {
	lane    *lane
	i       int
	packets *packets
}

// prepare makes the lane of a listener and binds its addresses that are new. It returns what of that failed.
func (c *lanes) prepare(ctx context.Context, p *Plane, next *snapshot.Snapshot, l model.Listener) (faults []model.Diagnostic, failed []error) {
	routes := next.L4Routes(l.EffectiveClass())
	if len(routes) == 0 {
		return []model.Diagnostic{noRoute(l)}, nil
	}
	r := routes[0]
	up, ok := next.Upstream(r.Upstream)
	if !ok {
		return []model.Diagnostic{noUpstream(r)}, nil
	}
	h := p.cfg.Upstreams.Acquire(up)
	old := p.lanes[l.ID]
	now := old
	if old != nil && old.upstream == h && old.route == r.ID && old.idle == p.cfg.datagramIdle(r) && old.responses == r.Responses && sameListener(old.listener, l) {
		h.Release()
	} else {
		now = &lane{plane: p, listener: l, route: r.ID, upstream: h, idle: p.cfg.datagramIdle(r), responses: r.Responses,
			sockets: make([]*packets, len(l.Bind)), flows: newGuests[*flow]()}
		c.fresh = append(c.fresh, now)
	}
	c.next[l.ID] = now
	for i, at := range l.Bind {
		if now.sockets[i] != nil {
			continue
		}
		k := old.socketAt(at)
		if k == nil {
			var err error
			if k, err = p.bindPackets(ctx, at); err != nil {
				failed = append(failed, fmt.Errorf("l4: bind: %w", err))
				faults = append(faults, notBound(l, i, at, err))
				continue
			}
			c.opened = append(c.opened, k)
		}
		c.joins = append(c.joins, joined{now, i, k})
	}
	return faults, failed
}

// bound tells whether any address of the generation is served.
func (c *lanes) bound() bool {
	for _, l := range c.next {
		for _, k := range l.sockets {
			if k != nil {
				return true
			}
		}
	}
	return len(c.joins) > 0
}

// commit leads new sessions by the generation. The plane's lock is held.
func (c *lanes) commit(p *Plane) {
	for _, j := range c.joins {
		j.lane.sockets[j.i] = j.packets
		j.packets.lane.Store(j.lane)
	}
	kept := map[*packets]bool{}
	for _, l := range c.next {
		for _, k := range l.sockets {
			kept[k] = true
		}
	}
	for id, old := range p.lanes {
		if c.next[id] == old {
			continue
		}
		c.gone = append(c.gone, old)
		for _, k := range old.sockets {
			if k != nil && !kept[k] {
				k.lane.Store(nil)
				c.closed = append(c.closed, k)
			}
		}
	}
	p.lanes = c.next
	for _, k := range c.opened {
		k.serve()
	}
}

// retire waits for the sessions of lanes that went, and closes the sockets that went with them.
func (c *lanes) retire(ctx context.Context) {
	var all sync.WaitGroup
	for _, l := range c.gone {
		all.Go(func() { l.retire(ctx) })
	}
	all.Wait()
	for _, k := range c.closed {
		k.close()
	}
}

// abort gives back what prepare took.
func (c *lanes) abort() {
	for _, k := range c.opened {
		_ = k.conn.Close()
	}
	for _, l := range c.fresh {
		l.upstream.Release()
	}
}
