package app

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/document"
)

// free is an address that nobody listens on now. Its port is none that the system gives to connections, of which the tests beside this one
// make many.
func free(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 100 {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(22_000+rand.IntN(10_000)))
		if l, err := net.Listen("tcp", at.String()); err == nil {
			l.Close()
			return at
		}
	}
	t.Fatal("no free port")
	return netip.AddrPort{}
}

// TestTLSFromEndToEnd: https routes and instances that are registered as secure reach servers that speak TLS, and only those
// that are who they should be.
func TestTLSFromEndToEnd(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := func(names ...string) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s as %q", r.Host, r.TLS.ServerName)
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(names...)}}
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	named, addressed := server("localhost"), server("127.0.0.1")
	portOf := func(s *httptest.Server) string { return s.URL[strings.LastIndex(s.URL, ":")+1:] }
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("routes.yaml", fmt.Sprintf(`spring.cloud.gateway.routes:
- {id: name, uri: 'https://localhost:%[1]s', predicates: ['Path=/name']}
- {id: wrong, uri: 'https://127.0.0.1:%[1]s', predicates: ['Path=/wrong']}
- {id: clear, uri: 'http://localhost:%[1]s', predicates: ['Path=/clear']}
- {id: instance, uri: 'lb://secured', predicates: ['Path=/instance']}
`, portOf(named)))
	registry := free(t)
	c := Config{
		Admin:    Admin{Address: netip.MustParseAddrPort("127.0.0.1:0")},
		Sources:  Sources{Routes: []string{filepath.Join(dir, "routes.yaml")}},
		TLS:      TLS{UpstreamCA: write("ca.pem", ca.PEM()), TicketKeys: write("keys", base64.StdEncoding.EncodeToString(make([]byte, 32)))},
		Gateway:  &Gateway{HTTP: free(t), HTTPS: free(t), Service: "-", TLS: Bounds{MinVersion: "1.3"}},
		Registry: &Registry{HTTP: registry, GRPC: free(t), Auth: authOff, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Drain:    Duration(50 * time.Millisecond),
	}
	a, err := New(c, Options{Name: "test", Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer func() { cancel(); running.Wait() }()
	within, stop := context.WithTimeout(ctx, 20*time.Second)
	defer stop()
	if err := a.WaitReady(within); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"serviceName": {"secured"}, "ip": {"127.0.0.1"}, "port": {portOf(addressed)}, "metadata": {`{"secure":"true"}`}, "ephemeral": {"true"}}
	resp, err := http.PostForm("http://"+registry.String()+"/nacos/v1/ns/instance", form)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	ask := func(client *http.Client, url string) string {
		resp, err := client.Get(url)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 {
			return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Paifang-Reason"))
		}
		return string(body)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	for path, want := range map[string]string{
		"name":     fmt.Sprintf("localhost:%s as \"localhost\"", portOf(named)),
		"wrong":    "502 upstream-tls",
		"clear":    "400 ", // of the server itself: it was asked in clear text
		"instance": fmt.Sprintf("127.0.0.1:%s as \"\"", portOf(addressed)),
	} {
		for _, base := range []string{"http://" + c.Gateway.HTTP.String(), "https://" + c.Gateway.HTTPS.String()} {
			got := ""
			until(t, base+"/"+path+" is routed", func() bool { got = ask(client, base+"/"+path); return !strings.HasPrefix(got, "503 ") })
			if got != want {
				t.Errorf("%s/%s: %q, want %q", base, path, got, want)
			}
		}
	}
	old := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}}
	if got := ask(&http.Client{Transport: old, Timeout: 10 * time.Second}, "https://"+c.Gateway.HTTPS.String()+"/name"); !strings.Contains(got, "protocol version") {
		t.Errorf("TLS 1.2: %q", got)
	}
}

func TestTicketKeysAreFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(append(make([]byte, 31), b)) + "\n" }
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{"": "there is no key", "secret material": "line 1 is not 32 bytes"} {
		write(text)
		if _, err := newTicketFile(TLS{TicketKeys: file}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "material") {
			t.Errorf("%q: %v", text, err)
		}
	}
	write(key(1))
	f, err := newTicketFile(TLS{TicketKeys: file}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	// Tickets tell which keys are in force: one that another holder of the same keys made can be read.
	holds := func(b byte) bool { return f.tickets.Holds([32]byte(append(make([]byte, 31), b))) }
	write(key(2) + key(1))
	until(t, "the new keys", func() bool { return holds(2) && holds(1) })
	write("half a key\n")
	until(t, "the fault", func() bool { return len(f.Diagnostics()) == 1 })
	if !holds(2) || !holds(1) || strings.Contains(f.Diagnostics()[0].Message, "half") {
		t.Errorf("keys that cannot be read: %v", f.Diagnostics())
	}
	write(key(3))
	until(t, "the next key", func() bool { return holds(3) && !holds(2) && len(f.Diagnostics()) == 0 })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	until(t, "the removal", func() bool { return len(f.Diagnostics()) == 1 })
	if !holds(3) {
		t.Error("a key went with its file")
	}
}

// TestPageOfTLS: the documents on the page are documents.
func TestPageOfTLS(t *testing.T) {
	text, err := os.ReadFile("../../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) != 3 {
		t.Errorf("%d documents", len(blocks))
	}
	for _, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		docs, problems := document.Split("tls.md", []byte(b))
		if len(docs) != 1 || len(problems) != 0 {
			t.Fatal(problems)
		}
		o, problems := document.Parse(docs[0], "test")
		if len(problems) != 0 || len(o.TLSPolicies)+len(o.Upstreams)+len(o.L4Routes) != 1 {
			t.Errorf("%v in\n%s", problems, b)
		}
	}
}

func TestTLSSettingsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"ingress:\n  nodes: [{name: node-1, http: '127.0.0.1:1'}]\n  tls: {minVersion: '1.1'}\n":             `f.yaml:3: ingress.tls.minVersion: "1.1" is neither 1.2 nor 1.3`,
		"gateway:\n  http: '127.0.0.1:1'\n  service: '-'\n  tls:\n    ciphers: [TLS_RSA_WITH_RC4_128_SHA]\n": `f.yaml:5: gateway.tls.ciphers[0]: "TLS_RSA_WITH_RC4_128_SHA" is no suite`,
		"gateway:\n  http: '127.0.0.1:1'\n  service: '-'\n  tls: {minVersion: '1.3', maxVersion: '1.2'}\n":   `is above maxVersion`,
	} {
		if _, err := ParseConfig("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	dir := t.TempDir()
	if _, err := (TLS{UpstreamCA: filepath.Join(dir, "none")}).roots(); err == nil {
		t.Error("a file of CAs that is not there is passed over")
	}
	file := filepath.Join(dir, "ca")
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (TLS{UpstreamCA: file}).roots(); err == nil || !strings.Contains(err.Error(), "tls.upstreamCA") {
		t.Errorf("%v", err)
	}
}
