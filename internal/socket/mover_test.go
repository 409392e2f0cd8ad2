//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"testing"
	"time"
)

// joined is two connections that a Mover is between: what is written to in comes out of out.
type joined struct {
	in, out  *net.TCPConn // the ends of others
	from, to Side
}

func join(t *testing.T) *joined {
	t.Helper()
	j := &joined{}
	end := func() (*net.TCPConn, Side) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		there, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { there.Close() })
		here, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { here.Close() })
		for _, c := range []net.Conn{there, here} {
			_ = c.SetDeadline(time.Now().Add(15 * time.Second))
		}
		raw, err := here.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		return there.(*net.TCPConn), Side{here.(*net.TCPConn), raw}
	}
	j.in, j.from = end()
	j.out, j.to = end()
	return j
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func TestMoveMovesWhatItIsTold(t *testing.T) {
	m := &Mover{}
	defer m.Close()
	j := join(t)
	const total = 5<<20 + 123
	want := pattern(total)
	go func() {
		_, _ = j.in.Write(want)
		_ = j.in.CloseWrite()
	}()
	got := make(chan []byte, 1)
	go func() {
		// Slowly at first, so that the mover has to wait for both sides.
		var all bytes.Buffer
		_, _ = io.CopyN(&all, j.out, 1000)
		_, _ = io.CopyBuffer(&all, struct{ io.Reader }{j.out}, make([]byte, 3000))
		got <- all.Bytes()
	}()
	if n, err := m.Move(j.to, j.from, 1<<20+1); n != 1<<20+1 || err != nil {
		t.Fatalf("a part: %d, %v", n, err)
	}
	if n, err := m.Move(j.to, j.from, math.MaxInt64); n != total-1<<20-1 || err != nil {
		t.Fatalf("the rest, to the end: %d, %v", n, err)
	}
	if n, err := m.Move(j.to, j.from, 1); n != 0 || err != nil {
		t.Errorf("after the end: %d, %v", n, err)
	}
	_ = j.to.TCP.CloseWrite()
	if all := <-got; !bytes.Equal(all, want) {
		t.Errorf("%d bytes of %d arrived, or others", len(all), total)
	}
}

func TestMoveKeepsToDeadlines(t *testing.T) {
	m := &Mover{}
	defer m.Close()
	j := join(t)
	if _, err := j.in.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	_ = j.from.TCP.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := m.Move(j.to, j.from, math.MaxInt64); n != 3 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nothing comes any more: %d, %v", n, err)
	}
	_ = j.from.TCP.SetReadDeadline(time.Time{})
	if _, err := j.in.Write([]byte("def")); err != nil {
		t.Fatal(err)
	}
	if n, err := m.Move(j.to, j.from, 3); n != 3 || err != nil {
		t.Fatalf("after a late read nothing is lost: %d, %v", n, err)
	}
	b := make([]byte, 6)
	if _, err := io.ReadFull(j.out, b); err != nil || string(b) != "abcdef" {
		t.Fatalf("%q, %v", b, err)
	}
	// Nobody takes what is moved: the deadline of writing ends it, and the next use has an empty pipe.
	go func() { _, _ = io.Copy(j.in, endless{}) }()
	_ = j.to.TCP.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := m.Move(j.to, j.from, math.MaxInt64); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nobody takes: %v", err)
	}
	j.in.Close()
	k := join(t)
	if _, err := k.in.Write([]byte("xyz")); err != nil {
		t.Fatal(err)
	}
	if n, err := m.Move(k.to, k.from, 3); n != 3 || err != nil {
		t.Fatalf("the next use: %d, %v", n, err)
	}
	if _, err := io.ReadFull(k.out, b[:3]); err != nil || string(b[:3]) != "xyz" {
		t.Fatalf("the next use: %q, %v", b[:3], err)
	}
}

// endless is zeros without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestMoveTellsWhoBrokeOff(t *testing.T) {
	m := &Mover{}
	defer m.Close()
	j := join(t)
	_ = j.in.SetLinger(0)
	j.in.Close()
	if n, err := m.Move(j.to, j.from, 1); n != 0 || err == nil {
		t.Errorf("the sender reset: %d, %v", n, err)
	}
	j = join(t)
	_ = j.out.SetLinger(0)
	j.out.Close()
	go func() { _, _ = io.Copy(j.in, endless{}) }()
	if _, err := m.Move(j.to, j.from, math.MaxInt64); err == nil {
		t.Error("the recipient reset, and nobody is told")
	}
	j.in.Close()
}
