package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// client is a raw connection to the engine.
type client struct {
	net.Conn
	t testing.TB
	r *bufio.Reader
}

func (s *stand) dial() *client {
	s.t.Helper()
	return dialTo(s.t, s.addr("front"))
}

func dialTo(t testing.TB, addr string) *client {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(parts ...string) *client {
	c.t.Helper()
	for _, p := range parts {
		if _, err := io.WriteString(c, p); err != nil {
			c.t.Fatal(err)
		}
	}
	return c
}

// reply is a response as a client sees it.
type reply struct {
	status string // the whole line
	head   map[string]string
	body   string
}

// receive reads one response to a request of this method, with a reader that knows nothing of the engine's.
func (c *client) receive(method string) reply {
	c.t.Helper()
	r, err := readReply(c.r, method)
	if err != nil {
		c.t.Fatalf("read response: %v (so far %+v)", err, r)
	}
	return r
}

func readReply(r *bufio.Reader, method string) (out reply, err error) {
	line := func() string {
		if err != nil {
			return ""
		}
		var l string
		l, err = r.ReadString('\n')
		if err == nil && !strings.HasSuffix(l, "\r\n") {
			err = fmt.Errorf("bare LF after %q", l)
		}
		return strings.TrimSuffix(l, "\r\n")
	}
	out.head = map[string]string{}
	out.status = line()
	for l := line(); l != "" && err == nil; l = line() {
		k, v, _ := strings.Cut(l, ": ")
		k = strings.ToLower(k)
		if old, ok := out.head[k]; ok {
			v = old + "|" + v
		}
		out.head[k] = v
	}
	code := strings.Split(out.status+"  ", " ")[1]
	if err != nil || method == "HEAD" || code[:1] == "1" || code == "204" || code == "304" {
		return out, err
	}
	switch {
	case out.head["transfer-encoding"] == "chunked":
		for {
			var n int
			if _, serr := fmt.Sscanf(line(), "%x", &n); err != nil || serr != nil {
				return out, fmt.Errorf("chunk: %v %v", err, serr)
			}
			if n == 0 {
				for l := line(); l != "" && err == nil; l = line() {
					out.head["trailer "+strings.ToLower(l)] = ""
				}
				return out, err
			}
			b := make([]byte, n+2)
			if _, err = io.ReadFull(r, b); err != nil {
				return out, err
			}
			out.body += string(b[:n])
		}
	case out.head["content-length"] != "":
		var n int
		fmt.Sscan(out.head["content-length"], &n)
		b := make([]byte, n)
		m, rerr := io.ReadFull(r, b)
		out.body = string(b[:m])
		return out, rerr
	}
	b, err := io.ReadAll(r)
	out.body = string(b)
	return out, err
}

// closed waits until the engine closes the connection.
func (c *client) closed() {
	c.t.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		rest, _ := c.r.Peek(c.r.Buffered())
		c.t.Fatalf("connection is open and says %q", string(b)+string(rest))
	} else if e, ok := err.(net.Error); ok && e.Timeout() {
		c.t.Fatal("connection stays open")
	}
}
