package httpproxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

// newSecureRecorder is newRecorder over TLS: the bytes it keeps are what was inside.
func newSecureRecorder(t testing.TB, config *tls.Config, f answerFunc) *recorder {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{Listener: ln, open: map[net.Conn]bool{}}
	rec.serve(f)
	t.Cleanup(rec.stop)
	return rec
}

// secureRoute adds a route to endpoints that speak TLS.
func (s *stand) secureRoute(id, prefix, name string, set model.UpstreamTLS, endpoints []model.Endpoint, change ...func(*model.Route)) {
	s.t.Helper()
	list := model.EndpointSet{List: model.EndpointsID{Keeper: "static", Name: name}, Endpoints: endpoints}
	s.table.SetContribution("test", name, []model.EndpointSet{list}, 0)
	s.route(id, prefix, name, change...)
	s.routes[len(s.routes)-1].Upstreams[0].TLS = set
}

func at(addr net.Addr) model.Endpoint {
	return model.Endpoint{Addr: netip.MustParseAddrPort(addr.String()), Secure: true}
}

func TestUpstreamTLS(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	rec := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}, echo)
	s := newStand(t, withTLS)
	s.secureRoute("all", "/", "u", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(rec.Addr())})
	s.publish()
	big := strings.Repeat("x", 3<<20)
	for _, c := range []*client{s.dial(), s.secure("shop.test")} {
		for range 3 {
			if e := c.send(get("/a")).receive("GET").echoed(t); e.Line != "GET /a HTTP/1.1" {
				t.Errorf("%+v", e)
			}
		}
		if r := c.send("HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n").receive("HEAD"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
			t.Errorf("%+v", r)
		}
		for _, size := range []int{1, 60_000, len(big)} {
			if e := c.send(post("/", big[:size], fmt.Sprintf("Content-Length: %d", size))).receive("POST").echoed(t); len(e.Body) != size {
				t.Errorf("%d bytes of %d", len(e.Body), size)
			}
		}
		chunked := fmt.Sprintf("%x\r\n%s\r\n3\r\nend\r\n0\r\n\r\n", 200_000, big[:200_000])
		if e := c.send(post("/", chunked, "Transfer-Encoding: chunked")).receive("POST").echoed(t); len(e.Body) != 200_003 {
			t.Errorf("%d bytes", len(e.Body))
		}
		// The client has its answer before the connection is put back.
		eventually(t, func() bool { return s.table.Upstreams()[0].Endpoints[0].IdleConns == 1 })
	}
	if rec.connections() != 1 {
		t.Errorf("%d connections for requests one after the other", rec.connections())
	}
}

func TestUpstreamTLSTunnel(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	rec := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}, socketEcho)
	s := newStand(t, withTLS)
	s.secureRoute("all", "/", "u", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(rec.Addr())})
	s.publish()
	for _, c := range []*client{s.dial(), s.secure("shop.test")} {
		c.send(get("/", webSocket), "early ").receive("GET")
		c.expect("welcome early ")
		c.send("ping")
		c.expect("ping")
		if half, ok := c.Conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			t.Fatal("no half close")
		}
		c.expect("bye")
		c.closed()
	}
}

