package l4

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

func TestBytesArriveAndHalvesClose(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{IdleTimeout: 200 * time.Millisecond}, nil) // so that the windows of copying end meanwhile
	b.endpoints(n.addr)
	data := make([]byte, 8<<20)
	rand.Read(data)
	c := dial(t, b.addr(), "")
	greeted(t, c, "node-1")
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := 0; i < len(data); i += 1 << 20 {
			c.Write(data[i : i+1<<20])
			time.Sleep(30 * time.Millisecond)
		}
		c.CloseWrite()
	})
	got, err := io.ReadAll(c)
	sender.Wait()
	if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(data), err)
	}
	r := b.records.last(t, 1)
	greeting := int64(len("node-1 127.0.0.1\n"))
	if r.Reason != "" || r.In != int64(len(data)) || r.Out != int64(len(data))+greeting {
		t.Errorf("recorded %+v", r)
	}
	if s := b.state(n.addr); s.Sent != r.In || s.Received != r.Out || s.InFlight != 0 || s.OpenConns != 0 || s.Failures != 0 {
		t.Errorf("endpoint %+v", s)
	}
	if s := b.status(); s.Sent != r.In || s.Open != 0 {
		t.Errorf("status %+v", s)
	}
}

// What goes to and fro in small pieces, as requests do, must not allocate: the node and the client here do not either.
func TestCarryingAllocatesNothing(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(n.addr)
	c := dial(t, b.addr(), "")
	greeted(t, c, "node-1")
	request, answer := make([]byte, 200), make([]byte, 200)
	turns := func(n int) {
		for range n {
			if _, err := c.Write(request); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, answer); err != nil {
				t.Fatal(err)
			}
		}
	}
	turns(100)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it would empty the pool of buffers
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	turns(5000)
	runtime.ReadMemStats(&after)
	each := float64(after.Mallocs-before.Mallocs) / 5000
	t.Logf("%.4f allocations per turn", each)
	if limit := 0.05; each > limit && !raceEnabled { // pools forget at random under the race detector
		t.Errorf("%.4f allocations per turn, want %v at most", each, limit)
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{IdleTimeout: 300 * time.Millisecond}, nil)
	b.endpoints(n.addr)
	idle, busy := dial(t, b.addr(), ""), dial(t, b.addr(), "")
	greeted(t, idle, "node-1")
	greeted(t, busy, "node-1")
	start := time.Now()
	ended := make(chan error, 1)
	go func() { _, err := io.ReadAll(idle); ended <- err }()
	for ended != nil {
		says(t, busy, "x")
		select {
		case <-ended:
			ended = nil
			if took := time.Since(start); took < 290*time.Millisecond || took > 900*time.Millisecond {
				t.Errorf("the idle one ended after %v", took)
			}
		case <-time.After(20 * time.Millisecond):
		}
	}
	if r := b.records.last(t, 1); r.Reason != string(CodeIdle) {
		t.Errorf("recorded %+v", r)
	}
	says(t, busy, "still here")
}

// TestOneWayTrafficIsNotIdle: a long answer keeps the connection although the client says nothing.
func TestOneWayTrafficIsNotIdle(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	t.Cleanup(func() { ln.Close(); server.Wait() })
	server.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for range 40 {
			if _, err := io.WriteString(c, "."); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	b := newBalancer(t, Config{IdleTimeout: 500 * time.Millisecond}, nil)
	b.endpoints(ln.Addr().(*net.TCPAddr).AddrPort())
	got, err := io.ReadAll(dial(t, b.addr(), ""))
	if err != nil || len(got) != 40 {
		t.Errorf("%d of 40 bytes, %v", len(got), err)
	}
}

func TestBrokenConnectionsAreNamed(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(n.addr)
	c := dial(t, b.addr(), "")
	greeted(t, c, "node-1")
	c.SetLinger(0)
	c.Close()
	if r := b.records.last(t, 1); r.Reason != string(CodeClientReset) {
		t.Errorf("after the client's reset: %+v", r)
	}
	c = dial(t, b.addr(), "")
	greeted(t, c, "node-1")
	n.kill()
	if _, err := io.ReadAll(c); !isBroken(err) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	if r := b.records.last(t, 2); r.Reason != string(CodeUpstreamReset) || r.Endpoint != n.addr {
		t.Errorf("after the endpoint's reset: %+v", r)
	}
	if s := b.state(n.addr); s.Failures != 1 {
		t.Errorf("endpoint %+v", s)
	}
}

func TestBytesThatComeWithTheHeaderArrive(t *testing.T) {
	needOwnAddresses(t)
	n := newNode(t, "node-1", "127.0.0.11:0", fromBalancer)
	b := newBalancer(t, Config{}, func(b *balancer) {
		asSLB(b)
		b.listener.Trust.ProxyFrom = append(b.listener.Trust.ProxyFrom, fromBalancer) // another balancer in front of it
	})
	b.endpoints(n.addr)
	c := dial(t, b.addr(), balancerAddr)
	io.WriteString(c, "PROXY TCP4 192.0.2.7 127.0.0.10 4711 8080\r\nhello")
	greeted(t, c, "node-1 192.0.2.7")
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte("hello")) {
		t.Errorf("got %q, %v", got, err)
	}
	if to := n.servers(); len(to) != 1 || to[0] != "127.0.0.10:8080" {
		t.Errorf("the client connected to %v, as the node knows it, want what the first balancer said", to)
	}
	c.Close()
	if r := b.records.last(t, 1); r.Client.String() != "192.0.2.7" || r.In != 5 {
		t.Errorf("recorded %+v", r)
	}
}
