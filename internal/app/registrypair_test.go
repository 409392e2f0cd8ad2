package app

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

// A certificate that was renewed is shown to whoever connects from then on, at both ports; one whose key is not there yet is told of, and
// the one before goes on being shown.
func TestRegistryFollowsItsCertificate(t *testing.T) {
	dir, ca := t.TempDir(), certstest.New(t, "ca", nil)
	cfg := &Config{Registry: &Registry{HTTP: free(t), GRPC: free(t), Auth: authOff, Storage: storageMemory,
		Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}}
	put := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	issue := func(name string) (chain, key string) {
		c, k := certstest.Text(t, ca.Server(name))
		return c, k.Reveal()
	}
	chain, key := issue("one.test")
	put(cfg.Registry.Certificate, chain)
	p := newRegistryPiece(cfg, slog.New(slog.DiscardHandler))
	if err := p.start(); err == nil {
		t.Fatal("it starts without its key")
	}
	put(cfg.Registry.Key, key)
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	defer p.stop(context.Background())
	shows := func(at netip.AddrPort, name string) bool {
		c, err := tls.Dial("tcp", at.String(), &tls.Config{RootCAs: ca.Pool(), ServerName: name, NextProtos: []string{"h2"}})
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	both := func(name string) bool { return shows(cfg.Registry.HTTP, name) && shows(cfg.Registry.GRPC, name) }
	if !both("one.test") {
		t.Fatal("the certificate is not shown")
	}
	chain, key = issue("two.test")
	put(cfg.Registry.Certificate, chain)
	until(t, "the half of a pair is told of", func() bool {
		d := p.Diagnostics()
		return len(d) == 1 && d[0].Code == model.CodeUnreadable
	})
	if !both("one.test") {
		t.Error("the pair before is not in force")
	}
	put(cfg.Registry.Key, key)
	until(t, "the new pair is shown", func() bool { return both("two.test") })
	if d := p.Diagnostics(); len(d) != 0 {
		t.Errorf("all is well, and it says %v", d)
	}
}
