package fastcgi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// mostAnswerHead bounds the head of an answer, bytes; whoever reads it has a bound of its own, below this.
const mostAnswerHead = 1 << 20

// answer is what is read of one.
type answer struct {
	in     *bufio.Reader
	record []byte // room for the content of one
	out    []byte // of HTTP, not yet taken
	room   []byte // that out is made in
	head   []byte // of CGI, not yet whole
	begun  bool   // its head is in out, or was
	kind   body
	ended  bool
}

// body says how the body of an answer is told to HTTP.
type body uint8

const (
	chunkedBody body = iota
	sizedBody
	noBody
)

func (a *answer) read(p []byte, isHead *atomic.Bool) (int, error) {
	for len(a.out) == 0 {
		if a.ended {
			return 0, io.EOF
		}
		if err := a.more(isHead); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.out)
	a.out = a.out[n:]
	return n, nil
}

// more takes one record.
func (a *answer) more(isHead *atomic.Bool) error {
	kind, id, content, err := readRecord(a.in, &a.record)
	switch {
	case a.begun && errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF // as if the connection had ended within: the answer may not be whole
	case err != nil:
		return err
	case id != requestID:
		return nil // of the connection, or of nobody
	}
	a.out = a.room[:0]
	defer func() { a.room = a.out[:0] }()
	switch kind {
	case stdout:
		return a.take(content, isHead)
	case endRequest:
		return a.end(content, isHead)
	default: // what a program says beside its answer is for its own log
		return nil
	}
}

func (a *answer) take(content []byte, isHead *atomic.Bool) error {
	if !a.begun {
		a.head = append(a.head, content...)
		end, size := headEnd(a.head)
		if end < 0 {
			if len(a.head) > mostAnswerHead {
				return fmt.Errorf("fastcgi: the head of the answer is longer than %d bytes", mostAnswerHead)
			}
			return nil
		}
		if err := a.begin(string(a.head[:end]), isHead.Load()); err != nil {
			return err
		}
		content = a.head[end+size:]
	}
	if len(content) == 0 {
		return nil
	}
	switch a.kind {
	case sizedBody:
		a.out = append(a.out, content...)
	case chunkedBody:
		a.out = fmt.Appendf(a.out, "%x\r\n", len(content))
		a.out = append(append(a.out, content...), "\r\n"...)
	case noBody:
	}
	a.head = nil
	return nil
}

// headEnd finds the empty line behind a head, and how long it is with the line end before it; -1: it is not there yet.
func headEnd(b []byte) (at, size int) {
	for i := 0; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1, 0
		}
		i += n
		switch rest := b[i+1:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return i, 2
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return i, 3
		}
		i++
	}
}

// begin makes the head of HTTP from that of CGI (RFC 3875, section 6.3).
func (a *answer) begin(text string, isHead bool) error {
	status, sized := 0, false
	var fields strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return fmt.Errorf("fastcgi: a line of the answer's head is no field: %.80q", line)
		}
		value = strings.Trim(value, " \t")
		switch strings.ToLower(name) {
		case "status":
			code, _, _ := strings.Cut(value, " ")
			var err error
			if status, err = strconv.Atoi(code); err != nil || status < 200 || status > 599 {
				return fmt.Errorf("fastcgi: the answer's status is %.80q: want 200 to 599", value)
			}
			continue
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			continue // of a connection that is not this one
		case "location":
			if status == 0 {
				status = http.StatusFound
			}
		case "content-length":
			sized = true
		}
		fields.WriteString(name + ": " + value + "\r\n")
	}
	if status == 0 {
		status = http.StatusOK
	}
	reason := http.StatusText(status)
	a.out = fmt.Appendf(a.out, "HTTP/1.1 %03d %s\r\n%sConnection: close\r\n", status, reason, fields.String())
	switch {
	case isHead, status == http.StatusNoContent, status == http.StatusNotModified:
		a.kind = noBody
	case sized:
		a.kind = sizedBody
	default:
		a.kind = chunkedBody
		a.out = append(a.out, "Transfer-Encoding: chunked\r\n"...)
	}
	a.out = append(a.out, "\r\n"...)
	a.begun = true
	return nil
}

var errOverloaded = errors.New("fastcgi: the responder has no room for a request")

// end is the responder's word that there is no more.
func (a *answer) end(content []byte, isHead *atomic.Bool) error {
	if len(content) < 5 {
		return errors.New("fastcgi: the record that ends the request is too short")
	}
	switch s := content[4]; {
	case s == overloaded:
		return errOverloaded
	case s != requestComplete:
		return fmt.Errorf("fastcgi: the responder refuses the request: protocol status %d", s)
	case !a.begun && len(a.head) > 0 && a.head[len(a.head)-1] == '\n': // a head without a body or the line before it
		if err := a.begin(strings.TrimRight(string(a.head), "\r\n"), isHead.Load()); err != nil {
			return err
		}
	case !a.begun:
		return io.ErrUnexpectedEOF
	}
	if a.kind == chunkedBody {
		a.out = append(a.out, "0\r\n\r\n"...)
	}
	a.ended = true
	return nil
}
