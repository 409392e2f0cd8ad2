package l4

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// service is a listener bound to an upstream, for all of its connections or for those of some server names. It lives from the first generation that has it to the end of its last
// connection.
type service struct {
	plane    *Plane
	listener model.Listener
	route    model.RouteID
	upstream *upstream.Handle
	idle     time.Duration      // how long a connection may be still
	within   time.Duration      // how long it may take to find an endpoint
	tries    int                // endpoints that a connection is tried with; 0 = each once
	sockets  []*listener.Handle // by index into listener.Bind; nil where it could not be bound; under the plane's lock

	total, failed, cut atomic.Uint64
	sent, received     atomic.Int64
	connecting         atomic.Int64 // nanoseconds

	sessions guests[*session]
}

// ListenerStatus is how a listener of the plane stands.
type ListenerStatus struct {
	Listener model.ListenerID `json:"listener"`
	Route    model.RouteID    `json:"route"`
	Upstream model.UpstreamID `json:"upstream"`
	Passed   bool             `json:"passed,omitempty"` // only what is for the route's server names: the rest of the listener's is none of the plane's
	Addrs    []netip.AddrPort `json:"addrs"`            // as bound
	Open     int              `json:"open"`             // connections now
	Total    uint64           `json:"total"`            // connections ever
	// Connecting is how long it took, of all connections together, until one to an endpoint stood or none could be had.
	Connecting time.Duration `json:"connecting"`
	Failed     uint64        `json:"failed"`   // for which no endpoint could be reached
	Cut        uint64        `json:"cut"`      // closed because they did not end while draining
	Sent       int64         `json:"sent"`     // bytes to endpoints, of connections that have ended
	Received   int64         `json:"received"` // bytes from endpoints, of connections that have ended
}

func newService(p *Plane, l model.Listener, r model.L4Route, h *upstream.Handle) *service {
	return &service{
		plane: p, listener: l, route: r.ID, upstream: h, idle: p.cfg.idle(r), within: p.cfg.within(r), tries: r.Tries, sockets: make([]*listener.Handle, len(l.Bind)),
		sessions: newGuests[*session](),
	}
}

func (s *service) status() ListenerStatus {
	out := ListenerStatus{
		Listener: s.listener.ID, Route: s.route, Upstream: s.upstream.ID(), Passed: s.listener.Protocol == model.HTTPS, Total: s.total.Load(), Failed: s.failed.Load(),
		Connecting: time.Duration(s.connecting.Load()), Cut: s.cut.Load(), Sent: s.sent.Load(), Received: s.received.Load(),
	}
	for _, h := range s.sockets {
		if h != nil {
			out.Addrs = append(out.Addrs, h.Addr())
		}
	}
	out.Open = s.sessions.open()
	return out
}

// retire gives the sockets back, waits for the connections and closes those that are left when their time is over or
// ctx ends.
func (s *service) retire(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.plane.cfg.DrainTimeout)
	defer cancel()
	var sockets sync.WaitGroup
	for _, h := range s.sockets {
		if h != nil {
			sockets.Go(func() { h.Release(ctx) })
		}
	}
	sockets.Wait()
	n := 0
	s.sessions.dismiss(ctx, func(x *session) {
		x.stop(CodeDrained)
		n++
	})
	s.cut.Add(uint64(n))
	if n > 0 {
		s.plane.cfg.Log.Warn("connections closed that did not end in time", "listener", s.listener.ID, "connections", n)
	}
	s.upstream.Release()
}

// serve carries one connection, in its own goroutine.
func (s *service) serve(c *listener.Conn) {
	x := newSession(s, c)
	defer x.close()
	for !x.service.sessions.enter(x) {
		// It was accepted in the moment this service ended: it belongs to the one that follows.
		next := s.plane.current(s.listener.ID)
		if next == nil || next == x.service {
			x.reset()
			return
		}
		x.service = next
	}
	x.service.run(x)
}

// run is the life of a session.
func (s *service) run(x *session) {
	defer s.sessions.leave(x)
	s.total.Add(1)
	reached := x.connect()
	s.connecting.Add(int64(x.connecting))
	if reached {
		x.carry()
	} else {
		s.failed.Add(1)
		x.reset()
	}
	if x.entered {
		s.upstream.Leave()
	}
	s.sent.Add(x.sent)
	s.received.Add(x.received)
	x.record()
}
