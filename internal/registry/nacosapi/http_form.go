package nacosapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
// is, take turns: else anybody could fill the memory with them.
const (
	smallForm = 16 << 10
	maxForms  = 32 // that are not small, read or checked at one time
	formWait  = 3 * time.Second
)

var errForms = errors.New("too many large requests at one time")

// turn waits until a form may be read. What it returns is called when it is known whether the sender is allowed.
func (s *Server) turn(r *http.Request) (leave func(), err error) {
	if !isForm(r) || r.ContentLength >= 0 && r.ContentLength <= smallForm {
		return func() {}, nil
	}
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

// readForm adds the form of a request to its parameters. DELETE carries forms too; net/http parses only those of POST, PUT and PATCH.
func readForm(c *call, e endpoint) error {
	if !isForm(c.r) {
		return nil
	}
	most := int64(maxForm)
	if e.large {
		most = maxConfig
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, most))
	if err != nil {
		return fmt.Errorf("nacosapi: read form: %w", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return fmt.Errorf("nacosapi: form: %w: %w", err, registry.ErrInvalid)
	}
	for k, v := range form {
		c.q[k] = append(c.q[k], v...)
	}
	return nil
}
