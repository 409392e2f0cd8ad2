package l4

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"paifang/internal/socket"
)

// bufferSize is the most that one read takes. A read that fills it means that more is coming than a few messages.
const bufferSize = 64 << 10

// stream is one direction of a session. While nobody sends it holds nothing: neither a buffer nor the pipe by which the
// kernel moves bytes from socket to socket, which costs two descriptors. Whoever opens connections and is silent could
// otherwise use up those of the process three times as fast.
type stream struct {
	session  *session
	to, from *net.TCPConn
	into     syscall.RawConn // of to
	out      syscall.RawConn // of from
	total    int64           // bytes moved

	// Of one relay, which runs in callbacks: they are made once, so that a message allocates nothing.
	buffer *[bufferSize]byte
	rest   []byte // of buffer: what could not be written at once
	bulk   bool   // a read filled the buffer
	err    error  // io.EOF at the end
	write  func(fd uintptr)
	read   func(fd uintptr) bool
	side   relaySide
}

// errIdle ends a connection on which nothing moves.
var errIdle = errors.New("l4: the connection is idle")

func newStream(x *session, to, from *net.TCPConn) (*stream, error) {
	s := &stream{session: x, to: to, from: from}
	var err error
	if s.into, err = to.SyscallConn(); err != nil {
		return nil, err
	}
	if s.out, err = from.SyscallConn(); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// move copies from one side to the other until the end of what that side sends. Twice in IdleTimeout a read deadline ends
// the copying, and when bytes last moved is looked at. Nothing is lost by that: whatever was read has been written when the
// next read waits.
func (s *stream) move() error {
	x := s.session
	idle := x.service.idle
	window := idle / 2
	for {
		start := time.Now()
		if err := s.from.SetReadDeadline(start.Add(window)); err != nil {
			return err
		}
		// A side that takes nothing for so long that this passes is idle too.
		stuck := start.Add(idle + window)
		if err := s.to.SetWriteDeadline(stuck); err != nil {
			return err
		}
		err := s.pass(start.Add(window), stuck)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		now := time.Now()
		if !now.Before(stuck) || now.Sub(x.began)-time.Duration(x.moved.Load()) >= idle {
			return errIdle
		}
	}
}

// pass copies until the end (nil) or a deadline: until is that of reading, stuck that of writing.
func (s *stream) pass(until, stuck time.Time) error {
	for {
		err := s.relay()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := s.finishWrite(); err != nil {
			return err
		}
		if s.bulk {
			if err := s.splice(until, stuck); err != nil {
				return err
			}
		}
	}
}

// finishWrite waits until what is left of a message is written.
func (s *stream) finishWrite() error {
	defer s.release()
	if len(s.rest) == 0 {
		return nil
	}
	n, err := s.to.Write(s.rest)
	s.count(n)
	return err
}

// release gives the buffer back.
func (s *stream) release() {
	s.rest = nil
	if s.buffer != nil {
		s.session.service.plane.buffers.Put(s.buffer)
		s.buffer = nil
	}
}

func (s *stream) count(n int) {
	if n > 0 {
		s.total += int64(n)
		s.session.moved.Store(int64(time.Since(s.session.began)))
	}
}

// spliceTurn is how long the kernel is left to move bytes before somebody looks whether it still does: a pipe is held no
// longer than this by a connection on which nothing moves.
const spliceTurn = time.Second

// spliceLeast is what has to move in a turn for another to be worth its pipe.
const spliceLeast = 1 << 20

// splice has the kernel move bytes from socket to socket for as long as there are many. It ends without an error when
// there are few; the end of the stream is found by the next read.
func (s *stream) splice(until, stuck time.Time) error {
	defer func() { s.bulk = false }()
	for {
		turn := time.Now().Add(spliceTurn)
		if turn.After(until) {
			turn = until
		}
		if err := s.from.SetReadDeadline(turn); err != nil {
			return err
		}
		n, err := s.session.service.plane.mover.Move(socket.Side{TCP: s.to, Raw: s.into}, socket.Side{TCP: s.from, Raw: s.out}, math.MaxInt64)
		s.count(int(n))
		// If it was writing that took too long, what is in the pipe is lost, and the session is over.
		late := errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(stuck)
		switch {
		case err != nil && !late:
			return err
		case late && n >= spliceLeast && turn.Before(until):
			continue
		}
		return s.from.SetReadDeadline(until)
	}
}
