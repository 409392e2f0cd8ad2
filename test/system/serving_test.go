package system

import (
	"fmt"
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

// serving is a running `paifang serve`.
type serving struct {
	t     testing.TB
	admin string
	dir   string // of its configuration and its access log
	cmd   *exec.Cmd
	out   *output
	done  chan struct{} // closed when the process ended
	err   error         // of its Wait, after done
}

// serve runs `paifang serve` with a configuration, besides the admin API and the access log, and waits until it is ready. The
// log goes on where there is one.
func serve(t testing.TB, dir, config string) *serving {
	t.Helper()
	s := &serving{t: t, admin: freeAddress(t), dir: dir, out: &output{}, done: make(chan struct{})}
	file := filepath.Join(dir, "paifang.yaml")
	text := fmt.Sprintf("admin: {address: %q}\nlog: {access: %q}\n%s", s.admin, filepath.Join(dir, "access.log"), config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(binary, "serve", "-c", file)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		s.end(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(dir), s.out.head())
		}
	})
	eventually(t, 20*time.Second, "the process is ready", func() (bool, string) {
		status, body, err := call("GET", "http://"+s.admin+"/readyz")
		return err == nil && status == 200, fmt.Sprint(status, body, err, s.out.head())
	})
	return s
}

// end ends the process in order, once, and returns how long that took.
func (s *serving) end(signal os.Signal) time.Duration {
	s.t.Helper()
	select {
	case <-s.done:
		return 0
	default:
	}
	began := time.Now()
	_ = s.cmd.Process.Signal(signal)
	select {
	case <-s.done:
		if s.err != nil {
			s.t.Errorf("serve after %v: %v, want exit 0", signal, s.err)
		}
	case <-time.After(30 * time.Second):
		s.t.Errorf("serve had not ended 30 s after %v", signal)
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	return time.Since(began)
}

// metric adds up the values of a family, those whose labels have all of some texts in them.
func (s *serving) metric(family string, labels ...string) float64 {
	s.t.Helper()
	status, page, err := call("GET", "http://"+s.admin+"/metrics")
	if err != nil || status != 200 {
		s.t.Fatalf("metrics: %d %v", status, err)
	}
	sum, found := 0.0, false
lines:
	for line := range strings.Lines(page) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(name, "{"); base != family {
			continue
		}
		if i := strings.LastIndexByte(line, '}'); i >= 0 {
			name, value = line[:i], strings.TrimSpace(line[i+1:])
		}
		for _, l := range labels {
			if !strings.Contains(name, l) {
				continue lines
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			s.t.Fatalf("metrics: %q: %v", line, err)
		}
		sum, found = sum+v, true
	}
	if !found && len(labels) == 0 {
		s.t.Fatalf("metrics: there is no %s", family)
	}
	return sum
}

// footprint is what a process holds.
type footprint struct{ goroutines, files, heap, generations int }

// footprint looks once the collector has had its rounds: pages of metrics are garbage enough for that.
func (s *serving) footprint() footprint {
	s.t.Helper()
	cycles := s.metric("go_gc_cycles_total")
	eventually(s.t, 20*time.Second, "the collector runs", func() (bool, string) {
		now := s.metric("go_gc_cycles_total")
		return now >= cycles+3, fmt.Sprintf("%v cycles", now-cycles)
	})
	return footprint{
		int(s.metric("go_goroutines")), int(s.metric("process_open_fds")), int(s.metric("go_gc_heap_live_bytes")), int(s.metric("paifang_snapshots_alive")),
	}
}

// freeAddress is an address that nobody listens on at the moment.
func freeAddress(t testing.TB) string { return freeAddressOf(t, "127.0.0.1") }

func freeAddressOf(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
