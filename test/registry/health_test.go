package registry

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"paifang/internal/registry"
	"paifang/internal/registry/probe"
)

// asked is an instance that counts how often somebody connects to it.
type asked struct {
	at    string
	times atomic.Int64
	l     net.Listener
}

func newAsked(t *testing.T) *asked {
	t.Helper()
	a := &asked{at: "127.0.0.1:0"}
	a.begin(t)
	t.Cleanup(func() { a.l.Close() })
	return a
}

// begin has it answer, where it did before.
func (a *asked) begin(t *testing.T) {
	t.Helper()
	var err error
	a.l, err = net.Listen("tcp", a.at)
	must(t, err)
	a.at = a.l.Addr().String()
	go func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			a.times.Add(1)
			c.Close()
		}
	}(a.l)
}

// sayings remembers what registries said under which lastRefTime.
type sayings struct {
	mu      sync.Mutex
	said    map[int64]string
	highest int64
}

// follow notes what a registry says until it is stopped.
func (s *sayings) follow(t *testing.T, n *node, name string) (stop func()) {
	t.Helper()
	return follow(t, n, name, func(v *registry.View) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.highest = max(s.highest, v.LastRef)
		if v.Local {
			return
		}
		content := listed(v)
		if before, ok := s.said[v.LastRef]; ok && before != content {
			t.Errorf("%s says %q under lastRefTime %d, where another one said %q", name, content, v.LastRef, before)
		}
		s.said[v.LastRef] = content
	})
}

// moves waits until a client of some registries may begin at others, and takes what these say for newer.
func moves(t *testing.T, begin, end []*node) {
	t.Helper()
	within(t, 10*time.Second, "no registry is behind another one", func() bool {
		for _, to := range end {
			w := to.Watch()
			v := w.Add(order)
			w.Close()
			for _, from := range begin {
				if had := from.View(order); had.LastRef > v.LastRef {
					return false
				}
			}
		}
		return true
	})
}

// revisions are those of the persistent instances in etcd.
func (c *cluster) revisions(t *testing.T) map[string]int64 {
	t.Helper()
	s := c.open(t, c.clients, time.Minute)
	defer s.Close()
	entries, _, err := s.List(t.Context(), "naming/instance/")
	must(t, err)
	out := map[string]int64{}
	for _, e := range entries {
		out[e.Key] = e.Revision
	}
	return out
}

// Each persistent instance is asked by one of three registries. When it falls or rises, that is written once, and all show the same under
// the same lastRefTime. A registry that ends or dies leaves its share to the others.
func TestHealthAcross(t *testing.T) { healthAcross(t, etcdProgram(t)) }

