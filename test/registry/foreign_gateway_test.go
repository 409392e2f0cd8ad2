package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/nacos"
)

// Our gateway and our client beside Nacos itself.
func TestForeign(t *testing.T) {
	for _, m := range makers(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Run("open", func(t *testing.T) {
				f := m.make(t, false)
				g := gatewayOf(t, f, "")
				t.Run("instances", func(t *testing.T) { foreignInstances(t, f, g) })
				t.Run("edited", func(t *testing.T) { foreignEdits(t, f, g) })
				t.Run("heartbeats", func(t *testing.T) { foreignHeartbeats(t, f, g) })
				t.Run("services", func(t *testing.T) { foreignServices(t, f, g) })
				t.Run("configured", func(t *testing.T) { foreignRoutes(t, f, g) })
				t.Run("client", func(t *testing.T) { foreignClient(t, f) })
				t.Run("configurations", func(t *testing.T) { foreignConfigurations(t, f) })
				t.Run("killed", func(t *testing.T) { foreignKilled(t, f, g) })
			})
			t.Run("guarded", func(t *testing.T) { foreignGuarded(t, m.make(t, true)) })
		})
	}
}

// entry is a gateway that has its instances from a foreign registry.
type entry struct {
	*process
	at string
}

const foreignRouteFile = `spring.cloud.gateway:
  discovery.locator: {enabled: true, lower-case-service-id: true}
  routes:
  - {id: order, uri: 'lb://order', predicates: ['Path=/order/**']}
  - id: gray
    uri: lb://gray
    predicates: ['Path=/gray/**']
    metadata:
      lanes:
      - {name: new, instances: {version: v2}, when: [{header: X-Gray, value: always}]}
`

// gatewayOf starts one; more is YAML for its source.
func gatewayOf(t *testing.T, f *foreign, more string) *entry {
	t.Helper()
	file := filepath.Join(t.TempDir(), "routes.yaml")
	must(t, os.WriteFile(file, []byte(foreignRouteFile), 0o600))
	g := &entry{at: fmt.Sprintf("127.0.0.1:%d", portOf(t))} // one that nobody else is given while it is away
	g.process = serve(t, "gateway", fmt.Sprintf("gateway: {http: %q}\nsources:\n  routes: [%q]\n  spring: {nacos: [{dataId: routes.json}]}\n"+
		"  nacos: [{address: %q, allow: [127.0.0.0/8]%s}]\n", g.at, file, f.server(), more))
	return g
}

// ask makes a request and returns who answered it, or the status.
func (g *entry) ask(path string, header ...string) string {
	req, err := http.NewRequest("GET", "http://"+g.at+path, nil)
	if err != nil {
		return err.Error()
	}
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	resp, err := asking.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		return fmt.Sprint(resp.StatusCode, " ", err)
	}
	who, _, _ := strings.Cut(string(body), " ")
	return who
}

// lists is what the gateway knows of a service: address, state and weight of each instance, sorted.
func (g *entry) lists(service string) string {
	_, page, err := get("http://" + g.admin + "/api/v1/endpoints")
	if err != nil {
		return err.Error()
	}
	var view struct {
		Items []struct {
			List, Addr, State string
			Weight            float64
		}
	}
	if err := json.Unmarshal([]byte(page), &view); err != nil {
		return err.Error()
	}
	var out []string
	for _, e := range view.Items {
		if strings.HasSuffix(e.List, "/"+service) {
			out = append(out, fmt.Sprintf("%s %s %g", e.Addr, strings.ToLower(e.State), e.Weight))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// become waits until the gateway knows something of a service.
func (g *entry) become(t *testing.T, d time.Duration, service string, want ...string) time.Duration {
	t.Helper()
	want = slices.Sorted(slices.Values(want))
	whole, got, began := strings.Join(want, ", "), "", time.Now()
	for ; ; time.Sleep(2 * time.Millisecond) {
		if got = g.lists(service); got == whole {
			return time.Since(began).Round(time.Millisecond)
		}
		if time.Since(began) > d {
			t.Fatalf("not within %v: %s has [%s], want [%s]", d, service, got, whole)
		}
	}
}

// has tells whether an address stands in what the gateway has saved.
func (g *entry) has(t *testing.T, addr string) bool {
	t.Helper()
	found := false
	must(t, filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that was replaced meanwhile
		}
		text, _ := os.ReadFile(path)
		found = found || strings.Contains(string(text), addr)
		return nil
	}))
	return found
}

