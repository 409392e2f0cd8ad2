package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// asked is a GET of a path, with nothing else to it.
type asked struct {
	snapshot.Request
	path string
}

func (a asked) LookupMethod() string                                   { return "GET" }
func (a asked) LookupPath() string                                     { return a.path }
func (a asked) LookupValue(snapshot.Place, string, int) (string, bool) { return "", false }

// TestPrecedenceBetweenKinds holds what ARCHITECTURE.md says under "One order, written once": whose route answers where rules of several
// kinds claim a place.
func TestPrecedenceBetweenKinds(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := func(name, class, path, more string) string {
		return fmt.Sprintf("---\napiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: %s}\nspec:\n  attach: [%s]\n  match: {path: {kind: Prefix, value: %s}}\n  respond: {status: 204}\n%s", name, class, path, more)
	}
	ingress := func(name, path string) string {
		return "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: " + name + ", creationTimestamp: '2020-01-01T00:00:00Z'}\nspec: {rules: [{http: {paths: [{path: " + path +
			", pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}\n"
	}
	spring := func(id string, order int, path string) string {
		return fmt.Sprintf("      - id: %s\n        uri: http://127.0.0.1:1\n        order: %d\n        predicates: ['Path=%s']\n", id, order, path)
	}
	rules := write("rules.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"+
		own("own", "ingress", "/same", "")+ingress("older", "/same")+
		own("yields", "ingress", "/yields", "  priority: 11\n")+ingress("taken", "/yields")+
		own("broad", "ingress", "/narrow", "")+ingress("narrow", "/narrow/er")+
		own("own-gateway", "gateway", "/same", "")+own("own-ranked", "gateway", "/ranked", "")+own("own-narrow", "gateway", "/wide/er", "")+
		own("own-last", "gateway", "/last", "  rank: {order: 5}\n"))
	routes := write("routes.yaml", "spring:\n  cloud:\n    gateway:\n      routes:\n"+
		spring("zero", 0, "/same/**")+spring("first", -1, "/ranked/**")+spring("wide", 0, "/wide/**")+spring("before", 4, "/last/**"))
	c, err := Offline(t.Context(), parsed(t, fmt.Sprintf("sources: {manifests: [%q], routes: [%q]}\ningress: {nodes: [{name: node, http: %q}]}\ngateway: {http: %q, service: '-'}\n",
		rules, routes, free(t), free(t))), Adopt{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct{ class, path, want, why string }{
		{"ingress", "/same", "own", "our own documents stand before Ingresses, however old"},
		{"ingress", "/yields", "ingress/default/taken/0/0", "unless their priority is more than that of Ingresses"},
		{"ingress", "/narrow/er", "ingress/default/narrow/0/0", "what is more specific goes before what kind it is"},
		{"gateway", "/same", "own-gateway", "our own documents stand before Spring's routes of order 0 and more"},
		{"gateway", "/ranked", "springgw/first", "an order below 0 stands before everything"},
		{"gateway", "/wide/er", "own-narrow", "and one of 0 after it"},
		{"gateway", "/last", "springgw/before", "a document that has a rank stands in Spring's order"},
	} {
		found, ok := snapshot.Find(c.Load().Site(model.Class(w.class)), model.HostFalls, "any.test", asked{path: w.path})
		if !ok || string(found.Route.ID) != w.want {
			t.Errorf("%s %s: %v, want %s: %s", w.class, w.path, found.Route, w.want, w.why)
		}
	}
}
