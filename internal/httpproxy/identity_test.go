package httpproxy

import (
	"net/netip"
	"strings"
	"testing"

	"paifang/internal/model"
)

func TestIdentityOfUntrustedClients(t *testing.T) {
	s, _ := simple(t, echo, nil)
	c := s.dial().send(get("/", "X-Forwarded-For: 6.6.6.6", "x-forwarded-FOR: 7.7.7.7", "X-Real-IP: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil",
		"X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "Forwarded: for=6.6.6.6", "X-Request-ID: forged", "X-Paifang-Node: evil", "Connection: X-Forwarded-For, X-Real-IP, Host"))
	h := c.receive("GET").echoed(t).Head
	_, port, _ := strings.Cut(s.addr("front"), ":")
	for name, want := range map[string]string{
		"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "shop.test", "x-forwarded-port": port,
		"x-forwarded-prefix": "", "forwarded": "", "x-paifang-node": "node-1", "host": "shop.test", "connection": "",
	} {
		if h[name] != want {
			t.Errorf("%s is %q, want %q", name, h[name], want)
		}
	}
	if id := h["x-request-id"]; len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("id %q", id)
	}
	if a := s.last(1); a.RequestID != h["x-request-id"] {
		t.Errorf("%+v", a)
	}
	if again := c.send(get("/")).receive("GET").echoed(t).Head["x-request-id"]; again == h["x-request-id"] {
		t.Error("two requests have one ID")
	}
}

func TestTrustedForwarders(t *testing.T) {
	s, _ := simple(t, echo, func(s *stand, _ *Config) {
		s.listeners[0].Trust.ForwardedFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for i, c := range []struct {
		in          []string
		chain, real string
	}{
		{[]string{"X-Forwarded-For: 6.6.6.6, 9.9.9.9 ,10.0.0.1"}, "9.9.9.9 ,10.0.0.1, 127.0.0.1", "9.9.9.9"},
		{[]string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 10.0.0.1"}, "6.6.6.6, 10.0.0.1, 127.0.0.1", "6.6.6.6"},
		{[]string{"X-Forwarded-For: [2001:db8::1]:80"}, "[2001:db8::1]:80, 127.0.0.1", "2001:db8::1"},
		{[]string{"X-Forwarded-For: ::ffff:9.9.9.9"}, "::ffff:9.9.9.9, 127.0.0.1", "9.9.9.9"},
		{[]string{"X-Forwarded-For: 9.9.9.9:4711"}, "9.9.9.9:4711, 127.0.0.1", "9.9.9.9"},
		{[]string{"X-Forwarded-For: nonsense"}, "nonsense, 127.0.0.1", "127.0.0.1"},
		{[]string{"X-Forwarded-For: 10.0.0.1"}, "10.0.0.1, 127.0.0.1", "10.0.0.1"},
		{nil, "127.0.0.1", "127.0.0.1"},
	} {
		h := s.dial().send(get("/", append(c.in, "X-Forwarded-Proto: https", "X-Request-ID: abc", "X-Real-IP: 1.2.3.4")...)).receive("GET").echoed(t).Head
		if h["x-forwarded-for"] != c.chain || h["x-real-ip"] != c.real || h["x-forwarded-proto"] != "https" || h["x-request-id"] != "abc" {
			t.Errorf("%v: %v", c.in, h)
		}
		if a := s.last(i + 1); a.Client.String() != c.real {
			t.Errorf("%v: client %v", c.in, a.Client)
		}
	}
	if h := s.dial().send(get("/", "X-Request-ID: a b")).receive("GET").echoed(t).Head; len(h["x-request-id"]) != 32 {
		t.Errorf("%v", h)
	}
}

func TestHostModes(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, nil)
	s.list("u", rec.Addr().String())
	mode := func(f model.Forward) func(*model.Route) {
		return func(r *model.Route) { f.Targets = []model.Target{{Upstream: "u"}}; r.Action = f }
	}
	s.route("keep", "/keep", "u")
	s.route("endpoint", "/endpoint", "u", mode(model.Forward{Host: model.HostEndpoint}))
	s.route("literal", "/literal", "u", mode(model.Forward{Host: model.HostLiteral, HostName: "inner.test:81"}))
	s.publish()
	c := s.dial()
	for path, want := range map[string]string{"/keep": "shop.test", "/endpoint": rec.Addr().String(), "/literal": "inner.test:81"} {
		if h := c.send(get(path)).receive("GET").echoed(t).Head; h["host"] != want || h["x-forwarded-host"] != "shop.test" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestLoop(t *testing.T) {
	s := newStand(t, nil)
	s.route("all", "/", "self")
	s.publish()
	s.list("self", s.addr("front"))
	r := s.dial().send(get("/x")).receive("GET")
	if !strings.HasPrefix(r.status, "HTTP/1.1 508") || r.head["x-paifang-reason"] != "loop" {
		t.Errorf("%+v", r)
	}
	s.last(2)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.looped) != 1 || s.looped[0] != "front shop.test/x" || len(s.records) != 2 {
		t.Errorf("%q %+v", s.looped, s.records)
	}
}

func TestPassingTwoListenersIsNoLoop(t *testing.T) {
	rec := newRecorder(t, echo)
	s := newStand(t, func(s *stand, _ *Config) {
		s.listeners = append(s.listeners, model.Listener{ID: "inner", Class: "inner", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	})
	s.route("front", "/", "inner")
	s.route("inner", "/", "u", func(r *model.Route) { r.Attach = []model.Class{"inner"} })
	s.list("u", rec.Addr().String())
	s.publish()
	s.list("inner", s.addr("inner"))
	h := s.dial().send(get("/")).receive("GET").echoed(t).Head
	if via := strings.Split(h["x-paifang-via"], ", "); len(via) != 2 || !strings.HasSuffix(via[0], "/front") || !strings.HasSuffix(via[1], "/inner") {
		t.Errorf("%v", h)
	}
	if h["x-paifang-node"] != "" {
		t.Errorf("the inner listener has no node: %v", h)
	}
}
