package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// book is a registry that knows who is registered.
type book struct {
	mu     sync.Mutex
	inside map[string]bool // service at ip:port
}

func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	who := fmt.Sprintf("%s %s:%s", r.Form.Get("serviceName"), r.Form.Get("ip"), r.Form.Get("port"))
	switch {
	case strings.HasSuffix(r.URL.Path, "/beat"):
		_, _ = io.WriteString(w, `{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}`)
		return
	case r.Method == http.MethodPost:
		b.inside[who] = true
	case r.Method == http.MethodDelete:
		delete(b.inside, who)
	}
	_, _ = io.WriteString(w, "ok")
}

func (b *book) has(who string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inside[who]
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// The gateway is registered while it runs and is not stopped, and is out of the registry when hold and run return.
func TestRegistration(t *testing.T) {
	b := &book{inside: map[string]bool{}}
	server := httptest.NewServer(b)
	defer server.Close()
	c := parsed(t, strings.ReplaceAll(`
gateway: {http: "0.0.0.0:8080", advertise: 10.0.0.20}
sources: {nacos: [{address: "REGISTRY"}]}
`, "REGISTRY", server.Listener.Addr().String()))
	r, err := newRegistration(&c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	const gateway = "DEFAULT_GROUP@@paifang-gateway 10.0.0.20:8080"
	there := func() bool { return b.has(gateway) || b.has(strings.TrimPrefix(gateway, "DEFAULT_GROUP@@")) }
	until(t, "the gateway is registered", there)
	for range 3 {
		r.hold(ctx, true)
		if there() {
			t.Fatal("a gateway that is held is registered")
		}
		r.hold(ctx, true) // again: nothing happens
		r.hold(ctx, false)
		until(t, "the gateway is registered again", there)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil || there() {
			t.Errorf("after the end (%v) the gateway is registered: %t", err, there())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the registration does not end")
	}
}

func TestNoRegistration(t *testing.T) {
	for _, text := range []string{
		"gateway: {http: \"127.0.0.1:1\", service: \"-\"}\n",
		"gateway: {http: \"127.0.0.1:1\", elsewhere: true}\nregistry: {http: \"127.0.0.1:2\", grpc: \"127.0.0.1:3\"}\n",
		"dns: {address: \"127.0.0.1:1\", zones: [test]}\n",
	} {
		c := parsed(t, text)
		r, err := newRegistration(&c, nil, slog.New(slog.DiscardHandler))
		if err != nil || r.registrar != nil {
			t.Errorf("%s registers somebody (%v)", text, err)
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		r.hold(ctx, true)
		cancel()
		if err := r.run(ctx); err != nil {
			t.Errorf("%s ends with %v", text, err)
		}
	}
}
