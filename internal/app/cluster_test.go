package app

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
			out = append(out, e.Addr.String()+" "+e.State.String())
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	for _, c := range []struct{ what, apply, want string }{
		{"both take connections", "", "127.0.0.31:80 ready, 127.0.0.32:80 ready"},
		{"a cordoned one drains", node("one", "127.0.0.31", "True", "unschedulable: true"), "127.0.0.31:80 draining, 127.0.0.32:80 ready"},
		{"uncordoned, it is back", node("one", "127.0.0.31", "True", ""), "127.0.0.31:80 ready, 127.0.0.32:80 ready"},
		{"one that is not ready is out", node("two", "127.0.0.32", "Unknown", ""), "127.0.0.31:80 ready, 127.0.0.32:80 unhealthy"},
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
