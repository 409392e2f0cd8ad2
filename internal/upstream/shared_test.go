package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"paifang/internal/certs/certstest"
	"paifang/internal/http2"
	"paifang/internal/model"
)

// h2Server is an endpoint that speaks HTTP/2 in clear text.
type h2Server struct {
	addr  netip.AddrPort
	conns atomic.Int32 // ever
	http  *http.Server
}

func newH2Server(t *testing.T, proxied bool, h http.HandlerFunc) *h2Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &h2Server{addr: ln.Addr().(*net.TCPAddr).AddrPort()}
	if proxied {
		ln = &proxyproto.Listener{Listener: ln, ReadHeaderTimeout: 5 * time.Second}
	}
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	s.http = &http.Server{Handler: h, Protocols: &p, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100}, ConnState: func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			s.conns.Add(1)
		}
	}}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.http.Serve(ln) })
	t.Cleanup(func() { s.http.Close(); wg.Wait() })
	return s
}

// shares acquires an upstream of HTTP/2.
func shares(t *testing.T, cfg Config, change func(*model.Upstream), addrs ...netip.AddrPort) (*Table, *Handle) {
	t.Helper()
	table := newTable(t, cfg)
	up := upstreamOf(orders)
	up.Protocol = model.H2C
	if change != nil {
		change(up)
	}
	var es []model.Endpoint
	for _, a := range addrs {
		es = append(es, model.Endpoint{Addr: a})
	}
	table.give("g", orders, es...)
	return table, acquire(t, table, up)
}

func openStream(t *testing.T, e *Endpoint) *Conn {
	t.Helper()
	c, err := e.Open(context.Background(), DialOptions{Client: netip.MustParseAddrPort("10.0.0.1:1"), Server: netip.MustParseAddrPort("10.0.0.2:2")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.H2.Close() })
	return c
}

