package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/apitest"
)

// TestVerdictsInEveryPlace: what becomes of an annotation is said by check of files and of a cluster, in the admin API, in an Event on
// the Ingress and in what the process tells of its generations; that one is served is no Event and no news.
func TestVerdictsInEveryPlace(t *testing.T) {
	t.Parallel()
	verdicts := map[string]model.Code{
		"app-root": model.CodeAnnotationServed, "affinity": model.CodeAnnotationDiffers, "enable-modsecurity": model.CodeAnnotationIgnored,
		"server-snippet": model.CodeAnnotationRefused, "app-rot": model.CodeAnnotationUnknown,
	}
	const manifests = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations:
    nginx.ingress.kubernetes.io/app-root: /app
    nginx.ingress.kubernetes.io/app-rot: /app
    nginx.ingress.kubernetes.io/affinity: cookie
    nginx.ingress.kubernetes.io/enable-modsecurity: "true"
    nginx.ingress.kubernetes.io/server-snippet: deny all;
spec:
  ingressClassName: paifang
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: paifang}
spec: {controller: paifang.dev/controller}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
`
	field := func(name string) string { return "metadata.annotations[nginx.ingress.kubernetes.io/" + name + "]" }
	check := func(place string, all []model.Diagnostic) {
		t.Helper()
		said := map[string]model.Code{}
		for _, d := range all {
			if d.Origin.Kind == "Ingress" && d.Origin.Name == "web" && d.Message != "" {
				said[d.Field] = d.Code
			}
		}
		for name, want := range verdicts {
			if said[field(name)] != want {
				t.Errorf("%s: of %s it says %q, want %q", place, name, said[field(name)], want)
			}
		}
	}

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := Offline(t.Context(), parsed(t, fmt.Sprintf("sources: {manifests: [%q]}\ningress: {nodes: [{name: node, http: %q}]}\n", dir, free(t))), Adopt{})
	if err != nil {
		t.Fatal(err)
	}
	check("check of files", files.Load().Diagnostics())

	api := apitest.New(t)
	api.Apply(manifests)
	cluster, err := FromCluster(t.Context(), parsed(t, fmt.Sprintf("sources: {kubernetes: {kubeconfig: %q}}\ningress: {nodes: [{name: node, http: %q}]}\n", api.Kubeconfig(), free(t))))
	if err != nil {
		t.Fatal(err)
	}
	check("check of a cluster", cluster.Load().Diagnostics())

	admin := free(t)
	a, err := New(parsed(t, fmt.Sprintf("admin: {address: %q}\nsources: {kubernetes: {kubeconfig: %q, publish: {addresses: [192.0.2.1]}}}\ningress: {nodes: [{name: node, http: %q}]}\ndrain: 100ms\n",
		admin, api.Kubeconfig(), free(t))), Options{Name: "serve", Tell: true})
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
	defer func() { cancel(); running.Wait() }()
	holds(t, "the cluster is served", a.hub.Ready)

	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://" + admin.String() + "/api/v1/diagnostics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var view struct {
		Items []model.Diagnostic `json:"items"`
	}
	if err := json.NewDecoder(r.Body).Decode(&view); err != nil || r.StatusCode != 200 {
		t.Fatalf("%s: %v", r.Status, err)
	}
	check("the admin API", view.Items)

	var told strings.Builder
	var events map[string]bool
	holds(t, "the verdicts that are news are Events, and told", func() bool {
		for more := true; more; {
			select {
			case e := <-a.Events():
				told.WriteString(e.Text + "\n")
			default:
				more = false
			}
		}
		events = map[string]bool{}
		for _, e := range api.List("v1", "events") {
			about := e["involvedObject"].(map[string]any)
			if about["kind"] == "Ingress" && about["namespace"] == "shop" && about["name"] == "web" {
				events[e["message"].(string)] = true
			}
		}
		return len(events) >= len(verdicts)-1
	})
	for name, code := range verdicts {
		news := code != model.CodeAnnotationServed
		if said := strings.Contains(told.String(), string(code)+": Ingress shop/web "+field(name)+": "); said != news {
			t.Errorf("of %s is told: %t\n%s", name, said, &told)
		}
		said := false
		for message := range events {
			said = said || strings.Contains(message, field(name)+":")
		}
		if said != news {
			t.Errorf("of %s there is an Event: %t: %v", name, said, events)
		}
	}
}
