//go:build unix

package app

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestSignalReopensTheAccessLog(t *testing.T) {
	g := startGateway(t, "", nil)
	until(t, "the log is open", func() bool { return g.access.Opened() == 1 })
	g.ask("GET", g.front+"/order/1")
	until(t, "the line", func() bool { return g.access.Written() == 1 })
	if err := os.Rename(g.log, g.log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	until(t, "the log is opened again", func() bool { return g.access.Opened() >= 2 })
	g.ask("GET", g.front+"/order/2")
	until(t, "the line", func() bool { return g.access.Written() == 2 })
	before, _ := os.ReadFile(g.log + ".1")
	after, _ := os.ReadFile(g.log)
	if !strings.Contains(string(before), "/order/1") || !strings.Contains(string(after), "/order/2") || strings.Contains(string(after), "/order/1") {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}
