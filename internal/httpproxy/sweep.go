package httpproxy

import (
	"net"
	"net/http"
	"time"
)

// peekEach is how often the sweeper looks whether clients that wait for an answer are still there.
const peekEach = time.Second

// in is the plane's clock in so much time, rounded so that no wait is shorter than it should be.
func (p *Plane) in(d time.Duration) int64 {
	behind := p.period.Load() // before the clock: a shorter one holds for clocks told since
	return p.clock.Load() + (d + time.Duration(behind)).Milliseconds()
}

// shortestTick bounds how often the sweeper looks because of what a route says.
const shortestTick = 20 * time.Millisecond

// hurry has the sweeper look often enough for a route's shortest timeout. It goes on so when the route is gone: routes of this
// kind come back.
func (p *Plane) hurry(shortest time.Duration) {
	want := int64(max(shortest/4, shortestTick))
	for {
		was := p.tick.Load()
		if want >= was {
			return
		}
		if p.tick.CompareAndSwap(was, want) {
			select {
			case p.hurried <- struct{}{}:
			default: // it has not even looked at the last one
			}
			return
		}
	}
}

// timeLimit is a timeout of a route, or a long time where it says none.
func timeLimit(d time.Duration) time.Duration {
	if d <= 0 {
		return time.Hour
	}
	return d
}

// date is the Date field of answers of our own (RFC 9110, 6.6.1).
func (p *Plane) date() string { return *p.dateText.Load() }

// tell sets what of the time requests need to know roughly.
func (p *Plane) tell(now time.Time) {
	p.clock.Store(now.Sub(p.began).Milliseconds())
	if text := now.UTC().Format(http.TimeFormat); p.dateText.Load() == nil || *p.dateText.Load() != text {
		p.dateText.Store(&text)
	}
}

// sweep is the goroutine that keeps the time and ends waits that take too long.
func (p *Plane) sweep() {
	each := p.tick.Load()
	tick := time.NewTicker(time.Duration(each))
	defer tick.Stop()
	var peeked time.Time
	var ports []*port
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		case <-p.hurried:
		}
		now := time.Now() // not the tick's, which may have waited for the last sweep to end
		p.tell(now)
		if n := p.tick.Load(); n != each {
			each = n
			tick.Reset(time.Duration(each))
			p.period.Store(each)
		}
		ms := p.clock.Load()
		peek := now.Sub(peeked) >= peekEach
		if peek {
			peeked = now
		}
		ports = p.ports(ports[:0])
		for _, port := range ports {
			idle := port.site.Load().clients.Idle
			early := idle - p.cfg.Pressure.Idle(idle) // by which idle connections are ended before their time
			waited := ms + (idle - p.cfg.parkAfter).Milliseconds()
			port.each(func(c *conn) {
				c.check(ms)
				if early > 0 {
					c.hurry(ms + early.Milliseconds())
				}
				if p.lot != nil {
					c.askBack(waited)
				}
				if peek {
					c.endRetired(now)
					c.endLeft()
				}
			})
		}
	}
}

// ports appends every port, those that drain too.
func (p *Plane) ports(to []*port) []*port {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.servers {
		to = append(to, s.ports...)
	}
	for port := range p.draining {
		to = append(to, port)
	}
	return to
}

// hasLeft tells whether the client has closed its side, or the connection is broken. A client that closes its sending
// side only and still waits is taken for one that left, as servers commonly do.
func hasLeft(tcp *net.TCPConn) bool {
	_, ended := peek(tcp)
	return ended
}

// hasLeft is hasLeft for whatever requests come in by. A stream is told by its connection.
func (c *conn) hasLeft() bool {
	if c.h2 != nil {
		return c.left.Load()
	}
	return hasLeft(c.tcp)
}

// endLeft cancels what is waited for on behalf of a client that has closed: an upstream, or a filter. One that still sends its
// request tells by itself.
func (c *conn) endLeft() {
	p := c.watch.phase()
	if c.tcp == nil || p != awaiting && p != waiting || c.upload.phase() != busy || !hasLeft(c.tcp) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left.Store(true)
	if c.watch.interrupt(p) {
		c.kick(p)
	} else {
		c.left.Store(false)
	}
}
