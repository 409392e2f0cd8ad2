package httpproxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

const webSocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

// socketEcho upgrades and then echoes bytes until the client ends, and says so.
func socketEcho(c net.Conn, r *bufio.Reader) {
	q, err := readRequest(r)
	if err != nil || q.head["upgrade"] != "websocket" || q.head["connection"] != "upgrade" || q.head["sec-websocket-key"] == "" {
		io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
		return
	}
	io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nwelcome ")
	io.Copy(c, r)
	io.WriteString(c, "bye")
}

func (c *client) expect(text string) {
	c.t.Helper()
	b := make([]byte, len(text))
	if _, err := io.ReadFull(c.r, b); err != nil || string(b) != text {
		c.t.Fatalf("got %q, %v; want %q", b, err, text)
	}
}

func TestUpgrade(t *testing.T) {
	s, rec := simple(t, socketEcho, nil)
	c := s.dial().send(get("/", webSocket), "early ") // the client does not wait
	r := c.receive("GET")
	if r.status != "HTTP/1.1 101 Switching Protocols" || r.head["upgrade"] != "websocket" || strings.ToLower(r.head["connection"]) != "upgrade" || r.head["sec-websocket-accept"] != "x" {
		t.Fatalf("%+v", r)
	}
	c.expect("welcome early ")
	for range 3 {
		c.send("ping")
		c.expect("ping")
	}
	c.Conn.(*net.TCPConn).CloseWrite()
	c.expect("bye")
	c.closed()
	a := s.last(1)
	if a.Status != 101 || a.Reason != "" || a.In != 18 || a.Out != int64(len("welcome early bye")+12) {
		t.Errorf("%+v", a)
	}
	if rec.connections() != 1 {
		t.Error(rec.connections())
	}
	// The upstream's connection is not used again.
	s.dial().send(get("/")).receive("GET")
	if rec.connections() != 2 {
		t.Error("an upgraded connection went back to the pool")
	}
}

func TestRefusedUpgradeIsAnAnswer(t *testing.T) {
	s, _ := simple(t, saying("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), nil)
	c := s.dial()
	for range 2 {
		if r := c.send(get("/", webSocket)).receive("GET"); r.body != "no" {
			t.Errorf("%+v", r)
		}
	}
}

func TestIdleTunnelIsEnded(t *testing.T) {
	s, rec := simple(t, socketEcho, short)
	c := s.dial().send(get("/", webSocket))
	c.receive("GET")
	c.expect("welcome ")
	for range 20 { // longer than the timeout, but never idle that long
		c.send("x")
		c.expect("x")
		time.Sleep(10 * time.Millisecond)
	}
	c.closed()
	if a := s.last(1); a.Reason != "upstream-timeout" {
		t.Errorf("%+v", a)
	}
	eventually(t, func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.open) == 0 })
}

// TestIdleTunnelOfARoute: a route may say how long an upgraded connection is silent; the engine's hour holds otherwise.
func TestIdleTunnelOfARoute(t *testing.T) {
	s, rec := simple(t, socketEcho, nil)
	s.routes[0].Timeouts.Upgraded = 80 * time.Millisecond
	s.publish()
	c := s.dial().send(get("/", webSocket))
	c.receive("GET")
	c.expect("welcome ")
	c.closed()
	if a := s.last(1); a.Reason != "upstream-timeout" {
		t.Errorf("%+v", a)
	}
	eventually(t, func() bool { rec.mu.Lock(); defer rec.mu.Unlock(); return len(rec.open) == 0 })
}

