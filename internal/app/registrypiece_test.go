package app

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/registry"
	"paifang/internal/registry/storage/storagetest"
)

// The admin API is no instance of any registry, whatever ranges are allowed, also where it listens on all addresses.
func TestReserved(t *testing.T) {
	for admin, never := range map[string][]string{
		"127.0.0.1:8088": {"127.0.0.1:8088"},
		"[::]:8088":      {"127.0.0.1:8088", "127.0.0.9:8088", "[::1]:8088"},
	} {
		cfg := &Config{Admin: Admin{Address: netip.MustParseAddrPort(admin)}, Registry: &Registry{}}
		n := Nacos{GRPC: "10.0.0.1:9848", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
		c, err := nacosConfig(n, cfg.reserved(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for name, rule := range map[string]registry.AddressRule{
			"another registry": c.Addresses, "the own": {Also: n.Allow, Refuse: newRegistryPiece(cfg, c.Log).never},
		} {
			for _, a := range never {
				if _, err := rule.Check(netip.MustParseAddrPort(a)); err == nil {
					t.Errorf("admin at %s, %s: an instance may be at %s", admin, name, a)
				}
			}
			if _, err := rule.Check(netip.MustParseAddrPort("127.0.0.1:8089")); err != nil {
				t.Error(err)
			}
		}
	}
	for _, at := range (&Config{Admin: Admin{Address: netip.MustParseAddrPort("0.0.0.0:8088")}}).reserved() {
		if at.Port() != 8088 {
			t.Errorf("%s is reserved", at)
		}
	}
}

// While the storage does not answer, that is a diagnostic, and services that have changed are marked; both end with it.
func TestStorageAway(t *testing.T) {
	p := newRegistryPiece(&Config{Registry: &Registry{}}, slog.New(slog.DiscardHandler))
	if d := p.Diagnostics(); len(d) != 0 {
		t.Errorf("stopped, it says %v", d)
	}
	store := storagetest.NewShared()
	defer store.Close()
	if err := p.handle.Start(registry.Options{Store: store}); err != nil {
		t.Fatal(err)
	}
	defer p.handle.Stop()
	r, _ := p.handle.Current()
	c, err := r.Connect()
	if err != nil {
		t.Fatal(err)
	}
	stays := registry.Instance{Addr: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
	goes := stays
	goes.Addr = netip.MustParseAddrPort("10.0.0.2:80")
	if err := r.Register(registry.Key{Namespace: "public", Group: "g", Service: "stays"}, stays); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(registry.Key{Namespace: "public", Group: "g", Service: "goes"}, []registry.Instance{goes}); err != nil {
		t.Fatal(err)
	}
	at := func(name string) (found adminapi.Service) {
		for _, s := range p.Services() {
			if s.Name == name {
				found = s
			}
		}
		return found
	}
	if d := p.Diagnostics(); len(d) != 0 || at("goes").Local || at("goes").Ready != 1 {
		t.Errorf("while it answers: %v, %+v", d, at("goes"))
	}
	store.Lose(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	c.Close()
	if s := at("goes"); !s.Local || s.Total != 0 {
		t.Errorf("a client that left: %+v", s)
	}
	if s := at("stays"); s.Local || s.Ready != 1 {
		t.Errorf("what has not changed: %+v", s)
	}
	d := p.Diagnostics()
	if len(d) != 1 || d[0].Code != codeStorageLost ||
		d[0].Message != "the storage has no quorum, or is out of reach, since 2026-01-02T03:04:05Z: reads go on, writes are refused (no leader)" {
		t.Errorf("it says %v", d)
	}
	store.Find()
	if d := p.Diagnostics(); len(d) != 0 || at("goes").Local {
		t.Errorf("when it answers again: %v, %+v", d, at("goes"))
	}
}
