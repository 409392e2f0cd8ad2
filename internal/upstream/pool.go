package upstream

import (
	"cmp"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"paifang/internal/http2"
	"paifang/internal/model"
)

// Conn is what a request is sent on: a connection to an endpoint, or a stream of one that others use too (HTTP/2). It has one
// user at a time.
type Conn struct {
	// H2 is the stream. Where it is set, the next three are not.
	H2 *http2.Stream
	// Stream is what is read and written: TCP itself, or TLS over it. Deadlines may be set on either.
	Stream net.Conn
	TCP    *net.TCPConn
	Raw    syscall.RawConn // of TCP, made once
	// Buffer is the engine's own read buffer and travels with the connection. It must hold no unread bytes when the
	// connection is put back.
	Buffer []byte
	// Requests counts the answers read from the connection so far: 0 = it is new, and a failure is not a
	// keep-alive race. The engine counts it.
	Requests int

	tls    *tls.Conn // Stream; nil where that is TCP
	wire   *wire     // below tls
	one    [1]byte   // room for what nobody asked for
	name   string    // that it is kept under; see poolName
	live   *live
	shared *sharedConn   // of H2
	gate   *gate         // of the upstream it was made for, where that counts its connections
	born   time.Duration // when it was made, on the clock of its pool
	since  time.Duration // when it became idle, on the same clock
	until  time.Duration // from when on it takes no request, likewise; 0 = as long as all may wait
	turn   uint64        // how often it became idle
	peek   func(fd uintptr)
	probe  probe // of peek
	stale  bool  // its result
}

// newConn makes a connection of what was dialled. The pool has made room for it.
func newConn(l *live, tcp *net.TCPConn) (*Conn, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{Stream: tcp, TCP: tcp, Raw: raw, live: l, born: time.Since(l.table.began)}
	c.peek = func(fd uintptr) { c.stale = c.probe.stale(fd) }
	return c, nil
}

// Stale tells whether an idle connection is of no use: the other side has closed it or sent what nobody asked for.
// It does not block, takes nothing from the connection and does not allocate. Where the system cannot tell, it is false.
func (c *Conn) Stale() bool {
	if err := c.Raw.Control(c.peek); err != nil {
		return true
	}
	return c.stale || c.tls != nil && c.holds()
}

// Interrupt makes everything return that waits for the connection or stream, now and from now on.
func (c *Conn) Interrupt() {
	if c.H2 != nil {
		c.H2.Interrupt(true, true)
		return
	}
	_ = c.TCP.SetDeadline(time.Unix(1, 0))
}

// Break ends a request in the middle, so that the endpoint cannot take what it has for all of it.
func (c *Conn) Break() {
	if c.H2 != nil {
		c.H2.Reset(http2.Cancel)
		return
	}
	c.Interrupt()
	_ = c.TCP.CloseWrite()
}

// Silent is told of a request that was not answered in time. Where nothing at all came on its connection meanwhile, that
// takes no further one.
func (c *Conn) Silent() {
	if c.H2 != nil && c.H2.Silent() {
		c.shared.http2.Finish()
	}
}

// Secure tells whether it is secured by TLS.
func (c *Conn) Secure() bool { return c.live.key.Secure }

// Close closes the connection for good. Every connection that Dial or Get returned is either closed or put back, once. It does
// not wait: who is in the middle of something is not told the end in words of TLS. A stream is closed, and resets what is not
// done; its connection stays.
func (c *Conn) Close() {
	if c.H2 != nil {
		c.H2.Close()
		if c.shared.own {
			c.shared.http2.Finish()
		}
		return
	}
	c.TCP.Close()
	c.live.leave(c.gate)
}

// Get returns the idle connection that was used last, or nil if there is none. It does not look whether it still
// stands: see Stale.
func (e *Endpoint) Get() *Conn { return e.live.pool.get("") }

// GetFor is Get for a route that sends a literal Host: over TLS, connections that were made for another server name are left
// alone.
func (e *Endpoint) GetFor(name string) *Conn { return e.live.pool.get(e.live.poolName(name)) }

// Put keeps a connection on which the last answer was read to its end, for who waits to connect or else the next Get. Where the
// endpoint has gone, there are idle connections enough, the upstream lets none wait any longer, or each connection begins with the address of
// its client, it is closed.
func (e *Endpoint) Put(c *Conn) {
	if c.H2 != nil || c.live != e.live || e.live.key.Dial.Proxy != "" {
		c.closeIdle()
		return
	}
	pool := &e.live.pool
	now, most := time.Since(pool.table.began), pool.table.cfg.IdlePerEndpoint
	c.until = 0
	if k := &e.handle.up.Keep; *k != (model.Keep{}) {
		if !c.stays(k, now) {
			c.closeIdle()
			return
		}
		if k.Idle != 0 {
			most = max(k.Idle, 0)
		}
	}
	if !e.live.turns.gives(c) && !pool.put(c, now, most) {
		c.closeIdle()
	}
}

