package httpproxy

import (
	"io"
	"slices"
	"strings"
	"time"

	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
)

// serveStream answers the request of a stream.
func (w *work) serveStream() {
	c, x := w.c, &w.x
	w.begin()
	x.Started = time.Now()
	h := c.h2.Head()
	x.Request.Method, x.Request.Target = h.Get(":method"), h.Get(":path") // for the log, if no more is understood
	if h.Malformed != "" {
		w.refuseStream(h)
		return
	}
	err := error(http1.HeadTooLarge)
	full := false
	if !h.TooLarge {
		if full = !c.writeHead(h); !full {
			_, err = x.Request.Parse(c.buf[:c.n], &w.site.limits)
		}
	}
	h.Fields = nil // there may be many streams
	w.note()
	if fault, ok := err.(http1.Fault); ok {
		status, code := fault.Status(), model.Code(fault.Code())
		if full {
			status, code = 503, CodeHeadsFull
		}
		w.own(status, code)
		c.port.counts.enter(w.shard)
		w.record()
		return
	}
	framing := x.Request.Body
	if framing == http1.ChunkedBody {
		framing = http1.UntilClose // its stream says where it ends
	}
	w.request.Reset(framing, x.Request.ContentLength, &x.Request.Fields)
	w.whole = w.request.Done()
	w.exchangeOne()
}

// refuseStream resets a stream whose request breaks the protocol (RFC 9113, 8.1.1), and notes it as others are noted.
func (w *work) refuseStream(h *http2.Head) {
	w.note()
	w.host = h.Get(":authority")
	w.status = 400
	w.fail(CodeMalformed)
	w.c.h2.Reset(http2.ProtocolError)
	w.c.port.counts.enter(w.shard)
	w.record()
}

// writeHead writes a request head as HTTP/1.1, so that it passes the same parser: one host, one framing, one normal form of
// the path, and nothing that HTTP/1.1 could not say. What a field must not have in it the stream has checked already, so no
// field can become two. It returns false where there is no room for a long one.
func (c *conn) writeHead(h *http2.Head) bool {
	size := 64 // for what is no field: the version, and that the body is chunked
	for _, f := range h.Fields {
		size += len(f.Name) + len(f.Value) + len(": \r\n")
	}
	switch { // not more than it needs: there may be many streams
	case size <= leastBlock:
		c.buf = c.plane.blocks.takeLeast()
	case size <= tinyBlock:
		c.buf = c.plane.blocks.takeTiny()
	case size <= smallBlock:
		c.buf = c.plane.blocks.takeSmall()
	case !c.takeHeavy(size):
		return false
	default:
		c.buf = make([]byte, size)
	}
	b := append(c.buf[:0], h.Get(":method")...)
	b = append(b, ' ')
	authority, host := h.Get(":authority"), h.Get("host")
	if host != "" && strings.ContainsAny(authority, "/?") {
		host = "" // no host, and in front of the path it would be taken for more of that: what is said of it is said alone
	}
	switch {
	case h.Get(":method") == "CONNECT":
		b = append(b, authority...)
	case authority != "" && host != "":
		// Whether the two are the same is for the parser to say, as it does where a target has a host.
		b = append(append(append(b, h.Get(":scheme")...), "://"...), authority...)
		if path := h.Get(":path"); path != "*" {
			b = append(b, path...)
		}
	default:
		b = append(b, h.Get(":path")...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	if authority != "" && host == "" {
		b = appendLine(b, "host", authority)
	}
	b = appendCookies(b, h)
	for _, f := range h.Regular() {
		if f.Name != "cookie" && (f.Name != "host" || host != "") {
			b = appendLine(b, f.Name, f.Value)
		}
	}
	if !h.End && !slices.ContainsFunc(h.Fields, func(f http2.Field) bool { return f.Name == "content-length" }) {
		b = append(b, "transfer-encoding: chunked\r\n"...)
	}
	c.buf = append(b, "\r\n"...)
	c.n = len(c.buf)
	return true
}

func appendLine(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

// appendCookies makes one field of the pieces that HTTP/2 may cut it into (RFC 9113, 8.2.3).
func appendCookies(b []byte, h *http2.Head) []byte {
	begun := false
	for _, f := range h.Fields {
		if f.Name != "cookie" {
			continue
		}
		if begun {
			b = append(b, "; "...)
		} else {
			b = append(b, "cookie: "...)
		}
		b = append(b, strings.TrimRight(f.Value, "; ")...)
		begun = true
	}
	if begun {
		b = append(b, "\r\n"...)
	}
	return b
}

// gatherTimes is how many times Clients.Body a body that is waited for as a whole may take: a client that drips is cut.
const gatherTimes = 5

// takeStream is takeBody for a stream. A body of some size is not waited for: there may be many streams, and each would have
// a block of memory meanwhile.
func (w *work) takeStream() (whole, ok bool) {
	c := w.c
	length := w.x.Request.ContentLength
	small := w.x.Request.Body == http1.SizedBody && length <= smallBlock
	if small {
		if !w.goOn() {
			return false, false
		}
		c.watch.enter(readingBody, min(c.plane.in(gatherTimes*w.site.clients.Body), w.expiry()))
		err := c.h2.Await(int(length))
		if c.watch.leave() {
			err = errLate
		}
		if err != nil {
			w.refuseBody(err)
			return false, false
		}
	}
	n, all := c.h2.Arrived()
	if n == 0 && !all {
		return false, true
	}
	part, err := c.h2.Next() // at once
	if err != nil && err != io.EOF {
		w.refuseBody(err)
		return false, false
	}
	w.takePart(part, all)
	if w.overMax() {
		w.refuseBody(errTooLarge)
		return false, false
	}
	return w.whole, true
}

// takePart makes a part of the body ready in w.wire, as the upstream takes it.
func (w *work) takePart(part []byte, last bool) {
	w.tap(part)
	if w.x.Request.Body == http1.SizedBody {
		w.use(len(part))
		w.wire = part
		return
	}
	w.size += int64(len(part))
	if last {
		w.endPart()
	}
	if w.shared {
		w.wire = part
		return
	}
	w.framed = http1.AppendChunk(w.framed[:0], part)
	if w.whole {
		w.framed = http1.AppendTrailers(w.framed, w.request.Trailers())
	}
	w.wire = w.framed
}

// endPart notes the end of a body whose length was not known, and takes its trailers.
func (w *work) endPart() {
	w.whole = w.request.Close() == nil
	for _, f := range w.c.h2.Trailers() {
		w.request.Trail(f.Name, f.Value)
	}
}

// readStream is readBody for a stream.
func (w *work) readStream() error {
	c := w.c
	c.watch.enter(readingBody, w.partDue())
	part, err := c.h2.Next()
	switch {
	case c.watch.leave():
		return errLate
	case err == io.EOF && w.x.Request.Body != http1.SizedBody:
		w.endPart()
		return nil
	}
	w.pending = part
	return err
}

// nextStreamPart waits for the next part of the body.
func (w *work) nextStreamPart() ([]byte, error) {
	w.bodyDue()
	part, err := w.c.h2.Next()
	switch {
	case w.c.upload.leave():
		return nil, errLate
	case err != nil && err != io.EOF:
		return nil, err
	}
	w.takePart(part, err == io.EOF)
	if w.overMax() {
		return nil, errTooLarge
	}
	return w.wire, nil
}
