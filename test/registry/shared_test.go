package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	label "paifang/internal/model"
	"paifang/internal/registry"
	"paifang/internal/registry/config"
	"paifang/internal/registry/storage"
	"paifang/internal/registry/storage/etcd"
	"paifang/internal/registry/storage/storagetest"
)

// ttl is that of leases here; in production it is 30 s.
const ttl = 4 * time.Second

var order = registry.Key{Namespace: "public", Group: "DEFAULT_GROUP", Service: "order"}

func at(i int) registry.Instance {
	return registry.Instance{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 80), Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

// node is one registry with its own way to etcd.
type node struct {
	*registry.Registry
	store *etcd.Store
	way   []*proxy
	ended sync.Once
}

func (c *cluster) node(t *testing.T, opt registry.Options) *node {
	t.Helper()
	n := &node{}
	var endpoints []string
	for _, a := range c.clients {
		p := newProxy(t, a)
		n.way = append(n.way, p)
		endpoints = append(endpoints, p.addr())
	}
	n.store = c.open(t, endpoints, ttl)
	opt.Store = n.store
	var err error
	if n.Registry, err = registry.Open(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.end)
	return n
}

func (n *node) end() {
	n.ended.Do(func() {
		n.heal()
		n.Registry.Close()
		n.store.Close()
	})
}

func (n *node) cut() {
	for _, p := range n.way {
		p.cut()
	}
}

func (n *node) heal() {
	for _, p := range n.way {
		p.heal()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func list(r *node) string { return listed(r.View(order)) }

func listed(v *registry.View) string {
	var out []string
	for _, in := range v.Instances {
		s := in.Addr.String()
		if !in.Healthy {
			s += " unhealthy"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func agree(t *testing.T, want string, nodes ...*node) {
	t.Helper()
	for i, n := range nodes {
		within(t, 20*time.Second, fmt.Sprintf("registry %d lists %q", i, want), func() bool { return list(n) == want })
	}
}

// witness looks at every view of a registry until it is stopped, and tells of instances that were missing and of a
// lastRefTime that did not grow.
func witness(t *testing.T, n *node, name string, all ...string) (stop func()) {
	t.Helper()
	return follow(t, n, name, func(v *registry.View) {
		for _, a := range all {
			if !slices.ContainsFunc(v.Instances, func(in registry.Instance) bool { return in.Addr.String() == a && in.Healthy }) {
				t.Errorf("%s: %s was missing, or not healthy", name, a)
			}
		}
	})
}

// follow shows every view of a registry until it is stopped, and tells of a lastRefTime that did not grow.
func follow(t *testing.T, n *node, name string, show func(*registry.View)) (stop func()) {
	t.Helper()
	w := n.Watch()
	last := w.Add(order)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer w.Close()
		for {
			select {
			case <-w.C():
			case <-done:
				return
			}
			w.Take()
			v := n.View(order)
			if v != last && v.LastRef <= last.LastRef {
				t.Errorf("%s: lastRefTime %d after %d", name, v.LastRef, last.LastRef)
			}
			last = v
			show(v)
		}
	})
	return sync.OnceFunc(func() { close(done); wg.Wait() })
}

func TestStore(t *testing.T) { store(t, etcdProgram(t)) }

func store(t *testing.T, program string) {
	c := startEtcdOf(t, program)
	a, b := c.open(t, c.clients, ttl), c.open(t, c.clients, ttl)
	storagetest.Holders(t, a, b)
	must(t, b.Close())
	storagetest.Run(t, a)
}

// What is registered at one is pushed at another.
func TestPushedAcross(t *testing.T) { pushedAcross(t, etcdProgram(t)) }

func pushedAcross(t *testing.T, program string) {
	c := startEtcdOf(t, program)
	a, b, third := c.node(t, registry.Options{}), c.node(t, registry.Options{}), c.node(t, registry.Options{})
	w := b.Watch()
	defer w.Close()
	w.Add(order)
	conn, err := a.Connect()
	must(t, err)
	var took []time.Duration
	for i := range 50 {
		begin := time.Now()
		if i%2 == 0 {
			must(t, a.Register(order, at(i)))
		} else {
			must(t, conn.Publish(registry.Key{Namespace: "public", Group: "g", Service: "other"}, []registry.Instance{at(i)}))
			must(t, a.Register(order, at(i)))
		}
		for len(b.View(order).Instances) != i+1 {
			select {
			case <-w.C():
				w.Take()
			case <-time.After(10 * time.Second):
				t.Fatalf("%d instances of %d are known at the other", len(b.View(order).Instances), i+1)
			}
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf("from registering at one to the view at another: median %s, slowest %s", took[25], took[49])
	if took[25] > 100*time.Millisecond {
		t.Errorf("the median is over 100 ms")
	}
	within(t, 10*time.Second, "the third knows all", func() bool { return len(third.View(order).Instances) == 50 })
	if gone, err := a.Deregister(order, at(0).Addr); !gone || err != nil {
		t.Fatal(gone, err)
	}
	within(t, 10*time.Second, "49 are left", func() bool { return len(third.View(order).Instances) == 49 })
	conn.Close()
	within(t, 10*time.Second, "the connection's instance is gone", func() bool {
		return len(third.View(registry.Key{Namespace: "public", Group: "g", Service: "other"}).Instances) == 0
	})
	// An update by API, made at one, holds at all, whoever's client it is.
	off := false
	must(t, b.Update(order, at(1).Addr, "", registry.Patch{Enabled: &off}))
	within(t, 10*time.Second, "the update is known everywhere", func() bool {
		return !a.View(order).Instances[0].Enabled && !third.View(order).Instances[0].Enabled
	})
	// What it says of metadata is laid over what the client says at its next registration, at whichever process that is.
	must(t, b.Update(order, at(2).Addr, "", registry.Patch{Metadata: label.NewTags(map[string]string{"zone": "b"})}))
	again := at(2)
	again.Metadata = label.NewTags(map[string]string{"version": "2", "zone": "a"})
	must(t, third.Register(order, again))
	for _, n := range []*node{a, b, third} {
		within(t, 10*time.Second, "the update is laid over what was registered", func() bool {
			return n.View(order).Instances[1].Metadata.String() == "version=2,zone=b"
		})
	}
	must(t, third.CreateService(registry.Key{Namespace: "public", Group: "g", Service: "set"}, registry.Settings{Ephemeral: true, ProtectThreshold: 0.5,
		Clusters: map[string]registry.Cluster{"EAST": {CheckPort: 81, Metadata: label.NewTags(map[string]string{"zone": "east"})}}}))
	within(t, 10*time.Second, "settings are known everywhere", func() bool {
		v := a.View(registry.Key{Namespace: "public", Group: "g", Service: "set"})
		return v.Settings != nil && v.Settings.ProtectThreshold == 0.5 && v.Settings.Clusters["EAST"].CheckPort == 81 && v.Settings.Clusters["EAST"].Metadata.String() == "zone=east"
	})
}

// A registry ends without a word; its clients move to the others before its leases run out. Nobody's instance flaps.
func TestKilledRegistry(t *testing.T) { killedRegistry(t, etcdProgram(t)) }

func killedRegistry(t *testing.T, program string) {
	c := startEtcdOf(t, program)
	a, b, third := c.node(t, registry.Options{}), c.node(t, registry.Options{}), c.node(t, registry.Options{})
	conn, err := a.Connect()
	must(t, err)
	must(t, conn.Publish(order, []registry.Instance{at(1)}))
	must(t, a.Register(order, at(2)))
	must(t, b.Register(order, at(3)))
	all := "10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80"
	agree(t, all, a, b, third)
	stop := witness(t, third, "third", at(1).Addr.String(), at(2).Addr.String(), at(3).Addr.String())
	a.cut() // as a process that is killed: it says nothing more, and its leases stay for their time
	time.Sleep(ttl / 4)
	moved, err := b.Connect()
	must(t, err)
	must(t, moved.Publish(order, []registry.Instance{at(1)}))
	if _, known, err := third.Beat(order, at(2).Addr); !known || err != nil {
		t.Errorf("a heartbeat at another registry: %v, %v", known, err)
	}
	for end := time.Now().Add(2 * ttl); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // its leases run out
		if _, known, err := third.Beat(order, at(2).Addr); !known || err != nil {
			t.Fatal(known, err)
		}
	}
	stop()
	agree(t, all, b, third)
	// An instance whose client did not move goes with its registry.
	must(t, b.Register(order, at(4)))
	agree(t, all+", 10.0.0.4:80", third)
	b.cut()
	within(t, 5*ttl, "what nobody vouches for is gone", func() bool { return list(third) == "10.0.0.2:80" })
}

// A registry ends in order: its clients of gRPC are told to connect elsewhere, and end their connections before they have others. Nobody
// vanishes, and who does not come back is gone after a while.
func TestEndedInOrder(t *testing.T) {
	c := startEtcd(t)
	a, b, third := c.node(t, registry.Options{}), c.node(t, registry.Options{}), c.node(t, registry.Options{})
	connect := func(n *node, instances ...registry.Instance) *registry.Connection {
		t.Helper()
		conn, err := n.Connect()
		must(t, err)
		must(t, conn.Publish(order, instances))
		return conn
	}
	moves, stays := connect(a, at(1)), connect(a, at(2))
	agree(t, "10.0.0.1:80, 10.0.0.2:80", a, b, third)
	stop := witness(t, third, "third", at(1).Addr.String())
	moves.Leave()
	stays.Leave()
	time.Sleep(ttl / 4)
	agree(t, "10.0.0.1:80, 10.0.0.2:80", a, b, third)
	a.end()
	moved := connect(b, at(1))
	time.Sleep(ttl / 4)
	agree(t, "10.0.0.1:80, 10.0.0.2:80", b, third)
	within(t, 5*ttl, "who has not come back is gone", func() bool { return list(third) == "10.0.0.1:80" })
	stop()

	// One that goes on lets its clients go, too, and takes nothing back that another one has meanwhile.
	moved.Leave()
	back := connect(third, at(1))
	agree(t, "10.0.0.1:80", b, third)
	must(t, back.Withdraw(order))
	agree(t, "", b, third)
}

// A registry is cut off from etcd and from its clients, which move, and comes back. No instance may vanish.
func TestCutOffReturns(t *testing.T) {
	for name, away := range map[string]time.Duration{"before its leases end": ttl / 2, "after its leases ended": 2 * ttl} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startEtcd(t)
			a, b, third := c.node(t, registry.Options{}), c.node(t, registry.Options{}), c.node(t, registry.Options{})
			conn, err := a.Connect()
			must(t, err)
			must(t, conn.Publish(order, []registry.Instance{at(1), at(5)}))
			must(t, a.Register(order, at(2)))
			all := "10.0.0.1:80, 10.0.0.2:80, 10.0.0.5:80"
			agree(t, all, a, b, third)
			stop := witness(t, third, "third", at(1).Addr.String(), at(2).Addr.String(), at(5).Addr.String())
			a.cut()
			moved, err := b.Connect()
			must(t, err)
			must(t, moved.Publish(order, []registry.Instance{at(1), at(5)}))
			must(t, b.Register(order, at(2)))
			conn.Close() // it has noticed that its clients are gone, and cannot say so
			if _, err := a.Deregister(order, at(2).Addr); !errors.Is(err, storage.ErrUnavailable) {
				t.Errorf("a deregistration that nobody hears of: %v", err)
			}
			lives := func(d time.Duration) {
				t.Helper()
				for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
					if _, known, err := b.Beat(order, at(2).Addr); !known || err != nil || list(b) != all {
						t.Fatalf("b lists %s; heartbeat %v, %v", list(b), known, err)
					}
				}
			}
			lives(away)
			a.heal()
			agree(t, all, a, b, third)
			lives(2 * ttl)
			stop()
			agree(t, all, a, b, third)
			moved.Close()
			agree(t, "10.0.0.2:80", a, b, third)
		})
	}
}

// A registry that loses its leases while its clients are with it puts their instances there again.
func TestLeasesLost(t *testing.T) { leasesLost(t, etcdProgram(t)) }

func leasesLost(t *testing.T, program string) {
	c := startEtcdOf(t, program)
	a, b := c.node(t, registry.Options{}), c.node(t, registry.Options{})
	conn, err := a.Connect()
	must(t, err)
	must(t, conn.Publish(order, []registry.Instance{at(1)}))
	agree(t, "10.0.0.1:80", a, b)
	a.cut()
	within(t, 5*ttl, "its instances are gone elsewhere", func() bool { return list(b) == "" })
	if list(a) != "10.0.0.1:80" {
		t.Errorf("it has forgotten its own client: %q", list(a))
	}
	a.heal()
	agree(t, "10.0.0.1:80", a, b)
}

// Without a majority of etcd everything that is known goes on, nothing new is taken, and afterwards all agree.
func TestNoQuorum(t *testing.T) {
	c := startEtcd(t)
	m := serveMembers(t, 1, fmt.Sprintf("  auth: \"off\"\n  etcd: {endpoints: [%q, %q, %q], prefix: %q}\n", c.urls()[0], c.urls()[1], c.urls()[2], prefixOf(t)))
	status, body, err := request("POST", "http://"+m.http[0]+"/nacos/v1/ns/instance?serviceName=silent&ip=10.0.0.9&port=80")
	if err != nil || status != 200 {
		t.Fatal(status, body, err)
	}
	m.shows(t, "1", false)
	opt := registry.Options{Wait: time.Second, Unhealthy: 2 * time.Second, Delete: 5 * time.Second}
	a, b, third := c.node(t, opt), c.node(t, opt), c.node(t, opt)
	configs, err := config.Open(t.Context(), b.store, config.Options{Wait: time.Second})
	must(t, err)
	defer configs.Close()
	id := config.ID{Namespace: "public", Group: "g", Name: "c"}
	_, err = configs.Publish(t.Context(), config.Item{ID: id, Content: "1"}, "")
	must(t, err)
	conn, err := a.Connect()
	must(t, err)
	must(t, conn.Publish(order, []registry.Instance{at(1)}))
	must(t, b.Register(order, at(2)))
	all := "10.0.0.1:80, 10.0.0.2:80"
	agree(t, all, a, b, third)

	c.pause(t, syscall.SIGSTOP)
	beating := make(chan struct{})
	var beats sync.WaitGroup
	beats.Go(func() {
		for {
			select {
			case <-beating:
				return
			case <-time.After(200 * time.Millisecond):
				if _, known, err := b.Beat(order, at(2).Addr); !known || err != nil {
					t.Errorf("a heartbeat: %v, %v", known, err)
				}
			}
		}
	})
	if err := third.Register(order, at(3)); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a registration: %v", err)
	}
	if list(third) != all {
		t.Errorf("what was refused is listed: %s", list(third))
	}
	if err := third.CreateService(registry.Key{Namespace: "public", Group: "g", Service: "new"}, registry.Settings{}); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("settings: %v", err)
	}
	if got, stale, err := configs.Get(t.Context(), id); err != nil || !stale || got.Content != "1" {
		t.Errorf("a configuration: %+v, %v, %v", got, stale, err)
	}
	within(t, 20*time.Second, "all registries notice", func() bool {
		return a.store.Reachable().Lost && b.store.Reachable().Lost && third.store.Reachable().Lost
	})
	begin := time.Now()
	if err := third.Register(order, at(3)); !errors.Is(err, storage.ErrUnavailable) || time.Since(begin) > 500*time.Millisecond {
		t.Errorf("a registration when it is known: %v after %s", err, time.Since(begin))
	}
	if err := conn.Withdraw(order); !errors.Is(err, storage.ErrUnavailable) { // seen by its registry alone
		t.Errorf("a deregistration: %v", err)
	}
	conn.Close()
	if v := a.View(order); list(a) != "10.0.0.2:80" || !v.Local {
		t.Errorf("%s, local %v", list(a), v.Local)
	}
	time.Sleep(2 * ttl) // leases do not run out without a leader
	if list(third) != all || third.View(order).Local {
		t.Errorf("%s", list(third))
	}
	m.shows(t, "0", true)
	close(beating)
	beats.Wait()
	within(t, 20*time.Second, "a silent instance is unhealthy where its heartbeats came", func() bool {
		return strings.Contains(list(b), "10.0.0.2:80 unhealthy") && b.View(order).Local
	})
	c.pause(t, syscall.SIGCONT)
	within(t, 30*time.Second, "registrations are taken again", func() bool { return third.Register(order, at(3)) == nil })
	m.shows(t, "1", false)
	_, err = configs.Publish(t.Context(), config.Item{ID: id, Content: "2"}, "")
	must(t, err)
	keep := func() string {
		_, _, err := third.Beat(order, at(3).Addr)
		must(t, err)
		return list(a) + "|" + list(b) + "|" + list(third)
	}
	within(t, 20*time.Second, "all agree", func() bool { return keep() == "10.0.0.3:80|10.0.0.3:80|10.0.0.3:80" })
}

