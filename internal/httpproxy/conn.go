package httpproxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"paifang/internal/certs"
	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// errLate says that the sweeper ended a wait.
var errLate = errors.New("httpproxy: waited too long")

// conn is what requests come in by: a client's connection, or one of the streams that an HTTP/2 connection carries, with one
// request. Its goroutine owns it; the sweeper and a draining server may interrupt it.
type conn struct {
	plane *Plane
	port  *port // it came in by
	place listener.Place
	*caller
	nc    net.Conn
	tcp   *net.TCPConn    // nc itself, or below TLS; nil for a stream
	raw   syscall.RawConn // of tcp, where it is used directly; nil under TLS
	late  bool            // it was accepted while the port drained
	index int             // in port.conns, guarded by the port's lock; of a stream in its carrier, guarded by that one's

	h2      *http2.Stream           // of a stream; nil for a connection of HTTP/1.1
	behind  int                     // of a stream: how many were served on its connection when it began, and one more if none had been
	carrier atomic.Pointer[carrier] // of a connection that turned out to be one of HTTP/2

	mu       sync.Mutex // held while an interruption is carried out
	watch    watch      // of the goroutine
	upload   watch      // of the second one, while there is one
	release  func()     // ends what a filter waits for; nil while none does. Guarded by mu
	up       atomic.Pointer[upstream.Conn]
	left     atomic.Bool                // the client has closed
	cut      atomic.Bool                // the drain of its server is over
	served   int                        // requests, with the one that is served; the goroutine's own
	deaf     bool                       // the last write failed; the goroutine's own
	once     atomic.Bool                // at least one request was served
	upgraded atomic.Pointer[boundRoute] // while it is a tunnel

	buf []byte // begins with the head of the request that is read or served; nil while a direct connection is idle
	n   int    // bytes in buf

	rest rest

	heavy atomic.Int64 // of buf, as the plane's headBudget counts

	direct *direct // nil under TLS, and of a stream
}

// caller is who makes the requests of a connection. It is the same for all that are made, and streams
// share that of their connection.
type caller struct {
	secure   bool
	session  *certs.Session // what the TLS handshake came to; nil in clear text
	peer     netip.AddrPort // the client, as far as its PROXY header is trusted
	server   netip.AddrPort // where it connected, likewise
	peerText string         // the client's address alone
	portText string         // the port it came in by
}

// clients is how long this waits for its client now, and how much it takes of it.
func (c *conn) clients() *model.Clients { return &c.port.site.Load().clients }

// past is a deadline that interrupts at once.
var past = time.Unix(1, 0)

func (c *conn) close() {
	c.port.forget(c)
	if c.deaf || c.cut.Load() {
		_ = c.tcp.Close() // TLS would wait for seconds to tell its end to somebody who takes nothing
	} else {
		_ = c.nc.Close()
	}
	if c.buf != nil {
		c.plane.blocks.give(c.buf)
		c.buf = nil
	}
	c.giveHeavy()
	c.place.Leave()
}

