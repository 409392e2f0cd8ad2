package httpproxy

import (
	"sync/atomic"
	"testing"
	"time"
)

// pressed is a process that is as short of room as it is told.
type pressed struct {
	idle         atomic.Int64
	curt, refuse atomic.Bool
}

func (p *pressed) Idle(normal time.Duration) time.Duration {
	if d := p.idle.Load(); d > 0 {
		return time.Duration(d)
	}
	return normal
}
func (p *pressed) KeepsAlive() bool      { return !p.curt.Load() }
func (p *pressed) RefusesRequests() bool { return p.refuse.Load() }

func TestOverload(t *testing.T) {
	var p pressed
	s, rec := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), func(_ *stand, cfg *Config) { cfg.Pressure = &p })
	idle, kept := s.dial(), s.dial()
	for _, c := range []*client{idle, kept} {
		if r := c.send(get("/")).receive("GET"); r.body != "ok" || r.head["connection"] != "" {
			t.Fatalf("%+v", r)
		}
	}
	p.idle.Store(int64(20 * time.Millisecond)) // of 75 s: it waits since before
	idle.closed()
	kept.closed()
	p.idle.Store(0)
	c := s.dial()
	if r := c.send(get("/")).receive("GET"); r.body != "ok" || r.head["connection"] != "" {
		t.Errorf("%+v", r)
	}
	p.curt.Store(true)
	if r := c.send(get("/")).receive("GET"); r.body != "ok" || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	c.closed()
	p.refuse.Store(true)
	c = s.dial()
	if r := c.send(get("/"), get("/")).receive("GET"); r.status != "HTTP/1.1 503 Service Unavailable" || r.head["x-paifang-reason"] != string(CodeOverloaded) || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	c.closed()
	if n := len(rec.requests()); n != 4 {
		t.Errorf("%d requests reached the upstream, want 4", n)
	}
	if n := s.plane.Counts().Own[CodeOverloaded]; n != 1 {
		t.Errorf("%d are counted as overloaded", n)
	}
	p.refuse.Store(false)
	p.curt.Store(false)
	c = s.dial()
	if r := c.send(get("/")).receive("GET"); r.body != "ok" || r.head["connection"] != "" {
		t.Errorf("%+v", r)
	}
}

// Idle connections that have not waited for as long as they may now stay.
func TestOverloadSparesTheYoung(t *testing.T) {
	var p pressed
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), func(_ *stand, cfg *Config) { cfg.Pressure = &p })
	c := s.dial()
	c.send(get("/")).receive("GET")
	p.idle.Store(int64(time.Minute))
	ticks := s.plane.clock.Load()
	eventually(t, func() bool { return s.plane.clock.Load() > ticks+600 }) // the sweeper has looked twice
	if r := c.send(get("/")).receive("GET"); r.body != "ok" {
		t.Errorf("%+v", r)
	}
}
