package httpproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

func TestForward(t *testing.T) {
	s, rec := simple(t, echo, nil)
	c := s.dial()
	for i := range 3 {
		r := c.send(get(fmt.Sprintf("/a/../b%d?x=%%2F", i), "Accept: x")).receive("GET")
		e := r.echoed(t)
		if r.status != "HTTP/1.1 200 OK" || e.Line != fmt.Sprintf("GET /b%d?x=%%2F HTTP/1.1", i) || e.Head["host"] != "shop.test" || e.Head["accept"] != "x" {
			t.Errorf("%+v", r)
		}
	}
	if rec.connections() != 1 {
		t.Errorf("%d upstream connections", rec.connections())
	}
	a := s.last(3)
	if a.Status != 200 || a.Reason != "" || a.Route != "all" || a.Upstream != "u" || a.Endpoint.String() != rec.Addr().String() || a.Tries != 1 ||
		a.Listener != "front" || a.Node != "node-1" || a.Path != "/b2" || a.Pod != "pod-"+rec.Addr().String() || a.Version != 1 || a.Total <= 0 ||
		a.Client.String() != "127.0.0.1" || a.Out == 0 || len(a.RequestID) != 32 {
		t.Errorf("%+v", a)
	}
	for _, rc := range s.plane.Routes() {
		if rc.Route == "all" && (rc.Requests != 3 || rc.Class[2] != 3 || rc.Failures != 0 || rc.Latency <= 0) {
			t.Errorf("%+v", rc)
		}
	}
}

