package httpproxy

import (
	"errors"
	"net"

	"paifang/internal/http1"
	"paifang/internal/upstream"
)

// answerRoom is left free in front of an answer that is read. Together with the answer's own head, which is of no use any more
// when the client's is printed, it has room for that, so that head and body leave in one write from where the body is.
const answerRoom = 256

// maxInterim bounds the interim responses to one request.
const maxInterim = 16

// errUnasked says that an upstream switched protocols, and nobody had asked.
var errUnasked = errors.New("httpproxy: unasked upgrade")

// errStale says that a kept connection was of no use: it was closed, or something waited on it that nobody had asked for.
var errStale = errors.New("httpproxy: stale connection")

// sendRequest writes the head, and the body as far as it is known, and returns how many bytes were taken.
func (w *work) sendRequest(up *upstream.Conn) (int, error) {
	if up.H2 != nil {
		return w.sendStream(up)
	}
	if up.Requests > 0 && up.Stale() {
		return 0, errStale
	}
	w.printRequest()
	c := w.c
	c.watch.enter(sending, w.by(w.sendTime()))
	n, err := w.writeRequest(up, 0)
	if c.watch.leave() {
		return n, errLate
	}
	return n, err
}

// printRequest puts the head, and a short body, into w.out.
func (w *work) printRequest() {
	r := &w.x.Request
	if w.c.h2 != nil && w.out == nil {
		w.out = w.c.plane.blocks.fitting(w.c.n + tinyBlock/2) // see releaseOut
	}
	how := http1.Persist
	if r.Upgrade != "" {
		how = http1.Upgrading
	}
	w.out = http1.AppendRequest(w.out[:0], r, how)
	if len(w.wire) <= joinBelow {
		w.out = append(w.out, w.wire...)
	}
}

// writeRequest writes w.out from there on, and a body that is not in it.
func (w *work) writeRequest(up *upstream.Conn, from int) (int, error) {
	defer w.releaseOut()
	if len(w.wire) <= joinBelow {
		return up.Stream.Write(w.out[from:])
	}
	w.vector[0], w.vector[1] = w.out[from:], w.wire
	w.buffers = net.Buffers(w.vector[:2])
	n, err := w.buffers.WriteTo(up.Stream)
	return int(n), err
}

// releaseOut lets go of a head that was sent, where there may be many streams and answers may be long in coming: of a large one,
// and of any where it is the client that holds the answer up.
func (w *work) releaseOut() {
	if w.c.h2 != nil && (!w.held || cap(w.out) > smallBlock) {
		w.c.plane.blocks.give(w.out)
		w.out = nil
	}
}

// awaitAnswer reads the head of the final answer into the exchange. What follows it is in w.rest.
func (w *work) awaitAnswer(up *upstream.Conn) error {
	if up.H2 != nil {
		return w.awaitStream(up)
	}
	if err := w.firstBytes(up); err != nil {
		return err
	}
	if w.answer == nil {
		w.answer = w.answerBlock()
	}
	w.bodyAt, w.rest = answerRoom, w.answer[answerRoom:answerRoom+w.early]
	w.answerBytes, w.early, w.interims = w.early, 0, 0
	w.x.Response.Reset()
	for {
		if err := w.parseAnswer(); err != http1.ErrNeedMore {
			return err
		}
		if err := w.moreHead(up); err != nil {
			return err
		}
	}
}

// parseAnswer parses heads in w.rest until the final one is done, and passes interim ones on. It needs far more of the stack than
// the wait for more, which may be long.
func (w *work) parseAnswer() error {
	x := &w.x
	limits := http1.Limits{}
	for {
		n, err := x.Response.Parse(w.rest, &limits, x.Request.Method)
		if err != nil {
			return err
		}
		w.bodyAt += n
		w.rest = w.rest[n:]
		if !x.Response.Interim() {
			break
		}
		if w.interims++; w.interims > maxInterim {
			return http1.BadStatusLine
		}
		if err := w.passInterim(); err != nil {
			w.c.left.Store(true)
			return err
		}
		x.Response.Reset()
	}
	if x.Response.Status == 101 && (x.Request.Upgrade == "" || !http1.EqualFold(x.Response.Upgrade, x.Request.Upgrade)) {
		return errUnasked
	}
	return nil
}

// moreHead reads more of a head of the answer.
func (w *work) moreHead(up *upstream.Conn) error {
	to := w.bodyAt + len(w.rest)
	if to == len(w.answer) {
		if w.bodyAt == answerRoom && !w.growAnswer() {
			return http1.HeadTooLarge
		}
		to = answerRoom + copy(w.answer[answerRoom:], w.answer[w.bodyAt:to])
		w.bodyAt = answerRoom
		w.x.Response.Reset()
	}
	n, err := w.readAnswer(up, w.answer[to:])
	w.rest = w.answer[w.bodyAt : to+n]
	w.answerBytes = to + n - answerRoom
	if err == errLate || n == 0 && err != nil { // late, whatever came at the last moment: the connection is interrupted for good
		return err
	}
	return nil
}

// answerBlock is what an answer is read into. A client may have many streams that wait, each for an answer that has not begun: they
// begin with little.
func (w *work) answerBlock() []byte {
	switch {
	case w.c.h2 == nil:
		return w.c.plane.blocks.takeMedium()
	case w.stream != nil && !w.stream.finished.Load():
		return w.c.plane.blocks.takeTiny()
	}
	return w.c.plane.blocks.takeSmall()
}

// growAnswer makes room for more, and returns whether there is any.
func (w *work) growAnswer() bool {
	var block []byte
	switch len(w.answer) {
	case largeBlock:
		return false
	case tinyBlock:
		block = w.c.plane.blocks.takeSmall()
	case smallBlock:
		block = w.c.plane.blocks.takeMedium()
	default:
		block = w.c.plane.blocks.takeLarge()
	}
	copy(block, w.answer)
	w.c.plane.blocks.give(w.answer)
	w.answer = block
	return true
}

// readAnswer reads once.
func (w *work) readAnswer(up *upstream.Conn, into []byte) (int, error) {
	w.enterAwaiting()
	n, err := up.Stream.Read(into)
	if w.c.watch.leave() {
		return n, errLate
	}
	return n, err
}

// enterAwaiting begins the wait for the answer. It is not due before the request is sent: until then the client's and the
// upstream's pace bound the wait.
func (w *work) enterAwaiting() {
	c := w.c
	if s := w.stream; s != nil && !s.finished.Load() {
		c.watch.enter(awaiting, w.tryEnd)
		if s.finished.Load() {
			c.watch.extend(awaiting, w.by(w.answerTime()))
		}
	} else {
		c.watch.enter(awaiting, w.by(w.answerTime()))
	}
}

// passInterim forwards 103 (Early Hints) to clients that know interim responses, and drops the others: 100 was answered
// here.
func (w *work) passInterim() error {
	if w.x.Response.Status != 103 || w.x.Request.Minor == 0 {
		return nil
	}
	return w.interim()
}