// stays tells whether a connection may take another request, and notes until when.
func (c *Conn) stays(k *model.Keep, now time.Duration) bool {
	c.until = now + cmp.Or(k.IdleTime, c.live.table.cfg.IdleTime)
	if k.Age > 0 {
		c.until = min(c.until, c.born+k.Age)
	}
	return (k.Requests == 0 || c.Requests < k.Requests) && !c.over(now)
}

// over tells whether a connection has waited for as long as it may.
func (c *Conn) over(now time.Duration) bool { return c.until != 0 && now >= c.until }

// pool keeps the idle connections of one endpoint, the one used last on top.
type pool struct {
	table *Table // set before use

	mu     sync.Mutex
	closed bool
	found  bool // it is in the stack
	idle   []*Conn
	open   int   // idle and in use
	below  *pool // in the stack
}

// idleStack are the pools that may hold idle connections: of many thousands of endpoints few have any. A pool enters it with a
// connection, at most once between two sweeps, and without a lock.
type idleStack struct{ top atomic.Pointer[pool] }

func (s *idleStack) push(p *pool) {
	for {
		p.below = s.top.Load()
		if s.top.CompareAndSwap(p.below, p) {
			return
		}
	}
}

// sweep has all of them closed what is idle since before a time. Those that still hold something stay.
func (s *idleStack) sweep(before time.Time) {
	for p := s.top.Swap(nil); p != nil; {
		next := p.below
		p.below = nil
		p.sweep(before)
		p.mu.Lock()
		p.found = len(p.idle) > 0
		again := p.found
		p.mu.Unlock()
		if again {
			s.push(p)
		}
		p = next
	}
}

// enter makes room for one more connection, of at most so many; 0 = any number.
func (p *pool) enter(most int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if most > 0 && int64(p.open) >= most {
		return false
	}
	p.open++
	return true
}

// leave takes back what enter and the gate have counted for a connection.
func (l *live) leave(g *gate) {
	l.pool.mu.Lock()
	l.pool.open--
	l.pool.mu.Unlock()
	l.turns.freed()
	if g != nil {
		g.conns.Add(-1)
	}
}

// closeOldest closes the connection that is idle for longest of those that count for a gate.
func (p *pool) closeOldest(g *gate) bool {
	p.mu.Lock()
	i := slices.IndexFunc(p.idle, func(c *Conn) bool { return c.gate == g })
	if i < 0 {
		p.mu.Unlock()
		return false
	}
	c := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	p.mu.Unlock()
	c.Close()
	return true
}

func (p *pool) counts() (idle, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle), p.open
}

func (p *pool) get(name string) *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.name == name && !p.over(c) { // one that is over is the sweeper's
			copy(p.idle[i:], p.idle[i+1:])
			last := len(p.idle) - 1
			p.idle[last] = nil
			p.idle = p.idle[:last]
			return c
		}
	}
	return nil
}

// over is that of the connection now. Most have no time of their own, and need no look at the clock.
func (p *pool) over(c *Conn) bool { return c.until != 0 && c.over(time.Since(p.table.began)) }

// put keeps a connection, of at most so many.
func (p *pool) put(c *Conn, now time.Duration, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= most {
		return false
	}
	c.since = now
	c.turn++
	p.idle = append(p.idle, c)
	if !p.found {
		p.found = true
		p.table.idle.push(p)
	}
	return true
}

// clear closes the idle connections.
func (p *pool) clear() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	closeAll(idle)
}

// close is clear for good: whatever comes back later is closed.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.clear()
}

// sweep closes connections that are idle since before a time, and those that the other side has closed: a FIN that
// came together with data shows only now.
func (p *pool) sweep(before time.Time) {
	type seen struct {
		c    *Conn
		turn uint64
	}
	now := time.Since(p.table.began)
	p.mu.Lock()
	idle := make([]seen, len(p.idle))
	var old []bool
	for i, c := range p.idle {
		idle[i] = seen{c, c.turn}
		old = append(old, c.over(now) || c.until == 0 && c.since < before.Sub(p.table.began))
	}
	p.mu.Unlock()
	var out []seen
	for i, s := range idle {
		// A connection may come into use while it is looked at: that disturbs nobody, and it is not taken out then.
		if old[i] || staleNow(s.c) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return
	}
	var gone []*Conn
	p.mu.Lock()
	p.idle = slices.DeleteFunc(p.idle, func(c *Conn) bool {
		if slices.Contains(out, seen{c, c.turn}) {
			gone = append(gone, c)
			return true
		}
		return false
	})
	p.mu.Unlock()
	closeAll(gone)
}

// staleNow is Stale for those who do not own the connection.
func staleNow(c *Conn) bool {
	var p probe // theirs is in use
	stale := false
	err := c.Raw.Control(func(fd uintptr) { stale = p.stale(fd) })
	return err != nil || stale
}

func closeAll(conns []*Conn) {
	for _, c := range conns {
		c.closeIdle()
	}
}
