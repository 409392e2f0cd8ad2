package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tags "paifang/internal/model"
	"paifang/internal/registry"
)

// offer is an instance as a bridge publishes it.
func offer(i int) registry.Instance {
	in := at(i)
	in.Metadata = tags.NewTags(map[string]string{tags.TagFrom: tags.KeeperKubernetes})
	return in
}

// kinds is the list of a registry with what is offered marked.
func kinds(n *node) string {
	var out []string
	for _, in := range n.View(order).Instances {
		s := in.Addr.String()
		if in.Offered() {
			s += " offered"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// Two registries on one etcd are each a bridge's, and offer the same. It is there once; one of them may die, or take its offer back, and it
// stays; and what registers itself shows, at whichever of them, and the offer when that has gone again.
func TestOffersOfTwo(t *testing.T) {
	c := startEtcd(t)
	a, b, third := c.node(t, registry.Options{}), c.node(t, registry.Options{}), c.node(t, registry.Options{})
	everywhere := func(what, want string, nodes ...*node) {
		t.Helper()
		for _, n := range nodes {
			within(t, 20*time.Second, what, func() bool { return kinds(n) == want })
		}
	}
	connect := func(n *node) *registry.Connection {
		t.Helper()
		c, err := n.Connect()
		must(t, err)
		return c
	}
	atA, atB := connect(a), connect(b)
	list := []registry.Instance{offer(1), offer(2)}
	must(t, atA.Publish(order, list))
	must(t, atB.Publish(order, list))
	both := "10.0.0.1:80 offered, 10.0.0.2:80 offered"
	everywhere("each is there once", both, a, b, third)

	// A pod registers itself at one of them, and goes again. The other bridge says once more what it says.
	pod := connect(a)
	must(t, pod.Publish(order, []registry.Instance{at(1)}))
	mixed := "10.0.0.1:80, 10.0.0.2:80 offered"
	everywhere("what registers itself shows", mixed, a, b, third)
	again := connect(b)
	must(t, again.Publish(order, list))
	time.Sleep(ttl)
	everywhere("and stays", mixed, a, b, third)
	pod.Close()
	everywhere("the offer is back", both, a, b, third)
	again.Close()
	// By heartbeats likewise.
	must(t, b.Register(order, at(2)))
	everywhere("what registers itself shows", "10.0.0.1:80 offered, 10.0.0.2:80", a, b, third)
	_, err := b.Deregister(order, at(2).Addr)
	must(t, err)
	everywhere("the offer is back", both, a, b, third)

	// One takes its offer back; the other one's stays. The views of those who offer never lack it.
	stop := witness(t, a, "the one that goes on", at(1).Addr.String(), at(2).Addr.String())
	atB.Close()
	everywhere("it stays", both, a, b, third)
	atB = connect(b)
	must(t, atB.Publish(order, list)) // and has the keys from here on
	everywhere("it stays", both, a, b, third)
	b.cut() // as one that is killed: its leases end
	time.Sleep(2 * ttl)
	everywhere("it stays", both, a, third)
	stop()
	b.heal()
	everywhere("it is there once", both, a, b, third)
	atA.Close()
	everywhere("the other one goes on", both, a, b, third)
	atB.Close()
	everywhere("nobody offers it", "", a, b, third)
}

// Services are offered by two processes, each of which has a registry on the same etcd, and taken from there on both roads: by a gateway that
// reads one registry, and by an Ingress of a process that reads the other. One process is killed, and its leases end; a pod comes; the
// offer is taken back. No request fails.
func TestBridgeOfTwo(t *testing.T) {
	t.Parallel()
	c := startEtcd(t)
	offered, ingress := t.TempDir(), t.TempDir()
	file := func(dir, name, text string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	service := "apiVersion: v1\nkind: Service\nmetadata:\n  name: order\n  annotations: {paifang.dev/%s}\nspec:\n  ports: [{name: http, port: 80}]\n"
	slice := func(name, addr string) {
		ip, port, _ := strings.Cut(addr, ":")
		file(offered, name+".yaml", fmt.Sprintf("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: order-%s\n  labels: {kubernetes.io/service-name: order}\naddressType: IPv4\n"+
			"ports: [{name: http, port: %s}]\nendpoints: [{addresses: [%s], conditions: {ready: true}}]\n", name, port, ip))
	}
	pods := []*backend{newBackend(t), newBackend(t), newBackend(t)}
	file(offered, "service.yaml", fmt.Sprintf(service, "offer: order"))
	slice("one", pods[0].addr)
	slice("two", pods[1].addr)
	m := serveMembers(t, 2, fmt.Sprintf("  auth: \"off\"\n  allow: [127.0.0.0/8]\n  etcd: {endpoints: [%q, %q, %q], prefix: %q}\nsources: {manifests: [%q]}\nbridge: {from: east}\n",
		c.urls()[0], c.urls()[1], c.urls()[2], prefixOf(t), offered))
	have := func(n int, of ...int) {
		t.Helper()
		for _, i := range of {
			within(t, 20*time.Second, fmt.Sprintf("registry %d lists %d", i, n), func() bool {
				list := m.list(i)
				return strings.Count(list, "_true") == n && strings.Count(list, "_") == n
			})
		}
	}
	have(2, 0, 1)
	reads := func(i int) string {
		return fmt.Sprintf("  nacos: [{address: %q, grpc: %q, allow: [127.0.0.0/8]}]\n", m.http[i], m.grpc[i])
	}
	two, one := freeAddress(t), freeAddress(t)
	gateway := serve(t, "gateway", fmt.Sprintf("gateway: {http: %q, service: \"-\"}\nsources:\n  routes: [%q]\n%s", two, routes(t), reads(1)))
	file(ingress, "door.yaml", fmt.Sprintf(service, "registry: order")+"---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: door}\nspec:\n  ingressClassName: paifang\n  rules:\n"+
		"  - http: {paths: [{path: /order, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}]}\n"+
		"---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: paifang}\nspec: {controller: paifang.dev/controller}\n")
	entry := serve(t, "ingress", fmt.Sprintf("ingress:\n  nodes: [{name: node-1, http: %q}]\nsources:\n  manifests: [%q]\n%s", one, ingress, reads(0)))
	knows := func(n int) { // both doors
		t.Helper()
		for _, p := range []*process{gateway, entry} {
			within(t, 30*time.Second, fmt.Sprintf("%s knows %d pods", p.name, n), func() bool {
				_, page, err := get("http://" + p.admin + "/api/v1/endpoints")
				return err == nil && strings.Count(page, `"state":"ready"`) == n
			})
		}
	}
	knows(2)
	const pause = 20 * time.Millisecond // 1,600 requests a second at each door, for longer than a minute
	doors := []*load{beginSlowly(two, "/order/", pause), beginSlowly(one, "/order/", pause)}

	m.procs[0].kill()
	time.Sleep(35 * time.Second) // its leases end after 30 s
	have(2, 1)
	m.procs[0].start()
	m.procs[0].ready()
	have(2, 0, 1)
	m.procs[1].kill()
	time.Sleep(35 * time.Second)
	have(2, 0)
	m.procs[1].start()
	m.procs[1].ready()
	have(2, 0, 1)
	slice("three", pods[2].addr)
	have(3, 0, 1)
	knows(3)
	for _, l := range doors { // until each pod has had its turn
		n := l.next.Load()
		within(t, 10*time.Second, "requests go on", func() bool { return l.next.Load() > n+1000 })
	}
	for i, l := range doors {
		asked, failed, by := l.end()
		t.Logf("door %d: %d requests, %d failed; %v", i, asked, len(failed), by)
		for _, f := range failed[:min(3, len(failed))] {
			t.Errorf("failed: %s", f)
		}
		if len(failed) > 0 || asked < 10_000 || len(by) != 3 {
			t.Errorf("door %d: %d of %d requests failed, %d pods answered; want none of 10,000 at least, and 3", i, len(failed), asked, len(by))
		}
	}
	file(offered, "service.yaml", fmt.Sprintf(service, "offer: \"false\""))
	have(0, 0, 1)
}
