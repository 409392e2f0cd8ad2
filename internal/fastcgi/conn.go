package fastcgi

import (
	"bufio"
	"net"
	"sync/atomic"
)

// Settings are what a responder is told besides what a request says.
type Settings struct {
	Index  string // behind a path that ends in a slash, in the name of the script; "" = nothing
	Params []Param
}

// Param is a parameter, which takes the place of one of CGI that has its name.
type Param struct {
	Name  string
	Value func(*Request) string
}

// Request is what parameters may have of one: the path, decoded, and with the index behind it, and the rest as it is sent. Host has no port.
type Request struct{ Script, Path, Query, Target, Method, Host string }

// Conn is a connection of HTTP/1.1 over one of FastCGI. One goroutine may write while another one reads. Deadlines and Close are those
// of the connection below.
type Conn struct {
	net.Conn
	settings *Settings

	request request
	answer  answer
	head    atomic.Bool // the request is HEAD: its answer has no body
	expects atomic.Bool // the client waits for 100 before it sends its body
}

var _ net.Conn = (*Conn)(nil)

// Client makes a connection to a responder one of HTTP/1.1. The settings are not changed.
func Client(c net.Conn, settings *Settings) *Conn {
	f := &Conn{Conn: c, settings: settings}
	f.answer.in = bufio.NewReaderSize(c, 16<<10)
	return f
}

// Write takes a part of one request of HTTP/1.1, as an honest client writes it. Errors are those of the connection below, and that
// it is no request, or a second one.
func (c *Conn) Write(b []byte) (int, error) {
	out, err := c.request.take(c, nil, b)
	if err != nil {
		return 0, err
	}
	if len(out) > 0 {
		if _, err := c.Conn.Write(out); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// Read gives the answer as one of HTTP/1.1, and io.EOF behind its end. Errors are those of the connection below, io.ErrUnexpectedEOF
// where it ends before the answer, and that what comes is none.
func (c *Conn) Read(p []byte) (int, error) {
	if c.expects.Swap(false) && !c.answer.begun {
		c.answer.out = []byte("HTTP/1.1 100 Continue\r\n\r\n") // FastCGI has no such thing: the body is awaited in any case
	}
	return c.answer.read(p, &c.head)
}
