package l4

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// relaySide is what a read says besides the bytes: how many more wait (TCP_INQ, tcp(7)). It saves the read that finds
// nothing, and tells of an end that came together with the last bytes, for which no further event will come.
type relaySide struct {
	told    [unix.SizeofCmsghdr + 8]byte
	message unix.Msghdr
	vector  unix.Iovec
	chatty  bool // the system tells
	written int
	failed  error
}

func (s *stream) begin() {
	s.read, s.write = s.readable, s.writeSome
	err := s.out.Control(func(fd uintptr) {
		s.side.chatty = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INQ, 1) == nil
	})
	s.side.chatty = s.side.chatty && err == nil
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
		n, more, err := s.receive(int(fd))
		if n <= 0 || err != nil {
			s.release()
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.EAGAIN):
				return false
			case err == nil:
				s.err = io.EOF
			default:
				s.err = os.NewSyscallError("recvmsg", err)
			}
			return true
		}
		s.bulk = n == len(s.buffer)
		s.rest = s.buffer[:n]
		// Not TCPConn.Write: that would wait in here, where a connection that is closed waits for us.
		s.side.written, s.side.failed = 0, nil
		if err := s.into.Control(s.write); err != nil {
			s.side.failed = err
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
func (s *stream) writeSome(fd uintptr) {
	for {
		n, err := unix.Write(int(fd), s.rest)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
		case err != nil:
			s.side.failed = os.NewSyscallError("write", err)
		default:
			s.side.written = n
		}
		return
	}
}

// receive reads. more tells whether another read would find something; where the system does not say it is true.
func (s *stream) receive(fd int) (n int, more bool, err error) {
	if !s.side.chatty {
		n, err = unix.Read(fd, s.buffer[:])
		return n, true, err
	}
	// unix.Recvmsg does the same, and allocates a socket address for each message.
	m, v := &s.side.message, &s.side.vector
	v.Base = &s.buffer[0]
	v.SetLen(len(s.buffer))
	*m = unix.Msghdr{Iov: v, Control: &s.side.told[0]}
	m.SetIovlen(1)
	m.SetControllen(len(s.side.told))
	got, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(m)), 0)
	if errno != 0 {
		return 0, true, errno
	}
	if m.Controllen < unix.SizeofCmsghdr+4 {
		return int(got), true, nil
	}
	return int(got), binary.NativeEndian.Uint32(s.side.told[unix.SizeofCmsghdr:]) != 0, nil
}
