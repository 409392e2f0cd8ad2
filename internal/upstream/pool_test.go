package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"paifang/internal/model"
)

// ownAddresses tells whether any address of 127.0.0.0/8 may be used here.
var ownAddresses = runtime.GOOS == "linux"

func code(err error) model.Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// echo is a server that answers what it gets.
func echo(t *testing.T) netip.AddrPort {
	var conns sync.WaitGroup
	t.Cleanup(conns.Wait)
	return serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		conns.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(10 * time.Second))
			io.Copy(c, c)
		})
	})
}

func one(t *testing.T, cfg Config, addr netip.AddrPort, dial model.Dial) (*Table, *Handle, *Endpoint) {
	t.Helper()
	table := newTable(t, cfg)
	up := upstreamOf(orders)
	up.Dial = dial
	h := acquire(t, table, up)
	table.give("a", orders, model.Endpoint{Addr: addr})
	return table, h, pick(t, h)
}

func dialOne(t *testing.T, e *Endpoint) *Conn {
	t.Helper()
	c, err := e.Dial(t.Context(), DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPoolIsLastInFirstOutAndBounded(t *testing.T) {
	_, _, e := one(t, Config{IdlePerEndpoint: 2}, echo(t), model.Dial{})
	a, b, c := dialOne(t, e), dialOne(t, e), dialOne(t, e)
	if e.Get() != nil {
		t.Fatal("a connection in use was handed out")
	}
	e.Put(a)
	e.Put(b)
	e.Put(c)
	if idle, open := e.live.pool.counts(); idle != 2 || open != 2 {
		t.Errorf("%d idle, %d open; want 2 and 2", idle, open)
	}
	if x, y, z := e.Get(), e.Get(), e.Get(); x != b || y != a || z != nil {
		t.Error("want the one used last first")
	}
	if _, err := c.TCP.Write([]byte("x")); err == nil {
		t.Error("the one too many is still open")
	}
	a.Close()
	b.Close()
}

func TestStaleAndSweep(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system cannot tell")
	}
	accepted := make(chan *net.TCPConn, 8)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) { accepted <- c })
	_, _, e := one(t, Config{IdleTime: time.Hour}, addr, model.Dial{})
	var ours, theirs []*net.TCPConn
	var conns []*Conn
	for range 3 {
		c := dialOne(t, e)
		conns, ours, theirs = append(conns, c), append(ours, c.TCP), append(theirs, <-accepted)
	}
	for _, c := range conns {
		if c.Stale() {
			t.Error("a fresh connection is stale")
		}
	}
	theirs[0].Close()
	theirs[1].Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"))
	eventually(t, "closed and unasked data show", func() bool { return conns[0].Stale() && conns[1].Stale() })
	if conns[2].Stale() {
		t.Error("the third is stale")
	}
	for _, c := range conns {
		e.Put(c)
	}
	e.live.pool.sweep(time.Now().Add(-time.Hour))
	if idle, open := e.live.pool.counts(); idle != 1 || open != 1 || e.Get() != conns[2] {
		t.Errorf("after the sweep: %d idle, %d open", idle, open)
	}
	e.Put(conns[2])
	e.live.pool.sweep(time.Now().Add(time.Second))
	if idle, _ := e.live.pool.counts(); idle != 0 {
		t.Error("an old one outlived the sweep")
	}
	for _, c := range theirs {
		c.Close()
	}
	_ = ours
}

func TestTheSweeperRuns(t *testing.T) {
	_, _, e := one(t, Config{IdleTime: time.Millisecond}, echo(t), model.Dial{})
	e.Put(dialOne(t, e))
	eventually(t, "swept", func() bool { idle, _ := e.live.pool.counts(); return idle == 0 })
}

func TestAnEndpointThatGoesClosesItsIdleConnectionsOnly(t *testing.T) {
	table, _, e := one(t, Config{}, echo(t), model.Dial{})
	idle, used := dialOne(t, e), dialOne(t, e)
	e.Put(idle)
	table.give("a", orders)
	if _, err := idle.TCP.Write([]byte("x")); err == nil {
		t.Error("the idle one is still open")
	}
	if _, err := used.TCP.Write([]byte("x")); err != nil {
		t.Errorf("the one in use is closed: %v", err)
	}
	e.Put(used)
	if _, err := used.TCP.Write([]byte("x")); err == nil || e.Get() != nil {
		t.Error("a connection was kept for an endpoint that has gone")
	}
}

