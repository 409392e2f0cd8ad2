//go:build unix

package app

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// unanswered is an address where connects are neither accepted nor refused: a listener whose queue is full.
func unanswered(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "full")
	t.Cleanup(func() { f.Close() })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	for range 100 {
		c, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("a listener's queue has no bound here")
	return ""
}

// TestSpringConnectTimeout: httpclient says how long a connect may take, and a route's metadata say it for that route. The default is a
// second.
func TestSpringConnectTimeout(t *testing.T) {
	t.Parallel() // what is in it waits
	at := []string{unanswered(t), unanswered(t)}
	c := springChain(t, `spring.cloud.gateway:
  httpclient.connect-timeout: 2500
  routes:
  - {id: all, uri: "http://`+at[0]+`", predicates: ["Path=/all"]}
  - {id: own, uri: "lb://own", predicates: ["Path=/own"], metadata: {connect-timeout: 150}}
`, "own "+at[1])
	for _, x := range []struct {
		path        string
		least, most time.Duration
	}{{"/own", 150 * time.Millisecond, 2400 * time.Millisecond}, {"/all", 2500 * time.Millisecond, 9 * time.Second}} {
		began := time.Now()
		answer := send(t, c.address(), []string{"GET " + x.path + " HTTP/1.1", "Host: a.test"})
		took := time.Since(began)
		if all := strings.Join(answer, "\n"); !strings.HasPrefix(all, "HTTP/1.1 504 ") || !strings.Contains(all, "X-Paifang-Reason: connect-timeout") {
			t.Errorf("%s: %q", x.path, answer)
		}
		if took < x.least || took > x.most {
			t.Errorf("%s: answered after %v, want %v to %v", x.path, took, x.least, x.most)
		}
	}
}
