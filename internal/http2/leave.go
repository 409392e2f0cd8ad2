package http2

import (
	"errors"
	"io"
	"time"
)

// stage is how far a connection is on its way out.
type stage uint8

const (
	staying stage = iota
	warned        // the peer knows that it should go, and may open streams that cross this on their way
	told          // the peer knows the last stream
	shutting
)

// GoAway begins to end a server's connection: its client is asked to open no further streams, and those that it opens
// before it knows are served (RFC 9113, section 6.8). Finish is the second step.
func (c *Conn) GoAway() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving == staying && c.err == nil {
		c.leaving = warned
		c.write(c.framer.WriteGoAway(maxWindow, NoError, nil))
		c.flushLater()
	}
}

// Finish takes no further stream, and ends the connection when those that are open are done. A server's client is told the
// last one that is served.
func (c *Conn) Finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish(NoError)
}

func (c *Conn) finish(code Code) {
	if c.leaving >= told || c.err != nil {
		return
	}
	c.leaving, c.farewell = told, code
	last := c.last
	if c.client {
		last = 0 // the server never opened one
	}
	c.write(c.framer.WriteGoAway(last, code, nil))
	c.flushLater()
	c.shut()
}

// shut ends this side of a connection once all is said and done. The lock is held.
func (c *Conn) shut() {
	if c.leaving != told || c.slots > 0 || len(c.out.waiting) > 0 || c.out.writing || c.err != nil || c.ended {
		return
	}
	c.leaving = shutting
	c.owned.Go(func() {
		// Closing at once, with bytes of the peer's unread, could take away what it was told.
		if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite() // the peer may be gone, which is as good
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err == nil {
			_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.Timeouts.Linger))
		}
	})
}

// Check ends the connection if one of its waits takes too long. Its owner calls it a few times a second.
func (c *Conn) Check(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.cfg.Timeouts
	over := func(since time.Time, limit time.Duration) bool { return !since.IsZero() && now.Sub(since) > limit }
	switch {
	case c.err != nil:
	case over(c.out.since, t.Write), over(c.sectionSince, t.Head), !c.peer.known && over(c.began, t.Preface):
		c.kill(ErrLate)
	case c.slots == 0 && over(c.idleSince, t.Idle):
		c.finish(NoError)
	}
}

// EndIdle takes no further stream where the connection has been without one for so long: it is for when memory runs short.
func (c *Conn) EndIdle(now time.Time, after time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slots == 0 && now.Sub(c.idleSince) > after {
		c.finish(NoError)
	}
}

// Kill ends the connection at once.
func (c *Conn) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kill(ErrClosed)
}

// kill makes everything return that waits for the socket or for the peer. The lock is held.
func (c *Conn) kill(err error) {
	if c.err == nil {
		c.err = err
	}
	_ = c.nc.SetDeadline(time.Unix(1, 0))
	if c.resting != nil {
		close(c.resting)
		c.resting = nil
	}
	for _, s := range c.streams {
		s.wake()
	}
}

// end is the end of reading: streams that are open fail, and a peer that broke the rules is told which.
func (c *Conn) end(err error) error {
	c.mu.Lock()
	f, broke := errors.AsType[Fault](err)
	switch {
	case c.err != nil: // that is why reading ended
		err = c.err
	case broke:
		_ = c.nc.SetDeadline(time.Now().Add(c.cfg.Timeouts.Linger))
		c.write(c.framer.WriteGoAway(c.last, f.Code, []byte(f.Reason)))
		for c.out.writing {
			c.out.rest.Wait()
		}
		c.flush()
	case c.leaving >= told && len(c.streams) == 0: // it ended as it was to
		if err = nil; c.farewell != NoError {
			err = Fault{c.farewell, "asked to go"}
		}
	}
	c.ended = true
	for _, s := range c.streams {
		s.end(orClosed(err))
	}
	clear(c.streams)
	for _, s := range c.fresh {
		s.release()
	}
	c.fresh = nil
	gone := c.gone
	c.gone = nil
	c.mu.Unlock()
	for _, f := range gone {
		f()
	}
	if broke {
		c.linger()
	}
	c.mu.Lock()
	c.kill(orClosed(err))
	c.mu.Unlock()
	return err
}

func orClosed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return ErrClosed
	}
	return err
}

// linger lets a peer read why its connection ends.
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c.nc, lingerBytes)
	}
}

// glitch counts what is allowed but only costs. Peers that do nothing else are looked at less and less often, asked to go, then left.
// The reading goroutine calls it.
func (c *Conn) glitch() error {
	c.glitches++
	if !c.client && c.glitches >= c.cfg.Glitches/4 && c.glitches%max(c.cfg.Glitches/8, 1) == 0 {
		c.tired = true
	}
	switch {
	case c.glitches >= c.cfg.Glitches:
		return Fault{EnhanceYourCalm, "too much that only costs"}
	case c.glitches >= c.cfg.Glitches/4*3:
		c.finish(EnhanceYourCalm)
	}
	return nil
}

// forgive takes a glitch back, for something of use.
func (c *Conn) forgive() {
	if c.glitches > 0 {
		c.glitches--
	}
}
