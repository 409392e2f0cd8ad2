package http2

import (
	"errors"
	"time"

	"golang.org/x/net/http2"
)

// source is where frames are read from.
type source struct{ c *Conn }

// Read reads once. What was put off until nothing more can be read at once is done first.
func (s source) Read(p []byte) (int, error) {
	c := s.c
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	c.beforeWait()
	if c.tired {
		c.rest()
	}
	n, err := c.nc.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	return n, err
}

// beforeWait begins handlers and writes the answers to control frames. A request that came together with its body finds it
// there, and several answers leave together.
func (c *Conn) beforeWait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.fresh {
		c.fresh[i] = nil
		if s.writeErr != nil { // reset meanwhile: nobody is troubled with it
			c.giveBack(nil, len(s.body))
			s.release()
			continue
		}
		c.owned.Go(func() {
			defer s.Close()
			c.handle(s)
		})
	}
	c.fresh = c.fresh[:0]
	c.flushLater()
}

// rest has a client wait whose frames only cost. What it goes on to send waits in the network and costs nothing, where to close the
// connection at once would have it back with the next one.
func (c *Conn) rest() {
	c.tired = false
	c.mu.Lock()
	over := make(chan struct{})
	if c.err == nil {
		c.resting = over
	} else {
		close(over)
	}
	c.mu.Unlock()
	t := time.NewTimer(c.cfg.Timeouts.Rest)
	defer t.Stop()
	select {
	case <-t.C:
	case <-over:
	}
	c.mu.Lock()
	c.resting = nil
	c.mu.Unlock()
}

// Run reads until the connection ends, waits for the handlers of its streams, and returns why it ended: nil after it was
// asked to go and all was done, io.EOF if the peer closed it without a word, a Fault if it broke the rules or was asked to go
// for what it cost. It does not
// close the socket.
func (c *Conn) Run() error {
	err := c.readPreface()
	for err == nil {
		err = c.readOne()
	}
	err = c.end(err)
	c.owned.Wait()
	return err
}

// readPreface reads the client's preface byte by byte, so that something else is noticed as soon as it differs.
func (c *Conn) readPreface() error {
	if c.client {
		return nil
	}
	for i := range len(http2.ClientPreface) {
		b, err := c.reader.ReadByte()
		if err != nil {
			return err
		}
		if b != http2.ClientPreface[i] {
			return Fault{ProtocolError, "no HTTP/2 preface"}
		}
	}
	return nil
}

// readFrame reads the next frame. Frames that are malformed in themselves end their stream and are skipped.
func (c *Conn) readFrame() (http2.Frame, error) {
	for {
		f, err := c.readRaw()
		if err == nil {
			return f, nil
		}
		var stream http2.StreamError
		var conn http2.ConnectionError
		switch {
		case errors.As(err, &stream):
			if err := c.act(func() error { return streamFault{stream.StreamID, stream.Code} }); err != nil {
				return nil, err
			}
		case errors.As(err, &conn):
			return nil, Fault{Code(conn), "malformed frame"}
		case errors.Is(err, http2.ErrFrameTooLarge):
			return nil, Fault{http2.ErrCodeFrameSize, "frame too large"}
		default:
			return nil, err
		}
	}
}

// readRaw reads a frame. One that begins a header section and is not here as a whole begins the time it has for that.
func (c *Conn) readRaw() (http2.Frame, error) {
	h, err := c.framer.ReadFrameHeader()
	if err != nil {
		return nil, err
	}
	whole := c.reader.Buffered() >= int(h.Length) && h.Flags.Has(http2.FlagHeadersEndHeaders)
	if h.Type == http2.FrameHeaders && !whole {
		c.mu.Lock()
		c.sectionSince = time.Now()
		c.mu.Unlock()
	}
	return c.framer.ReadFrameForHeader(h)
}

// readOne reads a frame, or a header section of several, and acts on it.
func (c *Conn) readOne() error {
	f, err := c.readFrame()
	if err != nil {
		return err
	}
	h, ok := f.(*http2.HeadersFrame)
	if !ok {
		return c.act(func() error { return c.take(f) })
	}
	id, after := h.StreamID, h.Priority.StreamDep
	head, seen, err := c.readSection(h)
	if err != nil {
		return err
	}
	return c.act(func() error {
		c.sectionSince = time.Time{}
		if after == id {
			return streamFault{id, ProtocolError} // it would depend on itself (RFC 7540, section 5.3.1)
		}
		return c.takeHead(id, head, seen)
	})
}

// act does something with the lock held, resets the stream whose fault comes out, and calls afterwards those whose streams
// went.
func (c *Conn) act(do func() error) error {
	c.mu.Lock()
	err := do()
	if f, ok := errors.AsType[streamFault](err); ok {
		c.reset(f.id, f.code)
		err = c.glitch() // making this side reset streams is as much trouble as resetting them
	}
	gone := c.gone
	c.gone = nil
	c.mu.Unlock()
	for _, f := range gone {
		f()
	}
	return err
}
