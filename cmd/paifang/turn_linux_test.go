package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"paifang/internal/turn"
)

// TestServeTakesShortTurns: a process that serves has asked for them.
func TestServeTakesShortTurns(t *testing.T) {
	if a, err := unix.SchedGetAttr(0, 0); err != nil || a.Runtime == 0 {
		t.Skipf("needs Linux 6.12 or later, which grants turns of a length: %+v, %v", a, err)
	}
	file := writer(t)("paifang.yaml", "admin: {address: '127.0.0.1:0'}\ngateway: {http: '127.0.0.1:0', service: '-'}\n")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, "serve", "-c", file)
	c.Env = append(os.Environ(), asPaifang+"=1")
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait() // killed
		if t.Failed() {
			t.Log(out.String())
		}
	}()
	var a *unix.SchedAttr
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if a, err = unix.SchedGetAttr(c.Process.Pid, 0); err == nil && a.Runtime == uint64(turn.Short) {
			return
		}
	}
	t.Errorf("its turns are %+v, %v", a, err)
}
