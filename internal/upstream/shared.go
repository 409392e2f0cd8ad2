package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"paifang/internal/http2"
)

// sharedPool keeps the connections of one endpoint that requests share: those of HTTP/2. A request takes a free stream of the
// oldest connection that has one, so that the others become idle and go; where there is none, one more is dialled.
type sharedPool struct {
	mu      sync.Mutex
	closed  bool                // the endpoint has gone
	conns   []*sharedConn       // until they have ended
	dialing map[string]*dialing // that are under way, by poolName
}

// sharedConn is one of them.
type sharedConn struct {
	http2 *http2.Conn
	own   bool   // of one request
	name  string // poolName
	conn  *Conn
	once  sync.Once
}

// dialing is a connection that several requests wait for.
type dialing struct {
	done chan struct{}
	err  error // once done
}

// settingsTime is how long an endpoint may take for its first SETTINGS.
const settingsTime = 5 * time.Second

var (
	errTableClosed = errors.New("the table is closed")
	errNoStream    = errors.New("the endpoint takes no request")
)

// Shared tells whether requests to the endpoint share connections: then Open is for them, and Dial and Get are not.
func (e *Endpoint) Shared() bool { return e.live.key.Protocol.Shared() }

// Open returns a stream for one request, of a connection that others use too. Errors are those of Dial. A stream is never
// put back: Close ends it and leaves its connection alone. Requests is above 0 where the connection is not new.
func (e *Endpoint) Open(ctx context.Context, o DialOptions) (*Conn, error) {
	l := e.live
	p := &l.shared
	name := l.poolName(o.Name)
	for fresh := false; ; {
		p.mu.Lock()
		if l.key.Dial.Proxy != "" || p.closed {
			p.mu.Unlock()
			return e.openOwn(ctx, o)
		}
		if c := p.take(l, name); c != nil {
			p.mu.Unlock()
			if !fresh {
				c.Requests = 1
			}
			return c, nil
		}
		d := p.dialing[name]
		if d == nil {
			d = &dialing{done: make(chan struct{})}
			if p.dialing == nil {
				p.dialing = map[string]*dialing{}
			}
			name = strings.Clone(name) // it may be a view
			p.dialing[name] = d
			p.mu.Unlock()
			dialled := make(chan struct{})
			go func() { // on a deep stack, which is not kept by who waits for an answer next
				defer close(dialled)
				_, d.err = e.dialShared(ctx, o, false)
			}()
			<-dialled
			p.mu.Lock()
			delete(p.dialing, name)
			p.mu.Unlock()
			close(d.done)
			if d.err != nil {
				return nil, d.err
			}
		} else {
			p.mu.Unlock()
			select {
			case <-d.done:
			case <-ctx.Done():
				return nil, &Error{Code: CodeConnectCancelled, msg: "connect to " + l.key.Addr.String(), err: ctx.Err()}
			}
			// Who gave up dialling did so for itself.
			if e, ok := errors.AsType[*Error](d.err); ok && e.Code != CodeConnectCancelled {
				return nil, d.err
			}
		}
		fresh = true
	}
}

// take takes a free stream, nil if there is none. The lock is held.
func (p *sharedPool) take(l *live, name string) *Conn {
	for _, conn := range p.conns {
		if conn.own || conn.name != name {
			continue
		}
		if s, err := conn.http2.NewStream(); err == nil {
			return &Conn{H2: s, live: l, shared: conn}
		}
	}
	return nil
}

// openOwn makes a connection for one request: it begins with the address of its client, or nobody else will come.
func (e *Endpoint) openOwn(ctx context.Context, o DialOptions) (*Conn, error) {
	conn, err := e.dialShared(ctx, o, true)
	if err != nil {
		return nil, err
	}
	s, err := conn.http2.NewStream()
	if err != nil {
		return nil, &Error{Code: CodeConnectFailed, msg: "connect to " + e.live.key.Addr.String(), err: errNoStream}
	}
	return &Conn{H2: s, live: e.live, shared: conn}, nil
}

// dialShared makes a connection and has it served until it ends.
func (e *Endpoint) dialShared(ctx context.Context, o DialOptions, own bool) (*sharedConn, error) {
	l := e.live
	o.Protocols = []string{"h2"}
	c, err := e.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	if state, ok := c.TLS(); ok && state.NegotiatedProtocol != "h2" {
		c.closeIdle()
		return nil, &Error{Code: CodeTLS, msg: "TLS with " + l.key.Addr.String(), err: fmt.Errorf("the endpoint speaks %q, not HTTP/2", state.NegotiatedProtocol)}
	}
	conn := &sharedConn{own: own, name: c.name, conn: c, http2: http2.Client(c.Stream, http2.Config{
		Streams: l.table.cfg.StreamsPerConn, Timeouts: http2.Timeouts{Preface: settingsTime, Idle: l.table.cfg.IdleTime},
	})}
	l.shared.add(conn)
	if !l.table.serve(conn, func() {
		_ = conn.http2.Run() // its streams have failed with the reason
		conn.close()
		l.shared.forget(conn)
	}) {
		conn.close()
		l.shared.forget(conn)
		return nil, &Error{Code: CodeConnectCancelled, msg: "connect to " + l.key.Addr.String(), err: errTableClosed}
	}
	return conn, nil
}

// serve runs what serves a connection in a goroutine that Close waits for, and returns false if it is too late for that.
func (t *Table) serve(conn *sharedConn, run func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.conns[conn] = struct{}{}
	t.owned.Go(func() {
		run()
		t.mu.Lock()
		delete(t.conns, conn)
		t.mu.Unlock()
	})
	return true
}

func (p *sharedPool) add(conn *sharedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
	if p.closed && !conn.own {
		conn.http2.Finish() // it came too late
	}
}

// forget drops a connection that has ended.
func (p *sharedPool) forget(conn *sharedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(c *sharedConn) bool { return c == conn })
}

// close closes the socket, once.
func (c *sharedConn) close() { c.once.Do(c.conn.Close) }

// closeIdle ends a connection that carries no request and counts for a gate.
func (p *sharedPool) closeIdle(g *gate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		if c.conn.gate == g && c.http2.Usable() && c.http2.Streams() == 0 {
			c.http2.Kill() // and whoever serves it forgets it
			c.close()
			return true
		}
	}
	return false
}

// finish has no further request use the connections that there are. Those that they carry are served to their end. closed says
// that the endpoint has gone.
func (p *sharedPool) finish(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = p.closed || closed
	for _, c := range p.conns {
		c.http2.Finish()
	}
}

// checkShared ends connections whose waits take too long.
func (t *Table) checkShared(now time.Time) {
	t.mu.Lock()
	conns := make([]*sharedConn, 0, len(t.conns))
	for c := range t.conns {
		conns = append(conns, c)
	}
	t.mu.Unlock()
	for _, c := range conns {
		c.http2.Check(now)
	}
}
