package http2

import (
	"time"
)

// takeHead acts on a header section. The lock is held.
func (c *Conn) takeHead(id uint32, h Head, seen pseudo) error {
	if !c.peer.known {
		return Fault{ProtocolError, "SETTINGS must come first"}
	}
	if s := c.streams[id]; s != nil {
		switch {
		case s.ended:
			return streamFault{id, StreamClosed}
		case c.client && !s.answered:
			return c.takeAnswer(s, h, seen)
		}
		return c.takeTrailers(s, h, seen)
	}
	if c.client {
		return c.strayHead(id)
	}
	return c.takeRequest(id, h, seen)
}

// strayHead takes a section of a stream that is closed.
func (c *Conn) strayHead(id uint32) error {
	switch {
	case c.closed.wasReset(id), c.client && !c.idle(id):
		return c.stray()
	case c.closed.hasEnded(id):
		return Fault{StreamClosed, "HEADERS on a closed stream"}
	}
	return Fault{ProtocolError, "HEADERS on a stream that is not open"}
}

// stray counts a frame of a stream that is closed. A server cannot help sending some: what it answers crosses the resets of
// requests whose clients have left.
func (c *Conn) stray() error {
	if c.client {
		return nil
	}
	return c.glitch()
}

// takeRequest opens a stream of the client's, if it has a slot for it.
func (c *Conn) takeRequest(id uint32, h Head, seen pseudo) error {
	switch {
	case id%2 == 0:
		return Fault{ProtocolError, "stream with an even number"}
	case id <= c.last:
		return c.strayHead(id)
	case c.leaving == told:
		return nil // the client knows, or will, that it was not looked at
	}
	c.last = id
	// The client counts a stream until both sides have ended it, and may open the next one at once. What is reset counts until its
	// handler is through, and so does what ended well beyond as many again.
	if c.slots-min(c.over, c.cfg.Streams) >= c.cfg.Streams || c.slots > 0 && c.heads+h.size > c.cfg.ConnWindow {
		return streamFault{id, RefusedStream}
	}
	h.check(requestHead, seen)
	s := c.newStream()
	s.id, s.head, s.ended, s.opened = id, h, h.End, time.Now()
	s.window, s.credit = c.peer.window, c.cfg.StreamWindow
	c.heads += h.size
	var malformed string
	if s.length, malformed = h.length(); malformed != "" || h.End && s.length > 0 {
		s.head.Malformed = orElse(h.Malformed, orElse(malformed, "content-length without a body"))
	}
	c.streams[id] = s
	c.fresh = append(c.fresh, s)
	return nil
}

// takeAnswer takes a head of a server's answer: interim ones come before the final one.
func (c *Conn) takeAnswer(s *Stream, h Head, seen pseudo) error {
	h.check(answerHead, seen)
	s.came++
	interim := h.Malformed == "" && !h.TooLarge && h.Get(":status")[0] == '1'
	switch {
	case h.TooLarge || h.Malformed != "" || interim && h.End || s.came > maxHeads:
		return streamFault{s.id, ProtocolError}
	case !interim:
		s.answered = true
		if status := h.Get(":status"); status == "204" || status == "304" {
			s.bodiless = true
		}
		var malformed string
		s.length, malformed = h.length()
		if s.bodiless {
			s.length = -1 // it says what the body would have
		}
		if malformed != "" || h.End && s.length > 0 {
			return streamFault{s.id, ProtocolError}
		}
		c.forgive()
	}
	s.heads = append(s.heads, h)
	s.toldMore()
	if h.End {
		s.ended = true
		c.tidy(s)
	}
	return nil
}

// takeTrailers ends a body with fields.
func (c *Conn) takeTrailers(s *Stream, h Head, seen pseudo) error {
	h.check(trailerSection, seen)
	if !h.End || h.TooLarge || h.Malformed != "" || s.length >= 0 && s.received != s.length {
		return streamFault{s.id, ProtocolError}
	}
	s.ended, s.trailers = true, h.Fields
	s.toldMore()
	c.tidy(s)
	return nil
}

// newStream takes a slot.
func (c *Conn) newStream() *Stream {
	s := &Stream{c: c, length: -1}
	s.readable.L, s.writable.L = &c.mu, &c.mu
	c.slots++
	return s
}

// tidy forgets a stream that both sides have ended.
func (c *Conn) tidy(s *Stream) {
	if s.ended && s.sentEnd {
		c.drop(s, false)
		s.over = true
		c.over++
	}
}

// drop forgets a stream; frames for it are from now on those of a closed one.
func (c *Conn) drop(s *Stream, reset bool) {
	delete(c.streams, s.id)
	c.closed.add(s.id, reset)
}

// reset sends RST_STREAM and ends the stream, if there is one.
func (c *Conn) reset(id uint32, code Code) {
	c.answer(c.framer.WriteRSTStream(id, code))
	if s := c.streams[id]; s != nil {
		s.end(ResetError{Code: code, Local: true})
		delete(c.streams, id)
	}
	c.closed.add(id, true)
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
