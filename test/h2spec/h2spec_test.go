// Package h2spec runs h2spec, the conformance tests of HTTP/2, strictly against Paifang and against the bare server of
// golang.org/x/net/http2 in one run. Paifang must pass whatever that passes.
package h2spec

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// cases is how many h2spec v2.2.1 has. Fewer would mean that it did not run to its end.
const cases = 146

func TestStrict(t *testing.T) {
	spec := build(t, "h2spec", ".", "github.com/summerwind/h2spec/cmd/h2spec")
	clear, secure := paifang(t)
	bareClear, bareSecure := bare(t, nil), bare(t, config(t))
	for _, over := range []struct {
		name        string
		ours, bares string
		args        []string
	}{{"h2c", clear, bareClear, nil}, {"TLS", secure, bareSecure, []string{"-t", "-k"}}} {
		t.Run(over.name, func(t *testing.T) {
			bares := run(t, spec, over.bares, over.args)
			ours := run(t, spec, over.ours, over.args)
			t.Logf("over %s: Paifang passes %d of %d, bare x/net/http2 %d", over.name, cases-len(ours), cases, cases-len(bares))
			for _, f := range bares {
				t.Logf("bare x/net/http2 fails %s", f)
			}
			for _, f := range ours {
				if !slices.Contains(bares, f) {
					t.Errorf("Paifang fails, and bare x/net/http2 passes: %s", f)
				} else {
					t.Logf("both fail: %s", f)
				}
			}
		})
	}
}

// build builds a program of a module.
func build(t *testing.T, name, dir, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", "build", "-o", file, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return file
}

// run returns the names of the cases that fail.
func run(t *testing.T, spec, addr string, args []string) []string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "junit.xml")
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, spec, append([]string{"-h", host, "-p", port, "-S", "-o", "3", "-j", file}, args...)...)
	out, _ := cmd.CombinedOutput() // fails if a case does
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var report struct {
		Suites []struct {
			Package string `xml:"package,attr"`
			Cases   []struct {
				Name    string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	n := 0
	var failed []string
	for _, s := range report.Suites {
		for _, c := range s.Cases {
			n++
			if c.Failure != nil || c.Error != nil || c.Skipped != nil {
				failed = append(failed, s.Package+": "+c.Name)
			}
		}
	}
	if n != cases {
		t.Fatalf("%d cases were run, not %d:\n%s", n, cases, out)
	}
	return failed
}

// answer is what stands behind all servers: it reads the request and answers something short.
func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "The answer of the server behind.\n")
}

// bare is a server of x/net/http2 and nothing else.
func bare(t *testing.T, over *tls.Config) string {
	t.Helper()
	ln := listen(t)
	var wg sync.WaitGroup
	quiet := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(answer)}
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				var nc net.Conn = c
				if over != nil {
					s := tls.Server(c, over)
					if s.Handshake() != nil {
						return
					}
					nc = s
				}
				(&http2.Server{}).ServeConn(nc, &http2.ServeConnOpts{BaseConfig: quiet})
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

// paifang starts the program with a route to a server of HTTP/1.1, and returns where it listens in clear text and over TLS.
func paifang(t *testing.T) (clear, secure string) {
	t.Helper()
	program := build(t, "paifang", filepath.Join("..", ".."), "./cmd/paifang")
	behind := listen(t)
	srv := &http.Server{Handler: http.HandlerFunc(answer)}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(behind) })
	t.Cleanup(func() { srv.Close(); wg.Wait() })

	dir := t.TempDir()
	at := free(t, 3)
	clear, secure, admin := at[0], at[1], at[2]
	write(t, filepath.Join(dir, "objects.yaml"), fmt.Sprintf(`apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: behind}
spec:
  endpoints: [{keeper: static, name: behind}]
---
apiVersion: paifang.dev/v1
kind: Endpoints
metadata: {name: behind}
spec:
  list: {keeper: static, name: behind}
  endpoints: [{addr: %q}]
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: all}
spec:
  attach: [gateway]
  match: {path: {kind: Prefix, value: /}}
  forward: {targets: [{upstream: behind}]}
`, behind.Addr()))
	write(t, filepath.Join(dir, "paifang.yaml"), fmt.Sprintf(`admin: {address: %q}
sources: {manifests: [%q]}
gateway: {http: %q, https: %q, service: "-"}
`, admin, filepath.Join(dir, "objects.yaml"), clear, secure))

	cmd := exec.Command(program, "serve", "-c", filepath.Join(dir, "paifang.yaml"))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("%s", out.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + clear + "/")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return clear, secure
			}
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("it ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("it does not serve")
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// free are addresses that nobody listens on at the moment, each with a port of its own.
func free(t *testing.T, n int) []string {
	t.Helper()
	all := make([]string, n)
	for i := range all {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }() // once all are chosen
		all[i] = ln.Addr().String()
	}
	return all
}

// config has a certificate of its own.
func config(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}
}
