package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/test/e2e/bed"
)

// The namespaces of TestHalves: a registry of the chart with what registers in it, gateways of the chart with another registry, and with
// none.
const (
	ownNamespace      = "halves"
	foreignNamespace  = "halves-foreign"
	servicesNamespace = "halves-services"
)

// halves is what TestHalves has in the cluster.
type halves struct {
	t        *testing.T
	registry string      // the address of the Service of the chart's registry
	pods     [][3]string // of the application that is registered there
	watch    *vigil      // over all of its registries, from the moment that the application was listed
	killed   time.Time   // when one of them was
	others   []otherHalf
}

// otherHalf is a registry that is not the chart's, and the namespace of the gateway that is.
type otherHalf struct{ name, ns, address, password string }

// TestHalves installs the halves of road 2 one by one, each with another program in place of the other half.
func TestHalves(t *testing.T) {
	h := &halves{t: t}
	h.install()
	t.Run("our registry and another gateway", h.ourRegistry)
	t.Run("three registries on etcd", h.threeRegistries)
	for _, other := range h.others {
		t.Run("our gateway and "+other.name, func(t *testing.T) { h.ourGateway(t, other) })
	}
	t.Run("our gateway and Services", h.services)
	t.Run("nobody vanished", h.nobodyVanished)
}

// install has everything start at once, and waits for the chart's registry and what is registered there.
func (h *halves) install() {
	t := h.t
	for _, ns := range []string{ownNamespace, foreignNamespace, servicesNamespace} {
		namespace(t, ns)
	}
	endpoints, client := etcds(t, ownNamespace, "etcd-client")
	apply(t, client+"---\n"+secret(ownNamespace, "paifang-registry", map[string][]byte{"password": []byte(roadsPassword)}))
	chart(t, ownNamespace, "registry.enabled=true", "registry.storage=etcd", "registry.etcd.endpoints={"+strings.Join(endpoints, ",")+"}", "registry.etcd.tlsSecret=etcd-client")
	h.others = h.otherRegistries()
	for _, other := range h.others {
		values := []string{"gateway.enabled=true", "gateway.replicas=1", "gateway.service.type=ClusterIP", "gateway.nacos.address=" + other.address, routed(map[string]string{"order": registryService})}
		app := application(other.ns, "foreign", other.address, 2)
		if other.password == "" {
			values = append(values, "gateway.nacos.username=")
			app = strings.Replace(app, "{name: PAIFANG_REGISTRY_USERNAME, value: nacos}", "{name: PAIFANG_REGISTRY_USERNAME, value: ''}", 1)
		} else {
			values = append(values, "gateway.nacos.passwordSecret=paifang-registry")
		}
		apply(t, secret(other.ns, "paifang-registry", map[string][]byte{"password": []byte(other.password)})+"---\n"+app)
		chart(t, other.ns, values...)
	}
	apply(t, workload(servicesNamespace, "web", "v1", 2))
	chart(t, servicesNamespace, "gateway.enabled=true", "gateway.replicas=1", "gateway.service.type=ClusterIP", "gateway.kubernetes.enabled=true",
		"gateway.kubernetes.namespaces={"+ownNamespace+","+servicesNamespace+"}",
		routed(map[string]string{"web": "web", "order": "order." + ownNamespace, "closed": "order." + foreignNamespace}))

	rolledOut(t, ownNamespace, "deployment/paifang-registry")
	// This cluster has no DNS.
	h.registry = kubectl(t, "get", "-n", ownNamespace, "service/paifang-registry", "-o", "jsonpath={.spec.clusterIP}") + ":8848"
	apply(t, application(ownNamespace, "own", h.registry, replicas)+"---\n"+foreignGateway(ownNamespace, h.registry))
	chart(t, ownNamespace, "gateway.enabled=true", "gateway.service.type=ClusterIP", "gateway.nacos.address="+h.registry, routed(map[string]string{"order": registryService}))
	for _, what := range []string{"order", "foreign", "paifang-gateway"} {
		rolledOut(t, ownNamespace, "deployment/"+what)
	}
	_, registries := h.registries(t)
	if len(registries) != 3 {
		t.Fatalf("there are %d registries", len(registries))
	}
	for _, r := range registries {
		r.token = registries[0].token // one that another registry has given counts here too
		h.pods = shown(t, ownNamespace, "app=order", "8080", replicas, func() ([]string, error) { return r.list(registryService) })
	}
	h.watch = watchOver(t, registryService, wants(h.pods, "8080"))
	for _, r := range registries {
		h.watch.over(r)
	}
}

