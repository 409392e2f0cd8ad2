package socket

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Of a pipe: how much it holds, and how much one call moves at most. What a call moves the process waits for, garbage
// collection included; from a few hundred kilobytes on calls do not get fewer by more.
const (
	pipeSize = 1 << 20
	moveStep = 512 << 10
)

// pipesKept is how many pipes wait for their next use.
const pipesKept = 64

// Mover has the system move bytes from socket to socket, without a copy through this process. The zero value is ready for
// use. It keeps pipes, which Close ends.
type Mover struct {
	mu   sync.Mutex
	free []*pipe
	over bool
}

// pipe is what bytes of one socket wait in for another.
type pipe struct {
	read, write int
	held        int // bytes

	// Of one use.
	from, to Side
	left     int64
	moved    int64
	err      error

	// Made once, so that moving does not allocate.
	pull  func(fd uintptr) bool
	push  func(fd uintptr) bool
	offer func(fd uintptr)
}

// Move moves up to n bytes, and returns how many it has moved: fewer than n without an error only at the end of from. It waits
// for both sides, within the deadlines that they have. What was taken from one and not given to the other is lost; that
// happens with an error only, and with a read deadline never.
func (m *Mover) Move(to, from Side, n int64) (int64, error) {
	p, err := m.take()
	if err != nil {
		return to.TCP.ReadFrom(&io.LimitedReader{R: from.TCP, N: n}) // no pipe is to be had
	}
	p.from, p.to, p.left, p.moved, p.err = from, to, n, 0, nil
	err = p.run()
	moved := p.moved
	p.from, p.to, p.err = Side{}, Side{}, nil
	m.give(p)
	return moved, err
}

// run moves until there is no more to, or an error.
func (p *pipe) run() error {
	for p.left > 0 {
		if err := p.from.Raw.Read(p.pull); err != nil {
			return err
		}
		switch {
		case p.held > 0 && p.err == nil:
			if err := p.to.Raw.Write(p.push); err != nil {
				return err
			}
		case errors.Is(p.err, io.EOF):
			return nil
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// pullSome takes what has come and offers it to the other side at once, until nothing has (false), or the other side does
// not take all of it.
func (p *pipe) pullSome(fd uintptr) bool {
	for p.left > 0 {
		n, errno := splice(int(fd), p.write, int(min(p.left, moveStep)))
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return false
		case errno != 0:
			p.err = os.NewSyscallError("splice", errno)
			return true
		case n == 0:
			p.err = io.EOF
			return true
		}
		p.held, p.left = n, p.left-int64(n)
		if err := p.to.Raw.Control(p.offer); err != nil {
			p.err = err
		}
		if p.err != nil || p.held > 0 {
			return true
		}
	}
	return true
}

// pushSome gives the other side what the pipe holds. It returns false to wait.
func (p *pipe) pushSome(fd uintptr) bool {
	for p.held > 0 {
		n, errno := splice(p.read, int(fd), p.held)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return false
		case errno != 0:
			p.err = os.NewSyscallError("splice", errno)
			return true
		}
		p.held -= n
		p.moved += int64(n)
	}
	return true
}

func (m *Mover) take() (*pipe, error) {
	m.mu.Lock()
	if last := len(m.free) - 1; last >= 0 {
		p := m.free[last]
		m.free[last] = nil
		m.free = m.free[:last]
		m.mu.Unlock()
		return p, nil
	}
	m.mu.Unlock()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &pipe{read: fds[0], write: fds[1]}
	p.pull, p.push = p.pullSome, p.pushSome
	p.offer = func(fd uintptr) { p.pushSome(fd) }
	_, _ = unix.FcntlInt(uintptr(p.write), unix.F_SETPIPE_SZ, pipeSize) // where that is refused, a smaller one does it in more steps
	return p, nil
}

// give keeps a pipe that nothing is in.
func (m *Mover) give(p *pipe) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.held > 0 || m.over || len(m.free) == pipesKept {
		p.close()
		return
	}
	m.free = append(m.free, p)
}

func (p *pipe) close() {
	_ = unix.Close(p.read)
	_ = unix.Close(p.write)
}

// Close closes the pipes that are not in use; those that are, when they are not any more.
func (m *Mover) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over = true
	for _, p := range m.free {
		p.close()
	}
	m.free = nil
}
