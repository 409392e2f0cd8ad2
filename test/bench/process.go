package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The cores: the proxy has one, load and upstream the other.
const (
	proxyCore = "0"
	loadCore  = "1"
)

// process is a program that was started here, and its children.
type process struct {
	cmd  *exec.Cmd
	out  *bytes.Buffer
	done chan error
}

// start runs a program on a core until stop.
func start(core string, env []string, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command("taskset", append([]string{"-c", core, name}, args...)...), out: &bytes.Buffer{}, done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// stop ends the process and its children.
func (p *process) stop() {
	if p == nil || p.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
}

// awaitAddress returns when somebody accepts connections at an address.
func (p *process) awaitAddress(ctx context.Context, at string) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", at, time.Second); err == nil {
			return c.Close()
		}
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, errors.Join(err, io.EOF), p.out)
		default:
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("nothing accepts at %s", at)
		}
	}
}

// pids are the process and all below it.
func (p *process) pids() []int {
	all := []int{p.cmd.Process.Pid}
	for i := 0; i < len(all); i++ {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		for _, t := range tasks {
			text, _ := os.ReadFile(t)
			for _, f := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(f); err == nil {
					all = append(all, pid)
				}
			}
		}
	}
	return all
}

// tick is the unit of times in /proc/PID/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpu is the user and system time that the process and its children have used.
func (p *process) cpu() time.Duration {
	var sum time.Duration
	for _, pid := range p.pids() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		sum += time.Duration(user+system) * tick
	}
	return sum
}

// resident is the memory of the process and its children in bytes: each one's own share of what they have in common.
func (p *process) resident() int64 {
	var sum int64
	for _, pid := range p.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
				n, _ := strconv.ParseInt(f[1], 10, 64)
				sum += n << 10
			}
		}
	}
	return sum
}

// programs are what the rows need, with the Debian package of each.
var programs = [][2]string{
	{"taskset", "util-linux"}, {"nginx", "nginx libnginx-mod-stream"}, {"haproxy", "haproxy"}, {"caddy", "caddy"}, {"wrk", "wrk"},
	{"h2load", "nghttp2-client"}, {"openssl", "openssl"}, {"redis-server", "redis-server"}, {"ip", "iproute2"}, {"unshare", "util-linux"},
}

// findPrograms installs what is missing where it can.
func findPrograms() error {
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() == 0 {
		if _, err := exec.LookPath("apt-get"); err == nil {
			fmt.Fprintln(os.Stderr, "installing", strings.Join(missing, " "))
			for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-q", "-y", "--no-install-recommends"}, missing...)} {
				c := exec.Command("apt-get", args...)
				c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
				if out, err := c.CombinedOutput(); err != nil {
					return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
				}
			}
			missing = missingPackages()
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("install these first: %s", strings.Join(missing, " "))
	}
	return nil
}

func missingPackages() []string {
	var out []string
	for _, p := range programs {
		if _, err := exec.LookPath(p[0]); err != nil {
			out = append(out, strings.Fields(p[1])...)
		}
	}
	return out
}
