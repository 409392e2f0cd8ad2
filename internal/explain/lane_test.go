package explain_test

import (
	"strings"
	"testing"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/filter/builtin"
	"paifang/internal/model"
)

// TestLanes: the rule that decides is named, and where chance or a cookie decides, that is told.
func TestLanes(t *testing.T) {
	forward := model.Forward{
		Targets: []model.Target{{Upstream: explaintest.OrderService, Weight: 1}, {Upstream: explaintest.LBOrder}},
		Lanes: []model.Lane{
			{Target: explaintest.LBOrder, Name: "by-header X-Gray: always", From: model.LaneHeader, Field: "X-Gray", Value: "always"},
			{Target: explaintest.OrderService, Name: "by-cookie gray=never", From: model.LaneCookie, Field: "gray", Value: "never"},
			{Target: explaintest.LBOrder, Name: "half of some", From: model.LaneShare, Share: 2, Of: 2, Hash: []model.HashPart{{From: model.HashQuery, Name: "user"}}},
			{Target: explaintest.LBOrder, Name: "weight", From: model.LaneShare, Share: 20, Of: 100},
			{Target: explaintest.OrderService, Name: "another", From: model.LaneShare, Share: 30, Of: 100, Beside: 20},
			{Target: explaintest.LBOrder, Name: "by-cookie late=1", From: model.LaneCookie, Field: "late", Value: "1"},
		},
	}
	s := explaintest.New(model.Objects{Routes: []model.Route{{ID: "gray", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/gray"}}, Action: forward}}})
	for _, c := range []struct {
		url, header string
		says        string
		to          model.UpstreamID
	}{
		{"http://shop.test/gray", "X-Gray: always", ", by by-header X-Gray: always", explaintest.LBOrder},
		{"http://shop.test/gray", "Cookie: gray=never", ", by by-cookie gray=never", explaintest.OrderService},
		{"http://shop.test/gray?user=7", "X-A: b", ", by half of some", explaintest.LBOrder},
		{"http://shop.test/gray", "X-A: b", "order-service:80 (the rest) or nacos-order-service (by its lanes); the next lines follow order-service:80, by weight: chance takes 20 of 100 to ", explaintest.OrderService},
		{"http://shop.test/gray", "X-A: b", ", and by another: chance takes 30 of 100 to order-service:80", explaintest.OrderService},
		{"http://shop.test/gray", "Cookie: late=1", ", and by by-cookie late=1", explaintest.LBOrder},
	} {
		r, text := explained(t, s.World(), explain.Request{URL: c.url, Headers: []string{c.header}})
		if !strings.Contains(text, c.says) || r.Upstream != c.to {
			t.Errorf("%s %s: to %s\n%s\nwant %s, %q", c.url, c.header, r.Upstream, text, c.to, c.says)
		}
	}
}

// TestEditedBeforeLanes: lanes are asked behind the filters of their route.
func TestEditedBeforeLanes(t *testing.T) {
	forward := model.Forward{
		Targets: []model.Target{{Upstream: explaintest.OrderService, Weight: 1}, {Upstream: explaintest.LBOrder}},
		Lanes:   []model.Lane{{Target: explaintest.LBOrder, Name: "gray", From: model.LaneHeader, Field: "X-Gray", Present: true}},
	}
	route := func(id, path, config string) model.Route {
		return model.Route{ID: model.RouteID(id), Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"}, Action: forward,
			Match:   model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: path}},
			Filters: []model.FilterSpec{{Kind: "request-headers", Config: []byte(config)}}}
	}
	s := explaintest.New(model.Objects{Routes: []model.Route{
		route("out", "/out", `{"remove": ["X-Gray"]}`), route("in", "/in", `{"set": [{"name": "X-Gray", "value": "1"}]}`),
	}})
	w := s.World()
	w.Filters = builtin.Kinds()
	for url, want := range map[string]string{"http://shop.test/out": ", since no rule sends it elsewhere", "http://shop.test/in": ", by gray"} {
		if _, text := explained(t, w, explain.Request{URL: url, Headers: []string{"X-Gray: a"}}); !strings.Contains(text, want) {
			t.Errorf("%s: want %q\n%s", url, want, text)
		}
	}
}

// filtered is a route with filters, each "kind {config}".
func filtered(id, path string, action model.Action, filters ...string) model.Route {
	r := model.Route{ID: model.RouteID(id), Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"}, Action: action,
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: path}}}
	for _, f := range filters {
		kind, config, _ := strings.Cut(f, " ")
		r.Filters = append(r.Filters, model.FilterSpec{Kind: kind, Config: []byte(config)})
	}
	return r
}

