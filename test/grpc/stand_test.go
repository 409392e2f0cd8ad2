// Package grpc takes gRPC through Paifang: the interoperability tests of grpc-go, and what happens to calls when endpoints,
// routes and clients come and go.
package grpc

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// program is where TestMain has built Paifang.
var program string

func TestMain(m *testing.M) {
	if asCase() {
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "grpc")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "paifang")
		build := exec.Command("go", "build", "-o", program, "./cmd/paifang")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Printf("%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// stand is a running Paifang.
type stand struct {
	t             *testing.T
	dir           string
	clear, secure string
	admin         string
	out           strings.Builder
}

// start runs Paifang with a list "servers" of these addresses behind the route "/".
func start(t *testing.T, addrs ...string) *stand {
	t.Helper()
	at := free(t, 3)
	s := &stand{t: t, dir: t.TempDir(), clear: at[0], secure: at[1], admin: at[2]}
	s.routes(1, addrs...)
	s.write("paifang.yaml", fmt.Sprintf("admin: {address: %q}\nsources: {manifests: [%q]}\ngateway: {http: %q, https: %q, service: \"-\"}\n",
		s.admin, filepath.Join(s.dir, "objects"), s.clear, s.secure))
	cmd := exec.Command(program, "serve", "-c", filepath.Join(s.dir, "paifang.yaml"))
	cmd.Stdout, cmd.Stderr = &s.out, &s.out
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
			t.Log(s.out.String())
		}
	})
	eventually(t, s.ready)
	return s
}

// routes writes n routes: the first for every path, the others for paths that nobody asks for.
func (s *stand) routes(n int, addrs ...string) {
	s.t.Helper()
	var list []string
	for _, a := range addrs {
		list = append(list, fmt.Sprintf("{addr: %q}", a))
	}
	text := fmt.Sprintf(`apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: servers}
spec:
  endpoints: [{keeper: static, name: servers}]
  protocol: h2c
---
apiVersion: paifang.dev/v1
kind: Endpoints
metadata: {name: servers}
spec:
  list: {keeper: static, name: servers}
  endpoints: [%s]
`, strings.Join(list, ", "))
	for i := range n {
		path := "/grpc.testing.TestService"
		if i > 0 {
			path = fmt.Sprintf("/other/%d", i)
		}
		text += fmt.Sprintf(`---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: route-%d}
spec:
  attach: [gateway]
  match: {path: {kind: Prefix, value: %s}}
  forward: {targets: [{upstream: servers}]}
`, i, path)
	}
	s.write("objects/objects.yaml", text)
}

// write replaces a file at once, as a person's editor does.
func (s *stand) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
}

// ready tells whether all that is written down is served.
func (s *stand) ready() bool {
	resp, err := http.Get("http://" + s.admin + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == 200
}

// dial is a client of the clear-text listener.
func (s *stand) dial() *grpc.ClientConn { return dial(s.t, s.clear, false) }

func dial(t testing.TB, addr string, secure bool) *grpc.ClientConn {
	t.Helper()
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	c, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(creds), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)), grpc.WithAuthority("shop.test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// server is a gRPC server.
type server struct {
	*grpc.Server
	addr string
	wg   sync.WaitGroup
}

func serve(t *testing.T, s testgrpc.TestServiceServer) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &server{Server: grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20)), addr: ln.Addr().String()}
	testgrpc.RegisterTestServiceServer(srv, s)
	srv.wg.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() { srv.Stop(); srv.wg.Wait() })
	return srv
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

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 20 s")
		}
	}
}
