package translate

import (
	"cmp"
	"testing"

	"paifang/internal/model"
)

// TestSecretsOfOwnFilters: filters of routes and of locators have what is in the Secret that they name.
func TestSecretsOfOwnFilters(t *testing.T) {
	s := New(Options{Source: "test"})
	manifests(t, s, `
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: shop}
stringData: {auth: secret}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: r}
spec: {attach: [gateway], filters: [{kind: basic-auth, secret: shop/users}], respond: {status: 200}}
---
apiVersion: paifang.dev/v1
kind: Locator
metadata: {name: l}
spec: {attach: [gateway], keeper: registry, filters: [{kind: basic-auth, secret: shop/users}]}
`)
	filled := 0
	for _, g := range s.All() {
		filters := [2]string{}
		for _, r := range g.Objects.Routes {
			v, _ := r.Filters[0].Data.Get("auth")
			filters[0] = v.Reveal()
		}
		for _, l := range g.Objects.Locators {
			v, _ := l.Filters[0].Data.Get("auth")
			filters[1] = v.Reveal()
		}
		for _, v := range filters {
			if v == "secret" {
				filled++
			}
		}
	}
	if filled != 2 {
		t.Errorf("%d of 2 are filled", filled)
	}
}

// TestFiltersOfAnIngressAreConfined: its author reaches nothing on the gateway's machine, where the operator has not said so, and shares
// what is counted within his namespace only.
func TestFiltersOfAnIngressAreConfined(t *testing.T) {
	for _, c := range []struct {
		filter   string
		loopback bool
		want     string // of the configuration; empty = refused
	}{
		{`{kind: mirror, config: {targets: [{url: "http://127.0.0.1:8080{uri}"}], loopback: true}}`, false, ""},
		{`{kind: external-auth, config: {url: "http://127.0.0.1:8080", Loopback: true}}`, false, ""},
		{`{kind: external-auth, config: {url: "http://auth.test", loopback: false}}`, false, `{"loopback":false,"url":"http://auth.test"}`},
		{`{kind: external-auth, config: {url: "http://auth.test", loopback: true}}`, true, `{"loopback":true,"url":"http://auth.test"}`},
		{`{kind: circuit-breaker, config: {name: pay, minimum: 3}}`, false, `{"minimum":3,"name":"shop/pay"}`},
		{`{kind: rate-limit, config: {requests: 5, group: pub}}`, false, `{"group":"shop/pub","requests":5}`},
		{`{kind: rate-limit, config: {requests: 5, redis: {addresses: ["r:1"], outside: false}}}`, false, `{"redis":{"addresses":["r:1"],"outside":true},"requests":5}`},
		{`{kind: rate-limit, config: {requests: 5, redis: {addresses: ["r:1"], outside: false, outſide: false, OUTSIDE: false}}}`, false, `{"redis":{"addresses":["r:1"],"outside":true},"requests":5}`},
		{`{kind: rewrite-response-header, config: {name: X-A, pattern: a}}`, false, `{"name":"X-A","pattern":"a"}`},
	} {
		s := New(Options{Source: "test", TakeUnclassed: true, Loopback: c.loopback})
		manifests(t, s, `
apiVersion: v1
kind: Service
metadata: {name: order, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {paifang.dev/filters: '[`+c.filter+`]'}}
spec: {rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}]}}]}
`)
		var got []string
		for _, g := range s.All() {
			for _, r := range g.Objects.Routes {
				for _, f := range r.Filters {
					got = append(got, string(f.Config))
				}
				if _, forwards := r.Action.(model.Forward); !forwards {
					got = append(got, "refused")
				}
			}
		}
		if want := cmp.Or(c.want, "refused"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %q, want %s", c.filter, got, want)
		}
	}
}
