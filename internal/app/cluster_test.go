package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/apitest"
)

// served is a process with one ingress node over a cluster.
func served(t *testing.T, api *apitest.Server, more string) (a *App, at netip.AddrPort) {
	t.Helper()
	at = free(t)
	text := fmt.Sprintf("admin: {address: %q}\nsources: {kubernetes: {kubeconfig: %q, publish: {addresses: [192.0.2.1]}}}\n"+
		"ingress: {nodes: [{name: node, http: %q}]}\ndrain: 100ms\n%s", free(t), api.Kubeconfig(), at, more)
	a, err := New(parsed(t, text), Options{Name: "serve"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return a, at
}

func holds(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// statusOf is what a GET of a path is answered with, 0 for no answer.
func statusOf(at netip.AddrPort, path string) int {
	c, err := net.DialTimeout("tcp", at.String(), time.Second)
	if err != nil {
		return 0
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n", path)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = r.Body.Close()
	return r.StatusCode
}

// TestCluster serves an Ingress from an API server, and goes on while that is away.
func TestCluster(t *testing.T) {
	t.Parallel() // most of it is the wait for a follower that tries again
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	defer backend.Close()
	port := backend.URL[strings.LastIndex(backend.URL, ":")+1:]
	ingress := `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: paifang
  rules: [{host: shop.test, http: {paths: [{path: /one, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`
	api := apitest.New(t)
	api.Apply(`
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: paifang}
spec: {controller: paifang.dev/controller}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: ` + port + `}]
endpoints: [{addresses: [127.0.0.1]}]
---` + ingress)
	a, at := served(t, api, "")
	holds(t, "the ingress is served", func() bool { return statusOf(at, "/one") == 200 && a.hub.Ready() })
	api.Apply(strings.Replace(ingress, "/one", "/two", 1))
	holds(t, "a change is", func() bool { return statusOf(at, "/two") == 200 && statusOf(at, "/one") == 404 })
	holds(t, "the status is written", func() bool { return api.Get("networking.k8s.io/v1", "ingresses", "shop", "web")["status"] != nil })

	api.Down()
	failed := func() bool {
		for _, s := range a.hub.Sources() {
			if s.Name == "kubernetes" {
				return s.Failed && !s.Since.IsZero() && s.Error != ""
			}
		}
		return false
	}
	holds(t, "the source is shown as failed", failed)
	if got := statusOf(at, "/two"); got != 200 || !a.hub.Ready() {
		t.Errorf("without the API server: %d, ready %v", got, a.hub.Ready())
	}
	api.Up()
	holds(t, "the source is back", func() bool { return !failed() })
	if got := statusOf(at, "/two"); got != 200 {
		t.Errorf("afterwards: %d", got)
	}
}

// TestClusterNodes has Nodes as members of an SLB: one that is cordoned gets no new connections, and one that is not Ready is out.
func TestClusterNodes(t *testing.T) {
	node := func(name, address, ready, more string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: %s, labels: {role: edge}}\nspec: {%s}\n"+
			"status: {addresses: [{type: InternalIP, address: %s}], conditions: [{type: Ready, status: %q}]}\n", name, more, address, ready)
	}
	api := apitest.New(t)
	api.Apply(node("one", "127.0.0.31", "True", "") + "---\n" + node("two", "127.0.0.32", "True", "") +
		"---\n" + strings.Replace(node("other", "127.0.0.33", "True", ""), "role: edge", "role: other", 1))
	a, _ := served(t, api, fmt.Sprintf("slb: {listeners: [{name: http, address: %q, members: {selector: role=edge, port: 80}}]}\n", free(t)))
	states := func() string {
		list, _ := a.table.List(a.cfg.SLB.Listeners[0].nodeList().List())
		var out []string
		for _, e := range list.Endpoints {
			out = append(out, strings.TrimSuffix(e.Addr.String()+" "+e.State.String()+": "+e.Reason, ": "))
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	for _, c := range []struct{ what, apply, want string }{
		{"both take connections", "", "127.0.0.31:80 ready, 127.0.0.32:80 ready"},
		{"a cordoned one drains", node("one", "127.0.0.31", "True", "unschedulable: true"), "127.0.0.31:80 draining: Node one is cordoned, 127.0.0.32:80 ready"},
		{"uncordoned, it is back", node("one", "127.0.0.31", "True", ""), "127.0.0.31:80 ready, 127.0.0.32:80 ready"},
		{"one that is not ready is out", node("two", "127.0.0.32", "Unknown", ""), "127.0.0.31:80 ready, 127.0.0.32:80 unhealthy: Node two is not Ready"},
		{"with the reason of its condition", strings.Replace(node("two", "127.0.0.32", "Unknown", ""), "type: Ready", "reason: NodeStatusUnknown, type: Ready", 1),
			"127.0.0.31:80 ready, 127.0.0.32:80 unhealthy: Node two is not Ready: NodeStatusUnknown"},
		{"one that an autoscaler takes away drains", node("two", "127.0.0.32", "True", "taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}]"),
			"127.0.0.31:80 ready, 127.0.0.32:80 draining: Node two is about to go: it has the taint ToBeDeletedByClusterAutoscaler"},
	} {
		if c.apply != "" {
			api.Apply(c.apply)
		}
		holds(t, c.what, func() bool { return states() == c.want })
	}
	api.Delete("v1", "nodes", "", "two")
	holds(t, "one that is deleted goes", func() bool { return states() == "127.0.0.31:80 ready" })
}

// TestFromCluster reports on a cluster without starting anything.
func TestFromCluster(t *testing.T) {
	api := apitest.New(t)
	api.Apply("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/server-snippet: \"return 200;\"}}\n" +
		"spec: {ingressClassName: nginx, rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}\n")
	c, err := FromCluster(t.Context(), parsed(t, fmt.Sprintf("sources: {kubernetes: {kubeconfig: %q}}\ningress: {nodes: [{name: node, http: %q}]}\n", api.Kubeconfig(), free(t))))
	if err != nil {
		t.Fatal(err)
	}
	said := map[model.Code]bool{}
	for _, d := range c.Load().Diagnostics() {
		said[d.Code] = true
	}
	if !said[model.CodeServiceMissing] || !said[model.CodeAnnotationRefused] && !said[model.CodeAnnotationIgnored] {
		t.Errorf("said %v", c.Load().Diagnostics())
	}
}

// TestWebhook judges Ingresses by what is served.
func TestWebhook(t *testing.T) {
	ingress := func(name, created, path string) string {
		return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s, namespace: shop%s}\nspec:\n  ingressClassName: paifang\n"+
			"  rules: [{host: shop.test, http: {paths: [{path: %q, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}]}}]\n", name, created, path)
	}
	api := apitest.New(t)
	api.Apply("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: paifang}\nspec: {controller: paifang.dev/controller}\n---\n" +
		"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n---\n" + ingress("first", "", "/taken"))
	cert, key := pairFiles(t)
	at := free(t)
	a, _ := served(t, api, fmt.Sprintf("webhook: {address: %q, cert: %q, key: %q, deny: true}\n", at, cert, key))
	holds(t, "it is ready", func() bool { return a.hub.Ready() })
	version := a.store.Load().Version()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	ask := func(text string) string {
		object, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"request":{"uid":"u","kind":{"kind":"Ingress"},"operation":"CREATE","namespace":"shop","object":%s}}`, object)
		r, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Post("https://"+at.String()+"/validate", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		said, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(said)
	}
	const late = `, creationTimestamp: "2099-01-01T00:00:00Z"`
	for _, c := range []struct{ what, text, want string }{
		{"a good one", ingress("second", late, "/free"), `"allowed":true}`},
		{"a path that another one has", ingress("second", late, "/taken"), "duplicate-route"},
		{"a path that is none", ingress("second", late, "no/path"), `"allowed":false`},
		{"a service that is not there", strings.Replace(ingress("second", late, "/free"), "name: web", "name: other", 1), "service-missing"},
		{"another controller's", strings.Replace(ingress("second", late, "no/path"), "ingressClassName: paifang", "ingressClassName: other", 1), `"allowed":true`},
		{"the one that is there, as it is", ingress("first", "", "/taken"), `"allowed":true}`},
	} {
		if got := ask(c.text); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	if now := a.store.Load().Version(); now != version {
		t.Errorf("asking made generation %d of %d", now, version)
	}
}

// pairFiles writes a certificate and its key.
func pairFiles(t *testing.T) (cert, key string) {
	t.Helper()
	pair := certstest.New(t, "ca", nil).Server("127.0.0.1")
	raw, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
