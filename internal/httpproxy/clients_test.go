package httpproxy

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"paifang/internal/model"
)

// TestClientsOfAListener: what a listener says of its clients goes before what the process has, and a change of it holds for
// connections that are open, from their next request on.
func TestClientsOfAListener(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), func(s *stand, c *Config) {
		c.Timeouts.Idle, c.Timeouts.RequestHead, c.Timeouts.Drain = time.Hour, time.Hour, time.Hour
		s.listeners[0].Clients = model.Clients{Head: 50 * time.Millisecond}
	})
	if r := s.dial().send("GET / HTTP/1.1\r\nHost: sh").receive("GET"); !strings.Contains(r.status, " 408 ") {
		t.Errorf("a head that does not come: %+v", r)
	}
	kept := s.dial()
	kept.send(get("/")).receive("GET")
	s.listeners[0].Clients.Idle = 50 * time.Millisecond
	s.publish()
	kept.send(get("/")).receive("GET")
	kept.closed()
	s.listeners[0].Clients = model.Clients{Requests: 2, Drain: 50 * time.Millisecond}
	s.publish()
	counted := s.dial()
	if r := counted.send(get("/")).receive("GET"); r.head["connection"] != "" {
		t.Errorf("the first answer says %q of the connection", r.head["connection"])
	}
	if r := counted.send(get("/")).receive("GET"); r.head["connection"] != "close" {
		t.Errorf("the last answer says %q of the connection", r.head["connection"])
	}
	counted.closed()
	stuck := s.dial().send("GET / HTT")
	eventually(t, func() bool { return s.plane.Listeners()[0].Open > 0 })
	s.listeners = nil
	s.publish()
	stuck.closed() // after 50 ms, and not an hour
}

// TestRequestsOfAConnection: a connection of HTTP/2 that has carried as many requests as it may is asked to go, and ends when the
// last is answered.
func TestRequestsOfAConnection(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), func(s *stand, _ *Config) {
		s.listeners[0].Clients.Requests = 2
	})
	c := s.dial2()
	c.headers(1, true)
	if a := c.answers(1)[1]; a.body != "ok" {
		t.Fatalf("%+v", a)
	}
	c.headers(3, true)
	next(c, func(g *http2.GoAwayFrame) bool { return g.LastStreamID == 1<<31-1 })
	next(c, func(f *http2.DataFrame) bool { return f.StreamID == 3 && f.StreamEnded() })
	next(c, func(g *http2.GoAwayFrame) bool { return g.LastStreamID == 3 })
	c.ended()
}
