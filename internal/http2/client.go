package http2

// NewStream takes a slot for a stream, which Open opens and Close gives back. It returns ErrFull where there is none.
func (c *Conn) NewStream() (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free() <= 0 {
		return nil, ErrFull
	}
	return c.newStream(), nil
}

// free is the number of free slots of a client. The lock is held.
func (c *Conn) free() int {
	if c.leaving != staying || c.err != nil || c.ended || c.last > maxWindow-2*uint32(c.cfg.Streams) {
		return 0
	}
	return min(c.cfg.Streams, c.peer.streams) - c.slots
}

// Usable tells whether the connection may take a stream at some time.
func (c *Conn) Usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leaving == staying && c.err == nil && !c.ended
}

// Open sends the head of a request. head says that its method is HEAD, whose answers have no body whatever they say. The
// fields are copied, their names in lower case. ErrUnprocessed: the connection ended before; take another one.
func (s *Stream) Open(fields []Field, head, end bool) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.writeCut:
		return ErrInterrupted
	case c.leaving != staying || c.err != nil || c.ended:
		return ErrUnprocessed
	}
	if c.last == 0 {
		c.last = 1
	} else {
		c.last += 2
	}
	s.id, s.bodiless, s.reads = c.last, head, c.reads.Load()
	s.window, s.credit = c.peer.window, c.cfg.StreamWindow
	c.streams[s.id] = s
	c.writeHead(s.id, fields, end)
	s.sent(end)
	return nil
}

// Silent tells whether nothing at all has come on the connection since the stream was opened: the other side may be gone.
func (s *Stream) Silent() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.id != 0 && s.reads == s.c.reads.Load()
}

// Answer returns the next head of the answer, waiting until it has come: interim ones, then the final one. Errors are
// those of Next.
func (s *Stream) Answer() (Head, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.readCut:
			return Head{}, ErrInterrupted
		case len(s.heads) > 0:
			h := s.heads[0]
			s.heads = s.heads[1:]
			return h, nil
		case s.readErr != nil:
			return Head{}, s.readErr
		case c.err != nil:
			return Head{}, c.err
		}
		s.readable.Wait()
	}
}
