//go:build unix

package socket

import (
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is a client, and the descriptor and reader of the other end.
func pair(t *testing.T) (*net.TCPConn, syscall.RawConn, *Reader) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	_ = server.SetDeadline(time.Now().Add(10 * time.Second))
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{}
	if err := raw.Control(r.Begin); err != nil {
		t.Fatal(err)
	}
	return client.(*net.TCPConn), raw, r
}

// next reads as soon as there is something.
func next(t *testing.T, raw syscall.RawConn, r *Reader, b []byte) (n int, more bool, err error) {
	t.Helper()
	if e := raw.Read(func(fd uintptr) bool {
		n, more, err = r.Read(fd, b)
		return !errors.Is(err, unix.EAGAIN)
	}); e != nil {
		t.Fatal(e)
	}
	return n, more, err
}

func TestReadTellsWhatWaits(t *testing.T) {
	tells := runtime.GOOS == "linux"
	client, raw, r := pair(t)
	b := make([]byte, 4)
	if _, err := io.WriteString(client, "abcdef"); err != nil {
		t.Fatal(err)
	}
	if n, more, err := next(t, raw, r, b); n != 4 || !more || err != nil {
		t.Errorf("part of what is there: %d, %v, %v", n, more, err)
	}
	if n, more, err := next(t, raw, r, b); n != 2 || more == tells || err != nil {
		t.Errorf("the rest: %d, %v, %v", n, more, err)
	}
	if err := raw.Control(func(fd uintptr) {
		if n, more, err := r.Read(fd, b); n != 0 || more || !errors.Is(err, unix.EAGAIN) {
			t.Errorf("nothing: %d, %v, %v", n, more, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	// The end comes with the last bytes, of which one event tells.
	if _, err := io.WriteString(client, "gh"); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !ended(t, raw); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the end does not come")
		}
	}
	if n, more, err := next(t, raw, r, b); n != 2 || !more || err != nil {
		t.Errorf("the last bytes: %d, %v, %v", n, more, err)
	}
	if n, _, err := next(t, raw, r, b); n != 0 || err != nil {
		t.Errorf("the end: %d, %v", n, err)
	}
}

// ended tells whether the end has come, behind whatever waits.
func ended(t *testing.T, raw syscall.RawConn) (yes bool) {
	t.Helper()
	if err := raw.Control(func(fd uintptr) {
		var b [8]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT|unix.MSG_WAITALL)
		at := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | pollEnd}}
		_, _ = unix.Poll(at[:], 0)
		yes = err == nil && n == 2 && at[0].Revents&pollEnd != 0
	}); err != nil {
		t.Fatal(err)
	}
	return yes
}

func TestReadFailsAndAllocatesNothing(t *testing.T) {
	client, raw, r := pair(t)
	b := make([]byte, 64)
	word := []byte("0123456789")
	read := func(fd uintptr) bool {
		n, _, err := r.Read(fd, b)
		return n == len(word) || err != nil && !errors.Is(err, unix.EAGAIN)
	}
	if n := testing.AllocsPerRun(200, func() {
		if _, err := client.Write(word); err != nil {
			t.Fatal(err)
		}
		if err := raw.Read(read); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	_ = client.SetLinger(0)
	client.Close() // a reset
	if n, more, err := next(t, raw, r, b); n != 0 || more || !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("after a reset: %d, %v, %v", n, more, err)
	}
}