func (c *conn) handshake(until time.Time) bool {
	if c.nc.SetDeadline(until) != nil || c.cut.Load() {
		return false
	}
	t, session, err := c.port.site.Load().tls.Handshake(c.nc)
	if err != nil {
		c.port.counts.handshook(tls.ConnectionState{}, err)
		c.plane.cfg.Log.Debug("a TLS handshake failed", "client", c.peer, "err", err)
		return false
	}
	c.port.counts.handshook(t.ConnectionState(), nil)
	if c.nc.SetDeadline(time.Time{}) != nil || c.cut.Load() {
		return false // the deadline that cut it may just have been taken away
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nc, c.session = t, session
	return true
}

// awaitRequest returns when there is something of a request, or told to rest. While a connection is idle it holds a tiny buffer.
func (c *conn) awaitRequest() then {
	if c.n > 0 {
		return serves
	}
	// When the port drains, this waits all the same: the last answer may have left just before, and promised more. Who asks
	// again is told that the connection ends; who does not is ended by the drain.
	if c.buf != nil {
		c.plane.blocks.give(c.buf)
	}
	c.buf = c.plane.blocks.takeTiny()
	n, err := c.read(c.buf, idling, c.idleUntil())
	if errors.Is(err, errLate) && !c.cut.Load() {
		if c.rearm() {
			return rests
		}
		// A request that came at the last moment is served.
		if unread, _ := peek(c.tcp); !unread {
			return ends
		}
		n, _ = c.read(c.buf, readingHead, c.plane.in(c.clients().Head)) // without bytes it is over, whatever the error
	}
	c.n = n
	if n > 0 {
		tiny := c.buf
		c.buf = c.plane.blocks.takeSmall()
		copy(c.buf, tiny[:n])
		c.plane.blocks.give(tiny)
		c.rest.until = 0
	}
	if n == 0 || c.cut.Load() {
		return ends
	}
	return serves
}

// read reads once. err is errLate if the sweeper ended the wait, io.EOF if the client has closed its side. What came at the last
// moment counts, and the sweeper's deadline must not end the wait for what follows, as if that were the client's doing.
func (c *conn) read(into []byte, p phase, deadline int64) (int, error) {
	c.watch.enter(p, deadline)
	n, err := c.nc.Read(into)
	switch {
	case !c.watch.leave():
		return n, err
	case n == 0:
		return 0, errLate
	}
	c.rearm()
	return n, nil
}

// write writes all of b to the client.
func (c *conn) write(b []byte) error {
	c.watch.enter(answering, c.plane.in(c.plane.cfg.Timeouts.Write))
	n, err := c.offer(b)
	if err == nil && n < len(b) {
		_, err = c.nc.Write(b[n:])
	}
	c.deaf = err != nil
	if c.watch.leave() {
		return errLate
	}
	return err
}

// writeBuffers writes several parts at once, where the connection can.
func (c *conn) writeBuffers(b *net.Buffers) error {
	c.watch.enter(answering, c.plane.in(c.plane.cfg.Timeouts.Write))
	_, err := b.WriteTo(c.nc)
	c.deaf = err != nil
	if c.watch.leave() {
		return errLate
	}
	return err
}

// check interrupts whatever of the connection waits too long. The sweeper calls it.
func (c *conn) check(now int64) {
	if s := c.carrier.Load(); s != nil {
		s.check(now)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, late := c.watch.late(now); late {
		c.kick(p)
	}
	if p, late := c.upload.late(now); late {
		c.kick(p)
	}
	c.hurryHeavy(now)
}

// hurry interrupts a connection that waits for a request and may do so until then at most. The sweeper calls it.
func (c *conn) hurry(until int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.carrier.Load() != nil {
		return
	}
	for _, p := range [...]phase{idling, parked} {
		if c.watch.due(p, until) {
			c.kick(p)
		}
	}
}

// endIdle interrupts a connection that waits for a request; first says whether also for its first.
func (c *conn) endIdle(first bool) {
	if !first && !c.once.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range [...]phase{idling, parked} {
		if c.watch.interrupt(p) {
			c.kick(p)
		}
	}
}

// abort ends the connection whatever it does.
func (c *conn) abort() {
	c.cut.Store(true)
	if s := c.carrier.Load(); s != nil {
		s.abort()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.nc.SetDeadline(past)
	if up := c.up.Load(); up != nil {
		up.Interrupt()
	}
	c.kick(waiting)
	if c.watch.interrupt(parked) {
		c.kick(parked)
	}
}

// letGo notes that the exchange is done with its endpoint's connection, and tells whether nobody has interrupted that: then, and
// only then, it is as good as before for another request, which may be somebody else's.
func (c *conn) letGo() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up.Store(nil)
	return !c.cut.Load() && !c.left.Load()
}

// kick makes a wait return. c.mu is held.
func (c *conn) kick(p phase) {
	switch p {
	case idling, readingHead, readingBody, lingering:
		_ = c.nc.SetReadDeadline(past)
	case answering:
		_ = c.nc.SetWriteDeadline(past)
	case sending, awaiting, relaying:
		if up := c.up.Load(); up != nil {
			up.Interrupt()
		}
	case waiting:
		if c.release != nil {
			c.release()
		}
	case parked:
		c.plane.lot.Recall(c.rest.ticket)
	case splicing, tunnelling:
		_ = c.nc.SetDeadline(past)
		if up := c.up.Load(); up != nil {
			up.Interrupt()
		}
	}
}

// linger lets the client read an answer it did not wait for: closing at once, with bytes unread, would reset the
// connection and take the answer with it.
func (c *conn) linger() {
	if t := c.tcp; t == nil || c.secure || c.direct != nil && c.direct.inside || t.CloseWrite() != nil {
		return
	}
	deadline := c.plane.in(time.Second)
	block := c.plane.blocks.takeLarge()
	defer c.plane.blocks.give(block)
	for range 16 {
		if _, err := c.read(block, lingering, deadline); err != nil {
			return
		}
	}
}

// growHead makes room for a head that does not fit. The error is http1.HeadTooLarge or errHeadsFull.
func (c *conn) growHead() error {
	size, take := largeBlock, c.plane.blocks.takeLarge
	switch n := len(c.buf); {
	case n == largeBlock:
		return http1.HeadTooLarge
	case n < longBlock:
		size, take = longBlock, c.plane.blocks.takeLong
	case n < mediumBlock:
		size, take = mediumBlock, c.plane.blocks.takeMedium
	}
	if !c.takeHeavy(size - int(c.heavy.Load())) {
		return errHeadsFull
	}
	block := take()
	copy(block, c.buf[:c.n])
	c.plane.blocks.give(c.buf)
	c.buf = block
	return nil
}

// keep puts bytes of a next request, which were read too early, at the start of the buffer.
func (c *conn) keep(rest []byte) {
	c.giveHeavy()
	if len(rest) > len(c.buf) {
		block := c.plane.blocks.takeLarge()
		c.plane.blocks.give(c.buf)
		c.buf = block
	}
	c.n = copy(c.buf, rest)
}

// readHead parses a request head from the buffer, reading more as long as it must. It returns the length of the head.
func (c *conn) readHead(r *http1.Request, limits *http1.Limits) (int, error) {
	deadline := c.plane.in(c.clients().Head)
	for {
		n, err := r.Parse(c.buf[:c.n], limits)
		if err != http1.ErrNeedMore {
			return n, err
		}
		if c.n == len(c.buf) {
			if err := c.growHead(); err != nil {
				return 0, err
			}
		}
		got, err := c.read(c.buf[c.n:], readingHead, deadline)
		c.n += got
		if got == 0 && err != nil {
			return 0, err
		}
		if got == 0 {
			return 0, io.ErrNoProgress
		}
	}
}