// TestUpstreamTLSFailures: what is wrong is told apart, and another endpoint is tried.
func TestUpstreamTLSFailures(t *testing.T) {
	ca, other := certstest.New(t, "ca", nil), certstest.New(t, "other", nil)
	good := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}, echo)
	bad := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{other.Server("127.0.0.1")}}, echo)
	mutual := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}, echo)
	clear := newRecorder(t, func(c net.Conn, r *bufio.Reader) {
		_, _ = r.ReadByte()
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, r)
	})
	silent := newRecorder(t, func(c net.Conn, _ *bufio.Reader) { io.Copy(io.Discard, c) })
	s := newStand(t, func(_ *stand, c *Config) { c.Timeouts.UpstreamTLS = 100 * time.Millisecond })
	set := model.UpstreamTLS{CA: ca.PEM()}
	chain, key := certstest.Text(t, ca.Client("gateway"))
	s.secureRoute("good", "/good", "good", set, []model.Endpoint{at(good.Addr())})
	s.secureRoute("bad", "/bad", "bad", set, []model.Endpoint{at(bad.Addr())})
	s.secureRoute("both", "/both", "both", set, []model.Endpoint{at(bad.Addr()), at(good.Addr())})
	s.secureRoute("skip", "/skip", "skip", model.UpstreamTLS{SkipVerify: true}, []model.Endpoint{at(bad.Addr())})
	s.secureRoute("mutual", "/mutual", "mutual", model.UpstreamTLS{CA: ca.PEM(), Chain: chain, Key: key}, []model.Endpoint{at(mutual.Addr())})
	s.secureRoute("refused", "/refused", "refused", set, []model.Endpoint{at(mutual.Addr())})
	s.secureRoute("clear", "/clear", "clear", set, []model.Endpoint{at(clear.Addr())})
	s.secureRoute("silent", "/silent", "silent", set, []model.Endpoint{at(silent.Addr())})
	s.secureRoute("settings", "/settings", "settings", model.UpstreamTLS{CA: "x"}, []model.Endpoint{at(good.Addr())})
	s.publish()
	for _, c := range []struct{ path, want string }{
		{"/good", "200 "}, {"/bad", "502 upstream-tls"}, {"/both", "200 "}, {"/both", "200 "}, {"/skip", "200 "}, {"/mutual", "200 "},
		{"/refused", "502 upstream-tls"}, {"/clear", "502 upstream-tls"}, {"/silent", "504 upstream-tls-timeout"}, {"/settings", "502 upstream-tls"},
		{"/good", "200 "},
	} {
		r := s.dial().send(get(c.path)).receive("GET")
		if got := strings.Fields(r.status)[1] + " " + r.head["x-paifang-reason"]; got != c.want {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
	if n := len(bad.requests()); n != 1 { // of /skip
		t.Errorf("an endpoint that was not verified has seen %d requests", n)
	}
	if clear.seen() != "" && strings.Contains(clear.seen(), "GET") || len(mutual.requests()) != 1 {
		t.Error("a request was sent in clear text, or to who refused the certificate")
	}
	for _, u := range s.table.Upstreams() {
		for _, e := range u.Endpoints {
			if wrong := u.ID == "clear" || u.ID == "silent"; e.Up == wrong {
				t.Errorf("%s: up %t", u.ID, e.Up)
			}
		}
	}
}

// TestUpstreamServerNames: routes with literal hosts have server names of their own, and never each other's connections.
func TestUpstreamServerNames(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	var mu sync.Mutex
	var asked []string
	rec := newSecureRecorder(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		asked = append(asked, h.ServerName)
		mu.Unlock()
		pair := ca.Server(h.ServerName)
		return &pair, nil
	}}, echo)
	s := newStand(t, nil)
	literal := func(host string) func(*model.Route) {
		return func(r *model.Route) {
			f := r.Action.(model.Forward)
			f.Host, f.HostName = model.HostLiteral, host
			r.Action = f
		}
	}
	set := model.UpstreamTLS{CA: ca.PEM()}
	s.secureRoute("a", "/a", "u", set, []model.Endpoint{at(rec.Addr())}, literal("A.Test:8443"))
	s.secureRoute("b", "/b", "u", set, []model.Endpoint{at(rec.Addr())}, literal("b.test"))
	s.publish()
	c := s.dial()
	for range 3 {
		if e := c.send(get("/a")).receive("GET").echoed(t); e.Head["host"] != "a.test:8443" {
			t.Errorf("%v", e.Head["host"])
		}
		if e := c.send(get("/b")).receive("GET").echoed(t); e.Head["host"] != "b.test" {
			t.Errorf("%v", e.Head["host"])
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Join(asked, " ") != "a.test b.test" || rec.connections() != 2 {
		t.Errorf("asked for %q on %d connections", asked, rec.connections())
	}
}

// TestUpstreamTLSUnaskedAnswers: what an endpoint sends behind its answer is nobody's answer. That which is in a record of its
// own is the business of upstream.Conn.Stale.
func TestUpstreamTLSUnaskedAnswers(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	const one, two = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked"
	rec := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}, saying(one+two))
	s := newStand(t, nil)
	s.secureRoute("all", "/", "u", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(rec.Addr())})
	s.publish()
	for range 5 {
		if r := s.dial().send(get("/")).receive("GET"); r.body != "one" {
			t.Errorf("%+v", r)
		}
	}
	if rec.connections() != 5 {
		t.Errorf("%d connections", rec.connections())
	}
}