// answered is who answers so many requests, and how many of them.
func (g *entry) answered(n int, path string, header ...string) map[string]int {
	by := map[string]int{}
	for range n {
		by[g.ask(path, header...)]++
	}
	return by
}

// red is why the gateway's source of the registry has failed; empty: it has not.
func (g *entry) red(t *testing.T) string {
	t.Helper()
	_, page, err := get("http://" + g.admin + "/api/v1/sources")
	must(t, err)
	var view struct {
		Items []struct {
			Name, Error string
			Failed      bool
		}
	}
	must(t, json.Unmarshal([]byte(page), &view))
	for _, s := range view.Items {
		if s.Name == "nacos" && s.Failed {
			return s.Error
		}
	}
	return ""
}

func where(addr string) netip.AddrPort { return netip.MustParseAddrPort(addr) }

// soon is within what a push has to come: Nacos collects changes for 500 ms.
const soon = 5 * time.Second

// What is registered, changed and deregistered by a client's connection comes as pushes: weights, metadata, instances out of service,
// and the empty list as well.
func foreignInstances(t *testing.T, f *foreign, g *entry) {
	one, two := client(t, f.options()), client(t, f.options())
	a, b := newBackend(t).addr, newBackend(t).addr
	gray := nacos.Service{Name: "gray"}
	must(t, one.Register(t.Context(), gray, nacos.Instance{Addr: where(a), Metadata: map[string]string{"version": "v1"}}))
	t.Logf("a new service: known after %v", g.become(t, soon, "gray", a+" ready 1"))
	must(t, two.Register(t.Context(), gray, nacos.Instance{Addr: where(b), Weight: 3}))
	t.Logf("a second instance: pushed after %v", g.become(t, soon, "gray", a+" ready 1", b+" ready 3"))
	if by := g.answered(400, "/gray/1"); by[a] < 80 || by[a] > 120 || by[a]+by[b] != 400 {
		t.Errorf("of 400 requests one quarter goes to the first: %v", by)
	}
	must(t, two.Register(t.Context(), gray, nacos.Instance{Addr: where(b), Metadata: map[string]string{"version": "v2"}}))
	t.Logf("another weight and metadata: pushed after %v", g.become(t, soon, "gray", a+" ready 1", b+" ready 1"))
	if by := g.answered(20, "/gray/1"); by[a] != 20 {
		t.Errorf("version 2 is in a lane: %v", by)
	}
	if by := g.answered(20, "/gray/1", "X-Gray", "always"); by[b] != 20 {
		t.Errorf("the lane leads to version 2: %v", by)
	}
	must(t, one.Deregister(t.Context(), gray, where(a)))
	t.Logf("a deregistration: pushed after %v", g.become(t, soon, "gray", b+" ready 1"))
	two.Close()
	t.Logf("a closed connection: pushed after %v", g.become(t, soon, "gray"))
	if got := g.ask("/gray/1"); !strings.HasPrefix(got, "503") {
		t.Errorf("nobody is there, and the answer is %s", got)
	}
	must(t, one.Register(t.Context(), gray, nacos.Instance{Addr: where(a)}))
	t.Logf("back: pushed after %v", g.become(t, soon, "gray", a+" ready 1"))
}