func TestTunnelsLiveThroughChanges(t *testing.T) {
	t.Parallel()
	s, _ := simple(t, socketEcho, func(_ *stand, c *Config) { c.Timeouts.RetiredStream = 50 * time.Millisecond })
	keep := s.routes
	var tunnels []*client
	for range 10 {
		c := s.dial().send(get("/", webSocket))
		c.receive("GET")
		c.expect("welcome ")
		tunnels = append(tunnels, c)
	}
	for range 1000 {
		s.routes = keep[:1:1]
		s.route("other", "/other", "u")
		s.publish()
	}
	for _, c := range tunnels {
		c.send("still")
		c.expect("still")
	}
	eventually(t, func() bool { return s.plane.Bound() <= 4 })
	// Their route goes: they have a while.
	s.routes = nil
	s.publish()
	for _, c := range tunnels {
		c.closed()
	}
	for i := range tunnels {
		if a := s.last(i + 1); a.Reason != "retired" {
			t.Errorf("%+v", a)
		}
	}
}

func TestSwapsLeaveNothingBehind(t *testing.T) {
	s, rec := simple(t, echo, nil)
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		c := s.dial()
		for {
			select {
			case <-stop:
				return
			default:
			}
			io.WriteString(c, get("/"))
			if r, err := readReply(c.r, "GET"); err != nil || r.status != "HTTP/1.1 200 OK" {
				t.Errorf("%+v, %v", r, err)
				return
			}
		}
	}()
	for range 1000 {
		s.routes = nil
		s.route("all", "/", "u")
		s.route("more", "/more", "u", func(r *model.Route) { r.Hosts = []model.Host{"a.test", "*.b.test"} })
		s.publish()
	}
	close(stop)
	<-done
	eventually(t, func() bool { return s.plane.Bound() == 2 && s.plane.shared.Len() == 0 })
	if n := len(s.plane.counters.routes); n != 2 {
		t.Errorf("counters of %d routes", n)
	}
	if n := rec.connections(); n > 2 {
		t.Errorf("swaps cost %d upstream connections", n)
	}
}

func TestDrain(t *testing.T) {
	release := make(chan struct{})
	s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			if strings.Contains(q.line, "/slow") {
				<-release
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}, nil)
	idle, inFlight, stuck := s.dial(), s.dial(), s.dial()
	idle.send(get("/")).receive("GET")
	inFlight.send(get("/slow"))
	addr := s.addr("front")
	eventually(t, func() bool { return s.plane.Listeners()[0].Open == 3 })
	stuck.send("GET / HTT")
	s.listeners = nil
	s.publish()
	idle.closed()
	if l := s.plane.Listeners(); len(l) != 1 || !l[0].Draining || l[0].Open == 0 {
		t.Errorf("%+v", l)
	}
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil { // somebody else may have the port by now
		_ = c.SetDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(c, get("/"))
		if r, err := readReply(bufio.NewReader(c), "GET"); err == nil && r.body == "ok" {
			t.Error("the socket still accepts")
		}
		c.Close()
	}
	close(release)
	if r := inFlight.receive("GET"); r.body != "ok" || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	inFlight.closed()
	if r, err := readReply(stuck.r, "GET"); err == nil { // after the drain time
		t.Errorf("%+v", r)
	}
	eventually(t, func() bool { return len(s.plane.Listeners()) == 0 })
}

func TestDrainCutsWhatDoesNotEnd(t *testing.T) {
	s, _ := simple(t, slow(""), func(_ *stand, c *Config) { c.Timeouts.Drain = 50 * time.Millisecond })
	c := s.dial().send(get("/"))
	w := s.dial().send(post("/", "x", "Content-Length: 100000"))
	eventually(t, func() bool { return s.plane.Listeners()[0].Open == 2 })
	s.listeners = nil
	s.publish()
	c.closed()
	w.closed()
	for i := range 2 {
		if a := s.last(i + 1); a.Reason != "shutdown" {
			t.Errorf("%+v", a)
		}
	}
}

func TestCloseEndsInTime(t *testing.T) {
	s, _ := simple(t, socketEcho, func(_ *stand, c *Config) { c.Timeouts.Drain = time.Hour })
	c := s.dial().send(get("/", webSocket))
	c.receive("GET")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	s.plane.Close(ctx)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
	if s.plane.Bound() != 0 {
		t.Errorf("%d routes are left", s.plane.Bound())
	}
}
