package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// check runs `paifang check --from-cluster` as the administrator.
func check(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.Command(cluster.Files.Paifang, append([]string{"check", "--from-cluster", "--kubeconfig", cluster.Kubeconfig}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// statusOf is what external-dns reads of an Ingress.
func statusOf(t *testing.T, ns, name string) string {
	t.Helper()
	return kubectl(t, "get", "ingress", "-n", ns, name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}{.status.loadBalancer.ingress[*].hostname}")
}

func statusBecomes(t *testing.T, ns, name, want string) {
	t.Helper()
	eventually(t, 45*time.Second, "the status is "+want, func() (bool, string) {
		got := statusOf(t, ns, name)
		return got == want, got
	})
}

// TestFromIngressNginx goes through docs/from-ingress-nginx.md in its order, with a class of ingress-nginx whose controller is not
// there but for what it has written: the report, the installation beside it, what both show, the status handed over, the class
// replaced, and the way back.
func TestFromIngressNginx(t *testing.T) {
	const class, old = "migrated", "198.51.100.7"
	of := func(controller, annotations string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: " + class + annotations + "}\nspec: {controller: " + controller + "}\n"
	}
	apply(t, of("k8s.io/ingress-nginx", ""))
	t.Cleanup(func() { kubectl(t, "delete", "ingressclass", class) })
	apps := namespace(t, "migrate")
	deploy(t, apps, "web", "v1", 2)
	migrated := func(yaml string) string {
		return strings.Replace(yaml, "ingressClassName: paifang", "ingressClassName: "+class, 1)
	}
	apply(t, migrated(ingress(apps, "web", "migrate.test", "web", "nginx.ingress.kubernetes.io/rewrite-target", "/", "nginx.ingress.kubernetes.io/server-snippet", "return 200;")))
	kubectl(t, "patch", "ingress", "-n", apps, "web", "--subresource=status", "--type=merge", "-p", `{"status":{"loadBalancer":{"ingress":[{"ip":"`+old+`"}]}}}`)

	// 1. The report.
	said, code := check(t, "--namespace", apps)
	if code != 1 || !strings.Contains(said, "supported: nginx.ingress.kubernetes.io/rewrite-target") || !strings.Contains(said, "refused nginx.ingress.kubernetes.io/server-snippet") {
		t.Errorf("the report ends with %d:\n%s", code, said)
	}
	kubectl(t, "annotate", "ingress", "-n", apps, "web", "nginx.ingress.kubernetes.io/server-snippet-", "nginx.ingress.kubernetes.io/enable-modsecurity=true")
	if said, code = check(t, "--namespace", apps); code != 0 || strings.Contains(said, "snippet") || !strings.Contains(said, "enable-modsecurity") {
		t.Errorf("the report without the snippet ends with %d:\n%s", code, said)
	}
	apply(t, migrated(ingress(apps, "broken", "broken.migrate.test", "nobody")))
	if said, code = check(t, "--namespace", apps); code != 1 || !strings.Contains(said, "service-missing") {
		t.Errorf("the report on something broken ends with %d:\n%s", code, said)
	}
	kubectl(t, "delete", "ingress", "-n", apps, "broken")
	if got := statusOf(t, apps, "web"); got != old {
		t.Errorf("reading has written: the status is %s", got)
	}

	// 2. Beside it, without writing a status.
	const ns = "paifang-migrate"
	publish := "        publish:\n          service: " + ns + "/paifang\n"
	yaml := customised(beside(ns, "migrating"), map[string]string{
		"      proxyFrom: [10.99.0.0/24, 10.244.0.0/16]\n": "",
		"        events: true\n":                           "        events: true\n        adopt: [" + class + "]\n",
		publish:                                            "",
	})
	apply(t, yaml)
	t.Cleanup(func() {
		if err := cluster.Delete(yaml); err != nil {
			t.Error(err)
		}
	})
	rolledOut(t, ns, "deployment/paifang")

	// 3. What it says of the same.
	var port int
	fmt.Sscan(kubectl(t, "get", "-n", ns, "service/paifang", "-o", `jsonpath={.spec.ports[?(@.name=="http")].nodePort}`), &port)
	address := fmt.Sprintf("%s:%d", cluster.Nodes[0].Address, port)
	answers(t, client(address, false), "http://migrate.test/any", 200)
	says(t, apps, "web", "enable-modsecurity")
	explained := kubectl(t, "exec", "-n", ns, "deployment/paifang", "--", "/paifang", "explain", "http://migrate.test/any")
	if !strings.Contains(explained, "migrate/web") {
		t.Errorf("explain says:\n%s", explained)
	}
	if got := statusOf(t, apps, "web"); got != old {
		t.Errorf("beside ingress-nginx it has written a status: %s", got)
	}

	// 5. The status, of the Service's balancer as it changes.
	l := startLoad(address, "http://migrate.test/any", 2, false)
	l.more(t, 50)
	publishing := strings.Replace(yaml, "        events: true\n", "        events: true\n"+publish, 1)
	apply(t, publishing)
	kubectl(t, "rollout", "restart", "-n", ns, "deployment/paifang") // what helm upgrade does with another configuration
	rolledOut(t, ns, "deployment/paifang")
	kubectl(t, "patch", "service", "-n", ns, "paifang", "--type=merge", "-p", `{"spec":{"type":"LoadBalancer"}}`)
	for _, balancer := range []struct{ field, value string }{{"ip", "192.0.2.50"}, {"hostname", "lb.example.net"}, {"ip", "192.0.2.51"}} {
		kubectl(t, "patch", "service", "-n", ns, "paifang", "--subresource=status", "--type=merge", "-p",
			fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":[{%q:%q}]}}}`, balancer.field, balancer.value))
		statusBecomes(t, apps, "web", balancer.value)
	}

	// 6. The class, and the way back: requests go on all the time.
	file := filepath.Join(t.TempDir(), "class.yaml")
	for _, next := range []string{of("e2e.test/migrating", ", annotations: {paifang.dev/behavior: nginx}"), of("k8s.io/ingress-nginx", "")} {
		if err := os.WriteFile(file, []byte(next), 0o600); err != nil {
			t.Fatal(err)
		}
		kubectl(t, "replace", "--force", "-f", file)
		l.more(t, 100)
	}
	l.none(t, "moving from ingress-nginx")
	apply(t, yaml) // it publishes no more
	kubectl(t, "rollout", "restart", "-n", ns, "deployment/paifang")
	rolledOut(t, ns, "deployment/paifang")
	eventually(t, 60*time.Second, "the replicas that still write have ended", func() (bool, string) {
		pods := kubectl(t, "get", "pods", "-n", ns, "--no-headers")
		return strings.Count(pods, "\n") == 2, pods
	})
	kubectl(t, "patch", "ingress", "-n", apps, "web", "--subresource=status", "--type=merge", "-p", `{"status":{"loadBalancer":{"ingress":[{"ip":"`+old+`"}]}}}`)
	answers(t, client(address, false), "http://migrate.test/any", 200)
	if got := statusOf(t, apps, "web"); got != old {
		t.Errorf("after the way back the status is %s", got)
	}
}

// TestManifestsAreTaken has the API server validate every manifest that we give out, as it would before it stores them.
func TestManifestsAreTaken(t *testing.T) {
	install(t) // the namespace has to be there
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "deploy", "manifests", "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	examples, err := filepath.Glob(filepath.Join(root, "examples", "gray-release", "later", "*.yaml"))
	if err != nil || len(examples) == 0 {
		t.Fatal(examples, err)
	}
	for _, f := range append(files, examples...) {
		out, err := cluster.Kubectl("apply", "--dry-run=server", "--validate=strict", "-f", f)
		if err != nil || !strings.Contains(out, "server dry run") {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
	}
}
