package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/explain"
)

// TestPassthrough has TLS passed on by server name to servers that end it themselves: one with a certificate of its own, one that
// asks for its client's, and one that wants a PROXY header first. What is for others is ended here.
func TestPassthrough(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	server := func(name string, clients *x509.CertPool) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := "nobody"
			if len(r.TLS.PeerCertificates) > 0 {
				who = r.TLS.PeerCertificates[0].Subject.CommonName
			}
			fmt.Fprintf(w, "%s %s to %s over %s", name, who, r.TLS.ServerName, r.Proto)
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(name)}, NextProtos: []string{"h2", "http/1.1"}}
		if clients != nil {
			s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
		}
		s.EnableHTTP2 = true
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	proxied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxied.Close()
	dir := t.TempDir()
	objects := ""
	for name, at := range map[string]string{"pay.test": server("pay.test", nil), "mutual.test": server("mutual.test", ca.Pool()), "proxied.test": proxied.Addr().String()} {
		proxy := ""
		if name == "proxied.test" {
			proxy = ", dial: {proxy: v1}"
		}
		objects += fmt.Sprintf(`apiVersion: paifang.dev/v1
kind: L4Route
metadata: {name: %[1]s}
spec: {attach: [ingress], serverNames: [%[1]s], upstream: %[1]s}
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: %[1]s}
spec: {endpoints: [{keeper: static, name: %[1]s}]%[3]s}
---
apiVersion: paifang.dev/v1
kind: Endpoints
metadata: {name: %[1]s}
spec: {list: {keeper: static, name: %[1]s}, endpoints: [{addr: '%[2]s'}]}
---
`, name, at, proxy)
	}
	objects += `apiVersion: paifang.dev/v1
kind: L4Route
metadata: {name: lost}
spec: {attach: [ingress], serverNames: [lost.test], upstream: lost}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: all}
spec: {attach: [ingress], match: {path: {kind: Prefix, value: /}}, respond: {status: 200, body: ended here}}
`
	if err := os.WriteFile(filepath.Join(dir, "objects.yaml"), []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	node := Node{Name: "node-1", HTTP: free(t), HTTPS: free(t)}
	a := started(t, Config{DNS: &DNS{Address: free(t), Zones: []string{"test"}}, Sources: Sources{Manifests: []string{dir}}, Ingress: &Ingress{Nodes: []Node{node}}, Timeouts: Timeouts{Handshake: Duration(700 * time.Millisecond)}})

	shown := ca.Client("ann")
	over := func(name, host string, with *tls.Certificate, protocols ...string) string {
		cfg := &tls.Config{ServerName: name, RootCAs: ca.Pool(), InsecureSkipVerify: name == "", NextProtos: protocols}
		if with != nil {
			cfg.Certificates = []tls.Certificate{*with}
		}
		transport := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: len(protocols) == 0}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+node.HTTPS.String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(r)
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
	for _, c := range []struct{ what, got, want string }{
		{"a name that is passed on", over("pay.test", "pay.test", nil), "pay.test nobody to pay.test over HTTP/2.0"},
		{"over HTTP/1.1", over("pay.test", "pay.test", nil, "http/1.1"), "pay.test nobody to pay.test over HTTP/1.1"},
		{"the client's own certificate", over("mutual.test", "mutual.test", &shown), "mutual.test ann to mutual.test over HTTP/2.0"},
		{"without it", over("mutual.test", "mutual.test", nil), `Get "https://`}, // an error, which depends on who of the two writes first
		{"no name", over("", "any.test", nil), "ended here"},
		{"a passed name on another's connection", over("", "pay.test", nil), "421 misdirected"},
		{"a name whose upstream is missing", over("lost.test", "lost.test", nil), "reset"},
	} {
		if c.got != c.want && (c.want == "ended here" || !strings.Contains(c.got, c.want)) {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	testPassedHeader(t, node.HTTPS, proxied)
	testSlowHello(t, node.HTTPS)
	testPassedIsShown(t, a)
}

// testPassedHeader: the endpoint gets a PROXY header, and then the client's bytes as they are.
func testPassedHeader(t *testing.T, at netip.AddrPort, proxied net.Listener) {
	t.Helper()
	raw := helloFor(t, "proxied.test")
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for part := range slices.Chunk(raw, 700) { // it comes in several segments
		if _, err := c.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	s, err := proxied.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_ = s.SetDeadline(time.Now().Add(5 * time.Second))
	want := fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n", c.LocalAddr().(*net.TCPAddr).Port, at.Port()) + string(raw)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s, got); err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// testSlowHello: who does not say whom it came for in the time of a handshake is cut, whatever it sends meanwhile.
func testSlowHello(t *testing.T, at netip.AddrPort) {
	t.Helper()
	raw := helloFor(t, "pay.test")
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range len(raw) - 1 {
			if _, err := c.Write(raw[i : i+1]); err != nil {
				return
			}
			<-tick.C
		}
	}()
	_ = c.SetReadDeadline(began.Add(10 * time.Second))
	_, err = io.ReadAll(c)
	if took := time.Since(began); took < 500*time.Millisecond || took > 5*time.Second || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it was cut after %v: %v", took, err)
	}
	<-done
}

// helloFor is the first flight of a client.
func helloFor(t *testing.T, name string) []byte {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Client(near, &tls.Config{ServerName: name}).HandshakeContext(t.Context()) // it ends when far closes
	}()
	defer func() { <-done }()
	defer far.Close()
	buf := make([]byte, 16<<10)
	n, err := far.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// testPassedIsShown: explain tells where a name goes, before and after it is asked, and lists show what is passed on.
func testPassedIsShown(t *testing.T, a *App) {
	t.Helper()
	u := "https://pay.test:" + fmt.Sprint(a.cfg.Ingress.Nodes[0].HTTPS.Port()) + "/"
	for _, send := range []bool{false, true} {
		r, err := a.local.Explain(t.Context(), explain.Request{URL: u}, send)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, h := range r.Hops {
			text += h.Text + "\n"
		}
		if r.Route != "pay.test" || !strings.Contains(text, "TLS for pay.test is passed on as it comes") || send != strings.Contains(r.Hops[len(r.Hops)-1].Text, "200") {
			t.Errorf("sent %v: %+v", send, r)
		}
	}
	until(t, "connections are counted", func() bool {
		n := uint64(0)
		for _, s := range a.l4.Status() {
			if s.Passed && s.Route == "pay.test" {
				n += s.Total
			}
		}
		return n >= 3
	})
}
