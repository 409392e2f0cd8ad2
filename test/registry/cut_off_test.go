package registry

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/nacos"
)

// walled are registries as processes, of which each has proxies of its own on every way: to each member of etcd, and from its clients and
// the other registries.
type walled struct {
	members          // http and grpc are the proxies, as clients know them
	direct  []string // HTTP, past the proxies
	ways    [][]*proxy
}

func serveWalled(t *testing.T, c *cluster, n int) *walled {
	t.Helper()
	m := &walled{}
	for i := range n {
		rest, grpc := freeAddress(t), freeAddress(t)
		const outside = "127.0.0.2" // what is advertised has the registry's own port
		in := []*proxy{newProxyAt(t, outside+strings.TrimPrefix(rest, "127.0.0.1"), rest), newProxy(t, grpc)}
		ways := in
		var endpoints []string
		for _, to := range c.clients {
			p := newProxy(t, to)
			ways = append(ways, p)
			endpoints = append(endpoints, fmt.Sprintf("%q", "http://"+p.addr()))
		}
		m.http, m.grpc, m.direct, m.ways = append(m.http, in[0].addr()), append(m.grpc, in[1].addr()), append(m.direct, rest), append(m.ways, ways)
		m.procs = append(m.procs, serve(t, fmt.Sprint("registry-", i), fmt.Sprintf(
			"registry:\n  http: %q\n  grpc: %q\n  advertise: %s\n  storage: etcd\n  auth: \"off\"\n  allow: [127.0.0.0/8]\n  etcd: {endpoints: [%s], prefix: %q}\n",
			rest, grpc, outside, strings.Join(endpoints, ", "), prefixOf(t))))
	}
	return m
}

func (m *walled) cut(i int) {
	for _, p := range m.ways[i] {
		p.cut()
	}
}

func (m *walled) heal(i int) {
	for _, p := range m.ways[i] {
		p.heal()
	}
}

// owners are the processes that ephemeral instances are of.
func (c *cluster) owners(t *testing.T) map[string]string {
	t.Helper()
	s := c.open(t, c.clients, time.Minute)
	defer s.Close()
	entries, _, err := s.List(t.Context(), "naming/live/")
	must(t, err)
	out := map[string]string{}
	for _, e := range entries {
		out[e.Key] = e.Owner
	}
	return out
}

// says is what a registry lists of a service, asked past its proxies.
func (m *walled) says(i int, service string) string {
	_, body, err := get("http://" + m.direct[i] + "/nacos/v1/ns/instance/statuses?serviceName=" + service)
	if err != nil {
		return err.Error()
	}
	return body
}

// roamer is a client of HTTP v1: each heartbeat goes to the first registry that answers.
func (m *walled) roamer(t *testing.T, ip string) (stop func()) {
	t.Helper()
	first := 0
	ask := func(method, path string) bool {
		for i := range m.http {
			at := (first + i) % len(m.http)
			form := url.Values{"serviceName": {"order"}, "ip": {ip}, "port": {"80"}}
			status, body, err := request(method, "http://"+m.http[at]+"/nacos/v1/ns/instance"+path+"?"+form.Encode())
			if err == nil && status == 200 && (path == "" || strings.Contains(body, `"code":10200`)) {
				first = at
				return true
			}
		}
		return false
	}
	if !ask("POST", "") {
		t.Fatalf("%s cannot be registered", ip)
	}
	done := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Second):
			}
			if !ask("PUT", "/beat") {
				t.Errorf("no registry takes a heartbeat of %s", ip)
			}
		}
	})
	return sync.OnceFunc(func() { close(done); work.Wait() })
}