// TestAnswered: an answer of the gateway's own is told as the filters of its route make it, and so is one that a filter gives in the place of
// an upstream. One that tells of a fault keeps its status.
func TestAnswered(t *testing.T) {
	forward := model.Forward{Targets: []model.Target{{Upstream: explaintest.OrderService}}}
	const accepted = `status {"status": 202}`
	s := explaintest.New(model.Objects{Routes: []model.Route{
		filtered("accepted", "/accepted", model.Respond{Status: 200}, accepted),
		filtered("plain", "/plain", model.Respond{Status: 200}, "strip-prefix {}"),
		filtered("gone", "/gone", model.Redirect{Status: 301, Location: "https://other.test/"}, `status {"status": 308}`),
		filtered("moved", "/moved/{x}", forward, accepted, `redirect {"location": "/there/{x}"}`),
		filtered("teapot", "/teapot", model.Respond{Status: 200}, `respond {"status": 418}`, accepted),
		filtered("secure", "/secure", forward, `redirect {"scheme": "https", "status": 308, "clearOnly": true}`),
		filtered("served", "/served", forward, accepted, `redirect {"location": "/there", "pathOnly": "/other"}`),
		filtered("loop", "/loop", model.Respond{Status: 508, Code: model.CodeLoop}, accepted),
	}})
	w := s.World()
	w.Filters = builtin.Kinds()
	for _, c := range []struct {
		path   string
		status int
		says   string
	}{
		{"/accepted", 202, "answers 202 itself"},
		{"/plain", 200, "answers 200 itself"},
		{"/gone", 308, "redirects to https://other.test/"},
		{"/moved/7", 302, "redirects to /there/7"},
		{"/teapot", 418, "answers 418 itself"},
		{"/secure", 308, "308 to https://shop.test/secure; not asked"},
		{"/served", 0, "order-service:80"},
		{"/loop", 508, "508 loop"},
	} {
		r, text := explained(t, w, explain.Request{URL: "http://shop.test" + c.path, Headers: []string{"X-Forwarded-Proto: https"}})
		if r.Status != c.status || !strings.Contains(text, c.says) || (r.Upstream == "") == (c.status == 0) {
			t.Errorf("%s: %d, want %d, %q\n%s", c.path, r.Status, c.status, c.says, text)
		}
	}
}

// TestRerouted: a route whose filters have the request looked up again is told with the one that answers it, and one that leads to itself
// comes to an end.
func TestRerouted(t *testing.T) {
	route := filtered
	loop := model.Respond{Status: 508, Code: model.CodeLoop}
	s := explaintest.New(model.Objects{Routes: []model.Route{
		route("to", "/to/{id}", model.Forward{Targets: []model.Target{{Upstream: explaintest.OrderService}}}),
		route("from", "/from/{x}", loop, `set-path {"template": "/to/{x}"}`, "reroute {}"),
		route("self", "/self", loop, "reroute {}"),
	}})
	w := s.World()
	w.Filters = builtin.Kinds()
	if r, text := explained(t, w, explain.Request{URL: "http://shop.test/from/7"}); r.Upstream != explaintest.OrderService || !strings.Contains(text, "looks the request up again with the path /to/7") || strings.Contains(text, "508") {
		t.Errorf("%s\n%s", r.Upstream, text)
	}
	if r, text := explained(t, w, explain.Request{URL: "http://shop.test/self"}); r.Status != 508 {
		t.Errorf("%d\n%s", r.Status, text)
	}
}

// TestInPlaceOf: a target of which nobody is up is told with the one that has its requests, and the next lines follow that.
func TestInPlaceOf(t *testing.T) {
	forward := model.Forward{
		Targets: []model.Target{{Upstream: explaintest.OrderService, Weight: 1}, {Upstream: explaintest.LBOrder, Else: explaintest.OrderService}},
		Lanes:   []model.Lane{{Target: explaintest.LBOrder, Name: "lane gray: header X-Gray", From: model.LaneHeader, Field: "X-Gray", Present: true}},
	}
	s := explaintest.New(model.Objects{Routes: []model.Route{{ID: "gray", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/gray"}}, Action: forward}}})
	q := explain.Request{URL: "http://shop.test/gray", Headers: []string{"X-Gray: 1"}}
	const says = "by lane gray: header X-Gray; nobody of it is up, so order-service:80 has its requests"
	if r, text := explained(t, s.World(), q); r.Upstream != explaintest.LBOrder || strings.Contains(text, "nobody") {
		t.Errorf("while it is up: to %s\n%s", r.Upstream, text)
	}
	u := s.ByID[explaintest.LBOrder]
	for i := range u.Endpoints {
		u.Endpoints[i].Healthy = false
	}
	s.ByID[explaintest.LBOrder] = u
	if r, text := explained(t, s.World(), q); r.Upstream != explaintest.OrderService || !strings.Contains(text, says) {
		t.Errorf("while it is down: to %s\n%s", r.Upstream, text)
	}
	u.Endpoints = nil
	s.ByID[explaintest.LBOrder] = u
	if r, text := explained(t, s.World(), q); r.Upstream != explaintest.OrderService || !strings.Contains(text, says) {
		t.Errorf("while it is empty: to %s\n%s", r.Upstream, text)
	}
}
