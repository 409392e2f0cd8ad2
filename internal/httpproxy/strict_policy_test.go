package httpproxy

import (
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestPolicyAndTargetAgree: which route takes a request, and what its upstream is asked for, are decided by one form of
// path, host and method. /admin is closed, GET alone is open below /get, and everything else of the host is forwarded.
func TestPolicyAndTargetAgree(t *testing.T) {
	rec := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := newStand(t, nil)
	s.list("u", rec.Addr().String())
	closed := func(r *model.Route) {
		r.Action = model.Respond{Status: 403, Code: "closed"}
		r.Hosts = []model.Host{"shop.test"}
	}
	s.route("open", "/", "u", func(r *model.Route) { r.Hosts = []model.Host{"shop.test"} })
	s.route("admin", "/admin", "", closed)
	s.route("get", "/get", "u", func(r *model.Route) { r.Hosts, r.Match.Methods = []model.Host{"shop.test"}, []string{"GET"} })
	s.route("no get", "/get", "", closed)
	s.publish()
	for _, c := range []struct{ request, want string }{
		{"GET /admin shop.test", "403"},
		{"GET /admin/ shop.test", "403"},
		{"GET /admin/x shop.test", "403"},
		{"GET //admin shop.test", "403"},
		{"GET /./admin shop.test", "403"},
		{"GET /x/../admin shop.test", "403"},
		{"GET /x/%2e%2e/admin shop.test", "403"},
		{"GET /x//..//..//admin shop.test", "403"},
		{"GET /x/y/../../admin/. shop.test", "403"},
		{"GET /%61dmin shop.test", "403"},
		{"GET /%61%64%6d%69%6E shop.test", "403"},
		{"GET /admin/../admin shop.test", "403"},
		{"GET /admin?x shop.test", "403"},
		{"GET http://shop.test/admin shop.test", "403"},
		{"GET http://shop.test//x/../admin shop.test", "403"},
		{"GET /admin SHOP.test", "403"},
		{"GET /admin shop.test.", "403"},
		{"GET /admin shop.test:443", "403"},
		{"GET /admin shop.test.:8080", "403"},
		{"get /get shop.test", "403"},
		{"Get /get shop.test", "403"},
		{"POST /get/x shop.test", "403"},
		{"GET /get shop.test", "200 /get"},
		{"GET /get/../admin shop.test", "403"},
		{"GET /admin/../x shop.test", "200 /x"},
		{"GET /admin/%2e%2e/x shop.test", "200 /x"},
		{"GET /administer shop.test", "200 /administer"},
		{"GET /ADMIN shop.test", "200 /ADMIN"},
		{"GET /admin%20 shop.test", "200 /admin%20"},
		{"GET /%2561dmin shop.test", "200 /%2561dmin"},
		{"GET /x/%252e%252e/admin shop.test", "200 /x/%252e%252e/admin"},
		{"GET /admin;x shop.test", "200 /admin;x"},
		{"GET /x?/../admin shop.test", "200 /x?/../admin"},
		{"GET /x/..%2fadmin shop.test", "307"},
		{"GET /x%2f..%2fadmin shop.test", "307"},
		{"GET /x/..%5cadmin shop.test", "400"},
		{`GET /x/..\admin shop.test`, "400"},
		{"GET /x/..;/admin shop.test", "400"},
		{"GET /admin%00 shop.test", "400"},
		{"GET /admin#x shop.test", "400"},
		{"GET /admin evil.test", "404"},
		{"GET /admin shop.test.evil.test", "404"},
		{"GET /admin a.shop.test", "404"},
		{"GET http://shop.test/admin evil.test", "400"},
	} {
		f := strings.Fields(c.request)
		before := rec.requests()
		r := dialTo(t, s.addr("front")).send(f[0] + " " + f[1] + " HTTP/1.1\r\nHost: " + f[2] + "\r\n\r\n").receive("GET")
		status, target, forwarded := strings.Cut(c.want, " ")
		if !strings.HasPrefix(r.status, "HTTP/1.1 "+status) {
			t.Errorf("%s: %s, want %s", c.request, r.status, status)
		}
		got := rec.since(before)
		if forwarded != (len(got) == 1) || forwarded && got[0] != f[0]+" "+target+" HTTP/1.1" || len(got) > 1 {
			t.Errorf("%s: the upstream saw %q, want %q", c.request, got, target)
		}
		if l := r.head["location"]; status == "307" && l != "/admin" {
			t.Errorf("%s: sent to %q", c.request, l)
		}
	}
}

// TestMovedLocations: where an encoded slash is a redirect, the client stays on the host, with its query.
func TestMovedLocations(t *testing.T) {
	s, rec := simple(t, echo, func(s *stand, _ *Config) { s.listeners[0].Parsing.Slashes = model.SlashesKeep })
	c := s.dial()
	for target, want := range map[string]string{
		"/a%2Fb": "/a/b", "/a%2fb?c=%2F&d": "/a/b?c=%2F&d", "/%2F%2Fevil.test/": "/evil.test/", "/%2fevil.test": "/evil.test", "/a%2F%2Fb": "/a//b",
		"/a%2f..%2F..%2f%2Fevil.test": "/evil.test", "/%2F?": "/?",
	} {
		r := c.send(get(target)).receive("GET")
		if r.head["location"] != want || r.head["connection"] != "" || r.body != "" {
			t.Errorf("%s: %+v, want %s", target, r, want)
		}
	}
	if len(rec.requests()) > 0 {
		t.Errorf("%q", rec.requests())
	}
}

// TestLocationsStayOnTheirHost: no Location of ours begins with what browsers take for a host, whatever it is made of.
func TestLocationsStayOnTheirHost(t *testing.T) {
	s := newStand(t, nil)
	s.route("away", "/", "", func(r *model.Route) { r.Action = model.Redirect{Status: 302, Location: "//evil.test/"} }) // compile refuses it
	s.publish()
	if l := s.dial().send(get("/")).receive("GET").head["location"]; l != "/evil.test/" {
		t.Errorf("sent to %q", l)
	}
}

// TestTargetModes: with TargetReceived the client's spelling is sent on, unless a filter has changed the path or a server
// could take it for another one.
func TestTargetModes(t *testing.T) {
	rec := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := newStand(t, withProbe)
	s.list("u", rec.Addr().String())
	received := func(r *model.Route) {
		r.Action = model.Forward{Targets: []model.Target{{Upstream: "u"}}, Target: model.TargetReceived}
	}
	s.route("normal", "/normal", "u")
	s.route("received", "/received", "u", received)
	s.route("same", "/received/same", "u", received, probes(`{"name":"a"}`))
	s.route("other", "/received/other", "u", received, probes(`{"name":"a","path":"/elsewhere"}`))
	s.publish()
	c := s.dial()
	for target, want := range map[string]string{
		"/normal/%7e/{x}?%7e":                "/normal/~/%7Bx%7D?%7e",
		"/received/%7e/{x}?%7e":              "/received/%7e/{x}?%7e",
		"/received/%c3%bc":                   "/received/%c3%bc",
		"/received/a;b%3d":                   "/received/a;b%3d",
		"/received/%7e/../{x}":               "/received/%7Bx%7D",
		"/received/%7e//{x}":                 "/received/~/%7Bx%7D",
		"/received/%2e/%7e":                  "/received/~",
		"//received/%7e":                     "/received/~",
		"http://shop.test/received/%7e":      "/received/%7e",
		"/received/same/%7e":                 "/received/same/%7e",
		"/received/other/%7e?a=%7e":          "/elsewhere?a=%7e",
		"/%72eceived/a":                      "/%72eceived/a",
		"/received/%E4%BD%A0/%zZ?never=seen": "",
	} {
		before := rec.requests()
		c.send(get(target))
		r := c.receive("GET")
		got := strings.Join(rec.since(before), "")
		if want == "" {
			if !strings.HasPrefix(r.status, "HTTP/1.1 400") || got != "" {
				t.Errorf("%s: %s, %q", target, r.status, got)
			}
			c = s.dial()
			continue
		}
		if got != "GET "+want+" HTTP/1.1" {
			t.Errorf("%s is sent as %q, want %q", target, got, want)
		}
	}
}

// TestFiltersCannotLeaveTheForm: what a filter makes of a path is normalised and checked like what a client sends.
func TestFiltersCannotLeaveTheForm(t *testing.T) {
	rec := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := newStand(t, withProbe)
	s.list("u", rec.Addr().String())
	paths := map[string]string{"/a/../b": "/b", "//evil.test/x": "/evil.test/x", "/a b?c": "/a%20b%3Fc", "/%7e": "/~", `/a\b`: "", "a": "", "/%00": "", "/x\r\nA: b": "", "/..;/a": ""}
	n := 0
	for path := range paths {
		config := strings.NewReplacer(`\`, `\\`, "\r", `\r`, "\n", `\n`).Replace(path)
		s.route(path, "/"+string(rune('a'+n)), "u", probes(`{"name":"a","path":"`+config+`"}`))
		n++
	}
	s.publish()
	c := s.dial()
	for _, r := range s.routes {
		before := rec.requests()
		want := paths[string(r.ID)]
		a := c.send(get(r.Match.Path.Value)).receive("GET")
		got := strings.Join(rec.since(before), "")
		if want == "" && (!strings.HasPrefix(a.status, "HTTP/1.1 500") || a.head["x-paifang-reason"] != string(CodeBadPath) || got != "") ||
			want != "" && got != "GET "+want+" HTTP/1.1" {
			t.Errorf("%q: %s, sent %q, want %q", r.ID, a.status, got, want)
		}
	}
}
