//go:build unix

package httpproxy

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// fill makes a listener that takes no more connections, and returns its address.
func fill(t *testing.T, ln net.Listener) string {
	t.Helper()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := net.DialTimeout("tcp", ln.Addr().String(), 200*time.Millisecond)
		if err != nil {
			return ln.Addr().String()
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("the queue of a listener cannot be filled here")
	return ""
}
