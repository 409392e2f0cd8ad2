package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/apitest"
)

func namespace(name, team string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {team: %s}}\n", name, team)
}

func selecting(o *Options) { o.NamespaceSelector = "team=shop" }

// TestNamespacesByLabel: a namespace is served from when it has the labels to when it does not, and of others nothing is read.
func TestNamespacesByLabel(t *testing.T) {
	other := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(text, "shop", "depot"), "10.0.0.1", "10.0.0.2")
	}
	api := apitest.New(t)
	api.Apply(cluster + "\n---\n" + other(web) + "\n---\n" + other(slice1) + "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: depot}\nspec: {ports: [{name: http, port: 80}]}\n")
	api.Apply(namespace("shop", "shop"))
	api.Apply(namespace("depot", "other"))
	f := follow(t, api, selecting)
	served := func(want ...string) func() bool {
		return func() bool {
			var got []string
			for _, r := range f.routes() {
				got = append(got, strings.Split(r, "/")[1])
			}
			return slices.Equal(got, want)
		}
	}
	f.until("the namespace with the label is served", func() bool { return f.fulls == 1 && served("shop")() && f.addresses() == "10.0.0.1:8080 ready" })
	f.until("no word of the other", func() bool { return f.groups["endpoints/depot/web"] == nil })
	api.Apply(namespace("depot", "shop"))
	f.until("one that gains the label is", func() bool {
		return served("depot", "shop")() && f.groups["endpoints/depot/web"] != nil
	})
	if f.said(model.CodeServiceMissing) {
		t.Error("an Ingress was heard of before its Service")
	}
	api.Apply(namespace("shop", "other"))
	f.until("one that loses it is not", func() bool { return served("depot")() && f.groups["endpoints/shop/web"] == nil })
	api.Apply(strings.Replace(web, "path: /,", "path: /next,", 1))
	api.Apply(strings.Replace(other(web), "path: /,", "path: /next,", 1))
	f.until("the other goes on", func() bool {
		g := f.groups["ingress/depot.test/depot/web"]
		return g != nil && g.Routes[0].Match.Path.Value == "/next" && served("depot")()
	})
	api.Apply(namespace("shop", "shop"))
	f.until("it comes back as it is now", func() bool {
		g := f.groups["ingress/shop.test/shop/web"]
		return g != nil && g.Routes[0].Match.Path.Value == "/next" && served("depot", "shop")()
	})
	api.Delete("v1", "namespaces", "", "depot")
	f.until("one that is deleted is not", served("shop"))
	if f.fulls != 1 {
		t.Errorf("%d listings", f.fulls)
	}
}

// TestNamespacesChangeWhileAway: labels that changed while the API server was away are known when it is back.
func TestNamespacesChangeWhileAway(t *testing.T) {
	t.Parallel()
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply(namespace("shop", "shop"))
	f := follow(t, api, selecting)
	f.until("it is served", func() bool { return f.fulls == 1 && len(f.routes()) == 1 })
	api.Down()
	f.until("the source is red", func() bool { return f.failed != nil })
	api.Apply(namespace("shop", "other"))
	api.Up()
	f.until("it is not served any more", func() bool { return f.fulls == 2 && len(f.routes()) == 0 })
}

// TestNamespacesByLabelOnce: so does a look at a cluster from outside.
func TestNamespacesByLabelOnce(t *testing.T) {
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply(namespace("shop", "shop"))
	client, err := Connect(Access{Kubeconfig: api.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	groups, err := Load(t.Context(), Options{Client: client, NamespaceSelector: "team=shop"})
	if err != nil || !slices.ContainsFunc(groupKeys(groups), func(k string) bool { return k == "ingress/shop.test/shop/web" }) {
		t.Errorf("%v %q", err, groupKeys(groups))
	}
	if _, err := Load(t.Context(), Options{Client: client, NamespaceSelector: "team=nobody"}); err == nil {
		t.Error("no namespace has the labels, and that is no error")
	}
}

func groupKeys(all []source.Group) []string {
	var out []string
	for _, g := range all {
		out = append(out, g.Key)
	}
	return out
}

const fleet = `
apiVersion: v1
kind: Node
metadata: {name: a}
status: {addresses: [{type: InternalIP, address: 10.1.0.1}, {type: ExternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: b}
status: {addresses: [{type: InternalIP, address: 10.1.0.2}]}
---
` + podOn + `
---
apiVersion: v1
kind: Pod
metadata: {name: pod-c, namespace: paifang-system, labels: {app.kubernetes.io/name: another}}
spec: {nodeName: c}
status: {phase: Running, hostIP: 10.1.0.3}
`

const podOn = `
apiVersion: v1
kind: Pod
metadata: {name: pod-a, namespace: paifang-system, labels: {app.kubernetes.io/name: paifang}}
spec: {nodeName: a}
status: {phase: Running, hostIP: 10.1.0.1}
`

// TestStatusFromNodes: Ingresses show the Nodes that pods of the controller run on.
func TestStatusFromNodes(t *testing.T) {
	for _, c := range []struct {
		nodes       NodeAddress
		first, both string
	}{{NodeInternal, "10.1.0.1", "10.1.0.1,10.1.0.2"}, {NodeExternal, "192.0.2.1", "10.1.0.2,192.0.2.1"}} {
		t.Run(string(c.nodes), func(t *testing.T) {
			api := apitest.New(t)
			api.Apply(cluster + "\n---\n" + fleet)
			follow(t, api, func(o *Options) {
				writer(o)
				o.Publish = Publish{Nodes: c.nodes}
			})
			eventually(t, "the first node is shown", func() bool { return shows(api, "web") == c.first })
			second := strings.NewReplacer("pod-a", "pod-b", "nodeName: a", "nodeName: b", "10.1.0.1", "10.1.0.2").Replace(podOn)
			api.Apply(strings.Replace(second, "Running", "Pending", 1))
			api.Apply(second)
			eventually(t, "the second is", func() bool { return shows(api, "web") == c.both })
			api.Delete("v1", "pods", "paifang-system", "pod-b")
			eventually(t, "it is not any more", func() bool { return shows(api, "web") == c.first })
			if n := api.Requests()["list nodes"]; (n > 0) != (c.nodes == NodeExternal) {
				t.Errorf("Nodes are listed %d times", n)
			}
		})
	}
}

// TestStatusFromNodesRefused: without the right to see pods everything is served, and that no status is written is told.
func TestStatusFromNodesRefused(t *testing.T) {
	t.Parallel()
	api := apitest.New(t)
	api.Refuse("list pods", 403)
	api.Apply(cluster + "\n---\n" + fleet)
	f := follow(t, api, func(o *Options) {
		writer(o)
		o.Publish = Publish{Nodes: NodeInternal}
	})
	f.until("it is served", func() bool { return f.fulls == 1 && len(f.routes()) == 1 })
	told := func() bool {
		return slices.ContainsFunc(f.source.Diagnostics(), func(d model.Diagnostic) bool {
			return d.Code == model.CodeStatusUnknown && strings.Contains(d.Message, "pods in paifang-system")
		})
	}
	eventually(t, "it is told", told)
	api.Refuse("list pods", 0)
	eventually(t, "the node is shown", func() bool { return shows(api, "web") == "10.1.0.1" && !told() })
}
