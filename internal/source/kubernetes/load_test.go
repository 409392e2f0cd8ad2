package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/apitest"
)

// TestLoad reads a cluster of ingress-nginx once: its classes are taken over, referenced Secrets are read, nothing is written.
func TestLoad(t *testing.T) {
	chain, key := keyPair(t, "shop.test")
	api := apitest.New(t)
	api.Apply(strings.ReplaceAll(cluster, "ingressClassName: paifang", "ingressClassName: public"))
	api.Apply("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: public}\nspec: {controller: k8s.io/ingress-nginx}\n")
	api.Apply(strings.NewReplacer("name: web, namespace: shop,", "name: old, namespace: shop, annotations: {kubernetes.io/ingress.class: nginx},", "  ingressClassName: paifang\n", "").Replace(web))
	api.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: shop-tls, namespace: shop}\ntype: Opaque\ndata: {tls.crt: " + chain + ", tls.key: " + key + "}\n")
	client, err := Connect(Access{Kubeconfig: api.Kubeconfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	groups, err := Load(t.Context(), Options{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	certificates := 0
	for _, g := range groups {
		for _, r := range g.Objects.Routes {
			routes = append(routes, string(r.ID))
		}
		certificates += len(g.Objects.Certificates)
	}
	slices.Sort(routes)
	if want := []string{"ingress/shop/old/0/0", "ingress/shop/web/0/0"}; !slices.Equal(routes, want) || certificates != 1 {
		t.Errorf("routes %v and %d certificates, want %v and 1", routes, certificates, want)
	}
	for kind := range api.Requests() {
		if !strings.HasPrefix(kind, "list") && !strings.HasPrefix(kind, "get") {
			t.Errorf("it asked for %s", kind)
		}
	}
	api.Refuse("list secrets", 403)
	if _, err := Load(t.Context(), Options{Client: client}); err == nil || !strings.Contains(err.Error(), "secrets") {
		t.Errorf("without the right to list secrets: %v", err)
	}
}