// ask makes a request on a stream and returns the status of its answer.
func ask(t *testing.T, c *Conn) string {
	t.Helper()
	err := c.H2.Open([]http2.Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/"}}, false, true)
	if err != nil {
		t.Fatal(err)
	}
	c.H2.Flush()
	h, err := c.H2.Answer()
	if err != nil {
		t.Fatal(err)
	}
	return h.Get(":status")
}

func TestRequestsShareConnections(t *testing.T) {
	srv := newH2Server(t, false, func(w http.ResponseWriter, r *http.Request) {})
	table, h := shares(t, Config{StreamsPerConn: 3}, nil, srv.addr)
	e := pick(t, h)
	if !e.Shared() || !h.Shared() {
		t.Fatal("not shared")
	}
	var open []*Conn
	for range 7 {
		open = append(open, openStream(t, e))
	}
	eventually(t, "three connections for 7 requests, 3 on each", func() bool { return srv.conns.Load() == 3 })
	for i, c := range open {
		if got := ask(t, c); got != "200" {
			t.Errorf("%d: %s", i, got)
		}
		c.Close()
	}
	if c := openStream(t, e); c.Requests == 0 || ask(t, c) != "200" {
		t.Error("a connection that is there is not used")
	}
	if st := table.Upstreams()[0].Endpoints[0]; st.OpenConns != 3 {
		t.Errorf("%+v", st)
	}
	if n := srv.conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// TestOneDialForMany: requests that come together wait for one connection.
func TestOneDialForMany(t *testing.T) {
	srv := newH2Server(t, false, func(w http.ResponseWriter, r *http.Request) {})
	_, h := shares(t, Config{}, nil, srv.addr)
	e := pick(t, h)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			c, err := e.Open(context.Background(), DialOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			c.Close()
		})
	}
	wg.Wait()
	if n := srv.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestSharedDialFails: everybody who waited is told, and the address is out.
func TestSharedDialFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	ln.Close()
	_, h := shares(t, Config{}, nil, addr)
	e := pick(t, h)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			_, err := e.Open(context.Background(), DialOptions{})
			if x, ok := err.(*Error); !ok || x.Code != CodeConnectRefused {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if e.Up() {
		t.Error("it is up")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Open(ctx, DialOptions{}); err == nil {
		t.Error("opened")
	} else if x, ok := err.(*Error); !ok || x.Code != CodeConnectCancelled {
		t.Error(err)
	}
}

// TestSharedConnectionsGo: with the endpoint, with the table, and by themselves when they are idle.
func TestSharedConnectionsGo(t *testing.T) {
	begun := make(chan bool, 5)
	srv := newH2Server(t, false, func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
	})
	table, h := shares(t, Config{}, nil, srv.addr)
	e := pick(t, h)
	idle, busy := openStream(t, e), openStream(t, e)
	idle.Close()
	if err := busy.H2.Open([]http2.Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}}, false, true); err != nil {
		t.Fatal(err)
	}
	busy.H2.Flush()
	<-begun
	table.give("g", orders) // the address has gone: what is under way goes on
	if c, err := e.Open(context.Background(), DialOptions{}); err == nil {
		c.Close() // somebody who had picked it before: served by a connection of its own
	}
	done := make(chan error, 1)
	go func() {
		_, err := busy.H2.Answer()
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("cut: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	table.Close()
	if err := <-done; err == nil {
		t.Error("the table is closed, and its connections are not")
	}
	if _, err := e.Open(context.Background(), DialOptions{}); err == nil {
		t.Error("opened on a closed table")
	}
}

func TestIdleSharedConnectionGoes(t *testing.T) {
	srv := newH2Server(t, false, func(w http.ResponseWriter, r *http.Request) {})
	table, h := shares(t, Config{IdleTime: 10 * time.Millisecond}, nil, srv.addr)
	c := openStream(t, pick(t, h))
	ask(t, c)
	c.Close()
	eventually(t, "a change", func() bool { return table.Upstreams()[0].Endpoints[0].OpenConns == 0 })
	if c := openStream(t, pick(t, h)); ask(t, c) != "200" {
		t.Error("no new one")
	}
}

// TestOwnConnections: where a connection begins with the address of its client, no two clients share one.
func TestOwnConnections(t *testing.T) {
	var seen atomic.Value
	srv := newH2Server(t, true, func(w http.ResponseWriter, r *http.Request) { seen.Store(r.RemoteAddr) })
	table, h := shares(t, Config{}, func(u *model.Upstream) { u.Dial.Proxy = model.ProxyV2 }, srv.addr)
	for i := range 3 {
		c := openStream(t, pick(t, h))
		if got := ask(t, c); got != "200" || seen.Load() != "10.0.0.1:1" || c.Requests != 0 {
			t.Errorf("%s from %v", got, seen.Load())
		}
		c.Close()
		if n := srv.conns.Load(); n != int32(i+1) {
			t.Errorf("%d connections", n)
		}
	}
	eventually(t, "a change", func() bool { return table.Upstreams()[0].Endpoints[0].OpenConns == 0 })
}

// TestProbesOverHTTP2: an endpoint that speaks nothing else is probed in it.
func TestProbesOverHTTP2(t *testing.T) {
	var fails atomic.Bool
	var probes atomic.Int32
	srv := newH2Server(t, false, func(w http.ResponseWriter, r *http.Request) {
		probes.Add(1)
		if fails.Load() || r.URL.Path != "/ready" || r.UserAgent() != "paifang-probe" {
			w.WriteHeader(503)
		}
	})
	table, _ := shares(t, Config{}, func(u *model.Upstream) {
		u.Health = model.HealthCheck{Kind: model.HealthHTTP, Path: "/ready", Interval: 5 * time.Millisecond, Rise: 1, Fall: 1}
	}, srv.addr)
	status := func() EndpointStatus { return table.Upstreams()[0].Endpoints[0] }
	eventually(t, "a probe", func() bool { return probes.Load() > 3 })
	if s := status(); !s.Up || s.Probe != "" {
		t.Errorf("%+v", s)
	}
	fails.Store(true)
	eventually(t, "a change", func() bool { return !status().Up })
	if s := status(); !strings.Contains(s.Probe, "503") {
		t.Errorf("%+v", s)
	}
	fails.Store(false)
	eventually(t, "a change", func() bool { return status().Up })
}

// TestTLSNeedsHTTP2: an endpoint that agrees to something else over TLS, or to nothing, is not spoken to.
func TestTLSNeedsHTTP2(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	for _, protocols := range [][]string{nil, {"http/1.1"}} {
		server := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Server("x")}, NextProtos: protocols})
		_, h := shares(t, Config{}, func(u *model.Upstream) {
			u.Protocol, u.TLS = model.H2, model.UpstreamTLS{SkipVerify: true}
		}, server.addr)
		e := pick(t, h)
		_, err := e.Open(context.Background(), DialOptions{})
		if x, ok := err.(*Error); !ok || x.Code != CodeTLS {
			t.Errorf("%q: %v", protocols, err)
		}
		e.Done(Abandoned)
		if !e.Up() {
			t.Errorf("%q: that takes it out for everybody", protocols)
		}
	}
}

