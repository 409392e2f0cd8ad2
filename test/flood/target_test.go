package flood

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// target is a proxy that is attacked.
type target struct {
	name          string
	clear, secure string
	pid           int
}

// origin starts the server behind all.
func origin(t *testing.T) string {
	t.Helper()
	at := free(t, 1)[0]
	start(t, exec.Command(self, at), roleVariable+"=origin")
	answers(t, at)
	return at
}

// paifang starts the product with a route to the origin, and otherwise as it is.
func paifang(t *testing.T, behind string) *target {
	t.Helper()
	dir, at := t.TempDir(), free(t, 3)
	p := &target{name: "Paifang", clear: at[0], secure: at[1]}
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
`, behind))
	file := filepath.Join(dir, "paifang.yaml")
	write(t, file, fmt.Sprintf(`admin: {address: %q}
sources: {manifests: [%q]}
gateway: {http: %q, https: %q, service: "-"}
`, at[2], filepath.Join(dir, "objects.yaml"), p.clear, p.secure))
	p.pid = start(t, exec.Command(binary, "serve", "-c", file))
	answers(t, p.clear)
	return p
}

// haproxy starts HAProxy with the same server behind it, and the timeouts that Paifang has; nil where there is none.
func haproxy(t *testing.T, behind string) *target {
	t.Helper()
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/haproxy"); err != nil {
			return nil
		}
	}
	dir, at := t.TempDir(), free(t, 2)
	h := &target{name: "HAProxy", clear: at[0], secure: at[1]}
	certificate(t, filepath.Join(dir, "both.pem"))
	file := filepath.Join(dir, "haproxy.cfg")
	write(t, file, fmt.Sprintf(`global
  maxconn 8000
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 75s
frontend front
  bind %s
  bind %s ssl crt '%s' alpn h2,http/1.1
  default_backend behind
backend behind
  http-reuse always
  server one %s
`, h.clear, h.secure, filepath.Join(dir, "both.pem"), behind))
	h.pid = start(t, exec.Command(program, "-db", "-f", file))
	answers(t, h.clear)
	return h
}

// start runs a program until the test ends.
func start(t *testing.T, cmd *exec.Cmd, environment ...string) (pid int) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), environment...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // what it would do in an orderly way is not what is looked at here
		<-done
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(cmd.Path), out.String())
		}
	})
	return cmd.Process.Pid
}

// answers waits until a server answers.
func answers(t *testing.T, at string) {
	t.Helper()
	var failed []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var took []time.Duration
		if took, failed = ask(at, time.Now().Add(5*time.Millisecond)); len(took) > 0 && len(failed) == 0 {
			return
		}
	}
	t.Fatalf("%s does not answer: %v", at, failed)
}

// resident is how much memory of the machine a process has, in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("no way to tell the memory of a process: %v", err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	line, _, _ := strings.Cut(after, "\n")
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(line), " kB"))
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// strike begins an attack from a process of its own and returns what waits for its end: how many connections it made, and the
// share of a core that it had.
func strike(t *testing.T, a *attack, at *target, lasting time.Duration) (end func() (made int, core float64)) {
	t.Helper()
	to := at.clear
	if a.tls {
		to = at.secure
	}
	cmd := exec.Command(self, a.name, to, lasting.String())
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), roleVariable+"=attacker", "GOMAXPROCS=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	return func() (made int, core float64) {
		t.Helper()
		err := cmd.Wait()
		var refused int
		if _, scan := fmt.Sscan(out.String(), &made, &refused, &core); err != nil || scan != nil {
			t.Fatalf("the attacker: %v, %v: %s%s", err, scan, out.String(), errs.String())
		}
		return made, core
	}
}

// certificate writes a certificate of its own, and its key.
func certificate(t *testing.T, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"flood.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
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
