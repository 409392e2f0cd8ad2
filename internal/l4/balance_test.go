package l4

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
)

const balancerAddr = "127.0.0.10"

var fromBalancer = netip.MustParsePrefix(balancerAddr + "/32")

// asSLB is how a balancer in front of nodes is set up.
func asSLB(b *balancer) {
	b.up.Health = model.HealthCheck{Kind: model.HealthHTTP, Path: "/readyz", Interval: 250 * time.Millisecond,
		Timeout: 250 * time.Millisecond, Rise: 1, Fall: 2}
	b.up.Dial = model.Dial{From: netip.MustParseAddr(balancerAddr), Proxy: model.ProxyV2}
	b.listener.Bind = []netip.AddrPort{netip.MustParseAddrPort(balancerAddr + ":0")}
}

func needOwnAddresses(t *testing.T) {
	if !ownAddresses {
		t.Skip("needs addresses of 127.0.0.0/8")
	}
}

func TestTheClientsAddressSurvives(t *testing.T) {
	needOwnAddresses(t)
	n := newNode(t, "node-1", "127.0.0.11:0", fromBalancer)
	b := newBalancer(t, Config{}, asSLB)
	b.endpoints(n.addr)

	held := dial(t, b.addr(), "127.0.0.99") // open to the end: it is recorded last
	greeted(t, held, "node-1 127.0.0.99")
	if got := n.servers(); len(got) != 1 || got[0] != b.addr().String() {
		t.Errorf("the client connected to %v, as the node knows it, want %v", got, b.addr())
	}
	greeted(t, dial(t, n.addr, "127.0.0.99"), "node-1 127.0.0.99")
	// A header that comes from elsewhere is data, and the peer's own address counts.
	forged := "PROXY TCP4 127.0.0.99 127.0.0.10 4711 8080\r\n"
	direct := dial(t, n.addr, "127.0.0.77")
	greeted(t, direct, "node-1 127.0.0.77")
	says(t, direct, forged)
	// A header that a client sends through the balancer is data too: the balancer's own comes first.
	through := dial(t, b.addr(), "127.0.0.77")
	greeted(t, through, "node-1 127.0.0.77")
	says(t, through, forged)
	through.Close()
	if r := b.records.last(t, 1); r.Client.String() != "127.0.0.77" || r.Endpoint != n.addr || r.Listener != "slb/http" || r.In != int64(len(forged)) ||
		r.Pod != "node-127.0.0.11" || r.Tries != 1 || r.Upstream != "slb" || r.Route != "slb" {
		t.Errorf("recorded %+v", r)
	}
}

// clients makes new connections from several goroutines until stop is called, which returns how many failed.
func clients(t *testing.T, to netip.AddrPort) (made *atomic.Int64, stop func() []string) {
	ctx, cancel := context.WithCancel(t.Context())
	var users sync.WaitGroup
	var mu sync.Mutex
	var failures []string
	made = new(atomic.Int64)
	for range 4 {
		users.Go(func() {
			for ctx.Err() == nil {
				err := once(to)
				made.Add(1)
				if err != nil {
					mu.Lock()
					failures = append(failures, fmt.Sprintf("%s: %v", time.Now().Format("05.000"), err))
					mu.Unlock()
				}
			}
		})
	}
	return made, func() []string {
		cancel()
		users.Wait()
		return failures
	}
}

func once(to netip.AddrPort) error {
	c, err := net.DialTimeout("tcp", to.String(), 2*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := greeting(c); err != nil {
		return fmt.Errorf("no greeting: %w", err)
	}
	return nil
}

// answers counts which node answers n new connections.
func answers(t *testing.T, b *balancer, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		c := dial(t, b.addr(), "")
		line, err := greeting(c)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(line, " ")
		got[name]++
		c.Close()
	}
	return got
}

