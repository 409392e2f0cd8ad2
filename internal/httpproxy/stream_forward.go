package httpproxy

import (
	"errors"
	"io"
	"time"

	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// tryShared is try for an endpoint whose connections are shared. A connection that is on its end refuses the request, which
// then has a new one.
func (w *work) tryShared(e *upstream.Endpoint, whole, idempotent bool) model.Code {
	for n := range 2 {
		began := time.Now()
		up, err := w.dial(e, false)
		if err != nil {
			w.connect += time.Since(began)
			return w.dialFailed(e, err)
		}
		kept := up.Requests > 0
		if kept {
			w.kept++
		} else {
			w.dialled++
			w.connect += time.Since(began)
		}
		switch w.exchange(e, up, whole, idempotent) {
		case settled:
			return ""
		case again:
			return codeAgain
		case lostRace:
			if n == 0 {
				w.resent++
			}
		case unsent, spoilt:
		}
		if kept && n == 0 {
			w.retried(codeKeptLost)
		}
	}
	e.Done(upstream.Failed)
	return CodeUpstreamReset
}

// sendStream is sendRequest for a stream.
func (w *work) sendStream(up *upstream.Conn) (int, error) {
	c, r := w.c, &w.x.Request
	all := (w.whole || w.replaced.status != 0) && w.spool.file == nil // and not sent part by part
	trailers := all && w.request.Trailers().Len() > 0
	ends := all && !trailers
	// Also an empty body whose length the client did not say ends with a frame of its own: gRPC asks for that.
	alone := ends && len(w.wire) == 0 && r.Body != http1.ChunkedBody
	fields := w.requestFields(up)
	c.watch.enter(sending, w.by(w.sendTime()))
	err := up.H2.Open(fields, r.Method == "HEAD", alone)
	sent := 0
	if err == nil {
		sent = len(w.wire) + 1 // the head counts as something
		if !alone && (ends || len(w.wire) > 0) {
			err = up.H2.Write(w.wire, ends)
		}
		if err == nil && trailers {
			err = up.H2.WriteHead(w.trailerFields(w.request.Trailers()), true)
		}
		up.H2.Flush()
	}
	if c.watch.leave() {
		return sent, errLate
	}
	return sent, err
}

// requestFields is the request as HTTP/2 has it.
func (w *work) requestFields(up *upstream.Conn) []http2.Field {
	r := &w.x.Request
	scheme := "http"
	if up.Secure() {
		scheme = "https"
	}
	path := r.WirePath()
	if r.HasQuery {
		path = r.Mem.Join(path, "?", r.RawQuery)
	}
	w.fields = append(w.fields[:0], http2.Field{Name: ":method", Value: r.Method}, http2.Field{Name: ":scheme", Value: scheme},
		http2.Field{Name: ":authority", Value: r.Authority}, http2.Field{Name: ":path", Value: path})
	w.addFields(&r.Fields)
	if r.Body == http1.SizedBody {
		w.fields = append(w.fields, lengthField(r.ContentLength, &r.Mem))
	}
	if takesTrailers(r) { // gRPC asks for it, and it concerns one connection only
		w.fields = append(w.fields, http2.Field{Name: "te", Value: "trailers"})
	}
	return w.fields
}

// sendStreamPart is sendPart for a stream.
func (w *work) sendStreamPart(up *upstream.Conn, part []byte) error {
	err := up.H2.Write(part, false)
	up.H2.Flush()
	return err
}

// endStreamBody is endBody for a stream.
func (w *work) endStreamBody(up *upstream.Conn) error {
	c := w.c
	w.sendingDue()
	var err error
	if trailers := w.request.Trailers(); trailers.Len() > 0 {
		err = up.H2.WriteHead(w.uploadFields(trailers), true)
	} else {
		err = up.H2.Write(nil, true)
	}
	up.H2.Flush()
	if c.upload.leave() {
		return errLate
	}
	return err
}

// uploadFields are trailers of a body that streams: w.fields belongs to the other goroutine.
func (w *work) uploadFields(trailers *http1.Fields) []http2.Field {
	var fields []http2.Field
	for i := range trailers.Len() {
		if trailers.Forwarded(i) {
			f := trailers.At(i)
			fields = append(fields, http2.Field{Name: f.Name, Value: f.Value})
		}
	}
	return fields
}

// awaitStream is awaitAnswer for a stream. The head is written as HTTP/1.1 and passes the same parser.
func (w *work) awaitStream(up *upstream.Conn) error {
	x := &w.x
	for range maxInterim {
		w.enterAwaiting()
		h, err := up.H2.Answer()
		if w.c.watch.leave() {
			return errLate
		}
		if err != nil {
			return err
		}
		w.answerBytes = 1 // of something
		x.Response.Reset()
		if err := w.parseHead(&h); err != nil {
			return err
		}
		if x.Response.Status == 101 {
			return errUnasked
		}
		if !x.Response.Interim() {
			w.endHead(&h)
			return nil
		}
		if err := w.passInterim(); err != nil {
			w.c.left.Store(true)
			return err
		}
	}
	return http1.BadStatusLine
}

// parseHead reads a head of the answer into the exchange.
func (w *work) parseHead(h *http2.Head) error {
	size := len("HTTP/1.1 200\r\n\r\n")
	for _, f := range h.Fields {
		size += len(f.Name) + len(f.Value) + len(": \r\n")
	}
	if w.answer != nil && len(w.answer) < size {
		w.c.plane.blocks.give(w.answer)
		w.answer = nil
	}
	switch {
	case w.answer != nil:
	case size <= smallBlock:
		w.answer = w.c.plane.blocks.takeSmall()
	default:
		w.answer = w.c.plane.blocks.takeLarge()
	}
	b := append(append(append(w.answer[:0], "HTTP/1.1 "...), h.Get(":status")...), "\r\n"...)
	for _, f := range h.Regular() {
		b = appendLine(b, f.Name, f.Value)
	}
	b = append(b, "\r\n"...)
	limits := http1.Limits{}
	_, err := w.x.Response.Parse(b, &limits, w.x.Request.Method)
	return err
}

// endHead notes what its stream says of the body, which the fields may not.
func (w *work) endHead(h *http2.Head) {
	r := &w.x.Response
	w.bodiless, w.unsized = h.End, false
	switch {
	case h.End && r.Body == http1.UntilClose:
		r.Body, r.ContentLength = http1.SizedBody, 0
		w.unsized = true
	case !h.End && r.Body == http1.SizedBody && w.c.h2 == nil && r.Fields.Has("Trailer") && takesTrailers(&w.x.Request):
		r.Body, r.ContentLength = http1.ChunkedBody, -1 // HTTP/1.1 has trailers behind chunks only
	}
	w.rest = nil
}

// beginResponse begins the body of the answer.
func (w *work) beginResponse(up *upstream.Conn) {
	r := &w.x.Response
	switch {
	case up.H2 == nil:
		w.response.Reset(r.Body, r.ContentLength, &r.Fields)
	case w.bodiless || r.Body == http1.NoBody:
		w.response.Reset(http1.NoBody, 0, nil)
	default:
		w.response.Reset(http1.UntilClose, -1, nil) // until its stream ends, with trailers behind it
	}
}

// moreStream is more for a stream.
func (w *work) moreStream(up *upstream.Conn) ([]byte, model.Code) {
	c := w.c
	c.watch.enter(relaying, c.plane.in(w.idleTime()))
	part, err := up.H2.Next()
	late := c.watch.leave()
	switch {
	case err == nil && !late:
		return part, ""
	case c.cut.Load():
		return nil, CodeShutdown
	case c.left.Load():
		return nil, CodeClientLeft
	case late:
		return nil, CodeUpstreamTimeout
	case err == io.EOF:
		if !w.transformTrailers(up.H2.Trailers()) {
			w.takeTrailers(up.H2.Trailers())
		}
		_ = w.response.Close() // its stream has said that it is complete
		return nil, ""
	case brokeHTTP2(err):
		return nil, w.brokenAnswer(CodeUpstreamProtocol)
	}
	return nil, w.brokenAnswer(CodeUpstreamReset)
}

// takeTrailers keeps what may be forwarded. To a client of HTTP/1.1 that is less: what is behind it may take them for fields
// of the head.
func (w *work) takeTrailers(trailers []http2.Field) {
	for _, f := range trailers {
		if w.c.h2 == nil && !http1.MayTrail(f.Name) || http1.Managed(f.Name) {
			continue
		}
		w.response.Trailers().Add(f.Name, f.Value)
	}
}

// brokeHTTP2 tells whether this side has reset an endpoint's stream: its answer breaks the protocol.
func brokeHTTP2(err error) bool {
	r, ok := errors.AsType[http2.ResetError](err)
	return ok && r.Local && r.Code != http2.Cancel && r.Code != http2.NoError
}
