package nacosapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"paifang/internal/registry"
)

// Bounds of the form of a request. Metadata is the largest part of one about instances and is bounded by the registry; a
// configuration may have 900 KiB, and more of it where it is escaped.
const (
	maxForm   = 256 << 10
	maxConfig = 3 << 20
)

// A form may carry the token, so it is read before it is known who sent it. Those that are not small, as a registration or a heartbeat
// is, take turns: else anybody could fill the memory with them. None takes a place for what it has only announced, and none keeps it without
// sending.
const (
	smallForm = 16 << 10
	maxForms  = 32 // that are not small, read or checked at one time
	formWait  = 3 * time.Second
)

var (
	errForms = errors.New("too many large requests at one time")
	errSlow  = errors.New("the body of the request did not come in time")
)

// turn waits until the rest of a form may be read. What it returns is called when it is known whether the sender is allowed.
func (s *Server) turn(r *http.Request) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(r.Context(), formWait)
	defer cancel()
	select {
	case s.forms <- struct{}{}:
		return func() { <-s.forms }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("nacosapi: read form: %w", errForms)
	}
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// readForm adds the form of a request to its parameters. DELETE carries forms too; net/http parses only those of POST, PUT and PATCH. What it
// returns is called when it is known whether the sender is allowed.
func (s *Server) readForm(c *call, e endpoint) (leave func(), err error) {
	if !isForm(c.r) {
		return func() {}, nil
	}
	most := int64(maxForm)
	if e.large {
		most = maxConfig
	}
	body, leave, err := s.readBody(c, most)
	if err != nil {
		c.w.Header().Set("Connection", "close") // nothing that follows on it is read
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errSlow
		}
		leave()
		return nil, fmt.Errorf("nacosapi: read form: %w", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		leave()
		return nil, fmt.Errorf("nacosapi: form: %w: %w", err, registry.ErrInvalid)
	}
	for k, v := range form {
		c.q[k] = append(c.q[k], v...)
	}
	return leave, nil
}

// readBody reads a form of so many bytes at most, the first of them before there is a place for it. One that says how long it is, and is too
// long, is not read at all.
func (s *Server) readBody(c *call, most int64) (body []byte, leave func(), err error) {
	leave = func() {}
	if c.r.ContentLength > most {
		return nil, leave, &http.MaxBytesError{Limit: most}
	}
	in := io.Reader(http.MaxBytesReader(c.w, c.r.Body, most))
	if c.r.ContentLength >= 0 && c.r.ContentLength <= smallForm { // it holds nothing but its connection, for as long as a request may take
		body, err = io.ReadAll(in)
		return body, leave, err
	}
	in = &pacer{in, http.NewResponseController(c.w).SetReadDeadline, s.cfg.Pause, time.Now().Add(requestTime)}
	if body, err = io.ReadAll(io.LimitReader(in, smallForm+1)); err != nil || len(body) <= smallForm {
		return body, leave, err
	}
	left, err := s.turn(c.r)
	if err != nil {
		return nil, leave, err
	}
	rest, err := io.ReadAll(in)
	return append(body, rest...), left, err
}

// pacer is a body of which something has to come again and again, and all of it before an end. When there is no more of it, net/http takes the
// deadline back by itself.
type pacer struct {
	io.Reader
	deadline func(time.Time) error
	pause    time.Duration
	end      time.Time
}

// Read waits for as long as a sender may be silent.
func (p *pacer) Read(b []byte) (int, error) {
	_ = p.deadline(earlier(time.Now().Add(p.pause), p.end)) // without one the request has that of the server
	return p.Reader.Read(b)
}
