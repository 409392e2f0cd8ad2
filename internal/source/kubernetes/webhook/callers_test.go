package webhook

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
)

// TestCallersShowACertificate: with authorities nobody is answered who has no certificate of one of them, and a file that was
// replaced counts.
func TestCallersShowACertificate(t *testing.T) {
	ours, theirs := certstest.New(t, "ours", nil), certstest.New(t, "theirs", nil)
	file := filepath.Join(t.TempDir(), "ca.crt")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(ours.PEM(), time.Now().Add(-time.Hour))
	j := &judged{}
	url, _ := serveWith(t, j, func(c *Config) { c.ClientCA = file })
	as := func(pairs ...tls.Certificate) error {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: pairs}, ForceAttemptHTTP2: true} //nolint:gosec // see serve
		defer tr.CloseIdleConnections()
		r, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Post(url, "application/json", strings.NewReader("{}"))
		if err == nil {
			r.Body.Close()
			if r.ProtoMajor != 2 {
				t.Errorf("%s is spoken", r.Proto)
			}
		}
		return err
	}
	if err := as(ours.Client("api-server")); err != nil {
		t.Error(err)
	}
	if as() == nil {
		t.Error("who shows nothing is answered")
	}
	if as(theirs.Client("api-server")) == nil {
		t.Error("who has a certificate of others is answered")
	}

	c := &callers{file: file}
	first, err := c.get()
	if err != nil {
		t.Fatal(err)
	}
	write(theirs.PEM(), time.Now())
	c.looked = time.Now().Add(-certPause)
	second, err := c.get()
	if err != nil || second.Equal(first) {
		t.Errorf("a new file does not count: %v", err)
	}
	write("nothing", time.Now().Add(time.Second))
	c.looked = time.Now().Add(-certPause)
	if kept, err := c.get(); err != nil || !kept.Equal(second) {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := Listen(Config{Address: netip.MustParseAddrPort("127.0.0.1:0"), ClientCA: filepath.Join(t.TempDir(), "none"), Register: &registry{}}); err == nil {
		t.Error("it starts without its authorities")
	}
}