// A registry process is cut off from etcd, from the other registries and from its clients, which move, and it comes back: before its leases
// ended, and after that. No subscriber of the others misses an instance at any time, ephemeral of either kind or persistent, the one that
// returns lists all, and it takes none away of those that are elsewhere now.
func TestProcessCutOffReturns(t *testing.T) {
	t.Parallel()
	c := startEtcd(t)
	m := serveWalled(t, c, 3)
	order := nacos.Service{Name: "order"}
	address := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80) }
	at := func(first int) *nacos.Client { return client(t, m.options(first)) }

	var database []string
	for range 6 { // each registry asks some of them
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		a := netip.MustParseAddrPort(l.Addr().String())
		database = append(database, a.String())
		form := url.Values{"serviceName": {"database"}, "ip": {a.Addr().String()}, "port": {fmt.Sprint(a.Port())}, "ephemeral": {"false"}}
		if status, body, err := request("POST", "http://"+m.http[0]+"/nacos/v1/ns/instance?"+form.Encode()); err != nil || status != 200 {
			t.Fatal(status, body, err)
		}
	}
	must(t, at(1).Register(t.Context(), order, nacos.Instance{Addr: address(9)}))
	all := []string{address(9).String()}
	subscribers := map[string]*told{"order": watch(t, "subscriber", "order", []string{m.grpc[2], m.grpc[1]}, nil), "database": watch(t, "subscriber", "database", []string{m.grpc[1], m.grpc[2]}, nil)}
	holds := func(list string, all []string) bool {
		for _, a := range all {
			if !strings.Contains(list+",", a+",") { // healthy
				return false
			}
		}
		return true
	}
	var moved []*nacos.Client
	for round, away := range []time.Duration{10 * time.Second, 40 * time.Second} { // its leases end after 30 s
		x := at(0)
		must(t, x.Register(t.Context(), order, nacos.Instance{Addr: address(1 + round)}))
		moved = append(moved, x)
		ip := fmt.Sprint("10.0.1.", round)
		defer m.roamer(t, ip)()
		all = append(all, address(1+round).String(), ip+":80")
		from := map[string]int{}
		within(t, 20*time.Second, "the subscribers know all", func() bool {
			return holds(subscribers["order"].last(), all) && holds(subscribers["database"].last(), database)
		})
		for name, w := range subscribers {
			_, from[name] = w.since(0)
		}
		before := c.owners(t)
		m.cut(0)
		began := time.Now()
		within(t, away, "the registry that is cut off has lost etcd", func() bool {
			_, page, err := get("http://" + m.procs[0].admin + "/metrics")
			return err == nil && strings.Contains(page, "\npaifang_registry_storage_up 0\n")
		})
		time.Sleep(time.Until(began.Add(away)))
		for key, owner := range c.owners(t) {
			if strings.Contains(key, ip) && owner == before[key] {
				t.Errorf("%s has not moved from %s", key, owner)
			}
		}
		m.heal(0)
		within(t, 30*time.Second, "the registry that was cut off lists all", func() bool {
			return strings.Count(m.says(0, "order"), "_true") == len(all) && strings.Count(m.says(0, "database"), "_true") == len(database)
		})
		time.Sleep(10 * time.Second) // what it might take away
		pushed := 0
		for name, want := range map[string][]string{"order": all, "database": database} {
			lists, n := subscribers[name].since(from[name])
			pushed += n - from[name]
			for _, list := range lists {
				if !holds(list, want) {
					t.Errorf("cut off for %v: a subscriber of %s was told [%s], want %v", away, name, list, want)
				}
			}
		}
		for i := range m.procs {
			for name, want := range map[string][]string{"order": all, "database": database} {
				if list := m.says(i, name); strings.Count(list, "_true") != len(want) {
					t.Errorf("cut off for %v: registry %d says %s of %s, want %v", away, i, list, name, want)
				}
			}
		}
		t.Logf("cut off for %v: %d lists were pushed elsewhere, each with all instances", away, pushed)
	}
	// Nobody keeps what leaves afterwards.
	for round, x := range moved {
		must(t, x.Deregister(t.Context(), order, address(1+round)))
	}
	within(t, 10*time.Second, "who leaves is gone everywhere", func() bool {
		for i := range m.procs {
			if list := m.says(i, "order"); strings.Contains(list, "10.0.0.1:") || strings.Contains(list, "10.0.0.2:") || strings.Count(list, "_true") != len(all)-len(moved) {
				return false
			}
		}
		return true
	})
}
