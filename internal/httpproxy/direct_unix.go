//go:build unix

package httpproxy

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"paifang/internal/http1"
	"paifang/internal/socket"
)

// direct is how a connection in clear text waits for requests and serves those without a body: inside one call of
// RawConn.Read, which lasts as long as the connection.
//
// net.Conn tries to read before it waits, which is a system call in vain for each request, and it needs a buffer to wait
// with. Inside the call the poller keeps an event that comes while a request is served, so that nothing has to be tried;
// from call to call it would forget it. What has to read more of the client (a body, a tunnel, TLS) cannot do so in
// there, where the connection's read side is held, and is served after the call.
//
// An end that comes together with a request causes no event of its own: each read tells whether something waits behind it.
type direct struct {
	on     bool
	turn   func(fd uintptr) bool
	work   *work // to be served outside, or waiting for the rest of its head
	headBy int64 // when a head that is being read is late
	inside bool  // a request is served inside the call: nothing can be read of the client
	fd     uintptr
	reader socket.Reader
	more   bool // something waits behind what was read last: bytes, or the end
}

// begin makes the connection direct, where it can be.
func (c *conn) begin() {
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return
	}
	d := new(direct)
	c.direct = d
	d.on, d.turn = raw.Control(d.reader.Begin) == nil, c.turn
	c.raw = raw
}

// turns serves requests until one needs more than its head: that is returned, its head parsed or refused. again asks the
// caller to read by itself, after an interruption that came too late.
func (c *conn) turns() (_ *work, _ then, again bool) {
	d := c.direct
	d.more = true // of what came before the call no event tells
	err := c.raw.Read(d.turn)
	w := d.work
	d.work = nil
	if err == nil && w != nil {
		return w, serves, false
	}
	if err == nil {
		return nil, ends, false
	}
	c.watch.leave()
	late := errors.Is(err, os.ErrDeadlineExceeded) && !c.cut.Load()
	if late && c.rearm() { // once whoever interrupts is done
		return nil, rests, false
	}
	if w != nil { // its head did not come in time, or its server ends
		if w.headed(0, err); late {
			w.headErr = errLate
		}
		return w, serves, false
	}
	if !late {
		return nil, ends, false
	}
	// A request that came at the last moment is served.
	unread, _ := peek(c.tcp)
	return nil, ends, unread
}

// turn is called first, and whenever something may have come. It returns false to wait.
func (c *conn) turn(fd uintptr) bool {
	d := c.direct
	if c.watch.leave() { // interrupted: what has come is not looked at before the deadline is gone
		return false
	}
	for {
		if c.n == 0 || d.work != nil {
			if more, wait := c.receive(fd); !more {
				return !wait
			}
		}
		w, first := d.work, d.work == nil
		if first && c.mayBeHTTP2() { // whose connections are not served in here
			return true
		}
		if first {
			w = c.plane.takeWork(c)
		}
		d.work = nil
		w.begin()
		n, err := w.x.Request.Parse(c.buf[:c.n], &w.site.limits)
		if err == http1.ErrNeedMore {
			if err = nil; c.n == len(c.buf) {
				err = c.growHead()
			}
			if err == nil {
				if first {
					d.headBy = c.plane.in(c.clients().Head)
				}
				d.work = w
				continue
			}
		}
		w.headed(n, err)
		if err != nil || !w.whole || w.x.Request.Upgrade != "" {
			d.work = w
			return true
		}
		d.inside, d.fd = true, fd
		again := w.serve()
		d.inside = false
		c.plane.giveWork(w)
		if !again {
			return true
		}
		c.once.Store(true)
		if c.n == 0 && !d.more { // whatever comes from now on, or came meanwhile, is an event
			c.idle()
			return false
		}
	}
}

// idle begins the wait for a request, without a buffer.
func (c *conn) idle() {
	c.plane.blocks.give(c.buf)
	c.buf = nil
	c.watch.enter(idling, c.idleUntil())
}

// receive reads what has come of a head. Where nothing has, it begins to wait.
func (c *conn) receive(fd uintptr) (more, wait bool) {
	d := c.direct
	if c.buf == nil {
		c.buf = c.plane.blocks.takeSmall()
	}
	n, more, err := d.reader.Read(fd, c.buf[c.n:])
	switch {
	case err == unix.EAGAIN && d.work != nil:
		c.watch.enter(readingHead, d.headBy)
		return false, true
	case err == unix.EAGAIN:
		c.idle()
		return false, true
	case n <= 0:
		if d.work != nil {
			d.work.headed(0, orEOF(err))
		}
		return false, false
	}
	d.more = more
	c.n += n
	c.rest.until = 0
	return true, false
}

func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// offer writes what goes without waiting, where the connection is in the call that lets it.
func (c *conn) offer(b []byte) (int, error) {
	if c.direct == nil || !c.direct.inside || len(b) == 0 {
		return 0, nil
	}
	return socket.Send(c.direct.fd, b)
}
