package httpproxy

import (
	"errors"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// gatherBelow bounds the request bodies of known length that are read whole before an upstream is troubled: it is then
// not held up by a slow client, and can be asked again on another endpoint.
const gatherBelow = 64 << 10

// continueLine tells a client that waits with its body to send it (RFC 9110, 10.1.1). The expectation ends here: the
// upstream never sees it.
const continueLine = "HTTP/1.1 100 Continue\r\n\r\n"

// takeBody makes as much of the request body ready in w.wire as can be: all of it, whole, or the part that has arrived.
// If it is not ok, the request has been answered.
func (w *work) takeBody() (whole, ok bool) {
	if w.whole {
		return true, true
	}
	r := &w.x.Request
	if w.c.h2 != nil {
		return w.takeStream()
	}
	if r.Body == http1.SizedBody {
		return w.takeSized(r.ContentLength)
	}
	if err := w.frame(); err != nil {
		w.refuseBody(err)
		return false, false
	}
	return w.whole, true
}

func (w *work) takeSized(length int64) (whole, ok bool) {
	if int64(len(w.pending)) >= length {
		w.use(int(length))
		w.wire = w.pending[:length]
		w.tap(w.wire)
		w.pending = w.pending[length:]
		return true, true
	}
	if length > gatherBelow {
		w.wire = w.pending
		w.tap(w.wire)
		w.use(len(w.pending))
		w.pending = nil
		return false, true
	}
	block := w.bodyBlock(int(length))
	n := copy(block, w.pending)
	w.pending = nil
	w.use(n)
	if !w.goOn() {
		return false, false
	}
	for int64(n) < length {
		got, err := w.c.read(block[n:length], readingBody, w.partDue())
		n += got
		w.use(got)
		if err != nil && int64(n) < length {
			w.refuseBody(err)
			return false, false
		}
	}
	w.wire = block[:n]
	w.tap(w.wire)
	return true, true
}

// partDue is when the next part of the body must be there: a while after the one before, and in time for the whole. A
// client that drips is cut; one that sends a kilobyte a second is not, however long its body is.
func (w *work) partDue() int64 {
	return min(w.c.plane.in(w.site.clients.Body), w.expiry())
}

// use counts bytes of a sized body.
func (w *work) use(n int) {
	w.request.Skip(int64(n))
	w.size += int64(n)
	w.whole = w.request.Done()
}

// tap gives filters what comes next of the body that is sent on.
func (w *work) tap(part []byte) {
	if w.tapped {
		w.x.TapPart(part)
	}
}

// tapEnd tells them that it was all.
func (w *work) tapEnd() {
	if w.tapped {
		w.x.TapEnd()
	}
}

// bodyBlock is a block of so many bytes at least, which the client's body is read into: the head stays where it is, since the
// request is made of views of it. What was in it is gone.
func (w *work) bodyBlock(size int) []byte {
	if len(w.block) < size {
		if w.block != nil {
			w.c.plane.blocks.give(w.block)
		}
		w.block = w.c.plane.blocks.fitting(size)
	}
	return w.block
}

// partBlock is the block for the next part of a body that is not waited for as a whole. It is small for a client that sends little at
// a time: thousands may.
func (w *work) partBlock() []byte {
	if w.filled {
		return w.bodyBlock(largeBlock)
	}
	return w.bodyBlock(smallBlock)
}

// goOn sends 100 (Continue) to a client that waits for it.
func (w *work) goOn() bool {
	if !w.x.Request.Expect100 {
		return true
	}
	w.x.Request.Expect100 = false
	if err := w.sendContinue(); err != nil {
		w.clientFailed(err)
		return false
	}
	return true
}

// frame turns what has arrived of a body of unknown length into what the upstream takes, in w.wire: chunks of our own, or
// for HTTP/2, which has frames for it, the bytes alone.
func (w *work) frame() error {
	w.framed = w.framed[:0]
	for len(w.pending) > 0 && !w.whole {
		data, n, err := w.request.Next(w.pending)
		if err != nil {
			return err
		}
		w.tap(data)
		if w.shared {
			w.framed = append(w.framed, data...)
		} else {
			w.framed = http1.AppendChunk(w.framed, data)
		}
		w.size += int64(len(data))
		if w.overMax() {
			return errTooLarge
		}
		w.pending = w.pending[n:]
		w.whole = w.request.Done()
	}
	if w.whole && !w.shared {
		w.framed = http1.AppendTrailers(w.framed, w.request.Trailers())
	}
	w.wire = w.framed
	return nil
}

// errTooLarge says that a body has more bytes than a filter allows.
var errTooLarge = errors.New("httpproxy: body too large")

// overMax tells whether more of the body has arrived than filters allow.
func (w *work) overMax() bool { return w.x.MaxBody > 0 && w.size > w.x.MaxBody }

// refuseBody answers a body that did not arrive as it should.
func (w *work) refuseBody(err error) {
	switch status, code := bodyFault(err); code {
	case CodeClientLeft:
		w.clientFailed(err)
	default:
		w.keep = false
		w.own(status, code)
	}
}

// bodyFault says what is wrong with a body whose reading ended in err.
func bodyFault(err error) (int, model.Code) {
	var fault http1.Fault
	switch {
	case errors.As(err, &fault):
		return fault.Status(), model.Code(fault.Code())
	case errors.Is(err, errLate):
		return 408, CodeRequestTimeout
	case errors.Is(err, errTooLarge):
		return 413, filter.CodeBodyTooLarge
	}
	return 499, CodeClientLeft
}
