package http2

import (
	"io"
	"sync"
	"time"
)

// Stream is one request and its answer. One goroutine may read and another one write at the same time.
type Stream struct {
	c      *Conn
	id     uint32
	head   Head // of the request, on a server
	opened time.Time
	reads  uint64 // of the connection when it was opened, on a client

	// Guarded by the connection's lock.
	readable, writable sync.Cond
	heads              []Head  // of the answer, on a client, that were not taken yet
	came               int     // heads of the answer, taken or not
	trailers           []Field // valid once ended
	length             int64   // of the body as announced; -1 = it was not
	received           int64   // bytes of the body
	body               []byte  // bytes of the body that were not taken yet
	taken              []byte  // what Next returned last
	window             int64   // bytes that may be sent
	credit             int     // bytes that may come
	owed               int     // bytes that were taken, and not given back to the peer yet
	answered           bool    // the final head of the answer was sent (server) or came (client)
	bodiless           bool    // on a client: the answer has no body, whatever it says
	ended              bool    // the peer has sent all
	sentEnd            bool    // this side has sent all
	deaf               bool    // nobody takes the rest of the body
	over               bool    // both sides have ended it well
	released           bool    // the slot was given back
	readErr, writeErr  error   // how the stream ended, where it did not end well
	readCut, writeCut  bool    // interrupted
	onGone             func()
	onReadable         func() // see Park
}

// ID is the number of the stream; 0 before it is opened.
func (s *Stream) ID() uint32 { return s.id }

// Head is the head of the request. It is for servers.
func (s *Stream) Head() *Head { return &s.head }

// OnGone has f called, once and not from a goroutine that waits for the caller, when the peer resets the stream or the
// connection ends before both sides have ended it. If that has happened, f is called at once. It is for servers.
func (s *Stream) OnGone(f func()) {
	c := s.c
	c.mu.Lock()
	over := s.writeErr != nil || c.err != nil
	if !over {
		s.onGone = f
	}
	c.mu.Unlock()
	if over {
		f()
	}
}

// end ends the stream because of what the peer did, or the connection. What came of the body before can be taken still;
// a body that is complete stays so.
func (s *Stream) end(err error) {
	if s.writeErr == nil {
		s.writeErr = err
		if s.onGone != nil {
			s.c.gone = append(s.c.gone, s.onGone)
			s.onGone = nil
		}
	}
	if s.readErr == nil && !s.ended {
		s.readErr = err
	}
	s.wake()
}

func (s *Stream) wake() {
	s.toldMore()
	s.writable.Broadcast()
}

// toldMore wakes who waits to read. The lock is held.
func (s *Stream) toldMore() {
	s.readable.Broadcast()
	if f := s.onReadable; f != nil {
		s.onReadable = nil
		f()
	}
}

// Park has f called, once, when Next need not wait any more, and returns true; or returns false where it need not wait now. It saves
// the goroutine that would wait. f is called with the connection locked: it may start a goroutine and nothing else.
func (s *Stream) Park(f func()) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.giveBackTaken()
	if s.readCut || len(s.body) > 0 || s.ended || s.readErr != nil || s.c.err != nil {
		return false
	}
	s.onReadable = f
	return true
}

// Next returns what has come of the body, waiting until there is something. It is valid until the next call, or Close. At
// the end it returns io.EOF. Others are ResetError, ErrInterrupted, ErrClosed and what ended the connection.
func (s *Stream) Next() ([]byte, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.giveBackTaken()
	for {
		switch {
		case s.readCut:
			return nil, ErrInterrupted
		case len(s.body) > 0:
			s.body, s.taken = s.taken[:0], s.body
			return s.taken, nil
		case s.readErr != nil:
			return nil, s.readErr
		case s.ended:
			return nil, io.EOF
		case c.err != nil:
			return nil, c.err
		}
		s.readable.Wait()
	}
}

// giveBackTaken lets the peer send as much again as was taken last.
func (s *Stream) giveBackTaken() {
	if len(s.taken) == 0 {
		return
	}
	s.c.giveBack(s, len(s.taken))
	s.taken = s.taken[:0]
	s.c.flush()
}

// Arrived tells how many bytes of the body have come and were not taken, and whether these are the last.
func (s *Stream) Arrived() (n int, all bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return len(s.body), s.ended
}

// Await waits until n bytes of the body have come that were not taken, or all there are. n must be far below
// Config.StreamWindow: nothing is taken meanwhile, and so nothing given back to the peer. Errors are those of Next.
func (s *Stream) Await(n int) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.readCut:
			return ErrInterrupted
		case len(s.body) >= n || s.ended:
			return nil
		case s.readErr != nil:
			return s.readErr
		case c.err != nil:
			return c.err
		}
		s.readable.Wait()
	}
}