func TestBodies(t *testing.T) {
	s, rec := simple(t, echo, nil)
	big := strings.Repeat("0123456789abcdef", 20_000) // 320 KB: streams
	mid := strings.Repeat("x", 40_000)                // is gathered
	c := s.dial()
	for what, q := range map[string][3]string{
		"sized":          {post("/", "hello", "Content-Length: 5"), "hello", ""},
		"gathered":       {post("/", mid, "Content-Length: 40000"), mid, ""},
		"streamed":       {post("/", big, fmt.Sprintf("Content-Length: %d", len(big))), big, ""},
		"chunked":        {post("/", "5;a=b\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), "hello", ""},
		"chunked, large": {post("/", fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\nX: y\r\n\r\n", len(big), big, 3, "end"), "Transfer-Encoding: chunked"), big + "end", ""},
		"empty":          {post("/", "", "Content-Length: 0"), "", "0"},
		"GET with body":  {"GET / HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabc", "abc", "3"},
	} {
		// Twice, so that what is left over would be seen.
		for range 2 {
			e := c.send(q[0]).receive("POST").echoed(t)
			if e.Body != q[1] {
				t.Errorf("%s: %d bytes arrived, want %d", what, len(e.Body), len(q[1]))
			}
			if q[2] != "" && e.Head["content-length"] != q[2] {
				t.Errorf("%s: %v", what, e.Head)
			}
			if e.Head["content-length"] != "" && e.Head["transfer-encoding"] != "" {
				t.Errorf("%s: two framings", what)
			}
		}
	}
	if n := len(rec.requests()); n != 14 {
		t.Errorf("%d requests upstream", n)
	}
}

func TestSlowBodyArrivesInPieces(t *testing.T) {
	s, _ := simple(t, echo, nil)
	c := s.dial()
	in := post("/", "5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked") + post("/", "world", "Content-Length: 5")
	for i := range in {
		c.send(in[i : i+1])
	}
	if b := c.receive("POST").echoed(t).Body; b != "hello" {
		t.Errorf("%q", b)
	}
	if b := c.receive("POST").echoed(t).Body; b != "world" {
		t.Errorf("%q", b)
	}
}

func TestPipelining(t *testing.T) {
	s, rec := simple(t, echo, nil)
	var all strings.Builder
	for i := range 50 {
		all.WriteString(get(fmt.Sprintf("/g%d", i)))
		all.WriteString(post(fmt.Sprintf("/p%d", i), "3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))
	}
	c := s.dial()
	go io.WriteString(c, all.String())
	for i := range 50 {
		if l := c.receive("GET").echoed(t).Line; l != fmt.Sprintf("GET /g%d HTTP/1.1", i) {
			t.Fatal(l)
		}
		if e := c.receive("POST").echoed(t); e.Line != fmt.Sprintf("POST /p%d HTTP/1.1", i) || e.Body != "abc" {
			t.Fatal(e)
		}
	}
	if n := len(rec.requests()); n != 100 {
		t.Errorf("%d requests upstream", n)
	}
}

func TestResponses(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 40_000) // 640 KB: spliced
	for what, c := range map[string]struct {
		answer, body string
		reused       bool
	}{
		"sized":          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true},
		"large":          {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big), big, true},
		"chunked":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello", true},
		"chunked, large": {fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(big), big), big, true},
		"close":          {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", "hello", false},
		"1.0":            {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false},
		"no reason":      {"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", true},
		"empty":          {"HTTP/1.1 204 No Content\r\n\r\n", "", true},
		"interim":        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true},
	} {
		t.Run(what, func(t *testing.T) {
			s, rec := simple(t, saying(c.answer), nil)
			cl := s.dial()
			for range 3 {
				r := cl.send(get("/")).receive("GET")
				if r.body != c.body || !strings.HasPrefix(r.status, "HTTP/1.1 20") || r.head["connection"] != "" {
					t.Errorf("%s %v: %d bytes, want %d", r.status, r.head, len(r.body), len(c.body))
				}
			}
			want := 1
			if !c.reused {
				want = 3
			}
			if rec.connections() != want {
				t.Errorf("%d upstream connections, want %d", rec.connections(), want)
			}
			if a := s.last(3); a.Reason != "" || a.Out != int64(len(c.body)) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestUntilClose(t *testing.T) {
	s, _ := simple(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nhello, ")
			time.Sleep(10 * time.Millisecond) // two segments
			io.WriteString(c, "world")
		}
	}, nil)
	c := s.dial()
	for range 2 {
		if r := c.send(get("/")).receive("GET"); r.body != "hello, world" || r.head["transfer-encoding"] != "chunked" {
			t.Errorf("%+v", r)
		}
	}
	r := c.send("GET / HTTP/1.0\r\nHost: s\r\nConnection: keep-alive\r\n\r\n").receive("GET")
	if r.body != "hello, world" || r.head["transfer-encoding"] != "" || r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
}

func TestTrailers(t *testing.T) {
	s, _ := simple(t, saying("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nX-Other: 8\r\nContent-Length: 9\r\n\r\n"), nil)
	c := s.dial()
	r := c.send(get("/", "TE: trailers", "Connection: TE")).receive("GET")
	if _, ok := r.head["trailer x-sum: 7"]; !ok || len(r.head) != 3 {
		t.Errorf("%v", r.head)
	}
	if r = c.send(get("/")).receive("GET"); len(r.head) != 2 {
		t.Errorf("trailers to a client that did not ask: %v", r.head)
	}
}

func TestHeadAndOldClients(t *testing.T) {
	s, _ := simple(t, echo, nil)
	c := s.dial()
	r := c.send("HEAD / HTTP/1.1\r\nHost: s\r\n\r\n").receive("HEAD")
	if r.head["content-length"] == "" || r.head["content-length"] == "0" {
		t.Errorf("%+v", r)
	}
	r = c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").receive("GET")
	if r.head["connection"] != "keep-alive" || r.status != "HTTP/1.1 200 OK" {
		t.Errorf("%+v", r)
	}
	if h := r.echoed(t).Head["host"]; !strings.HasPrefix(h, "127.0.0.1:") {
		t.Errorf("host of a request without one: %q", h)
	}
	r = c.send("GET / HTTP/1.0\r\nHost: s\r\n\r\n").receive("GET")
	if r.head["connection"] != "close" {
		t.Errorf("%+v", r)
	}
	c.closed()
}

func TestExpectContinue(t *testing.T) {
	s, _ := simple(t, echo, nil)
	c := s.dial()
	for _, size := range []int{5, 200_000} {
		body := strings.Repeat("x", size)
		c.send(post("/", "", "Expect: 100-continue", fmt.Sprintf("Content-Length: %d", size)))
		if r := c.receive("POST"); r.status != "HTTP/1.1 100 Continue" {
			t.Fatal(r)
		}
		e := c.send(body).receive("POST").echoed(t)
		if e.Body != body || e.Head["expect"] != "" {
			t.Errorf("%d bytes, %v", len(e.Body), e.Head)
		}
	}
	// A refused request is refused before its body.
	s.routes = nil
	s.publish()
	c.send(post("/", "", "Expect: 100-continue", "Content-Length: 5"))
	if r := c.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 404") || r.head["connection"] != "close" {
		t.Fatal(r)
	}
}

func TestEarlyHints(t *testing.T) {
	s, _ := simple(t, saying("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), nil)
	c := s.dial().send(get("/"))
	if r := c.receive("GET"); r.status != "HTTP/1.1 103 Early Hints" || r.head["link"] != "</a>" {
		t.Error(r)
	}
	if r := c.receive("GET"); r.body != "ok" {
		t.Error(r)
	}
	if r := c.send("GET / HTTP/1.0\r\nHost: s\r\n\r\n").receive("GET"); r.status != "HTTP/1.1 200 OK" {
		t.Error(r)
	}
}

func TestActionsAndMisses(t *testing.T) {
	s := newStand(t, nil)
	s.listeners = append(s.listeners, model.Listener{ID: "other", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	hosts := func(h ...model.Host) func(*model.Route) { return func(r *model.Route) { r.Hosts = h } }
	s.route("r1", "/go", "", hosts("shop.test", "*.wild.test"), func(r *model.Route) { r.Action = model.Redirect{Status: 308, Location: "https://x/y"} })
	s.route("r2", "/say", "", hosts("shop.test"), func(r *model.Route) { r.Action = model.Respond{Status: 410, Code: "gone-for-good", Body: "No more.\n"} })
	s.route("r3", "/bad", "", hosts("shop.test"))
	s.routes[2].Reject = model.CodeServiceMissing
	s.publish()
	for _, c := range []struct{ host, path, status, reason string }{
		{"shop.test", "/go", "HTTP/1.1 308 Permanent Redirect", ""},
		{"SHOP.test.:80", "/say", "HTTP/1.1 410 Gone", "gone-for-good"},
		{"shop.test", "/bad", "HTTP/1.1 503 Service Unavailable", "service-missing"},
		{"shop.test", "/", "HTTP/1.1 404 Not Found", "no-route"},
		{"a.wild.test", "/", "HTTP/1.1 404 Not Found", "no-route"},
		{"a.b.wild.test", "/go", "HTTP/1.1 404 Not Found", "no-host"},
		{"none.test", "/go", "HTTP/1.1 404 Not Found", "no-host"},
	} {
		cl := s.dial()
		r := cl.send("GET " + c.path + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n").receive("GET")
		if r.status != c.status || r.head["x-paifang-reason"] != c.reason || r.head["date"] == "" || strings.Contains(r.body, "127.0.0") {
			t.Errorf("%s%s: %+v", c.host, c.path, r)
		}
		if c.path == "/go" && c.reason == "" && r.head["location"] != "https://x/y" {
			t.Errorf("%+v", r)
		}
		// The connection goes on, also after a body that nobody wanted.
		r = cl.send("POST " + c.path + " HTTP/1.1\r\nHost: " + c.host + "\r\nContent-Length: 3\r\n\r\nabcHEAD " + c.path + " HTTP/1.1\r\nHost: " + c.host + "\r\n\r\n").receive("POST")
		if r2 := cl.receive("HEAD"); r.status != c.status || r2.status != c.status {
			t.Errorf("%s%s: %+v, %+v", c.host, c.path, r, r2)
		}
	}
	// A route serves on the listeners of its class only.
	if r := dialTo(t, s.addr("other")).send(get("/say")).receive("GET"); r.head["x-paifang-reason"] != "no-host" {
		t.Errorf("%+v", r)
	}
}

func TestBadRequestsAreRefusedAndNeverForwarded(t *testing.T) {
	s, rec := simple(t, echo, nil)
	for in, want := range map[string]string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03":                                   "400 bad-method",
		"GET / HTTP/1.1\nHost: s\n\n":                                                    "400 bare-lf",
		"GET / HTTP/1.1\r\n\r\n":                                                         "400 no-host",
		"GET / HTTP/3.0\r\nHost: s\r\n\r\n":                                              "505 unsupported-version",
		"CONNECT s:443 HTTP/1.1\r\nHost: s:443\r\n\r\n":                                  "501 connect-method",
		"GET /a%5cb HTTP/1.1\r\nHost: s\r\n\r\n":                                         "400 encoded-slash",
		"GET / HTTP/1.1\r\nHost: s\r\nX_A: b\r\n\r\n":                                    "400 underscore-name",
		"POST / HTTP/1.1\r\nHost: s\r\nExpect: x\r\nContent-Length: 1\r\n\r\na":          "417 unknown-expectation",
		"GET / HTTP/1.1\r\nHost: s\r\nA: " + strings.Repeat("b", 70_000) + "\r\n\r\n":    "431 field-too-large",
		"GET /" + strings.Repeat("b", 70_000) + " HTTP/1.1\r\nHost: s\r\n\r\n":           "414 target-too-long",
		"PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\nGET / HTTP/1.1\r\nHost: s\r\n\r\n":         "400 bad-request-line",
		post("/", "0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"):        "400 length-and-coding",
		post("/", "5 \r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked"):              "400 bad-chunk-size",
		post("/", "5\r\nhelloX\r\n0\r\n\r\n", "Transfer-Encoding: chunked"):              "400 bad-chunk-end",
		post("/", "5\nhello\n0\n\n", "Transfer-Encoding: chunked"):                       "400 bare-lf",
		post("/", "abc", "Content-Length: 3", "Content-Length: 3"):                       "400 two-lengths",
		post("/", "abc", "Transfer-Encoding: xchunked"):                                  "501 unknown-coding",
		"GET / HTTP/1.1\r\nHost: s\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n": "400 bad-websocket",
	} {
		c := s.dial()
		// The next request would be taken for one if the first were believed.
		c.send(in + "GET /smuggled HTTP/1.1\r\nHost: s\r\n\r\n")
		r := c.receive("GET")
		if !strings.HasPrefix(r.status, "HTTP/1.1 "+want[:4]) || r.head["x-paifang-reason"] != want[4:] || r.head["connection"] != "close" {
			t.Errorf("%.60q: %+v, want %s", in, r, want)
		}
		c.closed()
	}
	if q := rec.requests(); len(q) > 0 {
		t.Errorf("forwarded: %q", q)
	}
	if strings.Contains(rec.seen(), "smuggled") {
		t.Errorf("smuggled: %q", rec.seen())
	}
}
