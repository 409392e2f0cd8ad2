package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// These tests write what other controllers write, in their words: cert-manager, external-dns, Argo Rollouts and Flagger. All of them
// are made for ingress-nginx, so their objects are of its class, which is taken over as it stands.

// nginxClass is the IngressClass that ingress-nginx's chart makes. Who installs beside it finds it there.
const nginxClass = `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
`

func ofNginx(yaml string) string {
	return strings.Replace(yaml, "ingressClassName: paifang", "ingressClassName: nginx", 1)
}

// shares asks many times and counts the answers by version.
func shares(t *testing.T, url string, times int, fields ...string) map[string]int {
	t.Helper()
	c := client(entry(0), true)
	defer c.CloseIdleConnections()
	seen := map[string]int{}
	for range times {
		a, err := get(c, url, fields...)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: %d %v", url, a.status, err)
		}
		seen[a.header.Get("X-Version")]++
	}
	return seen
}

// sharedAs waits until requests come to versions as they should.
func sharedAs(t *testing.T, url string, what string, holds func(map[string]int) bool, fields ...string) {
	t.Helper()
	eventually(t, 20*time.Second, what, func() (bool, string) {
		seen := shares(t, url, 200, fields...)
		return holds(seen), fmt.Sprint(seen)
	})
}

func only(version string) func(map[string]int) bool {
	return func(seen map[string]int) bool { return len(seen) == 1 && seen[version] > 0 }
}

// twoVersions deploys web and web-canary, and the main Ingress.
func twoVersions(t *testing.T, name, host string) string {
	t.Helper()
	install(t)
	apply(t, nginxClass)
	ns := namespace(t, name)
	apply(t, workload(ns, "web", "v1", 1))
	deploy(t, ns, "web-canary", "v2", 1)
	rolledOut(t, ns, "deployment/web")
	apply(t, ofNginx(ingress(ns, "web", host, "web")))
	answers(t, client(entry(0), false), "http://"+host+"/", 200)
	return ns
}

// TestArgoRollouts sets weights as Argo Rollouts does: it creates ROLLOUT-INGRESS-canary with an owner, and merge-patches its
// annotations.
func TestArgoRollouts(t *testing.T) {
	ns := twoVersions(t, "argo", "argo.test")
	apply(t, fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web-web-canary
  namespace: %s
  annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "0"}
  ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: web, uid: 1f3c9b52-5b7e-4f3e-9f25-0d8a6f1f0a11, controller: true, blockOwnerDeletion: true}]
spec:
  ingressClassName: nginx
  rules: [{host: argo.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web-canary, port: {number: 80}}}}]}}]
