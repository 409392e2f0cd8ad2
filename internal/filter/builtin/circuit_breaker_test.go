package builtin

import (
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// sent is a request that was let past, and whose upstream answers after a while; the status that the client gets, 0 = rerouted.
func (p *policy) sent(status int, code model.Code, after time.Duration) int {
	p.t.Helper()
	x := p.ask("192.0.2.1", "GET /")
	defer x.Finish()
	if x.Response.Status != 0 {
		return x.Response.Status
	}
	p.now = p.now.Add(after)
	switch x.Judged(status, code) {
	case filter.Respond:
		return x.Response.Status
	case filter.Reroute:
		return 0
	}
	return status
}

func TestCircuitBreaker(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{"failures":50,"window":10,"minimum":4,"open":"10s","trials":3}`))
	for i, status := range []int{500, 200, 200, 502} { // half of the first four
		if got := p.sent(status, "", 0); got != status {
			t.Errorf("request %d: %d", i, got)
		}
	}
	x := p.ask("192.0.2.1", "GET /")
	if x.Response.Status != 503 || x.Code != CodeCircuitOpen || x.Response.Fields.Get("Retry-After") != "10" {
		t.Errorf("it is closed: %d %s %s", x.Response.Status, x.Code, x.Response.Fields.Get("Retry-After"))
	}
	p.now = p.now.Add(10 * time.Second)
	var trials []*filter.Exchange
	for range 3 {
		x := p.ask("192.0.2.1", "GET /")
		if x.Response.Status != 0 {
			t.Error("a trial is refused")
		}
		trials = append(trials, x)
	}
	if got := p.sent(200, "", 0); got != 503 {
		t.Errorf("a fourth trial is answered %d", got)
	}
	trials[0].Finish() // its client has left: another may try
	trials[1].Judged(200, "")
	trials[2].Judged(500, "")
	if got := p.sent(200, "", 0); got != 200 {
		t.Errorf("in its place: %d", got)
	}
	if got := p.sent(200, "", 0); got != 200 { // one of three: closed
		t.Errorf("after good trials: %d", got)
	}
	for range 3 {
		p.sent(500, "", 0)
	}
	if got := p.sent(200, "", 0); got != 503 { // three of four
		t.Errorf("it does not open again: %d", got)
	}
	p.now = p.now.Add(10 * time.Second)
	for range 3 {
		p.sent(200, "", 0)
	}
	for range 6 {
		p.sent(200, "", 0)
	}
	for range 5 {
		if got := p.sent(500, "", 0); got != 500 {
			t.Errorf("too early: %d", got)
		}
	}
	if got := p.sent(200, "", 0); got != 503 { // five of the last ten
		t.Errorf("the window does not move: %d", got)
	}
}

func TestCircuitBreakerOutcomes(t *testing.T) {
	for _, c := range []struct {
		config string
		status int
		code   model.Code
		after  time.Duration
		opens  bool
	}{
		{`{"window":2}`, 500, "", 0, true},
		{`{"window":2}`, 404, "", 0, false},
		{`{"window":2,"statuses":[408]}`, 408, "request-timeout", 0, false},
		{`{"window":2}`, 502, "upstream-reset", 0, true},
		{`{"window":2,"statuses":[404]}`, 404, "", 0, true},
		{`{"window":2,"statuses":[404]}`, 500, "", 0, false},
		{`{"window":2,"statuses":[404]}`, 504, "upstream-timeout", 0, true},
		{`{"window":2,"statuses":["404-410","5xx"]}`, 409, "", 0, true},
		{`{"window":2,"statuses":["404-410","5xx"]}`, 503, "", 0, true},
		{`{"window":2,"statuses":["404-410","5xx"]}`, 411, "", 0, false},
		{`{"window":2,"slow":"1s"}`, 200, "", 2 * time.Second, true},
		{`{"window":2,"slow":"1s"}`, 200, "", time.Second, false},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("circuit-breaker", c.config))
		p.sent(c.status, c.code, c.after)
		p.sent(c.status, c.code, c.after)
		if got := p.sent(200, "", 0); got == 503 != c.opens {
			t.Errorf("%s, %d %s after %v: %d", c.config, c.status, c.code, c.after, got)
		}
	}
	for _, bad := range []string{
		`{"failures":101}`, `{"slowRate":50}`, `{"window":10001}`, `{"window":5,"minimum":6}`, `{"minimum":101}`, `{"open":"2h"}`, `{"scope":"all"}`, `{"statuses":[99]}`, `{"statuses":["1xx"]}`, `{"statuses":["NOT_FOUND"]}`, `{"trials":-1}`,
		`{"fallback":{"path":"x"}}`, `{"fallback":{"status":200,"credentials":true}}`, `{"fallback":{"path":"/x","status":200}}`, `{"fallback":{"status":99}}`, `{"fallback":{"contentType":"a\nb"}}`,
	} {
		if _, err := Kinds().Check(specOf("circuit-breaker", bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestCircuitBreakerOfBadRequests: what is wrong with a request, so that no upstream has had it, closes no circuit.
func TestCircuitBreakerOfBadRequests(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{"window":2,"open":"10s","trials":1}`))
	p.sent(500, "", 0)
	p.sent(500, "", 0)
	p.now = p.now.Add(10 * time.Second)
	for range 3 { // each is the one trial, and none decides
		if got := p.sent(400, "bad-chunk-size", 0); got != 400 {
			t.Errorf("a trial is answered %d", got)
		}
	}
	p.sent(500, "", 0)
	if got := p.sent(200, "", 0); got != 503 {
		t.Errorf("after a trial that has failed: %d", got)
	}
}

