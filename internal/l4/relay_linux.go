package l4

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"paifang/internal/socket"
)

// relaySide is a reader of the side that bytes come from, and how the last write went.
type relaySide struct {
	reader  socket.Reader
	written int
	failed  error
}

func (s *stream) begin() error {
	s.read, s.write = s.readable, s.writeSome
	return s.out.Control(s.side.reader.Begin)
}

// relay passes messages on as they come, two system calls each, until one could not be written whole, a read filled the
// buffer (nil, both), the stream ends (io.EOF) or fails.
//
// All of it is one call of RawConn.Read: from call to call the poller forgets an event that came in between.
func (s *stream) relay() error {
	s.err = nil
	if err := s.out.Read(s.read); err != nil {
		s.release()
		return err
	}
	return s.err
}

// readable is called when there may be something to read. It returns false to wait.
func (s *stream) readable(fd uintptr) bool {
	for {
		s.buffer = s.session.service.plane.buffers.Get().(*[bufferSize]byte)
		n, more, err := s.side.reader.Read(fd, s.buffer[:])
		if n <= 0 {
			s.release()
			if errors.Is(err, unix.EAGAIN) {
				return false
			}
			if s.err = err; err == nil {
				s.err = io.EOF
			}
			return true
		}
		s.bulk = n == len(s.buffer)
		s.rest = s.buffer[:n]
		// Not TCPConn.Write: that would wait in here, where a connection that is closed waits for us.
		if err := s.into.Control(s.write); err != nil {
			s.side.written, s.side.failed = 0, err
		}
		s.count(s.side.written)
		s.rest = s.rest[s.side.written:]
		if s.side.failed != nil || len(s.rest) > 0 || s.bulk {
			s.err = s.side.failed
			return true
		}
		s.release()
		if !more {
			return false
		}
	}
}

// writeSome writes what goes without waiting.
func (s *stream) writeSome(fd uintptr) { s.side.written, s.side.failed = socket.Send(fd, s.rest) }
