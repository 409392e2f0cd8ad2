package httpproxy

import (
	"errors"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// uploadState is a request body that is sent on by a goroutine of its own, while the connection's goroutine waits for the
// answer. What the goroutine leaves here is read after done is closed.
type uploadState struct {
	done     chan struct{}
	finished atomic.Bool
	answered atomic.Bool // the answer has begun: from now on the exchange waits for either side
	read     atomic.Bool // nothing more comes of the client: only what was read is to be sent
	whole    bool        // all of the body was sent
	parked   bool        // nobody runs until more of the body comes
	late     bool        // the upstream did not take the next part in time
	status   int         // if the client is to blame: what to answer
	code     model.Code
	err      error
}

// startUpload begins to send the rest of the request body.
func (w *work) startUpload(up *upstream.Conn) {
	w.stream = &uploadState{done: make(chan struct{})}
	w.stream.read.Store(w.whole)
	go w.sendBody(up, w.stream)
}

// sendBody is the goroutine of an upload. While it runs, the client's read side, w.pending, w.block, w.framed and
// w.request are its own.
func (w *work) sendBody(up *upstream.Conn, s *uploadState) {
	var err error
	if w.spool.file != nil {
		err = w.copySpool(up, s)
	} else {
		err = w.copyBody(up, s)
	}
	if err == errParked { // w is not to be touched: it may go on already
		return
	}
	defer close(s.done)
	s.finished.Store(true)
	if err == nil {
		s.whole = true
	}
	if s.code != "" {
		// The request can never be completed: the upstream must not take what it has for all of it.
		up.Break()
		return
	}
	// From now on the answer is due. If the upstream did not take the body, it may have answered before.
	w.c.watch.extend(awaiting, w.by(w.answerTime()))
}

// errParked says that an upload goes on in another goroutine, when more of the body comes.
var errParked = errors.New("httpproxy: parked")

// park ends the goroutine of an upload where it would wait for a stream, of which there may be many. The one that goes on looks
// first whether the wait was too long.
func (w *work) park(up *upstream.Conn, s *uploadState) error {
	c := w.c
	if s.parked {
		s.parked = false
		if c.upload.leave() {
			return errLate
		}
	}
	if c.h2 == nil {
		return nil
	}
	w.bodyDue()
	s.parked = true
	if c.h2.Park(func() { go w.sendBody(up, s) }) {
		return errParked
	}
	s.parked = false
	return nil
}

// copyBody sends the body, part by part. Only faults of the client are noted in s.
func (w *work) copyBody(up *upstream.Conn, s *uploadState) error {
	c := w.c
	blame := func(err error) error {
		s.status, s.code = bodyFault(err)
		s.err = err
		return err
	}
	for !w.whole {
		if err := w.park(up, s); err == errParked {
			return err
		} else if err != nil {
			return blame(err)
		}
		part, err := w.nextPart()
		if err != nil {
			return blame(err)
		}
		s.read.Store(w.whole)
		if len(part) == 0 {
			continue
		}
		if err := w.uploadPart(up, s, part); err != nil {
			return err
		}
		c.watch.extend(relaying, c.plane.in(w.idleTime())) // an exchange is idle when neither side goes on
	}
	w.tapEnd()
	return w.endBody(up)
}

// uploadPart sends a part of the body.
func (w *work) uploadPart(up *upstream.Conn, s *uploadState, part []byte) error {
	c := w.c
	w.sendingDue()
	err := w.sendPart(up, part)
	if c.upload.leave() {
		err, s.late = errLate, true
	}
	if errors.Is(err, upstream.ErrLongBody) {
		s.status, s.code, s.err = 413, filter.CodeBodyTooLarge, err
	}
	return err
}

// sendingDue begins the wait for the endpoint to take the next part of the body. Once it answers, the whole has no end but
// that of each step.
func (w *work) sendingDue() {
	c := w.c
	c.upload.enter(sending, w.by(w.sendTime()))
	if w.stream.answered.Load() {
		c.upload.extend(sending, c.plane.in(w.sendTime()))
	}
}

// bodyDue begins the wait for the next part of the body.
func (w *work) bodyDue() {
	c := w.c
	c.upload.enter(readingBody, w.partDue())
	if w.stream.answered.Load() {
		c.upload.extend(readingBody, never)
	}
}

// answerBegins tells the upload, if there is one, that the client may be waiting for more of the answer.
func (w *work) answerBegins() {
	if w.stream != nil {
		w.stream.answered.Store(true)
		w.c.upload.extend(readingBody, never)
		w.c.upload.extend(sending, w.c.plane.in(w.sendTime()))
	}
}

// stopUpload waits for the upload, if there is one, and ends it if it still runs. It returns whether the whole body was
// sent; if not, neither connection may be used again.
func (w *work) stopUpload() bool {
	s := w.stream
	if s == nil {
		return true
	}
	if s.finished.Load() {
		<-s.done
	} else {
		c := w.c
		c.mu.Lock()
		_ = c.nc.SetReadDeadline(past)
		if up := c.up.Load(); up != nil {
			up.Interrupt()
		}
		c.mu.Unlock()
		<-s.done
		s.whole = false
		if s.code == CodeClientLeft || s.code == CodeRequestTimeout {
			s.code = "" // it was interrupted here
		}
		c.rearm()
	}
	if !s.whole && w.spool.file == nil {
		w.keep, w.whole = false, false
	}
	return s.whole
}

// lastPart is how long an answer waits for the last part of the request's body to have been sent. An upstream that has all of the body may
// answer before the goroutine that sent it runs again, where the machine has much to do: that is no early answer, for which both
// connections would have to end.
const lastPart = 10 * time.Millisecond

// early tells whether the answer has come before the end of the request.
func (s *uploadState) early() bool {
	if !s.finished.Load() && s.read.Load() {
		select {
		case <-s.done:
		case <-time.After(lastPart):
		}
	}
	return !s.finished.Load()
}

// sendTime is how long the upstream may take to take the next part of the request.
func (w *work) sendTime() time.Duration {
	if t := w.route.route.Timeouts.Send; t > 0 {
		return t
	}
	return w.c.plane.cfg.Timeouts.Write
}

// answerTime is how long the head of the answer may take.
func (w *work) answerTime() time.Duration {
	if t := w.route.route.Timeouts.Response; t > 0 {
		return t
	}
	return w.c.plane.cfg.Timeouts.Response
}
