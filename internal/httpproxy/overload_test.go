package httpproxy

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestOverloadLadder: as memory fills, idle connections are kept for less time, then end and none is kept; then requests
// are refused, and then connections; and all of it is over when memory is.
func TestOverloadLadder(t *testing.T) {
	var used atomic.Int64
	s, rec := simple(t, saying(good), func(_ *stand, c *Config) { c.Memory, c.used = 1000, used.Load })
	reach := func(n int64) {
		used.Store(n)
		eventually(t, func() bool { return s.plane.memory.percent.Load() == n/10 })
	}
	c, idle := s.dial(), s.dial()
	for _, cl := range []*client{c, idle} {
		if r := cl.send(get("/")).receive("GET"); r.body != "good" || r.head["connection"] != "" {
			t.Fatalf("%+v", r)
		}
	}
	reach(960)
	c.closed()
	idle.closed()
	c = s.dial()
	if r := c.send(get("/")).receive("GET"); r.body != "good" || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	c.closed()
	reach(980)
	before := len(rec.requests())
	if r := s.dial().send(get("/")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != string(CodeOverload) || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	if n := len(rec.requests()); n != before {
		t.Errorf("%d requests reached the upstream", n-before)
	}
	reach(990)
	if cn, err := net.DialTimeout("tcp", s.addr("front"), time.Second); err == nil {
		_ = cn.SetDeadline(time.Now().Add(5 * time.Second))
		if n, err := cn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("a new connection is served")
		}
		cn.Close()
	}
	reach(100)
	c = s.dial()
	for range 2 {
		if r := c.send(get("/")).receive("GET"); r.body != "good" || r.head["connection"] != "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestPressure(t *testing.T) {
	var used int64
	var m pressure
	m.begin(&Config{Memory: 1000, Timeouts: Timeouts{Idle: 602 * time.Second}, used: func() int64 { return used }})
	now := time.Now()
	for _, c := range []struct {
		used int64
		idle time.Duration
		end  bool
	}{
		{0, 602 * time.Second, false}, {850, 602 * time.Second, false}, {900, 302 * time.Second, false}, {940, 62 * time.Second, false},
		{950, 2 * time.Second, true}, {2000, 2 * time.Second, true}, {100, 602 * time.Second, false},
	} {
		now = now.Add(time.Second)
		used = c.used
		if end := m.look(now); end != c.end || m.keepIdle() != c.idle {
			t.Errorf("%d of 1000: idle %v, end %v", c.used, m.keepIdle(), end)
		}
	}
	used = 1000
	if m.look(now.Add(pressureEach / 2)); m.from(shutFrom) {
		t.Error("it looks all the time")
	}
	m.begin(&Config{Memory: 1, Timeouts: Timeouts{Idle: time.Second}})
	if n := m.used(); n < 100_000 || n > 1<<34 {
		t.Errorf("this process uses %d bytes", n)
	}
	if m.look(now.Add(time.Hour)); !m.from(shutFrom) || m.keepIdle() != time.Second {
		t.Errorf("%d percent, idle %v", m.percent.Load(), m.keepIdle())
	}
	m.begin(&Config{Memory: -1, Timeouts: Timeouts{Idle: time.Second}})
	m.percent.Store(0)
	if m.look(now.Add(2 * time.Hour)); m.from(1) {
		t.Error("it minds although nobody asked")
	}
}