// What an operator changes by HTTP comes likewise.
func foreignEdits(t *testing.T, f *foreign, g *entry) {
	c := client(t, f.options())
	a, b := newBackend(t).addr, newBackend(t).addr
	must(t, c.Publish(t.Context(), nacos.Service{Name: "edited"}, []nacos.Instance{{Addr: where(a)}, {Addr: where(b)}}))
	if got := g.ask("/edited/1"); got != a && got != b {
		within(t, soon, "the locator's route leads there", func() bool { got = g.ask("/edited/1"); return got == a || got == b })
	}
	g.become(t, soon, "edited", a+" ready 1", b+" ready 1")
	f.edit(t, "edited", a, "weight", "0.5", "enabled", "true")
	t.Logf("another weight: pushed after %v", g.become(t, soon, "edited", a+" ready 0.5", b+" ready 1"))
	f.edit(t, "edited", a, "weight", "1", "enabled", "false")
	t.Logf("out of service: pushed after %v", g.become(t, soon, "edited", b+" ready 1"))
	if by := g.answered(20, "/edited/1"); by[b] != 20 {
		t.Errorf("the one that is out of service is asked: %v", by)
	}
	f.edit(t, "edited", a, "weight", "1", "enabled", "true")
	t.Logf("in service: pushed after %v", g.become(t, soon, "edited", a+" ready 1", b+" ready 1"))
}

// An instance that sends no heartbeat becomes unhealthy, and then goes.
func foreignHeartbeats(t *testing.T, f *foreign, g *entry) {
	a, b := newBackend(t).addr, newBackend(t).addr
	c := client(t, f.options())
	must(t, c.Register(t.Context(), nacos.Service{Name: "beating"}, nacos.Instance{Addr: where(a)}))
	f.register(t, "beating", b, "metadata", `{"preserved.heart.beat.interval":"1000","preserved.heart.beat.timeout":"3000","preserved.ip.delete.timeout":"8000"}`)
	within(t, soon, "the locator's route leads there", func() bool { got := g.ask("/beating/1"); return got == a || got == b })
	g.become(t, soon, "beating", a+" ready 1", b+" ready 1")
	t.Logf("without heartbeats unhealthy after %v", g.become(t, 40*time.Second, "beating", a+" ready 1", b+" unhealthy 1"))
	if by := g.answered(20, "/beating/1"); by[a] != 20 {
		t.Errorf("the unhealthy one is asked: %v", by)
	}
	t.Logf("and gone after %v more", g.become(t, 40*time.Second, "beating", a+" ready 1"))
}

// The gateway is registered itself, and a service that comes has the locator's route at once.
func foreignServices(t *testing.T, f *foreign, g *entry) {
	_, port, _ := strings.Cut(g.at, ":")
	within(t, soon, "the gateway is registered", func() bool {
		return strings.Contains(f.call(t, "GET", "/v1/ns/instance/list", "serviceName", "paifang-gateway"), `"port":`+port)
	})
	var took []time.Duration
	for i := range 3 {
		b, name := newBackend(t).addr, fmt.Sprintf("fresh-%d", i)
		f.register(t, name, b)
		began := time.Now()
		within(t, soon, "a new service has a route", func() bool { return g.ask("/"+name+"/1") == b })
		took = append(took, time.Since(began).Round(time.Millisecond))
	}
	t.Logf("a new service has the locator's route, and an answer, after %v", took)
}

// Routes in a configuration of the registry are served, and changed.
func foreignRoutes(t *testing.T, f *foreign, g *entry) {
	c := configurer(t, f)
	b := newBackend(t).addr
	f.register(t, "stock", b)
	for i := range 3 {
		path := fmt.Sprintf("/from-%d/1", i)
		c.publish(t, "routes.json", fmt.Sprintf(`[{"id":"stock","uri":"lb://stock","predicates":["Path=/from-%d/**"]}]`, i), "")
		began := time.Now()
		within(t, soon, "the route is served", func() bool { return g.ask(path) == b })
		t.Logf("a configuration of routes is served after %v", time.Since(began).Round(time.Millisecond))
	}
	// Without the configuration they stay; a text that has none takes them away.
	c.remove(t, "routes.json")
	within(t, soon, "the gateway says that the configuration is gone", func() bool {
		_, page, err := get("http://" + g.admin + "/api/v1/diagnostics")
		return err == nil && strings.Contains(page, "there is no such configuration")
	})
	if got := g.ask("/from-2/1"); got != b {
		t.Errorf("the configuration is gone, and the answer is %s", got)
	}
	c.publish(t, "routes.json", "[]", "")
	within(t, soon, "the routes are gone", func() bool { return strings.HasPrefix(g.ask("/from-2/1"), "404") })
}