// TestSharedConnectionsHaveServerNames: a connection that was made for one server name is of no use for another.
func TestSharedConnectionsHaveServerNames(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	srv := newH2Server(t, false, func(http.ResponseWriter, *http.Request) {})
	over, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var names []string
	one := ca.Server("a.test")
	config := &tls.Config{NextProtos: []string{"h2"}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, h.ServerName)
		return &one, nil
	}}
	var p http.Protocols
	p.SetHTTP2(true)
	s := &http.Server{Handler: srv.http.Handler, Protocols: &p, TLSConfig: config}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.ServeTLS(over, "", "") })
	t.Cleanup(func() { s.Close(); wg.Wait() })
	_, h := shares(t, Config{}, func(u *model.Upstream) { u.Protocol, u.TLS = model.H2, model.UpstreamTLS{SkipVerify: true} }, over.Addr().(*net.TCPAddr).AddrPort())
	e := pick(t, h)
	for _, name := range []string{"a.test", "b.test", "a.test", "b.test"} {
		c, err := e.Open(context.Background(), DialOptions{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(t, c); got != "200" {
			t.Error(got)
		}
		c.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(names, []string{"a.test", "b.test"}) {
		t.Error(names)
	}
}

// TestSharedConnectionsAreLimited: a limit of connections is none of requests, and a connection that nobody uses makes room.
func TestSharedConnectionsAreLimited(t *testing.T) {
	one := newH2Server(t, false, func(http.ResponseWriter, *http.Request) {})
	two := newH2Server(t, false, func(http.ResponseWriter, *http.Request) {})
	table, h := shares(t, Config{StreamsPerConn: 3}, func(u *model.Upstream) { u.Limits.Connections = 1 }, one.addr, two.addr)
	if n := h.most(); n != 3 {
		t.Errorf("%d requests at a time", n)
	}
	e := pick(t, h)
	var open []*Conn
	for range 3 {
		open = append(open, openStream(t, e))
	}
	if _, err := e.Open(context.Background(), DialOptions{}); err != ErrConnectionLimit {
		t.Errorf("a fourth: %v", err)
	}
	other := pick(t, h)
	if other.Same(e) {
		t.Fatal("no other endpoint")
	}
	if _, err := other.Open(context.Background(), DialOptions{}); err != ErrConnectionLimit {
		t.Errorf("another endpoint while the connection is used: %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	if got := ask(t, openStream(t, other)); got != "200" {
		t.Error(got)
	}
	eventually(t, "one connection", func() bool {
		n := 0
		for _, s := range table.Upstreams()[0].Endpoints {
			n += s.OpenConns
		}
		return n == 1
	})
}
