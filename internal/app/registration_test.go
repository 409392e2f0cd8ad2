package app

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"
)

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
	reg := serveRegistry(t)
	c := parsed(t, fmt.Sprintf(`
gateway: {http: "0.0.0.0:8080", advertise: 10.0.0.20}
sources: {nacos: [{address: %q, grpc: %q}]}
`, reg.http, reg.grpc))
	r, err := newRegistration(&c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	there := func() bool { return reg.lists("paifang-gateway", "10.0.0.20:8080") }
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
		"gateway: {http: \"127.0.0.1:1\", elsewhere: true}\nregistry: {http: \"127.0.0.1:2\", grpc: \"127.0.0.1:3\", auth: \"off\"}\n",
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
