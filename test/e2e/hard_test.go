package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"paifang/test/e2e/bed"
)

// These tests do what people and clusters do to an ingress controller that is hard on it.

// outside runs a server that is no pod, on the machine for balancers, and returns its address.
func outside(t *testing.T, version string, port int) string {
	t.Helper()
	p := cluster.Process("outside-"+version, bed.Edge, "env", fmt.Sprint("PORT=", port), "VERSION="+version, cluster.Files.Pod)
	start(t, p)
	address := fmt.Sprintf("%s:%d", bed.EdgeAddress, port)
	answers(t, client(address, false), "http://outside.test/", 200)
	return address
}

// slice is an EndpointSlice that people write by hand.
func slice(ns, name, service, family, address string, port int, conditions string) string {
	return fmt.Sprintf("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, namespace: %s, labels: {kubernetes.io/service-name: %s}}\n"+
		"addressType: %s\nports: [{name: http, port: %d}]\nendpoints: [{addresses: [%q], conditions: {%s}}]\n---\n", name, ns, service, family, port, address, conditions)
}

// says waits until an Event about an object has a part of a text.
func says(t *testing.T, ns, ingress, part string) {
	t.Helper()
	eventually(t, 30*time.Second, "an Event of "+ingress+" says "+part, func() (bool, string) {
		said := kubectl(t, "get", "events", "-n", ns, "--field-selector=involvedObject.name="+ingress, "-o", "jsonpath={range .items[*]}{.reason}: {.message}{'\\n'}{end}")
		return strings.Contains(said, part), said
	})
}

// TestSlices has one Service with several slices, of both families, whose endpoints become ready, end, and go.
func TestSlices(t *testing.T) {
	install(t)
	ns := namespace(t, "slices")
	outside(t, "a", 19101)
	outside(t, "b", 19102)
	apply(t, "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: "+ns+"}\nspec: {ports: [{name: http, port: 80}]}\n")
	a, b := func(conditions string) {
		apply(t, slice(ns, "web-a", "web", "IPv4", bed.EdgeAddress, 19101, conditions))
	},
		func(conditions string) {
			apply(t, slice(ns, "web-b", "web", "IPv4", bed.EdgeAddress, 19102, conditions))
		}
	a("ready: true")
	b("ready: true")
	apply(t, slice(ns, "web-six", "web", "IPv6", "2001:db8::1", 19101, "ready: true")) // of the family that the Service does not name
	named := strings.Replace(ingress(ns, "web", "slices.test", "web"), "port: {number: 80}", "port: {name: http}", 1)
	apply(t, named)
	const url = "http://slices.test/"
	answers(t, client(entry(0), false), url, 200)
	both := func(seen map[string]int) bool { return len(seen) == 2 && seen["a"] > 50 && seen["b"] > 50 }
	sharedAs(t, url, "both slices are used", both)
	l := startLoad(entry(0), url, 2, true)
	l.more(t, 100)
	a("ready: false, serving: false")
	sharedAs(t, url, "one that is not ready is left out", only("b"))
	a("ready: true")
	sharedAs(t, url, "ready again", both)
	a("ready: false, serving: true, terminating: true")
	sharedAs(t, url, "one that ends is left out while another is ready", only("b"))
	b("ready: false, serving: true, terminating: true")
	sharedAs(t, url, "where all end, they are used", both)
	a("ready: true")
	sharedAs(t, url, "until one is ready", only("a"))
	kubectl(t, "delete", "endpointslice", "-n", ns, "web-b")
	l.more(t, 100)
	l.none(t, "endpoints come and go")
	kubectl(t, "delete", "endpointslice", "-n", ns, "web-a")
	eventually(t, 20*time.Second, "an address that leads nowhere is the last one, and is not answered", func() (bool, string) {
		got, err := get(client(entry(0), false), url)
		return err == nil && got.status >= 500, fmt.Sprint(got, err)
	})
}

