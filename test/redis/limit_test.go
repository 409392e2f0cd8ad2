// Package redis has a real Redis hold a limit that two gateways share, and takes it away from them. It needs redis-server.
package redis

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The limit: so many a second for everybody together, and so many more at once.
const (
	perSecond = 500
	burst     = 50
)

// lasting is how long the limit is asked for more than it gives.
const lasting = 10 * time.Second

var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "paifang-redis-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "paifang")
	build := exec.Command("go", "build", "-o", binary, "./cmd/paifang")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
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

// start runs a program until the test ends, or the function that it returns is called.
func start(t *testing.T, name string, args ...string) (kill func()) {
	t.Helper()
	cmd := exec.Command(name, args...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(name), out)
		}
	})
	return kill
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// redis starts one. With more arguments it speaks TLS.
func redis(t *testing.T, secure ...string) (address string, kill func()) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not there: install the Debian package redis-server")
	}
	address = free(t, 1)[0]
	host, port, _ := net.SplitHostPort(address)
	args := []string{"--bind", host, "--port", port}
	if len(secure) > 0 {
		args = append([]string{"--bind", host, "--port", "0", "--tls-port", port}, secure...)
	}
	kill = start(t, program, append(args, "--save", "", "--appendonly", "no", "--dir", t.TempDir())...)
	within(t, 10*time.Second, "Redis listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address, kill
}

// gateway starts one with two routes that have the limit: one that counts by itself while Redis is away, one that refuses. What is more of
// Redis is YAML.
func gateway(t *testing.T, redis, behind, more string) string {
	t.Helper()
	dir, own := t.TempDir(), free(t, 2)
	at, admin := own[0], own[1]
	limited := func(name, failing string) string {
		return fmt.Sprintf(`---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: %[1]s}
spec:
  attach: [gateway]
  match: {path: {kind: Prefix, value: /%[1]s}}
  filters:
  - kind: rate-limit
    config: {requests: %[2]d, per: 1s, burst: %[3]d, key: {by: all}, redis: {addresses: [%[4]q], onFailure: %[5]s%[6]s}}
  forward: {targets: [{upstream: behind}]}
`, name, perSecond, burst, redis, failing, more)
	}
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
%s%s`, behind, limited("local", "local"), limited("refuse", "refuse")))
	file := filepath.Join(dir, "paifang.yaml")
	write(t, file, fmt.Sprintf("admin: {address: %q}\nsources: {manifests: [%q]}\ngateway: {http: %q, service: \"-\"}\n", admin, filepath.Join(dir, "objects.yaml"), at))
	start(t, binary, "serve", "-c", file)
	within(t, 20*time.Second, "the gateway serves", func() bool { return status(at, "/local") != 0 })
	return at
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var asking = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// status is that of one answer; 0: there was none.
func status(at, path string) int {
	answer, err := asking.Get("http://" + at + path)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

// pressed has several clients of each gateway ask without a pause, and returns how many answers had which status.
func pressed(path string, within time.Duration, gateways ...string) map[int]int {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	out := map[int]int{}
	for range 4 {
		for _, g := range gateways {
			wg.Go(func() {
				for ctx.Err() == nil {
					s := status(g, path)
					mu.Lock()
					out[s]++
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	return out
}

// TestTwoGatewaysShareOneLimit: over ten seconds both together let past what the limit says, and no more.
func TestTwoGatewaysShareOneLimit(t *testing.T) {
	address, kill := redis(t)
	var passed atomic.Int64
	behind := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed.Add(1) }))
	t.Cleanup(behind.Close)
	one, two := gateway(t, address, behind.Listener.Addr().String(), ""), gateway(t, address, behind.Listener.Addr().String(), "")
	time.Sleep(time.Second) // what was lent for the first requests is lost, and the bucket is empty
	passed.Store(0)
	began := time.Now()
	got := pressed("/local", lasting, one, two)
	want := perSecond*time.Since(began).Seconds() + burst
	off := float64(passed.Load())/want - 1
	t.Logf("%d were let past, %.0f wanted (%+.1f %%); answers: %v", passed.Load(), want, 100*off, got)
	if off < -0.02 || off > 0.02 {
		t.Errorf("%.1f %% off, want 2 at most", 100*off)
	}
	if int64(got[200]) != passed.Load() || got[0] > 0 || got[429] == 0 || len(got) != 2 {
		t.Errorf("answers: %v, and the server behind has seen %d", got, passed.Load())
	}
	kill()
	for path, statuses := range map[string][]int{"/refuse": {503}, "/local": {200, 429}} {
		within(t, 5*time.Second, path+" without Redis", func() bool { return status(one, path) == statuses[0] })
		got := pressed(path, time.Second, one)
		for _, s := range statuses {
			if got[s] == 0 {
				t.Errorf("%s without Redis: no %d", path, s)
			}
		}
		if len(got) != len(statuses) {
			t.Errorf("%s without Redis: %v", path, got)
		}
	}
}
