package interop

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is a `paifang serve` with the role registry, and with a gateway when routes are given.
type server struct {
	t     *testing.T
	dir   string
	port  int // of HTTP; gRPC is 1000 above, where clients expect it
	admin string
	cmd   *exec.Cmd
	done  chan error
	out   buffer
}

// settings are further lines of the configuration, below "registry" and at its top, and files beside it.
type settings struct {
	auth     string // of the registry; default off
	registry string
	top      string
	files    map[string]string
}

func newServer(t *testing.T, s settings) *server {
	t.Helper()
	v := &server{t: t, dir: scratch(t), port: portPair(t)}
	for v.admin == "" || strings.HasSuffix(v.admin, fmt.Sprint(":", v.port)) || strings.HasSuffix(v.admin, fmt.Sprint(":", v.port+1000)) {
		v.admin = free(t, 1)[0]
	}
	v.write("paifang.yaml", fmt.Sprintf("admin: {address: %q}\nregistry:\n  http: 127.0.0.1:%d\n  grpc: 127.0.0.1:%d\n  allow: [127.0.0.0/8]\n  auth: %q\n%s%s",
		v.admin, v.port, v.port+1000, cmp.Or(s.auth, "off"), s.registry, s.top))
	for name, text := range s.files {
		v.write(name, text)
	}
	v.start()
	t.Cleanup(func() {
		v.stop()
		if t.Failed() {
			t.Log(v.out.String())
		}
	})
	return v
}

func (v *server) write(name, text string) {
	v.t.Helper()
	file := filepath.Join(v.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

func (v *server) start() {
	v.t.Helper()
	v.cmd = exec.Command(program, "serve", "-c", filepath.Join(v.dir, "paifang.yaml"))
	v.cmd.Dir = v.dir
	v.cmd.Stdout, v.cmd.Stderr = &v.out, &v.out
	if err := v.cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(v.cmd, v.done)
	eventually(v.t, 20*time.Second, "the server is ready", func() (bool, string) {
		resp, err := http.Get("http://" + v.admin + "/readyz")
		if err != nil {
			return false, err.Error() + v.out.String()
		}
		resp.Body.Close()
		return resp.StatusCode == 200, resp.Status
	})
}

// stop ends the process, if it runs, as an orchestrator does.
func (v *server) stop() {
	if v.cmd == nil {
		return
	}
	_ = v.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-v.done:
	case <-time.After(20 * time.Second):
		v.t.Error("the server did not end within 20 s")
		_ = v.cmd.Process.Kill()
		<-v.done
	}
	v.cmd = nil
}

// kill ends the process at once.
func (v *server) kill() {
	_ = v.cmd.Process.Kill()
	<-v.done
	v.cmd = nil
}

// base is the root of the HTTP API.
func (v *server) base() string { return fmt.Sprintf("http://127.0.0.1:%d/nacos", v.port) }

// call makes a request of the API as any program would, and fails the test unless it is answered 200.
func (v *server) call(t *testing.T, method, path string, pairs ...string) string {
	t.Helper()
	status, body := v.ask(t, method, path, pairs...)
	if status != 200 {
		t.Fatalf("%s %s %v: %d %s", method, path, pairs, status, body)
	}
	return body
}

func (v *server) ask(t *testing.T, method, path string, pairs ...string) (int, string) {
	t.Helper()
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequest(method, v.base()+path+"?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// register has a plain program register an instance by HTTP v1; more are further parameters.
func (v *server) register(t *testing.T, namespace, service, addr string, more ...string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	v.call(t, "POST", "/v1/ns/instance", append([]string{"namespaceId", namespace, "serviceName", service, "ip", host, "port", port}, more...)...)
}

func (v *server) deregister(t *testing.T, namespace, service, addr string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	v.call(t, "DELETE", "/v1/ns/instance", "namespaceId", namespace, "serviceName", service, "ip", host, "port", port)
}

// beat sends one heartbeat.
func (v *server) beat(t *testing.T, namespace, service, addr string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	v.call(t, "PUT", "/v1/ns/instance/beat", "namespaceId", namespace, "serviceName", service, "ip", host, "port", port)
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

// portPair is a free port with a free one 1000 above it.
func portPair(t *testing.T) int {
	t.Helper()
	for range 100 {
		_, text, _ := net.SplitHostPort(free(t, 1)[0])
		port, _ := strconv.Atoi(text)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1000))
		if err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no two free ports 1000 apart")
	return 0
}

// eventually polls a condition until it holds, and fails the test with what it last said.
func eventually(t *testing.T, within time.Duration, what string, holds func() (bool, string)) time.Duration {
	t.Helper()
	began, last := time.Now(), ""
	for {
		ok, said := holds()
		if ok {
			return time.Since(began)
		}
		last = said
		if time.Since(began) > within {
			t.Fatalf("not within %v: %s; last: %s", within, what, strings.TrimSpace(last))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// buffer is written by a process and read by the test.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func containsAll(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
