package httpproxy

import (
	"io"
	"net"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/socket"
	"paifang/internal/upstream"
)

// spliceAbove is the length from which the rest of a body is moved by the kernel, where it can.
const spliceAbove = 256 << 10

// Of a splice: how much is moved at a time. A client must take that much within Timeouts.Write, so it becomes more only for one that
// takes it in a small part of that.
const (
	leastSplice = 64 << 10
	mostSplice  = 1 << 20
	quickSplice = 16 // of Timeouts.Write
)

// deliver passes the answer on, and ends the pick of the endpoint and its connection.
func (w *work) deliver(e *upstream.Endpoint, up *upstream.Conn) {
	x, c := &w.x, w.c
	w.first = time.Since(w.x.Started)
	up.Requests++
	if x.Response.Status == 101 {
		w.upgrade(e, up)
		return
	}
	if w.stream != nil && w.spool.file == nil && w.stream.early() {
		w.keep = false // the rest of the request is not taken
	}
	reusable, status := x.Response.KeepAlive && !w.doubtful(), x.Response.Status // as they came: filters may change the answer
	w.answerBegins()
	w.beginResponse(up)
	w.route.chain.Response(x)
	w.stick(e)
	w.reframe()
	if !w.transforms || w.x.Transforms() != filter.WholeBody {
		w.head()
	}
	code := w.relay(up)
	untold := (code == CodeUpstreamProtocol || code == filter.CodeUnchanged) && !w.wrote // the client has seen nothing of the broken answer
	if code != "" {
		reusable = false
		if !untold {
			w.fail(code)
		}
	}
	if w.stream != nil && !w.stopUpload() {
		reusable = false
	}
	if !c.letGo() {
		reusable = false
	}
	e.Count(w.size, w.sent)
	if reusable && w.response.Done() && len(w.rest) == 0 {
		e.Put(up)
	} else {
		up.Close()
	}
	switch code {
	case CodeUpstreamReset, CodeUpstreamProtocol:
		e.Done(upstream.Failed)
	case CodeUpstreamTimeout:
		e.Done(upstream.Broken) // a stream may have nothing to say for so long
	default:
		e.Done(upstream.ResultOf(status))
	}
	if untold {
		w.began, w.status, w.sent = false, 0, 0
		w.own(502, code)
	}
}

