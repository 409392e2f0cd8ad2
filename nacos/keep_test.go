package nacos

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/internal/registry"
)

// Keep waits for a registry that is not there yet, registers again where it was lost, and deregisters at the end.
func TestKeep(t *testing.T) {
	s := serve(t)
	s.stop()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	o := Options{Servers: []string{s.http}, GRPC: []string{s.grpc}} // start writes them again
	keep := func(ctx context.Context) { ended <- Keep(ctx, o, order, one(81)) }
	go keep(ctx)
	there := func() bool { return s.addresses() == "10.0.0.1:81" }
	s.start()
	eventually(t, "it registers", there)
	s.stop()
	s.start()
	eventually(t, "it registers again", there)
	cancel()
	if err := <-ended; err != nil || s.addresses() != "" {
		t.Errorf("after the end (%v) the registry has %q", err, s.addresses())
	}
	// It ends without its registry, and where it never met one.
	ctx, cancel = context.WithCancel(t.Context())
	go keep(ctx)
	eventually(t, "it registers", there)
	s.stop()
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "10.0.0.1:81") {
		t.Errorf("%v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	go keep(ctx)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]func() error{
		"servers":  func() error { return Keep(t.Context(), Options{}, order, one(81)) },
		"service":  func() error { return Keep(t.Context(), Options{Servers: []string{"a:1"}}, Service{}, one(81)) },
		"instance": func() error { return Keep(t.Context(), Options{Servers: []string{"a:1"}}, order, Instance{}) },
	} {
		if bad() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What a server that was started again refuses leaves the rest as it is, and is tried again.
func TestRefusedAgain(t *testing.T) {
	s := serve(t)
	c := s.connect()
	must(t, c.Register(t.Context(), order, one(81)))
	must(t, c.Register(t.Context(), Service{Name: "card"}, one(82)))
	s.stop()
	s.options.MaxServices = 1
	s.start()
	r, _ := s.handle.Current()
	must(t, r.CreateService(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}, registry.Settings{Ephemeral: true}))
	eventually(t, "what it takes", func() bool { return s.addresses() == "10.0.0.1:81" })
	must(t, r.Register(registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"},
		registry.Instance{Addr: netip.MustParseAddrPort("10.0.0.9:80"), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}))
	var list last[[]Instance]
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Follow(ctx, order, list.set) }()
	eventually(t, "the connection is of use", func() bool { l, told := list.get(); return told > 0 && len(l) == 2 })
	cancel()
	<-ended
}