// registries are those of the chart, as its pods are.
func (h *halves) registries(t *testing.T) (pods [][3]string, clients []*registryClient) {
	t.Helper()
	pods = placed(t, ownNamespace, "app.kubernetes.io/name=paifang-registry")
	for _, p := range pods {
		clients = append(clients, registryAt(p[1]+":8848", roadsPassword))
	}
	return pods, clients
}

// busiest are the registries' pods, and which of them has most clients.
func (h *halves) busiest(t *testing.T) (pods [][3]string, which, clients int) {
	t.Helper()
	pods, registries := h.registries(t)
	for i, r := range registries {
		n, err := r.connections()
		if err != nil {
			t.Fatal(err)
		}
		if n > clients {
			which, clients = i, n
		}
	}
	return pods, which, clients
}

// orders asks an address for orders and counts which pods answer. All answers have to come.
func orders(t *testing.T, address string, n int) map[string]int {
	t.Helper()
	c, seen := client(address, false), map[string]int{}
	answers(t, c, "http://gateway.test/order/1", http.StatusOK)
	for range n {
		var order struct{ Pod string }
		a, err := get(c, "http://gateway.test/order/1")
		if err == nil {
			err = json.Unmarshal([]byte(a.body), &order)
		}
		if err != nil {
			t.Fatal(err, a)
		}
		seen[order.Pod]++
	}
	return seen
}

// fromAll tells whether each of the pods has answered, and nobody else.
func fromAll(seen map[string]int, pods [][3]string) bool {
	return len(seen) == len(pods) && !slices.ContainsFunc(pods, func(p [3]string) bool { return seen[p[0]] == 0 })
}

// address is that of the one pod of a label.
func address(t *testing.T, ns, label string) string {
	t.Helper()
	pods := placed(t, ns, label)
	if len(pods) != 1 {
		t.Fatalf("%s has %d pods", label, len(pods))
	}
	return pods[0][1] + ":8080"
}

// ourRegistry is the chart's registry alone: whoever speaks Nacos' protocol finds in it what is registered, after a login.
func (h *halves) ourRegistry(t *testing.T) {
	_, registries := h.registries(t)
	for i, r := range registries {
		n, err := r.connections()
		if err != nil {
			t.Error(err)
		}
		t.Logf("registry %d lists %v, and has %d clients itself", i, wants(h.pods, "8080"), n)
		a, err := get(r.http, r.base+"v1/ns/instance/list?serviceName="+registryService)
		if err != nil || a.status != http.StatusForbidden {
			t.Errorf("without a login registry %d answers %d %s %v", i, a.status, a.body, err)
		}
	}
	eventually(t, 20*time.Second, "the other gateway is told all pods", func() (bool, string) {
		lists := h.told(t)
		return len(lists) > 0 && slices.Equal(lists[len(lists)-1], wants(h.pods, "8080")), fmt.Sprint(lists)
	})
	if seen := orders(t, address(t, ownNamespace, "app=foreign"), 40); !fromAll(seen, h.pods) {
		t.Errorf("of %v there answer %v", h.pods, seen)
	}
}

// told are the lists that the other gateway was told, each sorted.
func (h *halves) told(t *testing.T) (lists [][]string) {
	t.Helper()
	for line := range strings.Lines(kubectl(t, "logs", "-n", ownNamespace, "deployment/foreign")) {
		if list, ok := strings.CutPrefix(line, "list "); ok {
			addresses := strings.Fields(list)
			slices.Sort(addresses)
			lists = append(lists, addresses)
		}
	}
	return lists
}

