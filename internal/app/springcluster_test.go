package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/hub"
	"paifang/internal/source/kubernetes/apitest"
)

// TestSpringOverKubernetes: lb:// and the locator take instances from Services and from a registry at once, an address that both have
// is one instance, and a registry that is stopped takes nothing with it.
func TestSpringOverKubernetes(t *testing.T) {
	port := map[string]uint16{}
	for _, name := range []string{"both", "pods", "registered", "other", "pay", "wrong"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name+" ") }))
		t.Cleanup(s.Close)
		port[name] = netip.MustParseAddrPort(s.Listener.Addr().String()).Port()
	}
	service := func(namespace, name string, ports string, slices ...string) string {
		text := fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {ports: [%s]}\n", name, namespace, ports)
		for i, s := range slices {
			text += fmt.Sprintf("---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s-%d, namespace: %s, labels: {kubernetes.io/service-name: %s}}\naddressType: IPv4\n%s", name, i, namespace, name, s)
		}
		return text
	}
	slice := func(portName string, at uint16) string {
		return fmt.Sprintf("ports: [{name: %q, port: %d}]\nendpoints: [{addresses: [127.0.0.1]}]\n", portName, at)
	}
	dir := t.TempDir()
	manifests := strings.Join([]string{
		service("default", "order", "{name: admin, port: 9000}, {name: http, port: 80}", slice("admin", port["wrong"]), slice("http", port["both"]), slice("http", port["pods"])),
		service("shop", "order", "{port: 80}", slice("", port["other"])),
		service("default", "pay", "{port: 80}", slice("", port["pay"])),
	}, "---\n")
	routes := `
spring.cloud.gateway:
  discovery.locator.enabled: true
  routes:
  - {id: order, uri: lb://order, predicates: ["Path=/written/**"]}
  - {id: other, uri: lb://order.shop, predicates: ["Path=/other/**"]}
  - {id: full, uri: lb://order.shop.svc.cluster.local, predicates: ["Path=/full/**"]}
`
	for name, text := range map[string]string{"pods.yaml": manifests, "application.yml": routes} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reg := free(t)
	c := Config{Gateway: &Gateway{HTTP: free(t), Service: "-"}, Registry: &Registry{HTTP: reg, GRPC: free(t), Auth: authOff, Storage: "memory", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Sources: Sources{Manifests: []string{filepath.Join(dir, "pods.yaml")}, Routes: []string{filepath.Join(dir, "application.yml")}, Spring: Spring{Kubernetes: &SpringCluster{}}}}
	a := started(t, c)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	call := func(verb, url string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), verb, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(text)
	}
	for _, name := range []string{"both", "registered"} {
		if status, text := call("POST", fmt.Sprintf("http://%s/nacos/v1/ns/instance?serviceName=order&ip=127.0.0.1&port=%d&ephemeral=false", reg, port[name])); status != 200 {
			t.Fatal(status, text)
		}
	}
	ask := func(path string, n int) string {
		all := ""
		for range n {
			status, text := call("GET", "http://"+c.Gateway.HTTP.String()+path)
			if status != 200 {
				text = fmt.Sprint(status, " ")
			}
			all += text
		}
		return all
	}
	fair := func(path string) func() bool {
		return func() bool {
			got := ask(path, 12)
			return strings.Count(got, "both") == 4 && strings.Count(got, "pods") == 4 && strings.Count(got, "registered") == 4
		}
	}
	until(t, "the three instances of both take turns", fair("/written/1"))
	until(t, "so they do for the locator", fair("/order/1"))
	for path, want := range map[string]string{"/other/1": "other other ", "/full/1": "other other ", "/pay/1": "pay pay "} {
		if got := ask(path, 2); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if err := a.Act(t.Context(), "registry", adminapi.Stop, ""); err != nil {
		t.Fatal(err)
	}
	if got := ask("/written/1", 12); !fair("/written/1")() {
		t.Errorf("with the registry stopped: %s", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "pods.yaml"), []byte("apiVersion: v1\nkind: [broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the broken file is told", func() bool { return len(a.Troubles()) > 0 })
	if got := ask("/written/1", 12); !fair("/written/1")() {
		t.Errorf("with the file broken: %s", got)
	}
	bad := Config{Gateway: c.Gateway, Sources: Sources{Spring: Spring{Kubernetes: &SpringCluster{}}}}
	if err := bad.Check(); err == nil || !strings.Contains(err.Error(), "sources.spring.kubernetes") {
		t.Errorf("without Services: %v", err)
	}
}

// TestSpringOverServicesAlone is a gateway without any registry, which may read Services and their addresses, and nothing else.
func TestSpringOverServicesAlone(t *testing.T) {
	t.Parallel() // it waits for a follower that tries again, as TestCluster does
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	t.Cleanup(backend.Close)
	api := apitest.New(t)
	for _, kind := range []string{"ingressclasses", "ingresses", "secrets", "configmaps"} {
		api.Refuse("list "+kind, 403)
	}
	api.Apply(fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: order, namespace: shop}
spec: {selector: {app: order}, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: order-1, namespace: shop, labels: {kubernetes.io/service-name: order}}
addressType: IPv4
ports: [{name: http, port: %s}]
endpoints: [{addresses: [127.0.0.1]}]
`, backend.URL[strings.LastIndexByte(backend.URL, ':')+1:]))
	routes := filepath.Join(t.TempDir(), "application.yml")
	if err := os.WriteFile(routes, []byte(`spring.cloud.gateway.routes: [{id: order, uri: lb://order, predicates: ["Path=/order/**"]}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	at := free(t)
	a := started(t, parsed(t, fmt.Sprintf("sources: {kubernetes: {kubeconfig: %q, ingresses: false}, routes: [%q], spring: {kubernetes: {namespace: shop}}}\ngateway: {http: %q, service: '-'}\n", api.Kubeconfig(), routes, at)))
	holds(t, "the Service answers", func() bool { return a.hub.Ready() && statusOf(at, "/order/1") == 200 })
	api.Down()
	holds(t, "the API server is missed", func() bool {
		return slices.ContainsFunc(a.hub.Sources(), func(s hub.SourceStatus) bool { return s.Name == "kubernetes" && s.Failed })
	})
	if got := statusOf(at, "/order/1"); got != 200 {
		t.Errorf("without the API server: %d", got)
	}
}
