package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"paifang/internal/model"
)

// probeOnce makes one probe of an address.
func probeOnce(t *testing.T, addr netip.AddrPort, h model.HealthCheck) error {
	t.Helper()
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	h.Interval = time.Hour
	up.Health = h
	if err := (model.Upstream{ID: "u", Endpoints: up.Endpoints, Health: h}).Validate(); err != nil {
		t.Fatal(err)
	}
	hd := acquire(t, table, up)
	table.give("a", orders, model.Endpoint{Addr: addr})
	l := hd.picker.Load().members[0].live
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return l.probe(ctx, l.conduct.health, false)
}

func TestHTTPProbes(t *testing.T) {
	var redirected bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/elsewhere":
			redirected = true
		case r.URL.RequestURI() == "/moved":
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case r.URL.RequestURI() == "/asks?deep=1" && r.Host == "shop.test" && r.Header.Get("X-Probe") == "yes":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer s.Close()
	addr := s.Listener.Addr().(*net.TCPAddr).AddrPort()
	status := func(from, to int) []model.StatusRange { return []model.StatusRange{{From: from, To: to}} }
	for name, c := range map[string]struct {
		h    model.HealthCheck
		good bool
	}{
		"host, headers, query":   {model.HealthCheck{Path: "/asks?deep=1", Host: "shop.test", Headers: []model.Tag{{Name: "X-Probe", Value: "yes"}}}, true},
		"not what was expected":  {model.HealthCheck{Path: "/asks?deep=1", Host: "shop.test", Headers: []model.Tag{{Name: "X-Probe", Value: "yes"}}, Expect: status(200, 200)}, false},
		"418 is not 2xx or 3xx":  {model.HealthCheck{Path: "/other"}, false},
		"418 expected":           {model.HealthCheck{Path: "/other", Expect: append(status(200, 299), status(418, 418)...)}, true},
		"a redirect is good":     {model.HealthCheck{Path: "/moved"}, true},
		"a redirect is not good": {model.HealthCheck{Path: "/moved", Expect: status(200, 299)}, false},
	} {
		c.h.Kind = model.HealthHTTP
		if err := probeOnce(t, addr, c.h); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		c.h.Port = addr.Port() // in place of that of the endpoint, at which nobody is
		if err := probeOnce(t, netip.AddrPortFrom(addr.Addr(), 1), c.h); (err == nil) != c.good {
			t.Errorf("%s at another port: %v", name, err)
		}
	}
	if redirected {
		t.Error("a redirect was followed")
	}
}

func TestHTTPProbesOfWhatIsNoHTTP(t *testing.T) {
	for _, answer := range []string{"", "SSH-2.0-x\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 200 OK", strings.Repeat("x", 1000)} {
		addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
			defer c.Close()
			c.SetDeadline(time.Now().Add(time.Second))
			var b [512]byte
			c.Read(b[:])
			c.Write([]byte(answer))
		})
		if err := probeOnce(t, addr, model.HealthCheck{Kind: model.HealthHTTP}); err == nil {
			t.Errorf("%q is taken for healthy", answer)
		}
	}
}

// TestGRPCProbes asks the health service of the reference implementation.
func TestGRPCProbes(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	hs := health.NewServer()
	hs.SetServingStatus("shop.Order", healthpb.HealthCheckResponse_SERVING)
	hs.SetServingStatus("shop.Cart", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, hs)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	defer func() { server.Stop(); <-done }()
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	ask := func(service string) error {
		return probeOnce(t, addr, model.HealthCheck{Kind: model.HealthGRPC, Service: service, Host: "shop.test", Headers: []model.Tag{{Name: "X-Probe", Value: "yes"}}})
	}
	if err := ask(""); err != nil {
		t.Errorf("the server: %v", err)
	}
	if err := ask("shop.Order"); err != nil {
		t.Errorf("a service: %v", err)
	}
	if err := ask("shop.Cart"); err == nil || !strings.Contains(err.Error(), "not SERVING") {
		t.Errorf("a service that is not serving: %v", err)
	}
	if err := ask("shop." + strings.Repeat("x", 300)); err == nil || !strings.Contains(err.Error(), `status "5"`) {
		t.Errorf("an unknown service: %v", err)
	}
	hs.Shutdown()
	if err := ask(""); err == nil {
		t.Error("a server that shuts down is taken for healthy")
	}
}