func healthAcross(t *testing.T, program string) {
	const every = 100 * time.Millisecond
	c := startEtcdOf(t, program)
	opt := registry.Options{Probes: probe.Options{Every: every}, Addresses: registry.AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	a, b, third := c.node(t, opt), c.node(t, opt), c.node(t, opt)
	instances := make([]*asked, 12)
	for i := range instances {
		instances[i] = newAsked(t)
		must(t, []*node{a, b, third}[i%3].Register(order, registry.Instance{Addr: netip.MustParseAddrPort(instances[i].at), Weight: 1, Enabled: true, Healthy: true}))
	}
	ill := func(n *node) int { return strings.Count(list(n), "unhealthy") }
	become := func(want int, nodes ...*node) {
		t.Helper()
		for i, n := range nodes {
			within(t, 8*ttl, fmt.Sprintf("registry %d shows %d instances unhealthy", i, want), func() bool { return len(n.View(order).Instances) == len(instances) && ill(n) == want })
		}
	}
	become(0, a, b, third)
	seen := &sayings{said: map[int64]string{}}
	stop := map[*node]func(){}
	for name, n := range map[string]*node{"a": a, "b": b, "third": third} {
		stop[n] = seen.follow(t, n, name)
		defer stop[n]()
	}

	before := c.revisions(t)
	var times []int64
	for _, in := range instances {
		times = append(times, in.times.Load())
	}
	began := time.Now()
	time.Sleep(20 * every)
	once := int64(time.Since(began)/every) + 2
	for i, in := range instances {
		if n := in.times.Load() - times[i]; n == 0 || n > once {
			t.Errorf("instance %d was asked %d times in %s: one registry would ask %d times", i, n, time.Since(began), once)
		}
	}
	if after := c.revisions(t); !maps.Equal(before, after) {
		t.Errorf("questions were written: %v, then %v", before, after)
	}
	for _, in := range instances[:5] {
		in.l.Close()
	}
	become(5, a, b, third)
	moves(t, []*node{a, b, third}, []*node{a, b, third})
	fell := c.revisions(t)
	time.Sleep(10 * every)
	again := c.revisions(t)
	if !maps.Equal(fell, again) {
		t.Errorf("instances that stay as they are were written: %v, then %v", fell, again)
	}
	wrote := 0
	for k := range fell {
		if fell[k] != before[k] {
			wrote++
		}
	}
	if wrote != 5 {
		t.Errorf("%d of 5 instances that fell were written", wrote)
	}

	a.end() // and says so
	instances[0].begin(t)
	instances[1].begin(t)
	become(3, b, third)
	// Who registers one again says nothing of its health.
	must(t, b.Register(order, registry.Instance{Addr: netip.MustParseAddrPort(instances[2].at), Weight: 2, Enabled: true, Healthy: true}))
	become(3, b, third)
	stop[b]()
	b.cut() // as one that is killed; it goes on by itself
	for _, in := range instances[2:5] {
		in.begin(t)
	}
	become(0, third)
	for _, in := range instances {
		in.l.Close()
	}
	become(len(instances), third)
	moves(t, []*node{b}, []*node{third})
	b.heal()
	become(len(instances), b)
	moves(t, []*node{b, third}, []*node{b, third})
}

// Without a majority of etcd every registry asks for itself and shows what it has found, marked local. Afterwards all agree, under a
// lastRefTime above any that was shown.
func TestHealthWithoutQuorum(t *testing.T) {
	c := startEtcd(t)
	opt := registry.Options{Wait: time.Second, Probes: probe.Options{Every: 100 * time.Millisecond}, Addresses: registry.AddressRule{Also: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	nodes := []*node{c.node(t, opt), c.node(t, opt), c.node(t, opt)}
	instances := make([]*asked, 6)
	for i := range instances {
		instances[i] = newAsked(t)
		must(t, nodes[0].Register(order, registry.Instance{Addr: netip.MustParseAddrPort(instances[i].at), Weight: 1, Enabled: true, Healthy: true}))
	}
	become := func(want int, local bool) {
		t.Helper()
		for i, n := range nodes {
			within(t, 20*time.Second, fmt.Sprintf("registry %d shows %d of %d unhealthy, local %v", i, want, len(instances), local), func() bool {
				v := n.View(order)
				return len(v.Instances) == len(instances) && strings.Count(list(n), "unhealthy") == want && (v.Local && n.store.Reachable().Lost) == local
			})
		}
	}
	become(0, false)
	seen := &sayings{said: map[int64]string{}}
	var stops []func()
	for i, n := range nodes {
		stops = append(stops, seen.follow(t, n, fmt.Sprint("registry ", i)))
		defer stops[i]()
	}
	c.pause(t, syscall.SIGSTOP)
	instances[0].l.Close()
	become(1, true)
	for _, in := range instances[1:4] {
		in.l.Close()
	}
	become(4, true)
	instances[0].begin(t)
	become(3, true)
	seen.mu.Lock()
	highest := seen.highest
	seen.mu.Unlock()
	if err := nodes[0].Register(order, registry.Instance{Addr: netip.MustParseAddrPort("127.0.0.1:1"), Weight: 1, Enabled: true}); err == nil || errors.Is(err, registry.ErrInvalid) {
		t.Errorf("a persistent instance without a majority: %v", err)
	}
	for _, stop := range stops {
		stop()
	}
	c.pause(t, syscall.SIGCONT)
	become(3, false)
	for i, n := range nodes {
		within(t, 10*time.Second, fmt.Sprintf("registry %d is above what was shown by one alone", i), func() bool { return n.View(order).LastRef > highest })
	}
	moves(t, nodes, nodes)
	instances[5].l.Close() // and it goes on as before
	become(4, false)
}
