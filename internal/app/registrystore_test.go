package app

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/internal/registry"
	"paifang/internal/registry/auth"
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

// The first user has the password of a file, and no other one is written down.
func TestFirstPasswordFromAFile(t *testing.T) {
	any0 := netip.MustParseAddrPort("127.0.0.1:0")
	cfg := Config{Data: t.TempDir(), Registry: &Registry{HTTP: any0, GRPC: any0, PasswordFile: filepath.Join(t.TempDir(), "password")}}
	p := newRegistryPiece(&cfg, slog.New(slog.DiscardHandler))
	for _, bad := range []struct{ text, want string }{{"", "is empty"}, {"short\n", "want 8 to 72"}} {
		if err := os.WriteFile(cfg.Registry.PasswordFile, []byte(bad.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.start(); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Fatalf("%q: %v", bad.text, err)
		}
	}
	if err := os.WriteFile(cfg.Registry.PasswordFile, []byte("chosen by somebody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	defer p.stop(t.Context())
	if g, err := p.kept.auth.Login(t.Context(), auth.FirstUser, "chosen by somebody"); err != nil || !g.Admin {
		t.Errorf("the chosen password: %v, may do everything %v", err, g.Admin)
	}
	if _, err := os.Stat(PasswordFile(cfg.Data)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a password was written down: %v", err)
	}
}

// Words for on and off are what they are with quotes and without.
func TestOnOff(t *testing.T) {
	for text, want := range map[string]OnOff{
		"off": authOff, `"off"`: authOff, "false": authOff, `"false"`: authOff, "on": authOn, `"on"`: authOn, "true": authOn, `""`: "",
	} {
		c, err := ParseConfig("paifang.yaml", []byte("data: d\nregistry: {http: 127.0.0.1:1, grpc: 127.0.0.1:2, auth: "+text+"}\n"))
		if err != nil || c.Registry.Auth != want {
			t.Errorf("auth: %s is read as %q (%v), want %q", text, c.Registry.Auth, err, want)
		}
		printed, err := c.Print()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConfig("printed.yaml", printed); err != nil || again.Registry.Auth != want {
			t.Errorf("auth: %s is printed as %s", text, printed)
		}
	}
}
