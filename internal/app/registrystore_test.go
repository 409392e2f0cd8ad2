package app

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"paifang/internal/registry"
	"paifang/internal/registry/config"
)

// A registry with a file knows after its start what it knew before; one in memory has forgotten.
func TestRegistryKeepsWhatItIsToldTo(t *testing.T) {
	for _, c := range []struct {
		name, storage string
		data, keeps   bool
	}{{"no data", "", false, false}, {"data", "", true, true}, {"memory", storageMemory, true, false}, {"bolt", storageBolt, true, true}} {
		t.Run(c.name, func(t *testing.T) {
			any0 := netip.MustParseAddrPort("127.0.0.1:0")
			cfg := Config{Registry: &Registry{HTTP: any0, GRPC: any0, Auth: authOff, Storage: c.storage, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
			if c.data {
				cfg.Data = t.TempDir()
			}
			p := newRegistryPiece(&cfg, slog.New(slog.DiscardHandler))
			start := func() *registry.Registry {
				t.Helper()
				if err := p.start(); err != nil {
					t.Fatal(err)
				}
				r, _ := p.handle.Current()
				return r
			}
			key := registry.Key{Namespace: "public", Group: "g", Service: "order"}
			id := config.ID{Namespace: "public", Group: "g", Name: "order.yaml"}
			r := start()
			if err := r.CreateService(key, registry.Settings{Ephemeral: true, ProtectThreshold: 0.5}); err != nil {
				t.Fatal(err)
			}
			if err := r.Register(key, registry.Instance{Addr: netip.MustParseAddrPort("192.168.0.1:80"), Weight: 1, Ephemeral: true}); err == nil || !strings.Contains(err.Error(), "outside") {
				t.Errorf("an address outside the ranges: %v", err)
			}
			if _, err := p.kept.configs.Publish(t.Context(), config.Item{ID: id, Content: "a: 1"}, ""); err != nil {
				t.Fatal(err)
			}
			if !p.stop(t.Context()) {
				t.Fatal("it did not run")
			}
			r = start()
			defer p.stop(t.Context())
			_, _, err := p.kept.configs.Get(t.Context(), id)
			if known := r.View(key).Known; known != c.keeps || (err == nil) != c.keeps || p.keeps() != c.keeps {
				t.Errorf("service known %v, configuration %v, keeps %v", known, err, p.keeps())
			}
		})
	}
}
