package upstream

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"paifang/internal/model"
)

func TestHTTPHealthRisesAndFalls(t *testing.T) {
	var status, probes atomic.Int32
	status.Store(200)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil || req.URL.Path != "/readyz" {
			return
		}
		probes.Add(1)
		resp := http.Response{StatusCode: int(status.Load()), ProtoMajor: 1, ProtoMinor: 1}
		resp.Write(c)
	})
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	up.Health = model.HealthCheck{Kind: model.HealthHTTP, Path: "/readyz", Interval: 20 * time.Millisecond, Timeout: time.Second, Rise: 3, Fall: 2}
	h := acquire(t, table, up)
	again := *up
	again.ID = "another"
	g := acquire(t, table, &again)
	table.give("a", orders, model.Endpoint{Addr: addr}, at("127.0.0.1:1"))
	find := func() EndpointStatus {
		for _, e := range h.Snapshot().Endpoints {
			if e.Addr == addr {
				return e
			}
		}
		return EndpointStatus{}
	}
	eventually(t, "the dead one is down", func() bool { s := h.Snapshot(); return !s.Endpoints[0].Up && s.Endpoints[0].Down == CodeProbeFailed })
	if got := picks(t, g, 10); got[addr.String()] != 10 {
		t.Errorf("the other upstream of the same check: got %v", got)
	}
	status.Store(503)
	eventually(t, "it falls", func() bool { return !find().Up })
	before := probes.Load()
	status.Store(302)
	eventually(t, "it rises", func() bool { return find().Up })
	if n := probes.Load() - before; n < 3 || n > 6 {
		t.Errorf("it rose after %d probes, want 3", n)
	}
	e := pick(t, h)
	e.live.connectFailed(CodeConnectRefused)
	if find().Up {
		t.Error("a failed connect did not take it out")
	}
	table.give("a", orders, weighed(model.Endpoint{Addr: addr}, 2000), at("127.0.0.1:1"))
	if find().Up {
		t.Error("a probed endpoint came back without a probe")
	}
	eventually(t, "it rises again", func() bool { return find().Up })
}

func TestProbesAreMadeOncePerEndpointAndEnd(t *testing.T) {
	var conns atomic.Int32
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) { conns.Add(1); c.Close() })
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	up.Health = model.HealthCheck{Kind: model.HealthTCP, Interval: time.Hour}
	table.give("a", orders, model.Endpoint{Addr: addr})
	var hs []*Handle
	for _, id := range []model.UpstreamID{"a", "b", "c"} {
		u := *up
		u.ID = id
		hs = append(hs, table.Acquire(&u))
	}
	eventually(t, "a probe", func() bool { return conns.Load() == 1 })
	if len(table.byAddr) != 1 {
		t.Errorf("%d live endpoints, want one", len(table.byAddr))
	}
	for _, h := range hs {
		h.Release()
	}
	if len(table.byAddr) != 0 {
		t.Error("the endpoint outlives its users")
	}
}

func TestProbesBeginWithALocalHeader(t *testing.T) {
	type seen struct {
		header *proxyproto.Header
		from   string
		err    error
	}
	got := make(chan seen, 16)
	addr := serve(t, "127.0.0.1:0", func(c *net.TCPConn) {
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		r := bufio.NewReader(c)
		h, err := proxyproto.Read(r)
		if err == nil {
			_, err = http.ReadRequest(r)
		}
		c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		select {
		case got <- seen{h, c.RemoteAddr().(*net.TCPAddr).IP.String(), err}:
		default:
		}
	})
	table := newTable(t, Config{})
	up := upstreamOf(orders)
	up.Health = model.HealthCheck{Kind: model.HealthHTTP, Interval: 10 * time.Millisecond}
	up.Dial.Proxy = model.ProxyV2
	if ownAddresses {
		up.Dial.From = netip.MustParseAddr("127.0.0.10")
	}
	table.give("a", orders, model.Endpoint{Addr: addr})
	acquire(t, table, up)
	s := <-got
	if s.err != nil || !s.header.Command.IsLocal() || ownAddresses && s.from != "127.0.0.10" {
		t.Errorf("got %+v", s)
	}
}

func TestAnEndpointThatAcceptsAgainComesBack(t *testing.T) {
	addr := freeAddr(t)
	var seen []Observation
	table := NewTable(Config{RetryFirst: 5 * time.Millisecond, RetryMax: 20 * time.Millisecond,
		Changed: func(o Observation) { seen = append(seen, o) }})
	h := table.Acquire(upstreamOf(orders))
	other := serve(t, "127.0.0.1:0", func(c *net.TCPConn) { c.Close() })
	table.give("a", orders, model.Endpoint{Addr: addr}, model.Endpoint{Addr: other})
	for {
		e := pick(t, h)
		if e.Addr != addr {
			continue
		}
		if _, err := e.Dial(t.Context(), DialOptions{}); err == nil {
			t.Fatal("a connection to a free port")
		}
		break
	}
	if got := picks(t, h, 20); got[other.String()] != 20 {
		t.Errorf("got %v", got)
	}
	serve(t, addr.String(), func(c *net.TCPConn) { c.Close() })
	eventually(t, "it comes back", func() bool { return picks(t, h, 2)[addr.String()] == 1 })
	h.Release()
	table.Close()
	if len(seen) != 2 || !seen[0].Down || seen[0].Reason != CodeConnectRefused || seen[1].Down {
		t.Errorf("observed %+v", seen)
	}
}
