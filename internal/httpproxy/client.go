package httpproxy

import (
	"paifang/internal/http1"
	"paifang/internal/upstream"
)

// The client's side of an exchange, and the endpoint's. Everything between reads a body part by part and writes a head, parts
// and an end; what that is on the wire is decided here and in pass, flush and more. HTTP/1.1 writes to the connection it owns. A
// client's stream of HTTP/2 is conn.h2, an endpoint's upstream.Conn.H2, and what they do is in the files stream_*.go.

// interim sends the head in the exchange as an interim one (RFC 9110, 15.2).
func (w *work) interim() error {
	if w.c.h2 != nil {
		return w.interimStream()
	}
	w.out = http1.AppendResponse(w.out[:0], &w.x.Response, http1.Persist)
	return w.c.write(w.out)
}

// sendContinue tells the client to send its body.
func (w *work) sendContinue() error {
	if w.c.h2 != nil {
		return w.continueStream()
	}
	w.out = append(w.out[:0], continueLine...)
	return w.c.write(w.out)
}

// head begins the answer with the head in the exchange. It leaves together with what comes next.
func (w *work) head() {
	if w.c.h2 != nil {
		w.headDue = true
		return
	}
	w.out = http1.AppendResponse(w.out[:0], &w.x.Response, w.connection())
}

// finish ends the answer, with its trailers where the client takes them.
func (w *work) finish() error {
	if w.c.h2 != nil {
		return w.finishStream()
	}
	if w.x.Response.Body == http1.ChunkedBody {
		if w.trailers {
			w.out = http1.AppendTrailers(w.out, w.response.Trailers())
		} else {
			w.out = append(w.out, http1.LastChunk...)
		}
	}
	return w.flush()
}

// readBody waits for more of the request body, for whoever wants it whole: it is in w.pending, as it was framed by the client.
func (w *work) readBody() error {
	if w.c.h2 != nil {
		return w.readStream()
	}
	n, err := w.c.read(w.partBlock(), readingBody, w.partDue())
	if n == 0 && err != nil {
		return err
	}
	w.filled = n == len(w.block)
	w.pending = w.block[:n]
	return nil
}

// nextPart waits for the next part of the request body, and returns it as the endpoint takes it. It is for the upload.
func (w *work) nextPart() ([]byte, error) {
	c := w.c
	if c.h2 != nil {
		return w.nextStreamPart()
	}
	block := w.partBlock()
	sized := w.x.Request.Body == http1.SizedBody
	if sized {
		block = block[:min(int64(len(block)), w.request.Sure())]
	}
	w.bodyDue()
	n, err := c.nc.Read(block)
	if c.upload.leave() {
		return nil, errLate // whatever came at the last moment: the deadline stays, and who waits for the answer may have set it
	}
	if n == 0 && err != nil {
		return nil, err
	}
	w.filled = n == len(w.block)
	if sized {
		w.use(n)
		w.tap(block[:n])
		return block[:n], nil
	}
	w.pending = block[:n]
	err = w.frame()
	return w.wire, err
}

// sendPart sends a part of the request body, framed as the endpoint takes it.
func (w *work) sendPart(up *upstream.Conn, part []byte) error {
	if up.H2 != nil {
		return w.sendStreamPart(up, part)
	}
	_, err := up.Stream.Write(part)
	return err
}

// endBody ends the request body. In HTTP/1.1 it is its framing that does.
func (w *work) endBody(up *upstream.Conn) error {
	if up.H2 != nil {
		return w.endStreamBody(up)
	}
	return nil
}
