package httpproxy

import (
	"time"

	"paifang/internal/listener"
	"paifang/internal/park"
)

// then is what comes after the wait for a request.
type then uint8

const (
	ends   then = iota // nothing: the connection is over
	serves             // a request, its head parsed or refused
	shares             // HTTP/2: the client has begun to speak it
	rests              // nothing yet: the goroutine is not needed
)

// parkAfter is how long a connection waits with a goroutine. To give it back and to take another costs several system calls,
// so it must be rare beside requests: a client that asks once a second never pays, one that asks less often pays for the memory that it
// does not hold in the meantime.
const parkAfter = time.Second

// rest is what a connection needs to wait without a goroutine.
type rest struct {
	until  int64       // when this wait is over, where it began before the connection was parked; 0 = it begins with the next
	asked  bool        // the sweeper wants the goroutine back; guarded by mu
	stays  bool        // it cannot be parked; guarded by mu
	ticket park.Ticket // guarded by mu
}

// serve is the first goroutine of a connection.
func (c *conn) serve() {
	if !c.secure {
		c.serveRequests()
		return
	}
	until := time.Now().Add(c.plane.cfg.Timeouts.Handshake)
	switch {
	case c.passesOn(c.nc.(*listener.Conn), until):
	case !c.handshake(until):
		c.close()
	case c.session.Protocol == "h2":
		c.serveHTTP2()
		c.close()
	default:
		c.serveRequests()
	}
}

var _ park.Waker = (*conn)(nil)

// Wake is each further goroutine of a connection: something has come, or it is over.
func (c *conn) Wake() {
	c.mu.Lock() // whoever parked or interrupted it is done
	over := c.watch.leave()
	c.mu.Unlock()
	if over || c.cut.Load() {
		// A request that came at the last moment is served.
		if unread, _ := peek(c.tcp); c.cut.Load() || !unread {
			c.close()
			return
		}
	}
	c.serveRequests()
}

// serveRequests serves one request after the other, until the connection ends or is parked.
func (c *conn) serveRequests() {
	for {
		w, then := c.next()
		switch then {
		case rests:
			return // it is somebody else's now
		case shares:
			c.serveHTTP2()
		case serves:
			again := w.serve()
			c.plane.giveWork(w)
			if again {
				c.once.Store(true)
				continue
			}
		}
		c.close()
		return
	}
}

// next waits for the next request. Where it returns rests, nothing of the connection may be touched any more.
func (c *conn) next() (*work, then) {
	for {
		if w, then := c.await(); then != rests || c.park() {
			return w, then
		}
	}
}

// await waits for the next request.
func (c *conn) await() (*work, then) {
	for c.direct != nil && c.direct.on {
		w, then, again := c.turns()
		if c.mayBeHTTP2() {
			if is, err := c.beginsHTTP2(); is || err != nil {
				return c.begun(is, err)
			}
			continue
		}
		if !again {
			return w, then
		}
		break
	}
	if then := c.awaitRequest(); then != serves {
		return nil, then
	}
	if c.mayBeHTTP2() {
		if is, err := c.beginsHTTP2(); is || err != nil {
			return c.begun(is, err)
		}
	}
	w := c.plane.takeWork(c)
	w.readHead()
	return w, serves
}

// begun is what comes of a client that speaks HTTP/2, or whose first bytes came to nothing.
func (c *conn) begun(is bool, err error) (*work, then) {
	if is {
		return nil, shares
	}
	return c.refused(err), serves
}

// idleUntil is when a wait for a request is over.
func (c *conn) idleUntil() int64 {
	if c.rest.until != 0 {
		return c.rest.until
	}
	return c.plane.in(c.clients().Idle)
}

// askBack asks for the goroutine of a connection that waits for a request and may do so until then at most. The sweeper calls it.
func (c *conn) askBack(until int64) {
	if c.watch.phase() != idling {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rest.stays || c.carrier.Load() != nil {
		return
	}
	if deadline, due := c.watch.claim(idling, until); due {
		c.rest.until, c.rest.asked = deadline, true
		c.kick(idling)
	}
}

// rearm takes back the deadlines of an interruption that came too late, and tells whether all that it wanted was the goroutine.
func (c *conn) rearm() (rests bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.Load() { // that one stays
		return false
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	rests = c.rest.asked
	c.rest.asked = false
	return rests
}

// park leaves the connection to the plane's lot. It returns false where it has to be waited for here.
func (c *conn) park() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut.Load() {
		return false
	}
	if c.buf != nil {
		c.plane.blocks.give(c.buf)
		c.buf = nil
	}
	raw := c.raw
	if raw == nil {
		var err error
		if raw, err = c.tcp.SyscallConn(); err != nil {
			return false // closed: reading says the same
		}
	}
	c.watch.enter(parked, c.rest.until)
	ticket, err := c.plane.lot.Park(raw, c)
	if err != nil {
		c.watch.leave()
		c.rest.stays = true
		c.plane.cfg.Log.Warn("an idle connection keeps its goroutine", "client", c.peer, "err", err)
		return false
	}
	c.rest.ticket = ticket
	return true
}