func TestADeadNodeIsOutWithinASecondAndComesBack(t *testing.T) {
	needOwnAddresses(t)
	one, two := newNode(t, "node-1", "127.0.0.11:0", fromBalancer), newNode(t, "node-2", "127.0.0.12:0", fromBalancer)
	b := newBalancer(t, Config{}, asSLB)
	b.endpoints(one.addr, two.addr)
	if got := answers(t, b, 10); got["node-1"] != 5 || got["node-2"] != 5 {
		t.Errorf("turns: %v, want five each", got)
	}
	held := dial(t, b.addr(), "")
	for line, err := greeting(held); !strings.HasPrefix(line, "node-1"); line, err = greeting(held) {
		if err != nil {
			t.Fatal(err)
		}
		held = dial(t, b.addr(), "")
	}
	// No connection finds it dead: only the probes do.
	killed := time.Now()
	one.kill()
	eventually(t, "it is out", func() bool { return !b.state(one.addr).Up })
	if took := time.Since(killed); took > time.Second {
		t.Errorf("out after %v", took)
	}
	if _, err := io.ReadAll(held); !isBroken(err) {
		t.Errorf("the connection through it ended with %v, want a reset", err)
	}
	if got := answers(t, b, 6); got["node-2"] != 6 {
		t.Errorf("after that: %v", got)
	}
	again := newNode(t, "node-1", one.addr.String(), fromBalancer)
	eventually(t, "it is back", func() bool { return b.state(again.addr).Up })
	if got := answers(t, b, 10); got["node-1"] != 5 {
		t.Errorf("after its return: %v", got)
	}
}

func TestNoNewConnectionFailsWhenANodeDies(t *testing.T) {
	one, two := newNode(t, "node-1", "127.0.0.1:0"), newNode(t, "node-2", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	b.endpoints(one.addr, two.addr)
	made, stop := clients(t, b.addr())
	eventually(t, "connections", func() bool { return made.Load() > 100 })
	b.endpoints(one.addr, two.addr, freeAddr(t)) // one that was never alive
	before := made.Load()
	eventually(t, "more connections", func() bool { return made.Load() > before+100 })
	if failures := stop(); len(failures) > 0 {
		t.Errorf("%d failed: %v", len(failures), failures[:1])
	}

	// Kill one while nobody is in the middle of a greeting; whoever comes now is served by the other.
	eventually(t, "quiet", func() bool { return b.status().Open == 0 })
	one.kill()
	made, stop = clients(t, b.addr())
	eventually(t, "connections after the kill", func() bool { return made.Load() > 100 })
	if failures := stop(); len(failures) > 0 {
		t.Errorf("%d failed after the kill: %v", len(failures), failures[:1])
	}
	if s := b.state(one.addr); s.Up || s.Failures > 8 {
		t.Errorf("%d connections were tried on the dead node, one for each client at most: %+v", s.Failures, s)
	}
}

func TestADrainingNodeLosesNothing(t *testing.T) {
	t.Parallel()
	needOwnAddresses(t)
	one, two := newNode(t, "node-1", "127.0.0.11:0", fromBalancer), newNode(t, "node-2", "127.0.0.12:0", fromBalancer)
	b := newBalancer(t, Config{}, asSLB)
	b.endpoints(one.addr, two.addr)
	held := dial(t, b.addr(), "")
	for line, _ := greeting(held); !strings.HasPrefix(line, "node-1"); line, _ = greeting(held) {
		held = dial(t, b.addr(), "")
	}
	made, stop := clients(t, b.addr())
	eventually(t, "connections", func() bool { return made.Load() > 50 })
	released := make(chan struct{})
	go func() { defer close(released); one.handle.Release(context.Background()) }()
	eventually(t, "it is out", func() bool { return !b.state(one.addr).Up })
	select {
	case <-released:
		t.Error("the node closed before the balancer had seen it drain")
	default:
	}
	<-released
	served := one.served.Load()
	before := made.Load()
	eventually(t, "more connections", func() bool { return made.Load() > before+50 })
	if failures := stop(); len(failures) > 0 {
		t.Errorf("%d failed: %v", len(failures), failures[:1])
	}
	if one.served.Load() != served {
		t.Error("the drained node served on")
	}
	says(t, held, "still here")
}

func TestNoEndpointToReach(t *testing.T) {
	b := newBalancer(t, Config{}, nil)
	gone := []netip.AddrPort{freeAddr(t), freeAddr(t)}
	for i, c := range []struct {
		name  string
		set   func()
		code  model.Code
		tries int
	}{
		{"empty", func() { b.endpoints() }, "no-endpoints", 0},
		{"all refuse", func() { b.endpoints(gone...) }, "connect-refused", 2},
		{"all refuse, and are known to", func() {}, "connect-refused", 2},
	} {
		c.set()
		refused(t, b.addr())
		if r := b.records.last(t, i+1); r.Reason != string(c.code) || r.Tries != c.tries {
			t.Errorf("%s: recorded %+v", c.name, r)
		}
	}
	if s := b.status(); s.Failed != 3 || s.Total != 3 || s.Connecting <= 0 {
		t.Errorf("status %+v", s)
	}
}

// TestARouteBoundsTries by number and by time, from the next generation on.
func TestARouteBoundsTries(t *testing.T) {
	b := newBalancer(t, Config{}, func(b *balancer) { b.tries = 1 })
	b.endpoints(freeAddr(t), freeAddr(t), freeAddr(t))
	refused(t, b.addr())
	if r := b.records.last(t, 1); r.Tries != 1 || r.Reason != "connect-refused" {
		t.Errorf("with one try: %+v", r)
	}
	b.tries = 2
	b.publish()
	refused(t, b.addr())
	if r := b.records.last(t, 2); r.Tries != 2 {
		t.Errorf("with two tries: %+v", r)
	}
	b.tries, b.within = 0, time.Nanosecond
	b.publish()
	refused(t, b.addr())
	if r := b.records.last(t, 3); r.Tries > 1 {
		t.Errorf("in no time: %+v", r)
	}
}

func TestAListNotYetDeliveredIsWaitedFor(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, nil)
	c := dial(t, b.addr(), "")
	eventually(t, "it waits", func() bool { return b.status().Open == 1 })
	b.endpoints(n.addr)
	greeted(t, c, "node-1")
}

