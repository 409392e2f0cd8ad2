package httpproxy

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/certs"
	"paifang/internal/http1"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/trace"
)

// site is what a port serves, as of one generation. It is immutable; a request loads it once.
type site struct {
	listener model.Listener
	bound    *boundSite
	limits   http1.Limits
	clients  model.Clients // of the listener, filled with what the process has
	version  uint64
	via      string            // the listener in X-Paifang-Via
	certs    *certs.Store      // and TLS policies; nil: none, as no listener of the class has TLS
	tls      *certs.Terminator // nil in clear text
	tracer   *trace.Tracer     // nil: no request is traced
}

// trusts tells whether what this address says about others is believed.
func (s *site) trusts(a netip.Addr) bool {
	return s.listener.Trust.Believes(a)
}

// port is one bound address of a listener, and the connections that came in by it. It outlives generations.
type port struct {
	plane    *Plane
	at       netip.AddrPort // as configured: the port may be 0
	secure   bool           // over TLS
	site     atomic.Pointer[site]
	draining atomic.Bool
	cuts     atomic.Uint64 // connections that a drain had to cut
	counts   *listenerCounters

	mu     sync.Mutex
	handle *listener.Handle // changes with the listener's settings
	conns  []*conn
	empty  chan struct{} // closed when the last connection goes; made by who waits
}

var _ listener.Handler = (*port)(nil).serve

// serve serves a client connection until it is done, or is parked.
func (p *port) serve(lc *listener.Conn) {
	c := &conn{
		late: p.draining.Load(), plane: p.plane, port: p, place: lc.Keep(), nc: lc, tcp: lc.TCP(),
		caller: &caller{p.secure, nil, lc.Client, lc.Server, lc.Client.Addr().String(), strconv.Itoa(int(lc.Server.Port()))},
	}
	if !c.secure {
		c.nc = lc.TCP()
		c.buf = p.plane.blocks.takeSmall()
		c.n = copy(c.buf, lc.Buffered()) // at most what was read with a PROXY header, which is less
		c.begin()
	}
	p.mu.Lock()
	c.index = len(p.conns)
	p.conns = append(p.conns, c)
	p.mu.Unlock()
	c.serve()
}

// addr is the address as bound.
func (p *port) addr() netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handle.Addr()
}

// take serves through another handle, whose listener has the settings of this generation, and returns the one before.
func (p *port) take(h *listener.Handle) *listener.Handle {
	p.mu.Lock()
	old := p.handle
	p.handle = h
	p.mu.Unlock()
	h.Serve(p.serve)
	return old
}

// forget takes a connection out.
func (p *port) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	p.conns[c.index] = p.conns[last]
	p.conns[c.index].index = c.index
	p.conns[last] = nil
	p.conns = p.conns[:last]
	if last == 0 && p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
}

// each calls f for every connection. The port's lock is held: f must not wait.
func (p *port) each(f func(*conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		f(c)
	}
}

func (p *port) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// gone returns a channel that is closed when there is no connection.
func (p *port) gone() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty == nil {
		p.empty = make(chan struct{})
	}
	ch := p.empty
	if len(p.conns) == 0 {
		close(ch)
		p.empty = nil
	}
	return ch
}

// nextRequest is how long a drain waits for a request on connections that are idle. Those that are in use have another
// in this time, and are told in its answer that they end: ending them between two requests would cross the next one on
// its way. And the clients of connections that were accepted just before count themselves connected.
const nextRequest = 300 * time.Millisecond

// drain ends the port: answers say that the connection closes, the socket closes, idle connections are ended, and those
// in use are given Timeouts.Drain, or until ctx ends. Where the whole plane ends, the socket closes last.
func (p *port) drain(ctx context.Context) {
	p.draining.Store(true)
	began := time.Now()
	if p.plane.ending.Load() {
		p.finish(ctx, began)
	}
	p.mu.Lock()
	h := p.handle
	p.mu.Unlock()
	h.Release(ctx)
	released := time.Now()
	limit := time.NewTimer(p.site.Load().clients.Drain)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond) // a connection may become idle just after it was looked at
	defer tick.Stop()
	for done := p.gone(); ; {
		p.each(func(c *conn) { c.goAway() })
		if time.Since(began) >= nextRequest {
			young := time.Since(released) < nextRequest
			p.each(func(c *conn) { c.endIdle(!young) })
		}
		select {
		case <-done:
			return
		case <-tick.C:
			continue
		case <-limit.C:
		case <-ctx.Done():
		}
		p.each(func(c *conn) {
			p.cuts.Add(1)
			c.abort()
		})
		<-done
		return
	}
}

// finish ends the connections that there are, and takes new ones meanwhile, for one request each: who still comes knows no
// other address. It gives up at half of the time for a drain, so that the last to come have some too.
func (p *port) finish(ctx context.Context, began time.Time) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < p.site.Load().clients.Drain/2 {
		old := false
		p.each(func(c *conn) {
			c.goAway()
			if time.Since(began) >= nextRequest {
				c.endIdle(!c.late)
			}
			old = old || !c.late
		})
		if !old {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// server is a listener with its ports.
type server struct {
	listener model.Listener
	ports    []*port
	failed   []BindError
	tracer   *trace.Tracer // of this generation: each acquires its own
}

// portOf returns the server's port at an address.
func (s *server) portOf(at netip.AddrPort) *port {
	if s == nil {
		return nil
	}
	for _, p := range s.ports {
		if p.at == at {
			return p
		}
	}
	return nil
}

// viaName is a listener's name in X-Paifang-Via. IDs are checked nowhere else, so what would break the list is replaced.
func viaName(instance string, id model.ListenerID) string {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r == ',' || r >= 0x7f {
			return '-'
		}
		return r
	}, string(id))
	return instance + "/" + clean
}
