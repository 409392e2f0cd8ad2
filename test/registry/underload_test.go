package registry

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"paifang/internal/nacosconn"
	"paifang/nacos"
)

// A registry on its file is killed again and again, while a gateway of another process carries requests to what is registered
// there: by gRPC, and by heartbeats of HTTP v1. No request fails, and nobody is told of a list from which anybody is missing.
func TestKilledUnderLoad(t *testing.T) {
	const atLeast, kills = 100_000, 6
	rest, grpc := freeAddress(t), freeAddress(t)
	reg := serve(t, "registry", fmt.Sprintf("registry: {http: %q, grpc: %q, allow: [127.0.0.0/8]}\n", rest, grpc))
	opt := nacos.Options{Servers: []string{rest}, GRPC: []string{grpc}, Username: "nacos", Password: reg.password()}
	var all []string
	for range 3 {
		b := newBackend(t)
		all = append(all, b.addr)
		must(t, client(t, opt).Register(t.Context(), nacos.Service{Name: "order"}, nacos.Instance{Addr: netip.MustParseAddrPort(b.addr)}))
	}
	beating := newBackend(t)
	all = append(all, beating.addr)
	beat(t, []string{rest}, reg.password(), beating.addr)
	slices.Sort(all)
	want := strings.Join(all, ", ")
	login := &nacosconn.Login{Servers: []string{rest}, Username: "nacos", Password: reg.password()}
	w := watch(t, "subscriber", "order", []string{grpc}, login)
	within(t, 10*time.Second, "everything is registered", func() bool { return w.last() == want })
	_, before := w.since(0)

	at := freeAddress(t)
	gateway := serve(t, "gateway", fmt.Sprintf("gateway: {http: %q, service: \"-\"}\nsources:\n  routes: [%q]\n"+
		"  nacos: [{address: %q, grpc: %q, allow: [127.0.0.0/8], username: nacos, password: %q}]\n", at, routes(t), rest, grpc, reg.passwordFile()))
	l := begin(at, "/order/")
	var away []time.Duration
	for i := 0; i < kills || l.next.Load() < atLeast; i++ {
		time.Sleep(time.Second) // so that it has saved what it knows, or not
		reg.kill()
		killed := time.Now()
		time.Sleep(time.Duration(i%3) * time.Second)
		reg.start()
		reg.ready()
		away = append(away, time.Since(killed).Round(time.Millisecond))
		_, n := w.since(0)
		within(t, 20*time.Second, "the subscriber is told by the one that was started", func() bool { _, now := w.since(n); return now > n })
		within(t, 20*time.Second, "the gateway has its registry again", func() bool {
			_, page, err := get("http://" + gateway.admin + "/metrics")
			return err == nil && strings.Contains(page, "paifang_source_up{source=\"nacos\"} 1")
		})
	}
	asked, failed, by := l.end()
	t.Logf("%d requests through %d kills of the registry, which was away for %v: %d failed; %v", asked, len(away), away, len(failed), by)
	nobodyFailed(t, asked, atLeast, failed, by, len(all))
	alwaysTold(t, w, before, want)

	// Neither the registry nor the gateway is there, and the gateway starts without it: with what it saved.
	time.Sleep(2 * time.Second) // it saves once in a second
	reg.kill()
	gateway.kill()
	gateway.start()
	gateway.ready()
	for i := range 20 {
		if status, body, err := get("http://" + at + "/order/"); err != nil || status != 200 {
			t.Errorf("request %d of a gateway that never had its registry: %d %q %v", i, status, body, err)
		}
	}
}