// TestCircuitBreakerOfSlowClients: how long a client takes to send its body is not the upstream's.
func TestCircuitBreakerOfSlowClients(t *testing.T) {
	for waits, want := range map[time.Duration]int{time.Second: 0, time.Second + 1: 503} {
		p := newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{"window":2,"slow":"1s"}`))
		for range 2 {
			x := p.ask("192.0.2.1", "POST /", "Content-Length: 4")
			for range 4 {
				p.now = p.now.Add(time.Minute)
				x.TapPart([]byte("a"))
			}
			p.now = p.now.Add(time.Minute)
			x.TapEnd()
			p.now = p.now.Add(waits)
			x.Judged(200, "")
			x.Finish()
		}
		if x := p.ask("192.0.2.1", "GET /"); x.Response.Status != want {
			t.Errorf("an upstream that answers after %v: %d, want %d", waits, x.Response.Status, want)
		}
	}
}

func TestCircuitBreakerFallback(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{"window":1,"fallback":{"status":200,"body":"{}","contentType":"application/json"}}`))
	x := p.ask("192.0.2.1", "GET /")
	if v := x.Judged(500, ""); v != filter.Respond || x.Response.Status != 200 || x.Code != CodeUpstreamStatus || x.Body != "{}" || x.Response.Fields.Get("Content-Type") != "application/json" {
		t.Errorf("%v %+v", v, x.Response)
	}
	if x := p.ask("192.0.2.1", "GET /"); x.Response.Status != 200 || x.Code != CodeCircuitOpen {
		t.Errorf("while it is open: %+v", x.Response)
	}
	x = newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{"fallback":{"status":200}}`)).ask("192.0.2.1", "GET /")
	if v := x.Judged(504, "upstream-timeout"); v != filter.Respond || x.Response.Status != 200 || x.Code != "upstream-timeout" {
		t.Errorf("of an upstream that is late: %v %d %s", v, x.Response.Status, x.Code)
	}
	p = newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{"window":1,"fallback":{"path":"/other","openOnly":true}}`))
	if got := p.sent(500, "", 0); got != 500 {
		t.Errorf("a failure is answered %d", got)
	}
	x = p.ask("192.0.2.1", "GET /")
	if x.Rerouted() != "/other" {
		t.Errorf("%q", x.Rerouted())
	}
}

// TestCircuitBreakerDoesNotAllocate once its requests were let past before.
func TestCircuitBreakerDoesNotAllocate(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("circuit-breaker", `{}`))
	x := &filter.Exchange{}
	if n := testing.AllocsPerRun(100, func() {
		if p.chain.Request(x) != filter.Continue || x.Judged(200, "") != filter.Continue {
			t.Error("it does not pass")
		}
		x.Finish()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
