package registry

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
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

// Ports of processes that are killed and come back are none of those that the system gives away by itself, and none of portOf's: somebody
// else would have them meanwhile.
const firstPort, ports = 30_100, 2_600

// nextPort counts those that were given away, from anywhere: several runs may be on one machine.
var nextPort = func() *atomic.Int64 {
	n := new(atomic.Int64)
	n.Store(rand.Int64N(ports))
	return n
}()

// freeAddress is a port on loopback that no other test is given.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range ports {
		at := fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1)%ports)
		if l, err := net.Listen("tcp", at); err == nil {
			l.Close()
			return at
		}
	}
	t.Fatal("no free ports")
	return ""
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
	return startEtcdOf(t, etcdProgram(t))
}

func startEtcdOf(t *testing.T, program string) *cluster {
	t.Helper()
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

// answers tells whether a member takes writes.
func (c *cluster) answers(t *testing.T, i int) bool {
	t.Helper()
	s := c.open(t, c.clients[i:i+1], time.Minute)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.Commit(ctx, nil, storage.Put("answers", nil))
	return err == nil
}