// threeRegistries kills one of the chart's three registries and has another one end in order, under load at the gateway.
func (h *halves) threeRegistries(t *testing.T) {
	gateways := placed(t, ownNamespace, "app.kubernetes.io/name=paifang-gateway")
	var load []*traffic
	for _, g := range gateways {
		w := startTraffic("the gateway on "+g[2], g[1]+":8080", "http://gateway.test/order/1", 2)
		defer w.end()
		w.more(t, 50)
		load = append(load, w)
	}
	pods, victim, clients := h.busiest(t)
	restarts := func() string {
		return kubectl(t, "get", "pod", "-n", ownNamespace, pods[victim][0], "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")
	}
	h.killed = time.Now()
	if err := kill("POD_IP="+pods[victim][1], "serve"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the killed registry runs again", func() (bool, string) { now := restarts(); return now == "1 true", now })
	t.Logf("a registry with %d clients was killed, and was ready again after %.1f s", clients, time.Since(h.killed).Seconds())
	pods, victim, clients = h.busiest(t)
	begin := time.Now()
	kubectl(t, "delete", "pod", "-n", ownNamespace, pods[victim][0], "--wait=false")
	eventually(t, 60*time.Second, "another one has taken the place of the one that ends", func() (bool, string) {
		now := kubectl(t, "get", "pods", "-n", ownNamespace, "-l", "app.kubernetes.io/name=paifang-registry", "--no-headers")
		ready := kubectl(t, "get", "deployment", "-n", ownNamespace, "paifang-registry", "-o", "jsonpath={.status.readyReplicas}")
		return ready == "3" && !strings.Contains(now, pods[victim][0]), ready + "\n" + now
	})
	t.Logf("a registry with %d clients ended in order, and was gone after %.1f s", clients, time.Since(begin).Seconds())
	pods, registries := h.registries(t)
	for i, r := range registries {
		have, err := r.list(registryService)
		if err != nil || !slices.Equal(have, wants(h.pods, "8080")) {
			t.Errorf("%s lists %v %v", pods[i][0], have, err)
		}
		h.watch.over(r)
		shown(t, ownNamespace, "app.kubernetes.io/name=paifang-gateway", "8080", len(gateways), func() ([]string, error) { return r.list("paifang-gateway") })
	}
	for _, w := range load {
		w.more(t, 50)
		w.end()
		now := w.tally()
		t.Logf("%s: of %d requests %d failed", w.road, now.ok+now.failed, now.failed)
		if now.failed > 0 {
			t.Errorf("%s: %v", w.road, now.kinds)
		}
	}
}

// otherRegistries starts registries that are not the chart's: one of ours on a machine that is not of the cluster and, where it is
// installed (cargo install rnacos), r-nacos.
func (h *halves) otherRegistries() (out []otherHalf) {
	t := h.t
	dir := t.TempDir()
	const address = bed.Address + ":8848"
	config := fmt.Sprintf("admin: {address: '127.0.0.1:18848'}\ndata: %[1]s\nregistry: {http: '%[2]s', grpc: '%[3]s:9848', passwordFile: %[1]s/password}\n", dir, address, bed.Address)
	for name, text := range map[string]string{"registry.yaml": config, "password": "another-password"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, cluster.Process("registry", "", cluster.Files.Paifang, "serve", "-c", filepath.Join(dir, "registry.yaml")))
	out = append(out, otherHalf{"a registry outside of the cluster", foreignNamespace, address, "another-password"})
	if file, err := exec.LookPath("rnacos"); err == nil {
		const ns = "halves-rnacos"
		namespace(t, ns)
		start(t, cluster.Process("rnacos", "", "env", "RNACOS_HTTP_PORT=8858", "RNACOS_GRPC_PORT=9858", "RNACOS_HTTP_CONSOLE_PORT=10858", "RUST_LOG=error",
			"RNACOS_DATA_DIR="+filepath.Join(dir, "rnacos"), "RNACOS_CONFIG_DB_DIR="+filepath.Join(dir, "rnacos"), file))
		out = append(out, otherHalf{"r-nacos", ns, bed.Address + ":8858", ""})
	}
	return out
}

// ourGateway is the chart's gateway alone: it finds and registers itself in a registry that is not the chart's.
func (h *halves) ourGateway(t *testing.T, other otherHalf) {
	rolledOut(t, other.ns, "deployment/order")
	rolledOut(t, other.ns, "deployment/paifang-gateway")
	r := registryAt(other.address, other.password)
	pods := shown(t, other.ns, "app=order", "8080", 2, func() ([]string, error) { return r.list(registryService) })
	own := shown(t, other.ns, "app.kubernetes.io/name=paifang-gateway", "8080", 1, func() ([]string, error) { return r.list("paifang-gateway") })
	t.Logf("%s lists %v, and the gateway as %v", other.name, wants(pods, "8080"), wants(own, "8080"))
	if seen := orders(t, own[0][1]+":8080", 20); !fromAll(seen, pods) {
		t.Errorf("of %v there answer %v", pods, seen)
	}
	// Another instance is routed to once it is listed.
	kubectl(t, "scale", "-n", other.ns, "deployment/order", "--replicas=3")
	pods = shown(t, other.ns, "app=order", "8080", 3, func() ([]string, error) { return r.list(registryService) })
	eventually(t, 10*time.Second, "the new pod answers too", func() (bool, string) {
		seen := orders(t, own[0][1]+":8080", 12)
		return fromAll(seen, pods), fmt.Sprint(seen)
	})
}

// services is the chart's gateway without a registry: lb:// is the pods of Services, in the namespaces that it may read.
func (h *halves) services(t *testing.T) {
	const ns = servicesNamespace
	rolledOut(t, ns, "deployment/web")
	rolledOut(t, ns, "deployment/paifang-gateway")
	at := address(t, ns, "app.kubernetes.io/name=paifang-gateway")
	c := client(at, false)
	if seen := orders(t, at, 40); !fromAll(seen, h.pods) {
		t.Errorf("of the Service of another namespace, %v, there answer %v", h.pods, seen)
	}
	web := func(n int) {
		t.Helper()
		eventually(t, 30*time.Second, fmt.Sprint(n, " pods answer"), func() (bool, string) {
			seen := map[string]int{}
			for range 20 {
				a, err := get(c, "http://gateway.test/web/1")
				if err != nil || a.status != http.StatusOK {
					return false, fmt.Sprint(a, err)
				}
				seen[a.header.Get("X-Pod")]++
			}
			return len(seen) == n, fmt.Sprint(seen)
		})
	}
	web(2)
	l := startLoad(at, "http://gateway.test/web/1", 1, false)
	kubectl(t, "scale", "-n", ns, "deployment/web", "--replicas=3")
	web(3)
	kubectl(t, "scale", "-n", ns, "deployment/web", "--replicas=1")
	web(1)
	l.none(t, "a Service with two, three and one pod")
	if a := answers(t, c, "http://gateway.test/closed/1", http.StatusServiceUnavailable); a.header.Get("X-Paifang-Reason") == "" {
		t.Errorf("503 without a reason: %v", a)
	}
	account := "--as=system:serviceaccount:" + ns + ":paifang-gateway"
	for _, may := range []struct{ want, verb, what, ns string }{
		{"yes", "list", "services", ns}, {"yes", "watch", "endpointslices.discovery.k8s.io", ownNamespace}, {"no", "list", "services", foreignNamespace},
		{"no", "list", "secrets", ns}, {"no", "list", "ingresses.networking.k8s.io", ns}, {"no", "get", "pods", ns}, {"no", "create", "events", ns},
	} {
		said, _ := cluster.Kubectl("auth", "can-i", may.verb, may.what, "-n", may.ns, account) // "no" is an exit code too
		if strings.TrimSpace(said) != may.want {
			t.Errorf("%s %s in %s: %s, want %s", may.verb, may.what, may.ns, said, may.want)
		}
	}
}

// nobodyVanished is what the registries have listed all the time since before one was killed, and until after the leases that it had.
func (h *halves) nobodyVanished(t *testing.T) {
	if h.killed.IsZero() {
		t.Skip("no registry was killed")
	}
	const lease = 30 * time.Second
	time.Sleep(time.Until(h.killed.Add(lease + 3*time.Second)))
	lists, lacking := h.watch.ended()
	t.Logf("%d lists were read of the registries, over %.0f s after one was killed", lists, time.Since(h.killed).Seconds())
	if lists < 1000 || len(lacking) > 0 {
		t.Errorf("of %d lists: %s", lists, strings.Join(lacking, "\n"))
	}
	told := h.told(t)
	t.Logf("the other gateway was told %d lists", len(told))
	complete := false
	for _, list := range told { // the first ones are from when pods came
		if complete && len(list) < replicas {
			t.Errorf("the other gateway was told %v", list)
		}
		complete = complete || slices.Equal(list, wants(h.pods, "8080"))
	}
}
