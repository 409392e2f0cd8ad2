package http2

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// output is what waits to be written.
type output struct {
	waiting []byte
	spare   []byte    // another one to fill while one is written
	writing bool      // somebody writes
	since   time.Time // when the write began that is under way; zero: none is
	answers int       // bytes of waiting that answer control frames
	crowd   int       // streams that wait for room
	rest    sync.Cond // nobody writes
}

// Write is for the framer: it appends.
func (o *output) Write(p []byte) (int, error) {
	o.waiting = append(o.waiting, p...)
	return len(p), nil
}

// write takes the result of a framer's method. What is appended to a buffer cannot fail, and frames of ours are well formed.
func (c *Conn) write(err error) {
	if err != nil && c.err == nil {
		c.kill(err)
	}
}

// answer is write for a frame that the peer made this side send. A peer that does not read them is left.
func (c *Conn) answer(err error) {
	c.write(err)
	if c.out.answers += 17; c.out.answers > ackLimit {
		c.kill(Fault{EnhanceYourCalm, "answers that are not read"})
	}
}

// flush writes what waits, unless somebody is at it, who takes it along. The lock is held, and let go of during each write.
func (c *Conn) flush() {
	if !c.writable() {
		return
	}
	c.out.writing = true
	for range writerRounds {
		if !c.writeOnce() {
			c.wrote()
			return
		}
	}
	c.wrote()
	c.flushLater() // others' bytes are not to hold up whoever came by
}

// wrote notes that nobody writes.
func (c *Conn) wrote() {
	c.out.writing = false
	c.out.rest.Broadcast()
	c.shut()
}

// writable tells whether there is something to write, and nobody does.
func (c *Conn) writable() bool {
	return !c.out.writing && len(c.out.waiting) > 0 && c.err == nil && c.leaving != shutting
}

// flushLater is flush by a goroutine of its own, for those who must not wait. The lock is held.
func (c *Conn) flushLater() {
	if !c.writable() || c.ended {
		return
	}
	c.out.writing = true
	c.owned.Go(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for c.writeOnce() {
		}
		c.wrote()
	})
}

// writeOnce writes what waits now and tells whether there was anything. The lock is held, and let go of meanwhile.
func (c *Conn) writeOnce() bool {
	o := &c.out
	if len(o.waiting) == 0 || c.err != nil {
		return false
	}
	batch := o.waiting
	o.waiting, o.spare, o.answers = o.spare[:0], nil, 0
	o.since = time.Now()
	c.mu.Unlock()
	_, err := c.nc.Write(batch)
	c.mu.Lock()
	o.since = time.Time{}
	if cap(batch) <= 2*outLimit {
		o.spare = batch[:0]
	}
	if err != nil {
		c.kill(err)
	}
	if o.crowd > 0 {
		c.wakeWriters()
	}
	return true
}

// wakeWriters has every stream look again whether it may send.
func (c *Conn) wakeWriters() {
	for _, s := range c.streams {
		s.writable.Signal()
	}
}

// maxNames bounds the field names that are kept in lower case.
const maxNames = 128

// lower returns a name in lower case, as text that stays.
func (c *Conn) lower(name string) string {
	if low, ok := c.names[name]; ok {
		return low
	}
	low := strings.ToLower(strings.Clone(name))
	if len(c.names) < maxNames && len(name) <= maxNames {
		c.names[strings.Clone(name)] = low
	}
	return low
}

// writeHead appends a header section: HEADERS, and CONTINUATION where it is long. The compression tables keep fields, so
// their text must not be a view of something that is reused; it is copied here, except where it is not kept.
func (c *Conn) writeHead(id uint32, fields []Field, end bool) {
	c.encoded.Reset()
	for _, f := range fields {
		f.Name = c.lower(f.Name)
		if !f.Sensitive {
			f.Value = strings.Clone(f.Value)
		}
		if err := c.encoder.WriteField(f); err != nil {
			c.kill(err) // to a buffer: cannot be
			return
		}
	}
	block := c.encoded.Bytes()
	first := block[:min(len(block), c.peer.frame)]
	rest := block[len(first):]
	c.write(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndStream: end, EndHeaders: len(rest) == 0}))
	for len(rest) > 0 {
		part := rest[:min(len(rest), c.peer.frame)]
		rest = rest[len(part):]
		c.write(c.framer.WriteContinuation(id, len(rest) == 0, part))
	}
}