// doubtful tells whether an upstream may have understood another end of the request than was meant, although it answered:
// some ignore an Upgrade they were asked for only in part, and some the body of a method that usually has none, and take
// it for the next request. Their connection is not used again.
func (w *work) doubtful() bool {
	r := &w.x.Request
	if r.Upgrade != "" {
		return true
	}
	if r.Body == http1.NoBody || r.ContentLength == 0 {
		return false
	}
	switch r.Method {
	case "GET", "HEAD", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// reframe gives the answer the framing that its client can take.
func (w *work) reframe() {
	r := &w.x.Response
	if w.transforms = w.x.Transformed(); w.transforms {
		w.reframeTransformed()
	}
	switch r.Body {
	case http1.ChunkedBody, http1.UntilClose:
		r.Body, r.ContentLength = http1.ChunkedBody, -1
		if w.x.Request.Minor == 0 {
			r.Body = http1.UntilClose
			w.keep = false
		}
	}
	if r.Body == http1.ChunkedBody && w.c.h2 == nil {
		w.trailers = takesTrailers(&w.x.Request)
	}
}

// relay sends the head, which waits to be, and the body. It returns why the answer could not be completed.
func (w *work) relay(up *upstream.Conn) model.Code {
	w.beginAnswer()
	if w.x.BodyDropped() {
		return w.relayNothing()
	}
	data := w.rest
	for {
		for len(data) > 0 && !w.response.Done() {
			part, n, err := w.response.Next(data)
			if err != nil {
				return CodeUpstreamProtocol
			}
			data = data[n:]
			if w.transforms {
				if part, err = w.x.TransformPart(part); err != nil {
					return filter.CodeUnchanged
				}
			}
			if err := w.pass(part); err != nil {
				w.clientFailed(err)
				return w.x.Code
			}
		}
		if w.response.Done() {
			break
		}
		if w.transforms {
			if code := w.pauseTransforms(); code != "" {
				return code
			}
		} else if err := w.flush(); err != nil {
			w.clientFailed(err)
			return w.x.Code
		}
		var code model.Code
		if data, code = w.more(up); code != "" {
			return code
		}
	}
	w.rest = data
	if w.transforms {
		if code := w.endTransforms(); code != "" {
			return code
		}
	}
	if err := w.finish(); err != nil {
		w.clientFailed(err)
		return w.x.Code
	}
	return ""
}

// relayNothing sends the head, which waits to be, of an answer whose body a filter has dropped. A body of which there is more than
// came with the head is not waited for, and its connection not used again.
func (w *work) relayNothing() model.Code {
	for len(w.rest) > 0 && !w.response.Done() {
		_, n, err := w.response.Next(w.rest)
		if err != nil {
			return CodeUpstreamProtocol
		}
		w.rest = w.rest[n:]
	}
	if err := w.finish(); err != nil {
		w.clientFailed(err)
		return w.x.Code
	}
	return ""
}

// more reads the next part of the answer's body.
func (w *work) more(up *upstream.Conn) ([]byte, model.Code) {
	c := w.c
	if up.H2 != nil {
		return w.moreStream(up)
	}
	if done, code := w.splice(up); done {
		return w.answer[:0], code
	}
	room := w.room()
	into := w.answer
	if w.x.Response.Body == http1.SizedBody {
		into = into[:min(int64(len(into)), w.response.Sure())]
	}
	c.watch.enter(relaying, c.plane.in(w.idleTime()))
	n, err := up.Stream.Read(into)
	late := c.watch.leave()
	switch {
	case n > 0 && !late:
		if n == len(w.answer) && room > int64(n) && w.growAnswer() { // there seems to be much; the head has been sent, so nothing is viewed any more
			into = w.answer
		}
		return into[:n], ""
	case c.cut.Load():
		return nil, CodeShutdown
	case c.left.Load():
		return nil, CodeClientLeft
	case late:
		return nil, CodeUpstreamTimeout
	case err == io.EOF && !up.Truncated() && w.response.Close() == nil:
		return into[:0], ""
	}
	return nil, w.brokenAnswer(CodeUpstreamReset)
}

// room is how much of the body the client takes now, as far as is known: what is read beyond that is held until it takes more. A
// client that takes little has its large block taken away.
func (w *work) room() int64 {
	c, room := w.c, int64(largeBlock)
	switch {
	case c.h2 != nil:
		room = c.h2.Window()
	case w.sent >= mediumBlock && !takes(c.tcp): // a shorter answer is with the system already
		room = 0
	}
	if room < smallBlock && len(w.answer) > smallBlock {
		c.plane.blocks.give(w.answer)
		w.answer = c.plane.blocks.takeSmall()
	}
	return room
}

// brokenAnswer is why the answer broke off: the client's own body, if that did.
func (w *work) brokenAnswer(otherwise model.Code) model.Code {
	if s := w.stream; s != nil && s.finished.Load() {
		<-s.done
		if s.code != "" {
			return s.code
		}
	}
	return otherwise
}

// idleTime is how long the next part of the answer may take.
func (w *work) idleTime() time.Duration {
	if t := w.route.route.Timeouts.Idle; t > 0 {
		return t
	}
	return w.c.plane.cfg.Timeouts.ResponseBody
}

// pass takes a part of the body for the client: a small one waits in w.out for what comes with it.
func (w *work) pass(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	w.sent += int64(len(part))
	if w.c.h2 != nil {
		return w.passStream(part)
	}
	chunked := w.x.Response.Body == http1.ChunkedBody
	if !chunked && w.joins(part) {
		return w.passJoined(len(part))
	}
	if len(w.out)+len(part) <= joinBelow {
		if chunked {
			w.out = http1.AppendChunk(w.out, part)
		} else {
			w.out = append(w.out, part...)
		}
		return nil
	}
	last := 2
	if chunked {
		w.out = http1.AppendChunkSize(w.out, len(part))
		w.vector[2] = crlf
		last = 3
	}
	w.vector[0], w.vector[1] = w.out, part
	w.buffers = net.Buffers(w.vector[:last])
	if w.c.secure {
		// TLS makes a record of each part: a small one on its own is a waste.
		if len(w.vector[0]) == 0 {
			w.buffers = net.Buffers(w.vector[1:last])
		}
	}
	w.wrote = true
	err := w.c.writeBuffers(&w.buffers)
	w.out = w.out[:0]
	return err
}

// joins tells whether a part is the first of its body and has room in front of it for the head that waits in w.out.
func (w *work) joins(part []byte) bool {
	return len(w.out) > 0 && len(w.out) <= w.bodyAt && w.bodyAt < len(w.answer) && &part[0] == &w.answer[w.bodyAt]
}

// passJoined writes what waits in w.out together with the n bytes behind bodyAt.
func (w *work) passJoined(n int) error {
	from := w.bodyAt - len(w.out)
	copy(w.answer[from:], w.out)
	w.wrote, w.out = true, w.out[:0]
	return w.c.write(w.answer[from : w.bodyAt+n])
}

var crlf = []byte("\r\n")

// flush writes what waits in w.out.
func (w *work) flush() error {
	if w.c.h2 != nil {
		return w.flushStream()
	}
	if len(w.out) == 0 {
		return nil
	}
	w.wrote = true
	err := w.c.write(w.out)
	w.out = w.out[:0]
	return err
}

// nextSplice is how much is moved after a part that took so long, where it may take most.
func nextSplice(step int64, took, most time.Duration) int64 {
	if took < most/quickSplice {
		return min(2*step, mostSplice)
	}
	return leastSplice
}

// splice moves the rest of a long body from socket to socket without a copy through this process, where both are
// plain TCP.
func (w *work) splice(up *upstream.Conn) (done bool, _ model.Code) {
	c := w.c
	if w.x.Response.Body != http1.SizedBody || w.transforms || c.raw == nil || up.Stream != up.TCP || w.response.Sure() < spliceAbove {
		return false, ""
	}
	w.c.plane.blocks.give(w.answer) // the head has been sent; a client may be slow
	w.answer = nil
	// Whichever side does not go on in time, the client is the one that is waited for longer.
	most := max(c.plane.cfg.Timeouts.Write, w.idleTime())
	for step := int64(leastSplice); !w.response.Done(); {
		part, began := min(w.response.Sure(), step), time.Now()
		c.watch.enter(splicing, c.plane.in(most))
		n, err := c.plane.mover.Move(socket.Side{TCP: c.tcp, Raw: c.raw}, socket.Side{TCP: up.TCP, Raw: up.Raw}, part)
		late := c.watch.leave()
		w.response.Skip(n)
		w.sent += n
		switch {
		case n == part:
			step = nextSplice(step, time.Since(began), most)
			continue
		case c.cut.Load():
			return true, CodeShutdown
		case late && c.left.Load():
			return true, CodeClientLeft
		case late && up.Stale():
			w.clientFailed(errLate) // there is more of the answer, and the client does not take it
			return true, w.x.Code
		case late:
			return true, CodeUpstreamTimeout
		case err == nil || !hasLeft(c.tcp):
			return true, CodeUpstreamReset
		}
		w.clientFailed(err)
		return true, w.x.Code
	}
	return true, ""
}
