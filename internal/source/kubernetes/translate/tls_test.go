package translate

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestSecretThatBreaks: a Secret that cannot be used any more costs nobody a certificate, one that is deleted does.
func TestSecretThatBreaks(t *testing.T) {
	chain, key := keyPEM(t)
	next, nextKey := keyPEM(t)
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` }
	secret := func(chain, key string) string {
		return "apiVersion: v1\nkind: Secret\nmetadata: {name: shop-tls, namespace: shop}\ntype: kubernetes.io/tls\nstringData: {tls.crt: " + quote(chain) + ", tls.key: " + quote(key) + "}\n"
	}
	s := New(Options{Source: "test", TakeUnclassed: true, Installed: &Installed{}})
	s.opt.Installed.DefaultCertificate = "shop/shop-tls"
	manifests(t, s, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: shop
  annotations: {nginx.ingress.kubernetes.io/proxy-ssl-secret: shop/shop-tls, nginx.ingress.kubernetes.io/backend-protocol: HTTPS}
spec:
  tls: [{hosts: [shop.test], secretName: shop-tls}]
  rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: paifang.dev/v1
kind: Certificate
metadata: {name: c}
spec: {attach: [gateway], hosts: [g.test], secret: shop/shop-tls}
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: u}
spec: {tls: {mode: always, clientSecret: shop/shop-tls}}
`)
	// Each user of the Secret has this chain, and what is said about them has these words.
	check := func(when, want, says string) {
		t.Helper()
		got, said := map[string]string{}, map[string]int{}
		for _, g := range s.All() {
			for _, c := range g.Objects.Certificates {
				got[string(c.ID)] = c.Chain
			}
			for _, u := range g.Objects.Upstreams {
				got["upstream "+string(u.ID)] = u.TLS.Chain
			}
			for _, d := range g.Objects.Diagnostics {
				if d.Code == model.CodeSecretInvalid || d.Code == model.CodeSecretMissing {
					said[d.Origin.Kind]++
					if says == "" || !strings.Contains(d.Message, says) {
						t.Errorf("%s: %s", when, d)
					}
				}
			}
		}
		for _, id := range []string{"secret/shop/shop-tls", "c", "installation/default-ssl-certificate", "upstream u", "upstream kubernetes/shop/web:80@web"} {
			if got[id] != want {
				t.Errorf("%s: %s has %.40q", when, id, got[id])
			}
		}
		if users := len(said); (users > 0) != (says != "") {
			t.Errorf("%s: said of %v", when, said)
		}
	}
	put := func(text string) { manifests(t, s, text) }
	put(secret(chain, key))
	check("good", chain, "")
	put(secret(chain, nextKey))
	check("the key does not fit", chain, "the last good certificate stays in effect")
	put(secret(chain, ""))
	check("and then there is none", chain, "the last good certificate stays in effect")
	put(secret("no PEM", key))
	check("and then it is text", chain, "the last good certificate stays in effect")
	put(secret(next, nextKey))
	check("mended", next, "")
	put(secret(next, key))
	check("broken again", next, "the last good certificate stays in effect")
	s.Delete(Key{KindSecret, "shop", "shop-tls"})
	check("deleted", "", "does not exist")
	put(secret(next, key))
	check("broken from the start", "", "do not load")
	if len(s.pairs) != 0 {
		t.Errorf("%d pairs are kept for nobody", len(s.pairs))
	}
}

// TestCertificateOfItsOwnNames: under ingress-nginx a host that the section on TLS does not name has the first certificate of its Ingress
// that is for it, and is sent to https whether there is one or not.
func TestCertificateOfItsOwnNames(t *testing.T) {
	chain, key := keyPEM(t)
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` }
	objects := `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: nginx
  tls:
  - {hosts: ["*.shop.test"], secretName: missing}
  - {hosts: [bare.shop.test]}
  - {hosts: [other.test], secretName: shop-tls}
  - {hosts: [other.test], secretName: again-tls}
  rules:
  - {host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
  - {host: elsewhere.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
`
	for _, name := range []string{"shop-tls", "again-tls"} {
		objects += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: " + name + ", namespace: shop}\ntype: kubernetes.io/tls\nstringData: {tls.crt: " + quote(chain) + ", tls.key: " + quote(key) + "}\n"
	}
	for _, c := range []struct{ behavior, shop, again, sent string }{
		{behaviorNginx, "other.test shop.test", "other.test", "elsewhere.test shop.test"},
		{behaviorSpec, "other.test", "other.test", ""},
	} {
		s := New(Options{Source: "test", Controller: "paifang.dev/controller"})
		manifests(t, s, "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx, annotations: {paifang.dev/behavior: "+c.behavior+"}}\nspec: {controller: paifang.dev/controller}\n---\n"+objects)
		got := map[string]string{}
		var sent []string
		for _, g := range s.All() {
			for _, crt := range g.Objects.Certificates {
				var hosts []string
				for _, h := range crt.Hosts {
					hosts = append(hosts, string(h))
				}
				slices.Sort(hosts)
				got[crt.Secret] = strings.Join(hosts, " ")
			}
			for _, r := range g.Objects.Routes {
				if slices.ContainsFunc(r.Filters, func(f model.FilterSpec) bool { return f.Kind == "redirect" }) {
					sent = append(sent, string(r.Hosts[0]))
				}
			}
		}
		slices.Sort(sent)
		if got["shop/shop-tls"] != c.shop || got["shop/again-tls"] != c.again || strings.Join(sent, " ") != c.sent {
			t.Errorf("%s: certificates %v, sent to https: %v", c.behavior, got, sent)
		}
	}
}