// One of three registries on etcd is killed again and again, each in turn, and a member of etcd hangs just then, while a gateway that
// knows all three carries requests. No request fails, and no subscriber is told of a list from which anybody is missing: clients go on to
// another registry, whose writes may be under way in the member that hangs, and happen when it goes on.
func TestOneOfThreeKilledUnderLoad(t *testing.T) {
	const atLeast, kills = 100_000, 6
	c := startEtcd(t)
	m := serveMembers(t, 3, fmt.Sprintf("  auth: \"off\"\n  allow: [127.0.0.0/8]\n  etcd: {endpoints: [%q, %q, %q], prefix: %q}\n", c.urls()[0], c.urls()[1], c.urls()[2], prefixOf(t)))
	var all []string
	for i := range 3 {
		b := newBackend(t)
		all = append(all, b.addr)
		must(t, client(t, m.options(i)).Register(t.Context(), nacos.Service{Name: "order"}, nacos.Instance{Addr: netip.MustParseAddrPort(b.addr)}))
	}
	beating := newBackend(t)
	all = append(all, beating.addr)
	beat(t, m.http, "", beating.addr)
	slices.Sort(all)
	want := strings.Join(all, ", ")
	w := watch(t, "subscriber", "order", m.grpc, nil)
	within(t, 10*time.Second, "everything is registered", func() bool { return w.last() == want })
	_, before := w.since(0)

	at := freeAddress(t)
	gateway := serve(t, "gateway", fmt.Sprintf("gateway: {http: %q, service: \"-\"}\nsources:\n  routes: [%q]\n"+
		"  nacos: [{address: %q, grpc: %q, allow: [127.0.0.0/8]}]\n", at, routes(t), strings.Join(m.http, ","), strings.Join(m.grpc, ",")))
	l := begin(at, "/order/")
	for i := 0; i < kills || l.next.Load() < atLeast; i++ {
		member := c.members[(i+1)%3].Process
		must(t, member.Signal(syscall.SIGSTOP))
		m.procs[i%3].kill()
		time.Sleep(2 * time.Second)
		within(t, 20*time.Second, "another registry has the subscriber and the gateway", func() bool {
			_, page, err := get("http://" + gateway.admin + "/metrics")
			return w.last() == want && err == nil && strings.Contains(page, "paifang_source_up{source=\"nacos\"} 1")
		})
		must(t, member.Signal(syscall.SIGCONT))
		m.procs[i%3].start()
		m.procs[i%3].ready()
		within(t, 20*time.Second, "the registry that was started lists all", func() bool { return strings.Count(m.list(i%3), "_true") == len(all) })
	}
	asked, failed, by := l.end()
	t.Logf("%d requests through %d kills of a registry: %d failed; %v", asked, kills, len(failed), by)
	nobodyFailed(t, asked, atLeast, failed, by, len(all))
	alwaysTold(t, w, before, want)
}

// nobodyFailed holds a load to its end: enough was asked, nothing has failed, and all instances have answered.
func nobodyFailed(t *testing.T, asked, atLeast int64, failed []string, by map[string]int, instances int) {
	t.Helper()
	for _, f := range failed[:min(5, len(failed))] {
		t.Errorf("failed: %s", f)
	}
	if len(failed) > 0 || asked < atLeast {
		t.Errorf("%d of %d requests failed; want none, of %d at least", len(failed), asked, atLeast)
	}
	if len(by) != instances {
		t.Errorf("%d of %d instances answered", len(by), instances)
	}
}

// alwaysTold holds every list that a subscriber was told since then to what it should be.
func alwaysTold(t *testing.T, w *told, since int, want string) {
	t.Helper()
	lists, n := w.since(since)
	for _, list := range lists {
		if list != want {
			t.Errorf("the subscriber was told [%s], want [%s]", list, want)
		}
	}
	t.Logf("the subscriber was told %d lists, each with all instances: %s", n-since, want)
}

// beat keeps an instance of order registered as a client of HTTP v1 does: with heartbeats to the first server that answers, and a
// registration where a heartbeat is not known. An empty password: nobody asks for it.
func beat(t *testing.T, servers []string, password, addr string) {
	t.Helper()
	ip, port, _ := strings.Cut(addr, ":")
	form := url.Values{"serviceName": {"order"}, "ip": {ip}, "port": {port}}
	first, token := 0, ""
	ask := func(method, path string) (body string) {
		if token == "" && password != "" {
			_, body, _ := request("POST", "http://"+servers[first]+"/nacos/v1/auth/login?"+url.Values{"username": {"nacos"}, "password": {password}}.Encode())
			if _, rest, ok := strings.Cut(body, `"accessToken":"`); ok {
				token, _, _ = strings.Cut(rest, `"`)
			}
		}
		form.Set("accessToken", token)
		for range servers {
			var err error
			if _, body, err = request(method, "http://"+servers[first]+"/nacos/v1/ns/instance"+path+"?"+form.Encode()); err == nil {
				break
			}
			first = (first + 1) % len(servers)
		}
		return body
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if strings.Contains(ask("PUT", "/beat"), "20404") {
				ask("POST", "")
			}
			select {
			case <-time.After(500 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}
