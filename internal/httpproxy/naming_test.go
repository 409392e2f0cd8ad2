package httpproxy

import (
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestNamedTargets: a request goes to the target that it names and to no other place, with the path and the host of what names it.
func TestNamedTargets(t *testing.T) {
	own, other := newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown")), newRecorder(t, saying("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"))
	s := newStand(t, nil)
	s.list("own", own.Addr().String())
	s.list("other", other.Addr().String())
	targets := []model.Target{{Upstream: "own", Weight: 1, URIs: []string{"http://own.test"}}, {Upstream: "other", URIs: []string{"http://other.test:8080"}, Host: model.HostLiteral, HostName: "other.test:8080"}}
	s.route("named", "/", "", func(r *model.Route) {
		r.Action = model.Forward{Targets: targets, Target: model.TargetReceived, Host: model.HostLiteral, HostName: "own.test", Naming: &model.Naming{Header: "X-To"},
			Lanes: []model.Lane{{Target: "own", Name: "all", From: model.LaneShare, Share: 1, Of: 1}}}
	})
	s.publish()
	c := s.dial()
	for _, q := range []struct{ to, status, body, line, host string }{
		{"", " 200 ", "own", "GET /a%7Eb?x HTTP/1.1\r\n", "Host: own.test\r\n"},
		{"http://other.test:8080/%7Ec/../d?y=1", " 200 ", "other", "GET /d?y=1 HTTP/1.1\r\n", "Host: other.test:8080\r\n"},
		{"http://other.test:8080", " 200 ", "other", "GET / HTTP/1.1\r\n", "Host: other.test:8080\r\n"},
		{"http://own.test/a~b", " 200 ", "own", "HTTP/1.1\r\n", "Host: own.test\r\n"},
		{"http://other.test/", " 403 ", "", "", ""},
		{"http://" + other.Addr().String(), " 403 ", "", "", ""},
		{"other.test:8080", " 400 ", "", "", ""},
		{"http://other.test:8080/%zz", " 400 ", "", "", ""},
		{"http://other.test:8080/a\x7fb", " 400 ", "", "", ""},
	} {
		var fields []string
		if q.to != "" {
			fields = append(fields, "X-To: "+q.to)
		}
		a := c.send(get("/a%7Eb?x", fields...)).receive("GET")
		if !strings.Contains(a.status, q.status) || q.body != "" && a.body != q.body {
			t.Errorf("%q: answered %s %q", q.to, a.status, a.body)
		}
		if q.body == "" {
			if strings.Contains(a.status, " 400 Bad Request") && strings.Contains(q.to, "\x7f") {
				c = s.dial() // a byte that no field may have ends the connection
			}
			continue
		}
		at := own
		if q.body == "other" {
			at = other
		}
		if seen := at.seen(); !strings.Contains(seen, q.line) || !strings.Contains(seen, q.host) {
			t.Errorf("%q was sent on as %q", q.to, seen)
		}
	}
}