func TestGRPCProbesOfWhatIsNoGRPC(t *testing.T) {
	trailers := func(w http.ResponseWriter, body []byte, status string) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.Write(body)
		w.Header().Set("Grpc-Status", status)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"plain HTTP":     func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) },
		"404":            func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"no message":     func(w http.ResponseWriter, _ *http.Request) { trailers(w, nil, "0") },
		"half a message": func(w http.ResponseWriter, _ *http.Request) { trailers(w, []byte{0, 0, 0, 0, 2, 8}, "0") },
		"compressed":     func(w http.ResponseWriter, _ *http.Request) { trailers(w, []byte{1, 0, 0, 0, 2, 8, 1}, "0") },
		"unknown status": func(w http.ResponseWriter, _ *http.Request) { trailers(w, []byte{0, 0, 0, 0, 2, 8, 0}, "0") },
		"error status":   func(w http.ResponseWriter, _ *http.Request) { trailers(w, []byte{0, 0, 0, 0, 2, 8, 1}, "14") },
		"no gRPC status": func(w http.ResponseWriter, _ *http.Request) { trailers(w, []byte{0, 0, 0, 0, 2, 8, 1}, "") },
		"too much":       func(w http.ResponseWriter, _ *http.Request) { trailers(w, make([]byte, 100_000), "0") },
		"nothing":        func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"a reset":        func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"another encoding": func(w http.ResponseWriter, _ *http.Request) {
			trailers(w, []byte{0, 0, 0, 0, 3, 0xff, 0xff, 0xff}, "0")
		},
	} {
		s := httptest.NewUnstartedServer(answer)
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		addr := s.Listener.Addr().(*net.TCPAddr).AddrPort()
		table := newTable(t, Config{})
		up := upstreamOf(orders)
		up.Health = model.HealthCheck{Kind: model.HealthGRPC, Interval: time.Hour}
		h := acquire(t, table, up)
		table.give("a", orders, model.Endpoint{Addr: addr})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		l := h.picker.Load().members[0].live
		if err := l.probe(ctx, l.conduct.health, false); err == nil {
			t.Errorf("%s is taken for healthy", name)
		}
		cancel()
		table.Close()
		s.CloseClientConnections()
		s.Close()
	}
	for _, answer := range []string{"", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01"} {
		addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) { fmt.Fprint(c, answer); c.Close() })
		if err := probeOnce(t, addr, model.HealthCheck{Kind: model.HealthGRPC}); err == nil {
			t.Errorf("%q is taken for healthy", answer)
		}
	}
}

func TestHealthOfAMessage(t *testing.T) {
	for _, c := range []struct {
		message string
		status  uint64
		ok      bool
	}{
		{"\x00\x00\x00\x00\x02\x08\x01", 1, true},
		{"\x00\x00\x00\x00\x00", 0, true},
		{"\x00\x00\x00\x00\x0c\x12\x02ab\x15\x01\x02\x03\x04\x08\x02\x00", 0, false},
		{"\x00\x00\x00\x00\x0b\x12\x02ab\x15\x01\x02\x03\x04\x08\x02", 2, true},
		{"\x00\x00\x00\x00\x09\x11\x01\x02\x03\x04\x05\x06\x07\x08", 0, true},
		{"\x00\x00\x00\x00\x03\x12\x7fa", 0, false},
		{"\x00\x00\x00\x00\x01\x0b", 0, false},
		{"\x00\x00\x00\x00", 0, false},
	} {
		if status, ok := healthOf([]byte(c.message)); status != c.status || ok != c.ok {
			t.Errorf("%q: %d, %v", c.message, status, ok)
		}
	}
}

func TestJitter(t *testing.T) {
	seen := map[bool]bool{}
	for range 1000 {
		d := jittered(model.HealthCheck{Interval: time.Second, Jitter: 10})
		if d < 900*time.Millisecond || d > 1100*time.Millisecond {
			t.Fatalf("%v", d)
		}
		seen[d > time.Second] = true
	}
	if len(seen) != 2 {
		t.Error("it goes one way only")
	}
	if d := jittered(model.HealthCheck{Interval: time.Second, Jitter: -1}); d != time.Second {
		t.Errorf("without jitter: %v", d)
	}
}
