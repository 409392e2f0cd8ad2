package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/apitest"
	"paifang/internal/source/kubernetes/installation"
	"paifang/internal/source/kubernetes/translate"
)

// TestInstallationIsFollowed: the ConfigMap and the default certificate of an installation are read from the API server although
// they are in a namespace that is not read otherwise, and changes of both arrive.
func TestInstallationIsFollowed(t *testing.T) {
	chain, key := keyPair(t, "shop.test")
	other, otherKey := keyPair(t, "other.test")
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: wildcard, namespace: ingress-nginx}\ntype: kubernetes.io/tls\ndata: {tls.crt: CHAIN, tls.key: KEY}\n"
	api := apitest.New(t)
	api.Apply(cluster)
	api.Apply("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: public}\nspec: {controller: k8s.io/ingress-nginx}\n")
	api.Apply(strings.NewReplacer("name: web, namespace: shop,", "name: old, namespace: shop, annotations: {nginx.ingress.kubernetes.io/force-ssl-redirect: \"true\"},",
		"ingressClassName: paifang", "ingressClassName: public").Replace(web))
	api.Apply(settingsOfNginx)
	flags, found := installation.Args([]string{"--configmap=$(POD_NAMESPACE)/settings", "--default-ssl-certificate=$(POD_NAMESPACE)/wildcard"}, "ingress-nginx")
	f := follow(t, api, func(o *Options) {
		o.Namespaces = []string{"shop"}
		o.Translate.Installed = &translate.Installed{Flags: flags, Findings: found}
	})
	redirects := func(code string) bool {
		for _, g := range f.groups {
			for _, r := range g.Routes {
				if strings.Contains(string(r.ID), "shop/old/") && slices.ContainsFunc(r.Filters, func(s model.FilterSpec) bool { return strings.Contains(string(s.Config), code) }) {
					return true
				}
			}
		}
		return false
	}
	served := func() (chain string) {
		for _, g := range f.groups {
			for _, c := range g.Certificates {
				if c.Secret == "ingress-nginx/wildcard" && slices.Equal(c.Hosts, []model.Host{""}) {
					chain = string(c.Chain)
				}
			}
		}
		return chain
	}
	f.until("the code of the ConfigMap", func() bool { return redirects("301") })
	f.until("the fault of a certificate that is not there", func() bool {
		for _, g := range f.groups {
			for _, d := range g.Diagnostics {
				if d.Field == "--default-ssl-certificate" && d.Severity == model.Error {
					return true
				}
			}
		}
		return false
	})
	api.Apply(strings.NewReplacer("CHAIN", chain, "KEY", key).Replace(secret))
	var first string
	f.until("the default certificate", func() bool { first = served(); return first != "" })
	api.Apply(strings.NewReplacer("CHAIN", other, "KEY", otherKey).Replace(secret))
	f.until("another default certificate", func() bool { now := served(); return now != "" && now != first })

	api.Apply(strings.Replace(settingsOfNginx, "301", "302", 1))
	f.until("another code", func() bool { return redirects("302") && !redirects("301") })
	api.Delete("v1", "configmaps", "ingress-nginx", "settings")
	f.until("the default code", func() bool { return !redirects("302") && redirects("308") })
}
