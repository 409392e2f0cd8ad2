package park

import (
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newLot(t *testing.T) *Lot {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// pair is a client, and the connection that a server has of it.
func pair(t *testing.T) (client, server *net.TCPConn, raw syscall.RawConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if raw, err = s.(*net.TCPConn).SyscallConn(); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), s.(*net.TCPConn), raw
}

// bell says how often it was woken.
type bell struct{ rung chan struct{} }

func newBell() bell { return bell{make(chan struct{}, 10)} }

func (b bell) Wake() { b.rung <- struct{}{} }

// once waits until it was woken, and makes sure that it is not woken again.
func (b bell) once(t *testing.T, l *Lot) {
	t.Helper()
	select {
	case <-b.rung:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was woken")
	}
	passes(t, l)
	if len(b.rung) > 0 {
		t.Error("woken twice")
	}
}

// passes waits until another connection was woken by what came after: then the lot has seen all that came before.
func passes(t *testing.T, l *Lot) {
	t.Helper()
	client, _, raw := pair(t)
	b := newBell()
	if _, err := l.Park(raw, b); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.rung:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was woken")
	}
}

func TestWakesOnce(t *testing.T) {
	for name, c := range map[string]struct {
		before func(client *net.TCPConn) // Park
		after  func(l *Lot, client *net.TCPConn, ticket Ticket)
	}{
		"data":             {after: func(_ *Lot, c *net.TCPConn, _ Ticket) { _, _ = c.Write([]byte("x")) }},
		"end":              {after: func(_ *Lot, c *net.TCPConn, _ Ticket) { _ = c.CloseWrite() }},
		"reset":            {after: func(_ *Lot, c *net.TCPConn, _ Ticket) { _, _ = c.SetLinger(0), c.Close() }},
		"recall":           {after: func(l *Lot, _ *net.TCPConn, ticket Ticket) { l.Recall(ticket) }},
		"recall and data":  {after: func(l *Lot, c *net.TCPConn, ticket Ticket) { l.Recall(ticket); _, _ = c.Write([]byte("x")) }},
		"data and the end": {after: func(_ *Lot, c *net.TCPConn, _ Ticket) { _, _ = c.Write([]byte("x")); _ = c.Close() }},
		"data before":      {before: func(c *net.TCPConn) { _, _ = c.Write([]byte("x")) }},
		"end before":       {before: func(c *net.TCPConn) { _ = c.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLot(t)
			client, _, raw := pair(t)
			b := newBell()
			if c.before != nil {
				c.before(client)
			}
			ticket, err := l.Park(raw, b)
			if err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				passes(t, l)
				if len(b.rung) > 0 || l.Parked() != 1 {
					t.Fatalf("woken by nothing; %d are parked", l.Parked())
				}
				c.after(l, client, ticket)
			}
			b.once(t, l)
			if l.Recall(ticket) || l.Parked() != 0 {
				t.Errorf("who is awake is parked; %d are", l.Parked())
			}
		})
	}
}

func TestParksAgain(t *testing.T) {
	l := newLot(t)
	client, server, raw := pair(t)
	b := newBell()
	for i := range 3 {
		if _, err := l.Park(raw, b); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		b.once(t, l)
		var got [2]byte
		if n, err := server.Read(got[:]); n != 1 || got[0] != byte(i) || err != nil {
			t.Fatalf("%d bytes %v, %v", n, got, err)
		}
	}
}

func TestNobodyIsParkedOnAClosedConnection(t *testing.T) {
	l := newLot(t)
	_, server, raw := pair(t)
	_ = server.Close()
	if _, err := l.Park(raw, newBell()); err == nil || l.Parked() != 0 {
		t.Errorf("%v; %d are parked", err, l.Parked())
	}
}

func TestCloseWakes(t *testing.T) {
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	_, _, raw := pair(t)
	b := newBell()
	if _, err := l.Park(raw, b); err != nil {
		t.Fatal(err)
	}
	l.Close() // waits for Wake
	if len(b.rung) != 1 {
		t.Errorf("woken %d times", len(b.rung))
	}
	if _, err := l.Park(raw, b); !errors.Is(err, ErrClosed) {
		t.Errorf("parked in a closed lot: %v", err)
	}
}

// count is woken by data and by Recall at the same time.
type count struct{ n atomic.Int32 }

func (c *count) Wake() { c.n.Add(1) }

// TestWhoWakesFirst: data and Recall that meet wake once. No goroutine is there for who is parked.
func TestWhoWakesFirst(t *testing.T) {
	const n = 300
	l := newLot(t)
	var wakers [n]count
	var tickets [n]Ticket
	var clients, servers [n]*net.TCPConn
	before := runtime.NumGoroutine()
	for i := range n {
		var raw syscall.RawConn
		var err error
		clients[i], servers[i], raw = pair(t)
		if tickets[i], err = l.Park(raw, &wakers[i]); err != nil {
			t.Fatal(err)
		}
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines are %d with %d parked", before, now, n)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, c := range clients {
			_, _ = c.Write([]byte("x"))
		}
	}()
	recalled := 0
	for _, ticket := range tickets {
		if l.Recall(ticket) {
			recalled++
		}
	}
	<-done
	for end := time.Now().Add(10 * time.Second); l.Parked() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d are still parked", l.Parked())
		}
	}
	passes(t, l)
	l.Close()
	for i := range wakers {
		if got := wakers[i].n.Load(); got != 1 {
			t.Errorf("connection %d was woken %d times", i, got)
		}
	}
	t.Logf("%d of %d were recalled before their data was seen", recalled, n)
}
