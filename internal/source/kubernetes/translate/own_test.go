package translate

import "testing"

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
