package httpproxy

import (
	"strconv"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/http2"
)

// onStream does something that waits for the client to take a part of its answer.
func (w *work) onStream(do func(*http2.Stream) error) error {
	c := w.c
	c.watch.enter(answering, c.plane.in(c.plane.cfg.Timeouts.Write))
	err := do(c.h2)
	if c.watch.leave() {
		return errLate
	}
	return err
}

// interimStream is interim for a stream.
func (w *work) interimStream() error {
	return w.onStream(func(s *http2.Stream) error {
		err := s.WriteHead(w.answerFields(), false)
		s.Flush()
		return err
	})
}

// continueStream is sendContinue for a stream.
func (w *work) continueStream() error {
	return w.onStream(func(s *http2.Stream) error {
		w.fields = append(w.fields[:0], http2.Field{Name: ":status", Value: "100"})
		err := s.WriteHead(w.fields, false)
		s.Flush()
		return err
	})
}

// passStream is pass for a stream.
func (w *work) passStream(part []byte) error {
	return w.onStream(func(s *http2.Stream) error {
		if err := w.headStream(s, false); err != nil {
			return err
		}
		w.ended = w.response.Done() && w.response.Trailers().Len() == 0 && !w.transforms
		return s.Write(part, w.ended)
	})
}

// flushStream is flush for a stream.
func (w *work) flushStream() error {
	return w.onStream(func(s *http2.Stream) error {
		err := w.headStream(s, false)
		s.Flush()
		return err
	})
}

// finishStream is finish for a stream. Trailers need no leave of the client's: they are fields like others.
func (w *work) finishStream() error {
	return w.onStream(func(s *http2.Stream) error {
		trailers := w.response.Trailers()
		only := w.headDue && trailers.Len() == 0
		err := w.headStream(s, only)
		switch {
		case err != nil || only || w.ended:
		case trailers.Len() > 0:
			err = s.WriteHead(w.trailerFields(trailers), true)
		default:
			err = s.Write(nil, true)
		}
		s.Flush()
		return err
	})
}

// headStream sends the head if it was not sent.
func (w *work) headStream(s *http2.Stream, only bool) error {
	if !w.headDue {
		return nil
	}
	w.headDue, w.wrote = false, true
	return s.WriteHead(w.answerFields(), only)
}

// sendOwnStream is the end of sendOwn for a stream.
func (w *work) sendOwnStream() {
	x := &w.x
	status := x.Response.Status
	if isGRPC(&x.Request) && !x.Foreign {
		w.answerGRPC()
	}
	var body string
	if w.bodyAllowed() {
		body = x.Body
	}
	w.sent = int64(len(body))
	w.beginAnswer()
	w.headDue = false
	w.status = status // for gRPC too: the log and the counters say what happened
	err := w.onStream(func(s *http2.Stream) error {
		err := s.WriteHead(w.answerFields(), body == "")
		if err == nil && body != "" {
			err = s.Write([]byte(body), true)
		}
		s.Flush()
		return err
	})
	if err != nil {
		w.clientFailed(err)
	}
}

// answerFields is the head in the exchange as HTTP/2 has it.
func (w *work) answerFields() []http2.Field {
	r := &w.x.Response
	var digits [3]byte
	status := r.Mem.Join(bytesView(strconv.AppendInt(digits[:0], int64(r.Status), 10)))
	w.fields = append(w.fields[:0], http2.Field{Name: ":status", Value: status})
	w.addFields(&r.Fields)
	if r.Status >= 200 && r.Status != 204 && !w.unsized && (r.Body == http1.SizedBody || r.Body == http1.NoBody) && r.ContentLength >= 0 {
		w.fields = append(w.fields, lengthField(r.ContentLength, &r.Mem))
	}
	return w.fields
}

func (w *work) trailerFields(trailers *http1.Fields) []http2.Field {
	w.fields = w.fields[:0]
	w.addFields(trailers)
	return w.fields
}

// addFields adds what is forwarded of a list. Credentials are kept out of the compression tables, by which an attacker could
// guess them (RFC 7541, 7.1).
func (w *work) addFields(list *http1.Fields) {
	for i := range list.Len() {
		if !list.Forwarded(i) {
			continue
		}
		f := list.At(i)
		secret := http1.EqualFold(f.Name, "set-cookie") || http1.EqualFold(f.Name, "cookie") || http1.EqualFold(f.Name, "authorization")
		w.fields = append(w.fields, http2.Field{Name: f.Name, Value: f.Value, Sensitive: secret})
	}
}

func lengthField(n int64, mem *http1.Arena) http2.Field {
	var digits [20]byte
	return http2.Field{Name: "content-length", Value: mem.Join(bytesView(strconv.AppendInt(digits[:0], n, 10)))}
}

// takesTrailers tells whether the client says that it does (RFC 9110, 10.1.4).
func takesTrailers(r *http1.Request) bool { return strings.Contains(r.Fields.Get("TE"), "trailers") }