// A registry that is away leaves the last good lists in force, at the next start as well, and clients that come back find nobody
// missing meanwhile. No request fails.
func foreignKilled(t *testing.T, f *foreign, g *entry) {
	const instances = 3
	order := nacos.Service{Name: "order"}
	var all, want []string
	var clients []*nacos.Client
	for range instances - 1 {
		b := newBackend(t).addr
		c := client(t, f.options())
		must(t, c.Register(t.Context(), order, nacos.Instance{Addr: where(b)}))
		all, clients = append(all, b), append(clients, c)
	}
	beating := newBackend(t).addr
	all = append(all, beating)
	beat(t, []string{f.server()}, f.password, beating)
	for _, b := range all {
		want = append(want, b+" ready 1")
	}
	g.become(t, soon, "order", want...)
	l := begin(g.at, "/order/")
	for i := range 2 {
		f.kill()
		within(t, 20*time.Second, "the gateway says that the registry is away", func() bool { return g.red(t) != "" })
		for end := time.Now().Add(time.Duration(3+12*i) * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			g.become(t, 0, "order", want...)
		}
		f.start()
		f.ready()
		began := time.Now()
		within(t, time.Minute, "the gateway has its registry again", func() bool { return g.red(t) == "" })
		t.Logf("the registry is there again: noticed after %v", time.Since(began).Round(time.Millisecond))
		within(t, time.Minute, "all have registered again", func() bool { return registered(f, "order", all) })
		t.Logf("all have registered again after %v", time.Since(began).Round(time.Millisecond))
		g.become(t, time.Minute, "order", want...)
	}
	asked, failed, by := l.end()
	t.Logf("%d requests: %d failed; %v", asked, len(failed), by)
	for _, text := range failed[:min(5, len(failed))] {
		t.Errorf("failed: %s", text)
	}
	if len(by) != instances {
		t.Errorf("%d of %d instances answered", len(by), instances)
	}
	// Pushes go on.
	must(t, clients[0].Deregister(t.Context(), order, where(all[0])))
	t.Logf("a deregistration: pushed after %v", g.become(t, soon, "order", want[1:]...))

	// It is saved a moment later.
	within(t, 20*time.Second, "what the gateway knows is saved", func() bool { return !g.has(t, all[0]) && g.has(t, all[1]) })
	f.kill()
	g.kill()
	g.start()
	g.ready()
	if by := g.answered(20, "/order/1"); by[all[1]]+by[all[2]] != 20 {
		t.Errorf("a gateway that starts without its registry: %v", by)
	}
	f.start()
	f.ready()
	within(t, time.Minute, "the gateway has its registry again", func() bool { return g.red(t) == "" })
	within(t, time.Minute, "the others have registered again", func() bool { return registered(f, "order", all[1:]) })
	g.become(t, time.Minute, "order", want[1:]...)
}

// registered tells whether the registry lists all of these instances, as healthy.
func registered(f *foreign, service string, all []string) bool {
	status, body, err := f.ask("GET", "/v1/ns/instance/list", "serviceName", service, "healthyOnly", "true")
	if err != nil || status != 200 { // a server that has just started may not know its users yet
		return false
	}
	for _, addr := range all {
		_, port, _ := strings.Cut(addr, ":")
		if !strings.Contains(body, `"port":`+port) {
			return false
		}
	}
	return true
}