func TestDialSendsTheClientsAddress(t *testing.T) {
	type seen struct {
		h    *proxyproto.Header
		from netip.Addr
		rest string
		err  error
	}
	got := make(chan seen, 1)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(2 * time.Second))
		r := bufio.NewReader(c)
		h, err := proxyproto.Read(r)
		rest, _ := r.ReadString('\n')
		got <- seen{h, c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), rest, err}
	})
	dial := model.Dial{Proxy: model.ProxyV2}
	if ownAddresses {
		dial.From = netip.MustParseAddr("127.0.0.10")
	}
	_, _, e := one(t, Config{}, addr, dial)
	if _, err := e.Dial(t.Context(), DialOptions{}); code(err) != CodeConnectLocal || !e.Up() {
		t.Errorf("without the client's address: got %v, up %v", err, e.Up())
	}
	<-got
	c, err := e.Dial(t.Context(), DialOptions{Client: netip.MustParseAddrPort("127.0.0.99:4711"), Server: netip.MustParseAddrPort("127.0.0.10:8080")})
	if err != nil {
		t.Fatal(err)
	}
	c.TCP.Write([]byte("hello\n"))
	s := <-got
	if s.err != nil || s.h.SourceAddr.String() != "127.0.0.99:4711" || s.h.DestinationAddr.String() != "127.0.0.10:8080" || s.rest != "hello\n" {
		t.Errorf("got %+v", s)
	}
	if ownAddresses && s.from != dial.From {
		t.Errorf("dialled from %v, want %v", s.from, dial.From)
	}
	e.Put(c)
	if e.Get() != nil {
		t.Error("a connection that begins with a client's address was kept for another")
	}
}

func TestDialErrors(t *testing.T) {
	_, _, e := one(t, Config{}, freeAddr(t), model.Dial{})
	if _, err := e.Dial(t.Context(), DialOptions{}); code(err) != CodeConnectRefused && code(err) != CodeConnectFailed || e.Up() {
		t.Errorf("refused: got %v, up %v", err, e.Up())
	}
	_, _, e = one(t, Config{}, freeAddr(t), model.Dial{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Dial(ctx, DialOptions{}); code(err) != CodeConnectCancelled || !e.Up() {
		t.Errorf("cancelled: got %v, up %v", err, e.Up())
	}
	if !ownAddresses {
		return
	}
	_, _, e = one(t, Config{}, freeAddr(t), model.Dial{From: netip.MustParseAddr("192.0.2.1")})
	if _, err := e.Dial(t.Context(), DialOptions{}); code(err) != CodeConnectLocal || !e.Up() {
		t.Errorf("from an address that is not ours: got %v, up %v", err, e.Up())
	}
}

func TestAConnectionThatMeetsItselfIsSeen(t *testing.T) {
	addr := freeAddr(t)
	d := net.Dialer{}
	tcp, err := d.DialTCP(t.Context(), "tcp", addr, addr)
	if err != nil {
		t.Skipf("this system does not let a connection meet itself: %v", err)
	}
	defer tcp.Close()
	if !meetsItself(tcp) {
		t.Error("it was not seen")
	}
	_, _, e := one(t, Config{}, echo(t), model.Dial{})
	c := dialOne(t, e)
	defer c.Close()
	if meetsItself(c.TCP) {
		t.Error("an ordinary connection was taken for one")
	}
}

func TestManyAtOnce(t *testing.T) {
	live, dead := echo(t), freeAddr(t)
	table := newTable(t, Config{RetryFirst: time.Millisecond})
	h := acquire(t, table, upstreamOf(orders))
	table.give("a", orders, model.Endpoint{Addr: live}, model.Endpoint{Addr: dead})
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 200 {
				var tried []*Endpoint
				for {
					e, err := h.Pick(Hint{Tried: tried})
					if err != nil {
						t.Errorf("pick after %d tries: %v", len(tried), err)
						return
					}
					c := e.Get()
					if c == nil {
						if c, err = e.Dial(t.Context(), DialOptions{}); err != nil {
							e.Done(Failed)
							tried = append(tried, e)
							continue
						}
					}
					e.Put(c)
					e.Done(Succeeded)
					break
				}
			}
		})
	}
	users.Go(func() {
		for i := range 200 {
			table.give("b", orders, weighed(at("127.0.0.1:1"), model.Weight(i)))
			table.give("b", orders)
			other := *upstreamOf(orders)
			other.ID = "other"
			g := table.Acquire(&other)
			g.Snapshot()
			g.Release()
		}
	})
	users.Wait()
	for _, e := range h.Snapshot().Endpoints {
		if e.InFlight != 0 || e.OpenConns != e.IdleConns {
			t.Errorf("left over: %+v", e)
		}
	}
}

// TestWhoWaitsHasWhatIsPutBack: where others connect, a connection that comes back goes to who waits, and is not left idle.
func TestWhoWaitsHasWhatIsPutBack(t *testing.T) {
	_, _, e := one(t, Config{}, echo(t), model.Dial{})
	kept := dialOne(t, e)
	turns := &e.live.turns
	turns.mu.Lock()
	turns.under, turns.widens = mostConnects, true // nobody else has a turn
	turns.mu.Unlock()
	got := make(chan *Conn, 1)
	go func() {
		c, err := e.DialApart(t.Context(), DialOptions{})
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	turns.until(t, 1)
	e.Put(kept)
	c := <-got
	if c != kept {
		t.Error("who waited has another one")
	}
	c.Close()
	if idle, open := e.live.pool.counts(); idle != 0 || open != 0 {
		t.Errorf("%d are idle of %d, want none", idle, open)
	}
}