// Trailers are the fields behind the body, once Next has returned io.EOF.
func (s *Stream) Trailers() []Field {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.trailers
}

// WriteHead sends a head: of the answer, interim ones before the final one; or trailers, with end. The fields are copied, their
// names in lower case.
func (s *Stream) WriteHead(fields []Field, end bool) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.room(0); err != nil {
		return err
	}
	if !s.answered && !c.client && (len(fields) == 0 || fields[0].Value[0] != '1') {
		s.answered = true
		c.forgive()
	}
	c.writeHead(s.id, fields, end)
	s.sent(end)
	return nil
}

// Write sends a part of the body, and with end that it was the last. It waits for the peer's windows. What was sent may wait
// for Flush.
func (s *Stream) Write(p []byte, end bool) error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if err := s.room(len(p)); err != nil {
			return err
		}
		n := min(len(p), c.peer.frame, int(min(s.window, c.window, frameSize)))
		if len(p) == 0 {
			n = 0
		}
		last := n == len(p)
		if n > 0 || end {
			s.window -= int64(n)
			c.window -= int64(n)
			c.updates = 0
			if n > 0 {
				c.forgive()
			}
			c.write(c.framer.WriteData(s.id, end && last, p[:n]))
		}
		if len(c.out.waiting) >= flushAt {
			c.flush()
		}
		if last {
			s.sent(end)
			return nil
		}
		p = p[n:]
	}
}

// Window is how many bytes of the body the peer takes now.
func (s *Stream) Window() int64 {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return max(min(s.window, s.c.window), 0)
}

// room waits until something can be sent: at once where want is 0, and else a part of so many bytes of a body.
func (s *Stream) room(want int) error {
	c := s.c
	for {
		crowded := len(c.out.waiting) >= outLimit
		switch {
		case s.writeCut:
			return ErrInterrupted
		case s.writeErr != nil:
			return s.writeErr
		case c.err != nil:
			return c.err
		case !crowded && (want == 0 || s.window > 0 && c.window > 0):
			return nil
		}
		if !c.out.writing && len(c.out.waiting) > 0 {
			c.flush() // lets go of the lock: look again
			continue
		}
		if crowded {
			c.out.crowd++
		}
		s.writable.Wait()
		if crowded {
			c.out.crowd--
		}
	}
}

// sent notes that this side has sent all, if it has.
func (s *Stream) sent(end bool) {
	if end {
		s.sentEnd = true
		s.c.tidy(s)
	}
}

// Flush writes what was sent, if nobody else does.
func (s *Stream) Flush() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.flush()
}

// Interrupt makes methods that wait return ErrInterrupted, now and until Resume: those that read, or those that write, or
// both.
func (s *Stream) Interrupt(read, write bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.readCut, s.writeCut = s.readCut || read, s.writeCut || write
	s.wake()
}

// Resume takes Interrupt back.
func (s *Stream) Resume(read, write bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.readCut, s.writeCut = s.readCut && !read, s.writeCut && !write
}

// Reset ends the stream on both sides.
func (s *Stream) Reset(code Code) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.resetLocked(code)
	c.flush()
}

func (s *Stream) resetLocked(code Code) {
	if s.id == 0 || s.c.streams[s.id] != s { // never opened, or over
		return
	}
	s.onGone = nil // it is this side that goes
	s.c.write(s.c.framer.WriteRSTStream(s.id, code))
	s.end(ResetError{Code: code, Local: true})
	s.c.drop(s, true)
}

// Close gives the slot of the stream back. What is not ended is reset: a server's that has sent its answer with NoError,
// which tells the client not to send the rest of its request (RFC 9113, section 8.1); one that has not with InternalError; a
// client's with Cancel. A server's is closed when its handler returns.
func (s *Stream) Close() {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.released {
		return
	}
	switch {
	case c.client && s.ended:
		s.resetLocked(NoError)
	case c.client:
		s.resetLocked(Cancel)
	case s.sentEnd:
		s.resetLocked(NoError)
	default:
		s.resetLocked(InternalError)
	}
	s.deaf = true
	c.giveBack(nil, len(s.body)+len(s.taken))
	s.body, s.taken = nil, nil
	s.release()
	c.flush()
}

// release gives the slot back. The lock is held.
func (s *Stream) release() {
	c := s.c
	s.released = true
	if s.over {
		c.over--
	}
	c.heads -= s.head.size
	if c.slots--; c.slots == 0 {
		c.idleSince = time.Now()
		c.shut()
	}
}
