package translate

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/installation"
)

// TestPassthroughIsTold: what becomes of ssl-passthrough is said of each host, and that it is off where it is.
func TestPassthroughIsTold(t *testing.T) {
	const text = `apiVersion: v1
kind: Service
metadata: {name: pay, namespace: shop}
spec: {ports: [{port: 443}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: shop, annotations: {nginx.ingress.kubernetes.io/ssl-passthrough: "true"}}
spec:
  ingressClassName: nginx
  rules:
  - {host: pay.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: pay, port: {number: 443}}}}]}}
  - {host: lost.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: none, port: {number: 443}}}}]}}
  - {host: deep.test, http: {paths: [{path: /deep, pathType: Prefix, backend: {service: {name: pay, port: {number: 443}}}}]}}
  - {host: '*.wild.test', http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: pay, port: {number: 443}}}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: b, namespace: shop, annotations: {nginx.ingress.kubernetes.io/ssl-passthrough: "true"}}
spec:
  ingressClassName: nginx
  rules: [{host: pay.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: pay, port: {number: 443}}}}]}}]
`
	for _, on := range []bool{true, false} {
		flags := installation.NoFlags()
		flags.Passthrough = on
		s := New(Options{Source: "test", Slices: true, Installed: &Installed{Flags: flags}})
		putAll(t, s, "all.yaml", []byte(text))
		var routes, said []string
		for _, g := range s.All() {
			for _, r := range g.Objects.L4Routes {
				routes = append(routes, string(r.ID)+" "+string(r.ServerNames[0])+" "+string(r.Upstream))
			}
			for _, d := range g.Objects.Diagnostics {
				if strings.HasSuffix(d.Field, "ssl-passthrough]") {
					said = append(said, d.Origin.Name+" "+string(d.Code)+" "+d.Severity.String())
				}
			}
		}
		slices.Sort(said)
		wantRoutes := []string{"ingress/shop/a/passthrough/pay.test pay.test kubernetes/shop/pay:443"}
		wantSaid := []string{"a " + string(model.CodeAnnotationDiffers) + " warning", "a " + string(model.CodeAnnotationServed) + " info", "a invalid error", "a upstream-missing error",
			"b " + string(model.CodeAnnotationDiffers) + " warning"}
		if !on {
			wantRoutes, wantSaid = nil, []string{"a annotation-ignored warning", "b annotation-ignored warning"}
		}
		if !slices.Equal(routes, wantRoutes) || !slices.Equal(said, wantSaid) {
			t.Errorf("on %v: %q, %q", on, routes, said)
		}
	}
}
