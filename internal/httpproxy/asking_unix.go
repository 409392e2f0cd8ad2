//go:build unix

package httpproxy

import (
	"io"
	"net"

	"golang.org/x/sys/unix"

	"paifang/internal/socket"
	"paifang/internal/upstream"
)

// asking is a request and the wait for the first bytes of its answer, inside one call of RawConn.Read: the poller keeps
// the event of an answer that comes before somebody waits for it, so the read that finds nothing is saved. In its place,
// on a connection that was kept, one read makes sure that nothing is there yet: the end of the connection, or an answer
// that nobody asked for and that would be taken for the one to this request.
type asking struct {
	turn  func(fd uintptr) bool // made once, so that asking does not allocate
	up    *upstream.Conn
	sent  bool
	taken int // bytes of the request that the connection took
	err   error
	probe [1]byte // what waits on a connection that was kept, and should not
}

// ask sends a request. If all of it is known it waits for the first bytes of the answer too, w.early of them in w.answer. It returns how
// many bytes of the request were taken. The error is errStale if the connection was of no use.
func (w *work) ask(up *upstream.Conn, whole bool) (int, error) {
	w.early = 0
	if !whole || up.Stream != net.Conn(up.TCP) {
		return w.sendRequest(up)
	}
	a := &w.asking
	if a.turn == nil {
		a.turn = w.askTurn
	}
	a.up, a.sent, a.taken, a.err = up, false, 0, nil
	w.printRequest()
	err := up.Raw.Read(a.turn)
	if w.c.watch.leave() {
		err = errLate
	}
	a.up = nil
	if err == nil {
		err = a.err
	}
	return a.taken, err
}

// askTurn is called first to send, then whenever something may have come. It returns false to wait.
func (w *work) askTurn(fd uintptr) bool {
	a, c := &w.asking, w.c
	if !a.sent {
		if a.up.Requests > 0 {
			if _, err := socket.Receive(fd, a.probe[:]); err != unix.EAGAIN {
				a.err = errStale
				return true
			}
		}
		c.watch.enter(sending, w.by(w.sendTime()))
		a.taken, a.err = w.offer(fd, a.up)
		if c.watch.leave() {
			a.err = errLate
		}
		a.sent = true
		c.watch.enter(awaiting, w.by(w.answerTime()))
		return a.err != nil
	}
	return !w.receive(fd)
}

// receive reads what has come of the answer. It returns whether nothing has. The block for it is taken now and not when the
// request is sent: so few are in use, however many requests wait, and those are in the processor's cache.
func (w *work) receive(fd uintptr) (nothing bool) {
	if w.answer == nil {
		w.answer = w.answerBlock()
	}
	n, err := socket.Receive(fd, w.answer[answerRoom:])
	switch {
	case err == unix.EAGAIN:
		w.c.plane.blocks.give(w.answer)
		w.answer = nil
		return true
	case err != nil:
		w.asking.err = err
	case n == 0:
		w.asking.err = io.EOF
	default:
		w.early = n
	}
	return false
}

// firstBytes waits for the first bytes of the answer to a request whose body is still sent, and may be for long: without a buffer, where
// that can be.
func (w *work) firstBytes(up *upstream.Conn) error {
	if w.stream == nil || w.answer != nil || up.Stream != net.Conn(up.TCP) {
		return nil
	}
	a := &w.asking
	if a.turn == nil {
		a.turn = w.askTurn
	}
	a.up, a.sent, a.err = up, true, nil
	w.enterAwaiting()
	err := up.Raw.Read(a.turn)
	if w.c.watch.leave() {
		err = errLate
	}
	a.up = nil
	if err == nil {
		err = a.err
	}
	return err
}

// offer sends what goes of the request without waiting, and the rest as connections do.
func (w *work) offer(fd uintptr, up *upstream.Conn) (int, error) {
	if len(w.wire) > joinBelow {
		return w.writeRequest(up, 0)
	}
	n, err := socket.Send(fd, w.out)
	if err != nil {
		return 0, err
	}
	if n == len(w.out) {
		w.releaseOut()
		return n, nil
	}
	rest, err := w.writeRequest(up, n)
	return n + rest, err
}
