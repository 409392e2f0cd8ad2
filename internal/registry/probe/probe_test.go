package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDo(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r)
		switch r.URL.Path {
		case "/moved":
			w.Header().Set("Location", "/fails")
			w.WriteHeader(302)
		case "/fails":
			w.WriteHeader(503)
		}
	}))
	defer s.Close()
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := netip.MustParseAddrPort(closed.Addr().String())
	closed.Close()
	for _, c := range []struct {
		name string
		Check
		addr netip.AddrPort
		well bool
	}{
		{"TCP", Check{}, at, true},
		{"TCP, nobody", Check{Kind: TCP}, nobody, false},
		{"TCP on a port of its own", Check{Port: at.Port()}, nobody, true},
		{"HTTP", Check{Kind: HTTP, Path: "/well?x=1", Headers: map[string]string{"host": "order.test", "X-A": "b"}}, at, true},
		{"HTTP, a redirection is not followed", Check{Kind: HTTP, Path: "/moved"}, at, true},
		{"HTTP, another code", Check{Kind: HTTP, Code: 204}, at, false},
		{"HTTP, 503", Check{Kind: HTTP, Path: "/fails"}, at, false},
		{"HTTP, 503 is wanted", Check{Kind: HTTP, Path: "/fails", Code: 503}, at, true},
		{"HTTP, nobody", Check{Kind: HTTP}, nobody, false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := c.Do(ctx, c.addr); (err == nil) != c.well {
			t.Errorf("%s: %v", c.name, err)
		}
		cancel()
		if c.Path == "/well?x=1" {
			if r := seen.Load(); r.Host != "order.test" || r.Header.Get("X-A") != "b" || r.URL.RawQuery != "x=1" || r.UserAgent() != userAgent {
				t.Errorf("asked %s %s, %v", r.Host, r.URL, r.Header)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []Check{{}, {Kind: HTTP, Path: "/a", Code: 200, Headers: map[string]string{"Host": "x"}}, {Kind: None}} {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []Check{{Kind: "MYSQL"}, {Path: "a"}, {Path: "/a b"}, {Path: "/\r\nX: y"}, {Code: 99}, {Headers: map[string]string{"a b": ""}}, {Headers: map[string]string{"a": "\r\n"}}} {
		if err := c.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// An instance that stops answering falls after some questions and rises again; one that was removed is not asked.
func TestRunner(t *testing.T) {
	var fails atomic.Bool
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if fails.Load() {
			w.WriteHeader(500)
		}
	}))
	defer s.Close()
	at := netip.MustParseAddrPort(s.Listener.Addr().String())
	told := make(chan bool, 10)
	r := New(Options{Every: time.Millisecond, Workers: 2}, func(id string, well bool) {
		if id != "a" {
			t.Errorf("told of %s", id)
		}
		told <- well
	})
	defer r.Close()
	r.Set("a", Check{Kind: HTTP}, at, false)
	for _, want := range []bool{true, false, true} {
		fails.Store(!want)
		select {
		case well := <-told:
			if well != want {
				t.Fatalf("told %v, want %v", well, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("nobody is told of %v", want)
		}
	}
	r.Set("a", Check{Kind: HTTP, Path: "/other"}, at, true)
	r.Remove("a")
	r.Remove("a")
	r.Close()
	n := asked.Load()
	if len(told) != 0 || n < 6 {
		t.Errorf("%d questions, %d more to tell", n, len(told))
	}
}