// TestUpstreamTLSEnds: a body that only the end completes is whole where the end was said in words of TLS.
func TestUpstreamTLSEnds(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	for _, said := range []bool{true, false} {
		rec := newSecureRecorder(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}, func(c net.Conn, r *bufio.Reader) {
			if _, err := readRequest(r); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nas much as there is")
			if !said {
				c.(*tls.Conn).NetConn().Close()
			}
		})
		s := newStand(t, nil)
		s.secureRoute("all", "/", "u", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(rec.Addr())})
		s.publish()
		r, err := readReply(s.dial().send(get("/")).r, "GET")
		if whole := err == nil; whole != said || said && r.body != "as much as there is" {
			t.Errorf("end said %t: %+v, %v", said, r, err)
		}
		if reason := s.last(1).Reason; (reason == "") != said {
			t.Errorf("end said %t: %q", said, reason)
		}
	}
}

// TestUpstreamTLSWaitsAreBounded: the sweeper interrupts TLS connections as it does others.
func TestUpstreamTLSWaitsAreBounded(t *testing.T) {
	t.Parallel()
	ca := certstest.New(t, "ca", nil)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Server("127.0.0.1")}}
	left := make(chan error, 1)
	silent := newSecureRecorder(t, config, func(c net.Conn, r *bufio.Reader) {
		if _, err := readRequest(r); err == nil {
			_, err = r.ReadByte()
			select {
			case left <- err:
			default:
			}
		}
	})
	part := newSecureRecorder(t, config, slow("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"))
	deaf := newSecureRecorder(t, config, func(c net.Conn, _ *bufio.Reader) {
		if c.(*tls.Conn).Handshake() == nil {
			time.Sleep(600 * time.Millisecond)
		}
	})
	s := newStand(t, short)
	s.secureRoute("silent", "/silent", "silent", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(silent.Addr())})
	s.secureRoute("part", "/part", "part", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(part.Addr())})
	s.secureRoute("deaf", "/deaf", "deaf", model.UpstreamTLS{CA: ca.PEM()}, []model.Endpoint{at(deaf.Addr())})
	s.publish()
	if r := s.dial().send(get("/silent")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 504") || r.head["x-paifang-reason"] != string(CodeUpstreamTimeout) {
		t.Errorf("%+v", r)
	}
	if err := <-left; err == nil {
		t.Error("the connection stays")
	}
	if _, err := readReply(s.dial().send(get("/part")).r, "GET"); err == nil {
		t.Error("a part is taken for all")
	}
	eventually(t, func() bool { return s.last(2).Reason == string(CodeUpstreamTimeout) })
	body := strings.Repeat("x", 8<<20)
	c := s.dial()
	go func() {
		_, _ = io.WriteString(c.Conn, post("/deaf", body, fmt.Sprintf("Content-Length: %d", len(body))))
	}()
	if r := c.receive("POST"); !strings.HasPrefix(r.status, "HTTP/1.1 504") {
		t.Errorf("%+v", r)
	}
	eventually(t, func() bool {
		for _, u := range s.table.Upstreams() {
			for _, e := range u.Endpoints {
				if e.OpenConns != 0 {
					return false
				}
			}
		}
		return true
	})
}
