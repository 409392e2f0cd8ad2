package httpproxy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// probe is a filter that marks what it sees, or answers.
type probe struct {
	Name   string `json:"name"`
	Answer int    `json:"answer,omitempty"`
	Broken bool   `json:"broken,omitempty"`
	Path   string `json:"path,omitempty"` // sent on in place of the request's
}

func (probe) Validate() error { return nil }

func (p probe) Request(x *filter.Exchange) filter.Verdict {
	x.Request.Fields.Add("X-Seen", p.Name)
	if v, ok := x.Capture("id"); ok {
		x.Request.Fields.Set("X-Id", v)
	}
	if p.Path != "" {
		x.Request.Path, x.Request.Host = p.Path, "elsewhere.test"
	}
	if p.Answer != 0 {
		return x.Respond(p.Answer, "probe", "Answered.\n")
	}
	return filter.Continue
}

func (p probe) Response(x *filter.Exchange) { x.Response.Fields.Add("X-Back", p.Name) }

func withProbe(_ *stand, c *Config) {
	c.Filters = filter.Catalog{filter.Define("probe", func(p probe, _ filter.Env) (filter.Filter, error) {
		if p.Broken {
			return nil, fmt.Errorf("cannot be built")
		}
		return p, nil
	})}
}

func probes(configs ...string) func(*model.Route) {
	return func(r *model.Route) {
		for _, c := range configs {
			r.Filters = append(r.Filters, model.FilterSpec{Kind: "probe", Config: json.RawMessage(c)})
		}
	}
}

func TestFilters(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, withProbe)
	s.list("u", rec.Addr().String())
	s.route("pass", "/", "u", probes(`{"name":"a"}`, `{"name":"b"}`), func(r *model.Route) {
		r.Match.Path = model.PathMatch{Kind: model.PathPattern, Value: "/u/{id}"}
	})
	s.route("stop", "/stop", "u", probes(`{"name":"a"}`, `{"name":"b","answer":403}`, `{"name":"c"}`))
	s.route("broken", "/broken", "u", probes(`{"name":"a"}`, `{"name":"b","broken":true}`))
	s.route("unknown", "/unknown", "u", func(r *model.Route) { r.Filters = []model.FilterSpec{{Kind: "none"}} })
	s.route("say", "/say", "u", probes(`{"name":"a"}`), func(r *model.Route) { r.Action = model.Respond{Status: 204, Body: "not sent"} })
	s.publish()
	c := s.dial()
	r := c.send(get("/u/7")).receive("GET")
	if e := r.echoed(t); e.Head["x-seen"] != "a|b" || e.Head["x-id"] != "7" || r.head["x-back"] != "b|a" {
		t.Errorf("%+v", r)
	}
	r = c.send(get("/stop")).receive("GET")
	if !strings.HasPrefix(r.status, "HTTP/1.1 403") || r.head["x-back"] != "a" || r.head["x-paifang-reason"] != "probe" || r.body != "Answered.\n" {
		t.Errorf("%+v", r)
	}
	if r = c.send(get("/say")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 204") || r.head["x-back"] != "a" {
		t.Errorf("%+v", r)
	}
	for _, path := range []string{"/broken", "/unknown"} { // fails closed
		if r = c.send(get(path)).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 503") || r.head["x-paifang-reason"] != "invalid-filter" {
			t.Errorf("%+v", r)
		}
	}
	if n := len(rec.requests()); n != 1 {
		t.Errorf("%d requests upstream", n)
	}
	said := map[string]bool{}
	for _, b := range s.plane.Unbound() {
		said[b.Err.Error()] = true
	}
	if len(said) != 2 || !said["filter: bind probe: cannot be built"] || !said[`filter: bind "none": no such kind`] {
		t.Errorf("%v", said)
	}
	s.routes = s.routes[:1]
	s.publish()
	eventually(t, func() bool { return len(s.plane.Unbound()) == 0 })
}

// The log says what was asked, which is what the route was decided on, and not what filters made of it.
func TestLogSaysWhatWasAsked(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, withProbe)
	s.list("u", rec.Addr().String())
	s.route("moved", "/", "u", probes(`{"name":"a","path":"/other"}`))
	s.publish()
	c := s.dial()
	for n, path := range []string{"/asked", "/again"} {
		c.send(get(path)).receive("GET")
		if a := s.last(n + 1); a.Path != path || a.Host != "shop.test" {
			t.Errorf("asked %s, logged host %s, path %s", path, a.Host, a.Path)
		}
	}
	for _, r := range rec.requests() {
		if !strings.HasPrefix(r, "GET /other ") {
			t.Errorf("sent on: %q", r)
		}
	}
}

func TestWeights(t *testing.T) {
	a, b := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")), newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"))
	s := newStand(t, nil)
	s.list("a", a.Addr().String())
	s.list("b", b.Addr().String())
	targets := func(wa, wb int) func(*model.Route) {
		return func(r *model.Route) {
			r.Action = model.Forward{Targets: []model.Target{{Upstream: "a", Weight: wa}, {Upstream: "b", Weight: wb}}}
		}
	}
	s.route("even", "/even", "", targets(0, 0))
	s.route("one", "/one", "", targets(0, 5))
	s.route("uneven", "/uneven", "", targets(9, 1))
	s.publish()
	c := s.dial()
	count := func(path string, n int) (as int) {
		for range n {
			if c.send(get(path)).receive("GET").body == "a" {
				as++
			}
		}
		return as
	}
	if n := count("/even", 400); n < 120 || n > 280 {
		t.Errorf("even: %d of 400", n)
	}
	if n := count("/one", 50); n != 0 {
		t.Errorf("a target without a share got %d", n)
	}
	if n := count("/uneven", 400); n < 300 || n > 399 {
		t.Errorf("uneven: %d of 400", n)
	}
}
