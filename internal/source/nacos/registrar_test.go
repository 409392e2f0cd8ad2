package nacos

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/registry"
	"paifang/internal/registry/nacosapi"
)

func TestRegistrar(t *testing.T) {
	// Without heartbeats it would be gone after 400 ms.
	srv := serve(t, nacosapi.Config{}, registry.Options{Unhealthy: 300 * time.Millisecond, Delete: 400 * time.Millisecond})
	r, err := NewRegistrar(RegistrarConfig{Servers: []string{"127.0.0.1:1", srv.http}, Beat: 50 * time.Millisecond, Retry: 20 * time.Millisecond},
		Registration{Service: "order", Addr: netip.MustParseAddrPort("10.0.0.1:80"), Metadata: map[string]string{"version": "v2"}, Weight: 2})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	there := func() bool {
		reg := srv.registry()
		if reg == nil {
			return false
		}
		v := reg.View(order)
		return len(v.Instances) == 1 && v.Instances[0].Healthy
	}
	eventually(t, "registered", there)
	in := srv.registry().View(order).Instances[0]
	if v, _ := in.Metadata.Get("version"); v != "v2" || in.Weight != 2 || in.Cluster != "DEFAULT" {
		t.Errorf("%+v", in)
	}
	revision := srv.registry().View(order).Revision
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if v := srv.registry().View(order); v.Revision != revision || !there() {
			t.Fatalf("heartbeats did not keep it: %+v", v)
		}
	}
	// Taken away by somebody else: the next heartbeat brings it back.
	_, err = srv.registry().Deregister(order, in.Addr)
	must(t, err)
	eventually(t, "registered again", there)
	// The server goes and comes back without memory.
	srv.stop()
	time.Sleep(100 * time.Millisecond) // some attempts fail
	srv.start()
	eventually(t, "registered after a restart", there)
	cancel()
	if err := <-ended; err != nil || there() {
		t.Fatalf("deregistered: %v, %v", err, there())
	}
}

func TestRegistrarStopsWithoutServer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	must(t, err)
	defer silent.Close()
	r, err := NewRegistrar(RegistrarConfig{Servers: []string{silent.Addr().String()}, Timeout: 100 * time.Millisecond},
		Registration{Service: "order", Addr: netip.MustParseAddrPort("10.0.0.1:80")})
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := r.Run(ctx); err == nil || time.Since(began) > time.Second {
		t.Fatalf("%v after %v", err, time.Since(began))
	}
}

func TestRegistrarBadAnswers(t *testing.T) {
	var status atomic.Int32
	var body atomic.Value
	status.Store(400)
	body.Store("caused: loopback is not allowed;")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte(body.Load().(string)))
	}))
	defer s.Close()
	r, err := NewRegistrar(RegistrarConfig{Servers: []string{s.URL}}, Registration{Service: "order", Addr: netip.MustParseAddrPort("10.0.0.1:80")})
	must(t, err)
	if err := r.Register(t.Context()); err == nil || !strings.Contains(err.Error(), "loopback is not allowed") {
		t.Errorf("%v", err)
	}
	status.Store(200)
	for _, b := range []string{"", "<html>", strings.Repeat("x", 1<<20)} {
		body.Store(b)
		if _, known, err := r.beat(t.Context()); err == nil || known {
			t.Errorf("%.10q: %v, %v", b, known, err)
		}
	}
	for answer, want := range map[string]time.Duration{
		`{"code":10200,"clientBeatInterval":7000}`: 7 * time.Second, `{"code":10200,"clientBeatInterval":0}`: 100 * time.Millisecond,
		`{"code":10200,"clientBeatInterval":999999999}`: 30 * time.Second, `{"code":10200,"clientBeatInterval":-5}`: 100 * time.Millisecond,
	} {
		body.Store(answer)
		if wait, known, err := r.beat(t.Context()); wait != want || !known || err != nil {
			t.Errorf("%s: %v, %v, %v", answer, wait, known, err)
		}
	}
}

func TestNewRegistrarRefuses(t *testing.T) {
	addr := netip.MustParseAddrPort("10.0.0.1:80")
	for name, c := range map[string]struct {
		cfg RegistrarConfig
		reg Registration
	}{
		"servers": {RegistrarConfig{}, Registration{Service: "a", Addr: addr}},
		"service": {RegistrarConfig{Servers: []string{"a:1"}}, Registration{Addr: addr}},
		"address": {RegistrarConfig{Servers: []string{"a:1"}}, Registration{Service: "a"}},
	} {
		if _, err := NewRegistrar(c.cfg, c.reg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
