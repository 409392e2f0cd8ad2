package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/apitest"
)

// leads are the addresses that a path of shop.test leads to: from its route to the upstream, its list, and the endpoints of that.
func (f *follower) leads(path string) string {
	var upstreams []model.UpstreamID
	for _, o := range f.groups {
		for _, r := range o.Routes {
			if forward, ok := r.Action.(model.Forward); ok && r.Match.Path.Value == path {
				for _, target := range forward.Targets {
					upstreams = append(upstreams, target.Upstream)
				}
			}
		}
	}
	var lists []model.EndpointsID
	for _, o := range f.groups {
		for _, u := range o.Upstreams {
			if slices.Contains(upstreams, u.ID) {
				lists = append(lists, u.Endpoints...)
			}
		}
	}
	var out []string
	for _, o := range f.groups {
		for _, s := range o.Endpoints {
			if slices.Contains(lists, s.List) {
				for _, e := range s.Endpoints {
					out = append(out, e.Addr.String())
				}
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestTwoPortsOfOneSlice: one EndpointSlice has both ports of a Service, of which an Ingress names one by number and the other by
// name; each path leads to the port of its own, and goes on doing so while the slice changes.
func TestTwoPortsOfOneSlice(t *testing.T) {
	const slice = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {name: admin, port: 9090}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]
`
	api := apitest.New(t)
	api.Apply(`
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: paifang}
spec: {controller: paifang.dev/controller}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: main}, {name: admin, port: 9000, targetPort: 9090}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: paifang
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /admin, pathType: Prefix, backend: {service: {name: web, port: {name: admin}}}}
      - {path: /number, pathType: Prefix, backend: {service: {name: web, port: {number: 9000}}}}
---` + slice)
	f := follow(t, api, nil)
	each := func(what, main, admin string) {
		t.Helper()
		f.until(what, func() bool { return f.leads("/") == main && f.leads("/admin") == admin && f.leads("/number") == admin })
	}
	each("each path leads to its port", "10.0.0.1:8080", "10.0.0.1:9090")
	moved := strings.Replace(slice, "port: 8080", "port: 8081", 1)
	api.Apply(moved) // a rolling update of a Deployment whose port with the name main is another
	each("one of them moves", "10.0.0.1:8081", "10.0.0.1:9090")
	api.Apply(strings.Replace(moved, "[{addresses: [10.0.0.1],", "[{addresses: [10.0.0.2]}, {addresses: [10.0.0.1],", 1))
	each("both get an address", "10.0.0.1:8081 10.0.0.2:8081", "10.0.0.1:9090 10.0.0.2:9090")
	api.Apply(strings.Replace(moved, ", {name: admin, port: 9090}", "", 1))
	each("one of them goes", "10.0.0.1:8081", "")
}