// TestExternalName follows the names of Services of type ExternalName, and refuses those that lead inside.
func TestExternalName(t *testing.T) {
	install(t)
	ns := namespace(t, "external")
	deploy(t, ns, "web", "v1", 1)
	outside(t, "outside", 19110)
	inside := kubectl(t, "get", "service", "-n", ns, "web", "-o", "jsonpath={.spec.clusterIP}")
	pod := kubectl(t, "get", "pods", "-n", ns, "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")
	c := client(entry(0), false)
	for i, e := range []struct {
		name string
		port int
		why  string // it is refused; empty: it is served
	}{
		{bed.EdgeAddress, 19110, ""},
		{"127.0.0.1", 8088, "loopback"},
		{"localhost", 8088, "this machine itself"},
		{"169.254.169.254", 80, "link-local"},
		{inside, 80, "the address of a Service of the cluster"},
		{pod, 8080, "an endpoint of the cluster"},
		{"web." + ns + ".svc.cluster.local", 80, "a name of the cluster itself"},
	} {
		service, host := fmt.Sprint("ext-", i), fmt.Sprintf("ext-%d.external.test", i)
		apply(t, fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {type: ExternalName, externalName: %q, ports: [{port: 80, targetPort: %d}]}\n", service, ns, e.name, e.port))
		apply(t, ingress(ns, service, host, service))
		if e.why == "" {
			if a := answers(t, c, "http://"+host+"/", 200); a.header.Get("X-Version") != "outside" {
				t.Errorf("%s: %v", e.name, a)
			}
			continue
		}
		answers(t, c, "http://"+host+"/", 503)
		says(t, ns, service, e.why)
	}
}

// TestClassChange hands an Ingress over to another controller and takes it back.
func TestClassChange(t *testing.T) {
	install(t)
	ns := namespace(t, "classes")
	deploy(t, ns, "web", "v1", 1)
	apply(t, "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: foreign}\nspec: {controller: e2e.test/foreign}\n")
	t.Cleanup(func() { kubectl(t, "delete", "ingressclass", "foreign") })
	ours := ingress(ns, "web", "classes.test", "web")
	c := client(entry(0), false)
	for range 2 {
		apply(t, ours)
		answers(t, c, "http://classes.test/", 200)
		apply(t, strings.Replace(ours, "ingressClassName: paifang", "ingressClassName: foreign", 1))
		answers(t, c, "http://classes.test/", 404)
	}
	// The annotation wins over the field, as it does for ingress-nginx.
	apply(t, strings.Replace(strings.Replace(ours, "ingressClassName: paifang", "ingressClassName: foreign", 1), "annotations:\n", "annotations:\n    kubernetes.io/ingress.class: paifang\n", 1))
	answers(t, c, "http://classes.test/", 200)
}

// TestNamespaceDeleted takes a whole namespace away under an Ingress of another one that has the same host and path: that one, the
// younger, takes over.
func TestNamespaceDeleted(t *testing.T) {
	install(t)
	older, younger := "deleted", namespace(t, "stays")
	apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+older+"}\n")
	apply(t, workload(older, "web", "older", 1))
	deploy(t, younger, "web", "younger", 1)
	rolledOut(t, older, "deployment/web")
	apply(t, ingress(older, "web", "claimed.test", "web"))
	answers(t, client(entry(0), false), "http://claimed.test/", 200)
	time.Sleep(1100 * time.Millisecond) // creation times have seconds
	apply(t, ingress(younger, "web", "claimed.test", "web"))
	says(t, younger, "web", "DuplicateRoute")
	const url = "http://claimed.test/"
	if seen := shares(t, url, 20); seen["older"] != 20 {
		t.Errorf("the younger one has requests: %v", seen)
	}
	kubectl(t, "delete", "namespace", older, "--wait=false")
	eventually(t, 60*time.Second, "the younger one takes over", func() (bool, string) {
		a, err := get(client(entry(0), false), url)
		return err == nil && a.header.Get("X-Version") == "younger", fmt.Sprint(a, err)
	})
}

// TestOdd applies what is allowed and unusual.
func TestOdd(t *testing.T) {
	install(t)
	ns := namespace(t, "odd")
	deploy(t, ns, "web", "v1", 1)
	c := client(entry(0), false)
	t.Run("annotations of a quarter of a megabyte", func(t *testing.T) {
		large := strings.Repeat("x", 250<<10) // the API server takes 256 KiB in all
		err := cluster.ApplyOnServer(ingress(ns, "large", "large.odd.test", "web", "e2e.test/large", large, "nginx.ingress.kubernetes.io/app-root", "/start"))
		if err != nil {
			t.Fatal(err)
		}
		answers(t, c, "http://large.odd.test/", 302) // what stands beside it is carried out
		answers(t, c, "http://large.odd.test/start", 200)
	})
	t.Run("no rules and a default backend", func(t *testing.T) {
		apply(t, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: default, namespace: "+ns+"}\nspec: {ingressClassName: paifang, defaultBackend: {service: {name: web, port: {number: 80}}}}\n")
		answers(t, c, "http://whoever.odd.test/any", 200)
		kubectl(t, "delete", "ingress", "-n", ns, "default")
		answers(t, c, "http://whoever.odd.test/any", 404)
	})
	t.Run("a port that the Service does not have", func(t *testing.T) {
		apply(t, strings.Replace(ingress(ns, "port", "port.odd.test", "web"), "number: 80", "number: 8443", 1))
		answers(t, c, "http://port.odd.test/", 503)
		says(t, ns, "port", "8443")
	})
	t.Run("a Service that comes after its Ingress, goes and comes", func(t *testing.T) {
		apply(t, ingress(ns, "late", "late.odd.test", "late"))
		answers(t, c, "http://late.odd.test/", 503)
		for range 2 {
			deploy(t, ns, "late", "late", 1)
			answers(t, c, "http://late.odd.test/", 200)
			kubectl(t, "delete", "service", "-n", ns, "late")
			answers(t, c, "http://late.odd.test/", 503)
		}
	})
	t.Run("a Secret that is broken, then whole", func(t *testing.T) {
		apply(t, strings.Replace(ingress(ns, "tls", "tls.odd.test", "web"), "  rules:", "  tls: [{hosts: [tls.odd.test], secretName: odd-tls}]\n  rules:", 1))
		apply(t, tlsSecret(ns, "odd-tls", []byte("no certificate"), []byte("no key")))
		says(t, ns, "tls", "odd-tls")
		answers(t, c, "http://tls.odd.test/", 200)
		chain, key := certificate(t, "tls.odd.test", 4001)
		apply(t, tlsSecret(ns, "odd-tls", chain, key))
		servesCertificate(t, "tls.odd.test", 4001)
	})
	t.Run("a Secret and a Service that another namespace has", func(t *testing.T) {
		// A Secret of another namespace cannot be named at all: this one has the same name elsewhere.
		other := namespace(t, "odd-other")
		apply(t, strings.Replace(ingress(other, "thief", "thief.odd.test", "web"), "  rules:", "  tls: [{hosts: [thief.odd.test], secretName: odd-tls}]\n  rules:", 1))
		says(t, other, "thief", "odd-tls")
		if a := answers(t, c, "http://thief.odd.test/", http.StatusServiceUnavailable); a.header.Get("X-Version") != "" {
			t.Errorf("a Service of another namespace has answered: %v", a)
		}
	})
}
