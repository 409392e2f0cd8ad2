package l4

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
)

// echo is a server of UDP that says its name, the client that it sees and what it heard, once, or as often as asked: "3 word".
type echo struct {
	conn *net.UDPConn
	done sync.WaitGroup
}

func newEcho(t *testing.T, name string) *echo {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{conn: c}
	e.done.Go(func() {
		buf := make([]byte, mostDatagram)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			heard := string(buf[:n])
			times := 1
			if len(heard) > 1 && heard[1] == ' ' {
				times = int(heard[0] - '0')
			}
			for range times {
				c.WriteToUDPAddrPort(fmt.Appendf(nil, "%s %s %s", name, from, heard), from)
			}
		}
	})
	t.Cleanup(e.stop)
	return e
}

func (e *echo) stop() { e.conn.Close(); e.done.Wait() }

func (e *echo) addr() netip.AddrPort { return e.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// datagrams publishes a UDP listener of the balancer with a route.
func (b *balancer) datagrams(t *testing.T, at string, r model.L4Route, up model.Upstream) {
	t.Helper()
	b.version++
	ups := shard.Map[*model.Upstream]{}.Edit()
	ups.Set(string(up.ID), &up)
	r.ID, r.Attach, r.Upstream = "dns", []model.Class{"udp"}, up.ID
	s := snapshot.New(snapshot.Contents{Version: b.version, Upstreams: ups.Map(), L4Routes: []model.L4Route{r},
		Listeners: []model.Listener{{ID: "udp", Protocol: model.UDP, Bind: []netip.AddrPort{netip.MustParseAddrPort(at)}}}})
	if refused := b.store.Publish(t.Context(), s); len(refused) > 0 {
		t.Fatalf("refused: %+v", b.store.Planes())
	}
}

// caller is a client of UDP.
func caller(t *testing.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// asks sends a word until it is answered, as clients of UDP do, and returns the server's name and the address that it saw.
func asks(t *testing.T, c *net.UDPConn, word string) (name, saw string) {
	t.Helper()
	buf := make([]byte, mostDatagram)
	for range 20 {
		c.Write([]byte(word))
		c.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
		n, err := c.Read(buf)
		if err != nil {
			continue
		}
		parts := strings.SplitN(string(buf[:n]), " ", 3)
		if len(parts) != 3 || parts[2] != word {
			t.Fatalf("%q came back for %q", buf[:n], word)
		}
		return parts[0], parts[1]
	}
	t.Fatalf("%q was not answered", word)
	return "", ""
}

func TestDatagrams(t *testing.T) {
	a, z := newEcho(t, "a"), newEcho(t, "z")
	b := newBalancer(t, Config{DrainTimeout: 200 * time.Millisecond}, nil)
	b.endpoints(a.addr(), z.addr())
	b.datagrams(t, "127.0.0.1:0", model.L4Route{}, b.up)
	at := b.addr()
	names := map[string]int{}
	var clients []*net.UDPConn
	for range 4 {
		c := caller(t, at)
		name, saw := asks(t, c, "first")
		for i := range 5 { // a session keeps its endpoint, and its address there
			if again, same := asks(t, c, fmt.Sprint("word-", i)); again != name || same != saw {
				t.Errorf("%s saw %s, then %s saw %s", name, saw, again, same)
			}
		}
		names[name]++
		clients = append(clients, c)
	}
	if names["a"] != 2 || names["z"] != 2 {
		t.Errorf("clients were led to %v", names)
	}
	asks(t, clients[0], strings.Repeat("x", 20_000)) // longer than a packet
	if s := b.status(); s.Open != 4 || s.Total != 4 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}

	// The endpoint of some goes away: who asks again is led to the other one.
	z.stop()
	for _, c := range clients {
		if name, _ := asks(t, c, "again"); name != "a" {
			t.Errorf("%s answers, which has gone", name)
		}
	}
	if r := b.records.last(t, 1); r.Reason != "connect-refused" || r.Route != "dns" || r.Listener != "udp" {
		t.Errorf("%+v", r)
	}

	// Another upstream: the port stays, sessions end in time, and new ones go by the new rules.
	other := b.up
	other.ID = "other"
	b.datagrams(t, "127.0.0.1:0", model.L4Route{}, other)
	if name, _ := asks(t, caller(t, at), "new"); name != "a" || b.addr() != at {
		t.Errorf("%s answers at %s", name, b.addr())
	}
}

func TestDatagramSessionsEnd(t *testing.T) {
	t.Parallel()
	a := newEcho(t, "a")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(a.addr())
	b.datagrams(t, "127.0.0.1:0", model.L4Route{Idle: 50 * time.Millisecond}, b.up)
	c := caller(t, b.addr())
	_, saw := asks(t, c, "one")
	eventually(t, "the session is over", func() bool { return b.status().Open == 0 })
	if _, now := asks(t, c, "two"); now == saw {
		t.Error("an idle session did not end")
	}

	b.datagrams(t, "127.0.0.1:0", model.L4Route{Responses: 2}, b.up)
	c = caller(t, b.addr())
	asks(t, c, "one answer")
	if b.status().Open != 1 {
		t.Errorf("a session that waits for another answer is over: %+v", b.status())
	}
	asks(t, c, "3 answers")
	eventually(t, "the session is over", func() bool { return b.status().Open == 0 })
}

// TestDatagramFlood: who comes from very many addresses gets no more sessions than there may be; those that have one go on, and
// there is room again soon, as nobody answered those of the flood.
func TestDatagramFlood(t *testing.T) {
	a := newEcho(t, "a")
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b := newBalancer(t, Config{Datagrams: 20, DatagramIdle: 4 * time.Second}, nil)
	b.endpoints(a.addr())
	b.datagrams(t, "127.0.0.1:0", model.L4Route{}, b.up)
	first := caller(t, b.addr())
	_, saw := asks(t, first, "first")
	b.endpoints(silent.LocalAddr().(*net.UDPAddr).AddrPort())
	for range 100 {
		caller(t, b.addr()).Write([]byte("flood"))
	}
	eventually(t, "the flood is refused", func() bool { return b.status().Failed >= 80 })
	if s := b.status(); s.Open > 20 || b.plane.flows.Load() > 20 {
		t.Errorf("%d sessions, %+v", b.plane.flows.Load(), s)
	}
	if name, same := asks(t, first, "still"); name != "a" || same != saw {
		t.Errorf("the session that was there is another: %s %s", name, same)
	}
	b.endpoints(a.addr())
	asks(t, caller(t, b.addr()), "after")
}

// TestDatagramsLeaveFromWhereTheyWereAsked: a socket for all addresses answers from the one that the client knows.
func TestDatagramsLeaveFromWhereTheyWereAsked(t *testing.T) {
	if !ownAddresses {
		t.Skip("this system has no other loopback address")
	}
	a := newEcho(t, "a")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(a.addr())
	for _, at := range []string{"0.0.0.0:0", "[::]:0"} {
		b.datagrams(t, at, model.L4Route{}, b.up)
		c := caller(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), b.addr().Port())) // connected: it hears nobody else
		asks(t, c, "hello")
	}
}

func TestADatagramAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	a := newEcho(t, "a")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(a.addr())
	b.datagrams(t, "127.0.0.1:0", model.L4Route{}, b.up)
	c := caller(t, b.addr())
	asks(t, c, "first")
	a.stop()
	answering, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a.addr()))
	if err != nil {
		t.Skip("somebody has the port:", err)
	}
	defer answering.Close()
	word, buf := []byte("word"), make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	answering.SetReadDeadline(time.Now().Add(20 * time.Second))
	n := testing.AllocsPerRun(300, func() {
		c.Write(word)
		n, from, err := answering.ReadFromUDPAddrPort(buf)
		if err == nil {
			_, err = answering.WriteToUDPAddrPort(buf[:n], from)
		}
		if err == nil {
			_, err = c.Read(buf)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	})
	if n >= 1 {
		t.Errorf("a datagram and its answer allocate %v times", n)
	}
}