// shows waits until the first registry tells operators whether its etcd answers, and that a service whose instance is silent was seen to be
// so by it alone.
func (m *members) shows(t *testing.T, up string, local bool) {
	t.Helper()
	file, err := program()
	must(t, err)
	ask := func(kind string) string {
		out, err := exec.Command(file, "get", kind, "-o", "json", "--admin", m.procs[0].admin).Output()
		must(t, err)
		return string(out)
	}
	within(t, 40*time.Second, fmt.Sprintf("storage_up %s, local %v", up, local), func() bool {
		_, page, err := get("http://" + m.procs[0].admin + "/metrics")
		return err == nil && strings.Contains(page, "\npaifang_registry_storage_up "+up+"\n") &&
			strings.Contains(ask("services"), `"local":true`) == local &&
			strings.Contains(ask("diagnostics"), "registry-storage-lost") == local && strings.Contains(ask("sources"), "writes are refused") == local
	})
}

// A client that moves from one registry to another takes what the other says for newer, whatever the clocks.
func TestLastRefAcross(t *testing.T) { lastRefAcross(t, etcdProgram(t)) }

func lastRefAcross(t *testing.T, program string) {
	c := startEtcdOf(t, program)
	behind := func() time.Time { return time.Now().Add(-time.Hour) }
	a, b := c.node(t, registry.Options{}), c.node(t, registry.Options{Now: behind})
	nodes := []*node{a, b}
	var last int64
	for i := range 30 {
		n := nodes[i%2]
		must(t, n.Register(order, at(i)))
		within(t, 10*time.Second, "both know", func() bool { return len(a.View(order).Instances) == i+1 && len(b.View(order).Instances) == i+1 })
		w := nodes[(i+1)%2].Watch() // the client moves
		v := w.Add(order)
		w.Close()
		if v.LastRef <= last {
			t.Errorf("step %d: lastRefTime %d after %d", i, v.LastRef, last)
		}
		last = v.LastRef
	}
	if d := time.Until(time.UnixMilli(last)); d < 0 || d > time.Minute {
		t.Errorf("lastRefTime is %s from now", d)
	}
}
