package httpproxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/http1"
	"paifang/internal/upstream"
)

// upgrade passes a 101 on and then copies bytes both ways until both sides are done. The connections are never used for
// requests again.
func (w *work) upgrade(e *upstream.Endpoint, up *upstream.Conn) {
	c, x := w.c, &w.x
	w.keep = false
	defer func() {
		c.upgraded.Store(nil)
		c.up.Store(nil)
		up.Close()
		e.Done(upstream.Succeeded)
	}()
	w.route.chain.Response(x)
	w.stick(e)
	w.out = http1.AppendResponse(w.out[:0], &x.Response, http1.Upgrading)
	w.out = append(w.out, w.rest...)
	w.beginAnswer()
	if err := c.write(w.out); err != nil {
		w.clientFailed(err)
		return
	}
	t := tunnel{c: c, up: up, route: w.route, idle: c.plane.cfg.Timeouts.Upgraded}
	if own := w.route.route.Timeouts.Upgraded; own > 0 {
		t.idle = own
	}
	c.upgraded.Store(w.route)
	t.touch()

	var sent, received atomic.Int64
	var other sync.WaitGroup
	other.Go(func() {
		block := c.plane.blocks.takeLarge()
		defer c.plane.blocks.give(block)
		if len(w.pending) > 0 { // what the client sent right behind its request
			if _, err := up.Stream.Write(w.pending); err != nil {
				t.end()
				return
			}
			sent.Add(int64(len(w.pending)))
		}
		t.copy(up.Stream, c.nc, block, &sent)
	})
	received.Add(int64(len(w.rest)))
	t.copy(c.nc, up.Stream, w.answer, &received)
	other.Wait()
	late := c.watch.leave()
	w.pending = nil
	w.size, w.sent = sent.Load(), received.Load()
	e.Count(w.size, w.sent)
	switch {
	case t.gone.Load():
		w.fail(CodeRetired)
	case c.cut.Load():
		w.fail(CodeShutdown)
	case late:
		w.fail(CodeUpstreamTimeout)
	}
}

// tunnel is an upgraded connection.
type tunnel struct {
	c     *conn
	up    *upstream.Conn
	route *boundRoute
	idle  time.Duration // that it may be silent for
	gone  atomic.Bool   // its route went, and it had its time
}

// touch begins the wait for the next part, in whichever direction.
func (t *tunnel) touch() {
	t.c.watch.extendOrEnter(tunnelling, t.c.plane.in(t.idle))
}

// copy copies one direction until its source ends, and passes that end on. Any failure ends both directions.
func (t *tunnel) copy(to io.Writer, from io.Reader, block []byte, count *atomic.Int64) {
	for {
		n, err := from.Read(block)
		if n > 0 {
			t.touch()
			if _, err := to.Write(block[:n]); err != nil {
				t.end()
				return
			}
			count.Add(int64(n))
		}
		switch {
		case err == io.EOF:
			if half, ok := to.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
				t.end()
			}
			return
		case err != nil:
			if at := t.route.retired.Load(); at != 0 && time.Since(time.Unix(0, at)) >= t.c.plane.cfg.Timeouts.RetiredStream {
				t.gone.Store(true)
			}
			t.end()
			return
		}
	}
}

// end makes both directions return.
func (t *tunnel) end() {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	_ = t.c.nc.SetDeadline(past)
	t.up.Interrupt()
}

// endRetired interrupts an upgraded connection whose route went too long ago. The sweeper calls it.
func (c *conn) endRetired(now time.Time) {
	b := c.upgraded.Load()
	if b == nil {
		return
	}
	if at := b.retired.Load(); at == 0 || now.Sub(time.Unix(0, at)) < c.plane.cfg.Timeouts.RetiredStream {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch.interrupt(tunnelling) {
		c.kick(tunnelling)
	}
}