`, ns))
	const url = "http://argo.test/"
	l := startLoad(entry(1), url, 1, true)
	weight := func(w string) {
		t.Helper()
		kubectl(t, "patch", "ingress", "-n", ns, "web-web-canary", "--type=merge", "-p", `{"metadata":{"annotations":{"nginx.ingress.kubernetes.io/canary-weight":"`+w+`"}}}`)
	}
	sharedAs(t, url, "weight 0", only("v1"))
	weight("20")
	sharedAs(t, url, "weight 20", func(seen map[string]int) bool { return seen["v2"] > 0 && seen["v1"] > seen["v2"] })
	if seen := shares(t, url, 1000); seen["v2"] < 140 || seen["v2"] > 260 {
		t.Errorf("weight 20: %v", seen)
	}
	weight("100")
	sharedAs(t, url, "weight 100", only("v2"))
	weight("0")
	sharedAs(t, url, "weight 0 again", only("v1"))
	l.none(t, "weights are patched")
}

// TestFlagger shifts traffic as Flagger does, then compares by header, and asks for the metrics that its analysis asks for.
func TestFlagger(t *testing.T) {
	ns := twoVersions(t, "flagger", "flagger.test")
	canary := func(annotations ...string) string {
		return ofNginx(ingress(ns, "web-canary", "flagger.test", "web-canary", append([]string{"nginx.ingress.kubernetes.io/canary", "true"}, annotations...)...))
	}
	const url, prefix = "http://flagger.test/", "nginx.ingress.kubernetes.io/"
	apply(t, canary(prefix+"canary-weight", "0"))
	sharedAs(t, url, "weight 0", only("v1"))
	apply(t, canary(prefix+"canary-weight", "50"))
	sharedAs(t, url, "weight 50", func(seen map[string]int) bool { return seen["v2"] > 40 && seen["v1"] > 40 })

	// Flagger's query: nginx_ingress_controller_requests{namespace=…, ingress=…, status!~"5.*"}.
	metrics := answers(t, client(cluster.Nodes[0].Address+":8089", false), "http://metrics.test/metrics", 200).body
	main, alternative, latency := 0, 0, false
	for line := range strings.SplitSeq(metrics, "\n") {
		if !strings.Contains(line, `namespace="flagger",ingress="web"`) {
			continue
		}
		switch {
		case strings.HasPrefix(line, "nginx_ingress_controller_requests{") && strings.Contains(line, `canary=""`) && strings.Contains(line, `status="2xx"`):
			main++
		case strings.HasPrefix(line, "nginx_ingress_controller_requests{") && strings.Contains(line, `canary="flagger-web-canary-80"`):
			alternative++
		case strings.HasPrefix(line, "nginx_ingress_controller_ingress_upstream_latency_seconds_sum{"):
			latency = true
		}
	}
	if main != 1 || alternative != 1 || !latency {
		t.Errorf("of the metrics that Flagger asks for there are %d of the main Service, %d of the canary, and latency: %v\n%s", main, alternative, latency, lines(metrics, "flagger"))
	}

	apply(t, canary(prefix+"canary-weight", "0", prefix+"canary-by-header", "X-Lane", prefix+"canary-by-header-value", "beta"))
	sharedAs(t, url, "with the header", only("v2"), "X-Lane", "beta")
	sharedAs(t, url, "with another value", only("v1"), "X-Lane", "alpha")
	kubectl(t, "delete", "ingress", "-n", ns, "web-canary")
	sharedAs(t, url, "without the canary", only("v1"), "X-Lane", "beta")
}

func lines(text, with string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, with) && strings.HasPrefix(line, "nginx_") && !strings.Contains(line, "_bucket") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// TestCertManager has the Ingress of an HTTP-01 solver beside one whose certificate is not issued yet: the challenge is answered
// over http, the certificate is served once it is there, and external-dns finds an address.
func TestCertManager(t *testing.T) {
	install(t)
	apply(t, nginxClass)
	ns := namespace(t, "acme")
	deploy(t, ns, "web", "v1", 1)
	// The solver's Service has port 8089, and so do its pods.
	solver := strings.NewReplacer("containerPort: 8080", "containerPort: 8089", "{name: VERSION", "{name: PORT, value: '8089'}, {name: VERSION", "port: 80,", "port: 8089,").
		Replace(workload(ns, "cm-acme-http-solver-x7k2p", "solver", 1))
	apply(t, solver)
	rolledOut(t, ns, "deployment/cm-acme-http-solver-x7k2p")
	apply(t, strings.Replace(ofNginx(ingress(ns, "web", "acme.test", "web", "cert-manager.io/cluster-issuer", "letsencrypt", "external-dns.alpha.kubernetes.io/hostname", "acme.test")),
		"  rules:", "  tls: [{hosts: [acme.test], secretName: web-tls}]\n  rules:", 1))
	const path = "/.well-known/acme-challenge/q1w2e3r4"
	challenge := fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: cm-acme-http-solver-9dk4l
  namespace: %s
  labels: {acme.cert-manager.io/http01-solver: "true", acme.cert-manager.io/http-domain: "1204557211", acme.cert-manager.io/http-token: "1023457789"}
  annotations:
    kubernetes.io/ingress.class: nginx
    nginx.ingress.kubernetes.io/whitelist-source-range: 0.0.0.0/0,::/0
spec:
  rules: [{host: acme.test, http: {paths: [{path: %s, pathType: ImplementationSpecific, backend: {service: {name: cm-acme-http-solver-x7k2p, port: {number: 8089}}}}]}}]
`, ns, path)
	c := client(entry(0), false)
	answered := func() {
		t.Helper()
		apply(t, challenge)
		eventually(t, 30*time.Second, "the challenge is answered by the solver", func() (bool, string) {
			a, err := get(c, "http://acme.test"+path)
			return err == nil && a.status == 200 && a.header.Get("X-Version") == "solver", fmt.Sprint(a, err)
		})
	}
	answered()
	// Issued: the Secret appears, the solver goes, and the host has its certificate.
	chain, key := certificate(t, "acme.test", 77)
	apply(t, tlsSecret(ns, "web-tls", chain, key))
	kubectl(t, "delete", "ingress", "-n", ns, "cm-acme-http-solver-9dk4l")
	servesCertificate(t, "acme.test", 77)
	// From now on http is sent to https, but for the challenge of the renewal.
	redirected := func() (bool, string) {
		a, err := get(c, "http://acme.test/x")
		return err == nil && a.status == 308 && a.header.Get("Location") == "https://acme.test/x", fmt.Sprint(a, err)
	}
	eventually(t, 20*time.Second, "http is sent to https", redirected)
	answered()
	if ok, got := redirected(); !ok {
		t.Error("with a challenge under way, other paths are no longer sent to https:", got)
	}
	kubectl(t, "delete", "ingress", "-n", ns, "cm-acme-http-solver-9dk4l")
	// What external-dns reads.
	eventually(t, 20*time.Second, "the address for external-dns", func() (bool, string) {
		ip := kubectl(t, "get", "ingress", "-n", ns, "web", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
		return ip == cluster.Nodes[0].Address, ip
	})
}

// TestSwitch is the last step of docs/from-ingress-nginx.md: an adopted class of ingress-nginx is replaced by one of our own under load.
// The behaviour stays, and no request fails.
func TestSwitch(t *testing.T) {
	install(t)
	class := func(controller, annotations string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: legacy" + annotations + "}\nspec: {controller: " + controller + "}\n"
	}
	own := class("paifang.dev/controller", ", annotations: {paifang.dev/behavior: nginx}")
	apply(t, class("k8s.io/ingress-nginx", ""))
	t.Cleanup(func() { kubectl(t, "delete", "ingressclass", "legacy") })
	ns := namespace(t, "switch")
	deploy(t, ns, "web", "v1", 1)
	apply(t, strings.Replace(ingress(ns, "web", "switch.test", "web"), "ingressClassName: paifang", "ingressClassName: legacy", 1))
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://switch.test/", 200)
	}
	l := startLoad(entry(0), "http://switch.test/", 2, true)
	l.more(t, 100)
	file := t.TempDir() + "/class.yaml"
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "replace", "--force", "-f", file)
	l.more(t, 500)
	l.none(t, "the class is replaced")
	if controller := kubectl(t, "get", "ingressclass", "legacy", "-o", "jsonpath={.spec.controller}"); controller != "paifang.dev/controller" {
		t.Errorf("the class belongs to %s", controller)
	}
}
