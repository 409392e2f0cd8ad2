package fastcgi

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds, in bytes.
const (
	mostHead    = 4 << 20 // of the head of a request: whoever writes it has bounds of its own, below this
	mostUnknown = 1 << 20 // of a body whose length is not told before it: a program is told it, so the body is waited for
)

// request is what is written of one.
type request struct {
	state state
	text  []byte // of a line or a head that is not whole yet
	left  int64  // bytes of the body, or of its chunk
	head  *head  // of one whose body comes in chunks, until it is whole
	body  []byte // of that
}

type state uint8

const (
	inHead state = iota
	inBody
	inSize    // of a chunk
	behind    // the end of line that follows a chunk
	inTrailer // whose fields FastCGI has no room for
	done
)

// ErrLongBody says that the client has sent too much without telling its length first: nothing of the request was written.
var ErrLongBody = fmt.Errorf("fastcgi: a body whose length is not told before it is longer than %d bytes", mostUnknown)

var errNoRequest = errors.New("fastcgi: what is written is no request of HTTP/1.1")

// take turns what is written into records, which it appends to out.
func (r *request) take(c *Conn, out, b []byte) ([]byte, error) {
	for len(b) > 0 {
		switch r.state {
		case inHead:
			if len(r.text)+len(b) > mostHead {
				return nil, fmt.Errorf("fastcgi: the head of a request is longer than %d bytes", mostHead)
			}
			had := len(r.text)
			r.text = append(r.text, b...)
			end := bytes.Index(r.text[max(had-3, 0):], []byte("\r\n\r\n"))
			if end < 0 {
				return out, nil
			}
			end += max(had-3, 0) + 4
			b = b[end-had:]
			var err error
			if out, err = r.begin(c, out, string(r.text[:end-4])); err != nil {
				return nil, err
			}
			r.text = nil
		case inBody:
			n := min(int64(len(b)), r.left)
			if r.head == nil {
				out = appendStream(out, stdin, b[:n])
			} else {
				r.body = append(r.body, b[:n]...)
			}
			if b, r.left = b[n:], r.left-n; r.left > 0 {
				break
			}
			if r.state = behind; r.head == nil {
				out = r.end(out)
			}
		default:
			if r.state == done {
				return nil, errors.New("fastcgi: a second request on a connection")
			}
			line, rest, whole := bytes.Cut(b, []byte("\n"))
			r.text, b = append(r.text, line...), rest
			if len(r.text) > mostHead {
				return nil, errNoRequest
			}
			if !whole {
				break
			}
			line = bytes.TrimSuffix(r.text, []byte("\r"))
			var err error
			if out, err = r.line(c, out, string(line)); err != nil {
				return nil, err
			}
			r.text = r.text[:0]
		}
	}
	return out, nil
}

// line takes a line of a chunked body (RFC 9112, section 7.1).
func (r *request) line(c *Conn, out []byte, line string) ([]byte, error) {
	switch r.state {
	case inSize:
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 63)
		if err != nil || n < 0 {
			return nil, errNoRequest
		}
		if n > mostUnknown-int64(len(r.body)) {
			return nil, ErrLongBody
		}
		if r.left, r.state = n, inBody; n == 0 {
			r.state = inTrailer
		}
	case behind:
		r.state = inSize
	default: // inTrailer
		if line == "" {
			r.head.length = int64(len(r.body))
			out = appendStream(r.head.begin(c, out), stdin, r.body)
			out = r.end(out)
			r.head, r.body = nil, nil
		}
	}
	return out, nil
}

// begin takes the head.
func (r *request) begin(c *Conn, out []byte, text string) ([]byte, error) {
	h, err := parseHead(text)
	if err != nil {
		return nil, err
	}
	c.head.Store(h.method == "HEAD")
	switch {
	case h.chunked:
		r.head, r.state = h, inSize
	case h.length > 0:
		out = h.begin(c, out)
		r.left, r.state = h.length, inBody
	default:
		return r.end(h.begin(c, out)), nil
	}
	if strings.EqualFold(h.get("Expect"), "100-continue") {
		c.expects.Store(true)
	}
	return out, nil
}

// begin appends what goes before the body.
func (h *head) begin(c *Conn, out []byte) []byte {
	out = appendStream(appendBegin(out), params, h.parameters(c))
	return appendRecord(out, params, nil)
}

func (r *request) end(out []byte) []byte {
	r.state = done
	return appendRecord(out, stdin, nil)
}

// head is that of a request.
type head struct {
	method, path, query, target string
	fields                      []field
	length                      int64
	chunked                     bool
}

type field struct{ name, value string }

func (h *head) get(name string) string {
	for _, f := range h.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

func parseHead(text string) (*head, error) {
	lines := strings.Split(text, "\r\n")
	part := strings.Split(lines[0], " ")
	if len(part) != 3 || !strings.HasPrefix(part[2], "HTTP/1.") {
		return nil, errNoRequest
	}
	h := &head{method: part[0], target: part[1]}
	h.path, h.query, _ = strings.Cut(part[1], "?")
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return nil, errNoRequest
		}
		f := field{name, strings.Trim(value, " \t")}
		h.fields = append(h.fields, f)
		switch {
		case strings.EqualFold(name, "Content-Length"):
			n, err := strconv.ParseInt(f.value, 10, 63)
			if err != nil || n < 0 {
				return nil, errNoRequest
			}
			h.length = n
		case strings.EqualFold(name, "Transfer-Encoding"):
			h.chunked = true
		}
	}
	return h, nil
}
