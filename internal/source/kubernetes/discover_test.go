package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/apitest"
)

const controllerOfNginx = `apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: ingress-nginx}
spec:
  template:
    spec:
      containers:
      - name: sidecar
        image: registry.test/logs:1
      - name: controller
        image: registry.k8s.io/ingress-nginx/controller:v1.12.0@sha256:0123
        args:
        - /nginx-ingress-controller
        - --configmap=$(POD_NAMESPACE)/settings
        - --default-ssl-certificate=$(POD_NAMESPACE)/wildcard
        - --annotations-prefix=old.example.com
        - --enable-magic
`

const settingsOfNginx = `apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: ingress-nginx}
data: {http-redirect-code: "301", worker-processes: "4"}
`

// about are the diagnostics of some groups on an object, as "severity code field".
func about(groups []source.Group, object string) []string {
	var out []string
	for _, g := range groups {
		for _, d := range g.Objects.Diagnostics {
			if d.Origin.Object() == object {
				out = append(out, strings.TrimSpace(d.Severity.String()+" "+string(d.Code)+" "+d.Field))
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestLoadFindsTheController reads an installation from its Deployment alone: its flags and keys have verdicts and their effect,
// and its default certificate is read from the cluster.
func TestLoadFindsTheController(t *testing.T) {
	chain, key := keyPair(t, "shop.test")
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: public}\nspec: {controller: k8s.io/ingress-nginx}\n")
	api.Apply(strings.NewReplacer("name: web, namespace: shop,", "name: old, namespace: shop, annotations: {old.example.com/force-ssl-redirect: \"true\"},",
		"ingressClassName: paifang", "ingressClassName: public").Replace(web))
	api.Apply(controllerOfNginx)
	api.Apply(settingsOfNginx)
	api.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: wildcard, namespace: ingress-nginx}\ntype: kubernetes.io/tls\ndata: {tls.crt: " + chain + ", tls.key: " + key + "}\n")
	client, err := Connect(Access{Kubeconfig: api.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	load := func(o Options) []source.Group {
		t.Helper()
		o.Client = client
		groups, err := Load(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return groups
	}
	groups := load(Options{})
	wantFlags := []string{"info setting-served --annotations-prefix", "info setting-served --configmap", "info setting-served --default-ssl-certificate", "warning setting-unknown --enable-magic"}
	if got := about(groups, "Deployment ingress-nginx/controller"); !slices.Equal(got, wantFlags) {
		t.Errorf("of its flags it says %q, want %q", got, wantFlags)
	}
	wantKeys := []string{"info setting-served data.http-redirect-code", "warning setting-ignored data.worker-processes"}
	if got := about(groups, "ConfigMap ingress-nginx/settings"); !slices.Equal(got, wantKeys) {
		t.Errorf("of its keys it says %q, want %q", got, wantKeys)
	}
	redirects, certificates := 0, 0
	for _, g := range groups {
		for _, c := range g.Objects.Certificates {
			if c.Secret == "ingress-nginx/wildcard" && slices.Equal(c.Hosts, []model.Host{""}) {
				certificates++
			}
		}
		for _, r := range g.Objects.Routes {
			for _, f := range r.Filters {
				if strings.Contains(string(f.Config), "301") {
					redirects++
				}
			}
		}
	}
	if redirects == 0 || certificates != 1 {
		t.Errorf("%d redirects with the code of the ConfigMap and %d default certificates, want some and 1", redirects, certificates)
	}

	api.Apply(strings.NewReplacer("kind: Deployment", "kind: DaemonSet", "name: controller, namespace", "name: second, namespace", "--enable-magic", "--v=3").Replace(controllerOfNginx))
	groups = load(Options{})
	if got := about(groups, "DaemonSet ingress-nginx/second"); !slices.Contains(got, "warning setting-ignored --v") || !slices.Contains(got, "warning unsupported") {
		t.Errorf("of a second controller it says %q", got)
	}
	if got := about(groups, "Deployment ingress-nginx/controller"); !slices.Contains(got, "warning setting-unknown --enable-magic") {
		t.Errorf("of the first of two it says %q", got)
	}

	api.Refuse("list deployments", 403)
	if got := about(load(Options{}), "Deployment"); !slices.Equal(got, []string{"warning unsupported"}) {
		t.Errorf("without the right to list Deployments it says %q", got)
	}
	api.Refuse("list daemonsets", 500)
	if _, err := Load(t.Context(), Options{Client: client}); err == nil || !strings.Contains(err.Error(), "daemonsets") {
		t.Errorf("a server that fails: %v", err)
	}
}
