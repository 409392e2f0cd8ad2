package registry

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/etcd"
)

// cluster is three processes of etcd on loopback.
type cluster struct {
	clients []string // addresses
	members []*exec.Cmd
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// etcdProgram is the etcd that is tested with: the one of the system, or the one that PAIFANG_ETCD names; in the directory
// etcdserver others are built.
func etcdProgram(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("PAIFANG_ETCD"); file != "" {
		return file
	}
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("install etcd (Debian: etcd-server) to run this test")
	}
	return program
}

func etcdEnv() []string {
	if runtime.GOARCH == "arm64" { // of which version 3.4 is not sure
		return append(os.Environ(), "ETCD_UNSUPPORTED_ARCH=arm64")
	}
	return os.Environ()
}

// urls are the members' addresses as configurations have them.
func (c *cluster) urls() (out []string) {
	for _, a := range c.clients {
		out = append(out, "http://"+a)
	}
	return out
}

// prefixOf is of a test's own keys.
func prefixOf(t *testing.T) string { return "/" + t.Name() + "/" }

func startEtcd(t *testing.T) *cluster {
	t.Helper()
	program := etcdProgram(t)
	dir := t.TempDir()
	c := &cluster{}
	var peers, initial []string
	for i := range 3 {
		c.clients = append(c.clients, freeAddress(t))
		peers = append(peers, freeAddress(t))
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, peers[i]))
	}
	for i := range 3 {
		cmd := exec.Command(program, "--name", fmt.Sprint("m", i), "--data-dir", filepath.Join(dir, fmt.Sprint("m", i)),
			"--listen-client-urls", "http://"+c.clients[i], "--advertise-client-urls", "http://"+c.clients[i],
			"--listen-peer-urls", "http://"+peers[i], "--initial-advertise-peer-urls", "http://"+peers[i],
			"--initial-cluster", strings.Join(initial, ","), "--heartbeat-interval", "100", "--election-timeout", "1000", "--logger", "zap", "--log-level", "error")
		cmd.Env = etcdEnv()
		var log bytes.Buffer
		cmd.Stderr, cmd.Stdout = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c.members = append(c.members, cmd)
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGCONT)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("etcd %d: %s", i, log.String())
			}
		})
	}
	s := c.open(t, c.clients, time.Minute)
	defer s.Close()
	within(t, 30*time.Second, "etcd answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.Commit(ctx, nil, storage.Put("started", nil))
		return err == nil
	})
	return c
}

func (c *cluster) open(t *testing.T, endpoints []string, ttl time.Duration) *etcd.Store {
	t.Helper()
	s, err := etcd.Open(etcd.Config{Endpoints: endpoints, TTL: ttl, Prefix: prefixOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pause stops two of three members: no majority is left.
func (c *cluster) pause(t *testing.T, how syscall.Signal) {
	t.Helper()
	for _, m := range c.members[:2] {
		if err := m.Process.Signal(how); err != nil {
			t.Fatal(err)
		}
	}
}

// within polls a condition.
func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", d, what)
		}
	}
}