// TestOneClientStaysAtOneNode: a hash of the client's address, whatever its port.
func TestOneClientStaysAtOneNode(t *testing.T) {
	needOwnAddresses(t)
	var addrs []netip.AddrPort
	for _, name := range []string{"node-1", "node-2", "node-3"} {
		addrs = append(addrs, newNode(t, name, "127.0.0.11:0", fromBalancer).addr)
	}
	b := newBalancer(t, Config{}, func(b *balancer) {
		asSLB(b)
		b.up.Health = model.HealthCheck{}
		b.up.Balance = model.Balance{Kind: model.Maglev, Hash: []model.HashPart{{From: model.HashClient}}}
	})
	b.endpoints(addrs...)
	n := 0
	node := func(from string) netip.AddrPort {
		c := dial(t, b.addr(), from)
		greeted(t, c, "node-")
		c.Close()
		n++
		return b.records.last(t, n).Endpoint
	}
	used := map[netip.AddrPort]bool{}
	for i := range 20 {
		from := fmt.Sprintf("127.0.0.%d", 100+i)
		first := node(from)
		used[first] = true
		if again := node(from); again != first {
			t.Errorf("%s was led to %v, then to %v", from, first, again)
		}
	}
	if len(used) < 2 {
		t.Errorf("20 clients were led to %v", used)
	}
}

func TestConnectionsOverALimitAreClosed(t *testing.T) {
	n := newNode(t, "node-1", "127.0.0.1:0")
	b := newBalancer(t, Config{}, func(b *balancer) { b.up.Limits = model.Limits{Connections: 1} })
	b.endpoints(n.addr)
	held := dial(t, b.addr(), "")
	greeted(t, held, "node-1")
	if err := once(b.addr()); err == nil {
		t.Error("a second connection stands")
	}
	if r := b.records.last(t, 1); r.Reason != "request-limit" || r.Tries != 0 {
		t.Errorf("recorded %+v", r)
	}
	held.Close()
	b.records.last(t, 2)
	eventually(t, "room again", func() bool { return once(b.addr()) == nil })
}
