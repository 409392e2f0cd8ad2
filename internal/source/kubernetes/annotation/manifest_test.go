package annotation_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// manifests are the objects of a case as YAML, but for the addresses of its services.
func (c *testCase) manifests() string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata:\n  name: nginx\n  annotations:\n    paifang.dev/behavior: %s\nspec:\n  controller: paifang.dev/controller\n---\n", c.class)
	for _, s := range c.allServices() {
		if s.how == "missing" {
			continue
		}
		cluster := ""
		if s.how == "cluster" {
			cluster = "  clusterIP: 127.0.0.1\n"
		}
		ports := fmt.Sprintf("  - port: %d\n", c.port(s.name))
		if s.how == "two-ports" {
			ports = "  - name: first\n    port: 80\n  - name: second\n    port: 81\n"
		}
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Service\nmetadata:\n  name: %s\n  namespace: shop\nspec:\n%s  ports:\n%s---\n", s.name, cluster, ports)
	}
	for _, g := range c.ingresses {
		b.WriteString(g.manifest(c.port))
	}
	if len(c.config) > 0 {
		b.WriteString("---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: shop\ndata:\n")
		for _, k := range c.config {
			fmt.Fprintf(&b, "  %s: %s\n", k[0], strconv.Quote(k[1]))
		}
		b.WriteString("---\n")
	}
	b.WriteString(c.yaml)
	return b.String()
}

// port is the number of a Service's port: 80, but for one with an address of its own, which is that of its only endpoint.
func (c *testCase) port(service string) uint16 {
	if p, ok := c.ports[service]; ok {
		return p
	}
	return 80
}

// allServices are those that were declared, and those that paths name, with one endpoint each.
func (c *testCase) allServices() []service {
	all := slices.Clone(c.services)
	add := func(name string) {
		if name != "" && !slices.ContainsFunc(all, func(s service) bool { return s.name == name }) {
			all = append(all, service{name: name, endpoints: 1})
		}
	}
	for _, g := range c.ingresses {
		add(g.defaults)
		for _, p := range g.paths {
			add(p[2])
		}
	}
	return all
}

func (g *ingress) manifest(port func(string) uint16) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n  namespace: shop\n", g.name)
	if len(g.annotations) > 0 {
		b.WriteString("  annotations:\n")
		for _, a := range g.annotations {
			key := a[0]
			if !strings.Contains(key, "/") {
				key = "nginx.ingress.kubernetes.io/" + key
			}
			fmt.Fprintf(&b, "    %s: %s\n", key, strconv.Quote(a[1]))
		}
	}
	b.WriteString("spec:\n  ingressClassName: nginx\n")
	backend := func(indent, service string) {
		fmt.Fprintf(&b, "%sservice:\n%s  name: %s\n%s  port:\n%s    number: %d\n", indent, indent, service, indent, indent, port(service))
	}
	if g.defaults != "" {
		b.WriteString("  defaultBackend:\n")
		backend("    ", g.defaults)
	}
	if g.tls {
		fmt.Fprintf(&b, "  tls:\n  - secretName: front\n    hosts:\n    - %q\n", g.host)
	}
	if len(g.paths) > 0 {
		b.WriteString("  rules:\n  - http:\n      paths:\n")
		for _, p := range g.paths {
			fmt.Fprintf(&b, "      - pathType: %s\n        path: %s\n        backend:\n", p[0], strconv.Quote(p[1]))
			backend("          ", p[2])
		}
		if g.host != "" {
			fmt.Fprintf(&b, "    host: %q\n", g.host)
		}
	}
	b.WriteString("---\n")
	return b.String()
}
