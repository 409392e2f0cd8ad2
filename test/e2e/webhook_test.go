package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestWebhook applies Ingresses as people do, and reads what kubectl shows them. Then the webhook is away, in two ways, and
// applying goes on.
func TestWebhook(t *testing.T) {
	install(t)
	ns := namespace(t, "webhook")
	deploy(t, ns, "web", "v1", 1)
	broken := ingress(ns, "broken", "webhook.test", "nobody", "nginx.ingress.kubernetes.io/server-snippet", "return 200;")
	// What the pods have registered is seen once the API server calls them.
	const missing, ignored = "service-missing", "server-snippet"
	applied := func(yaml string) (string, time.Duration) {
		t.Helper()
		begin := time.Now()
		said, err := cluster.ApplyWarned(yaml)
		if err != nil {
			t.Fatal(err)
		}
		return said, time.Since(begin)
	}
	eventually(t, 20*time.Second, "kubectl shows what is wrong", func() (bool, string) {
		said, _ := applied(strings.Replace(broken, `e2e.test/none: ""`, fmt.Sprintf("e2e.test/none: %q", time.Now()), 1))
		return strings.Contains(said, "Warning: "+missing) && strings.Contains(said, ignored), said
	})
	if said, _ := applied(ingress(ns, "good", "good.webhook.test", "web")); said != "" {
		t.Errorf("about a good Ingress: %s", said)
	}
	answers(t, client(entry(0), false), "http://good.webhook.test/", 200)
	apply(t, "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: another}\nspec: {controller: e2e.test/another}\n")
	t.Cleanup(func() { kubectl(t, "delete", "ingressclass", "another") })
	if said, _ := applied(strings.Replace(broken, "ingressClassName: paifang", "ingressClassName: another", 1)); said != "" {
		t.Errorf("about an Ingress of another controller: %s", said)
	}
	said, _ := applied(ingress(ns, "second", "good.webhook.test", "web"))
	if !strings.Contains(said, "duplicate-route") {
		t.Errorf("about a host and path that another Ingress has: %q", said)
	}

	secret := kubectl(t, "get", "secret", "-n", controllerNamespace, "paifang-webhook", "-o", "jsonpath={.data.ca\\.crt}")
	trusted := kubectl(t, "get", "validatingwebhookconfiguration", "paifang", "-o", "jsonpath={.webhooks[0].clientConfig.caBundle}")
	if secret == "" || secret != trusted {
		t.Errorf("the API server trusts another authority than the pods share: %q, %q", trusted, secret)
	}

	for _, away := range []struct{ what, patch string }{
		{"nobody is behind its Service", `{"spec":{"selector":{"app.kubernetes.io/name":"nobody"}}}`},
		{"nobody answers", `{"spec":{"selector":null}}`},
	} {
		kubectl(t, "patch", "service", "-n", controllerNamespace, "paifang-webhook", "-p", away.patch)
		if strings.Contains(away.patch, "null") {
			hanging := "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: hanging, namespace: " + controllerNamespace + ", labels: {kubernetes.io/service-name: paifang-webhook}}\n" +
				"addressType: IPv4\nports: [{name: https, port: 9443}]\nendpoints: [{addresses: [10.99.0.199], conditions: {ready: true}}]\n"
			apply(t, hanging)
			t.Cleanup(func() { kubectl(t, "delete", "endpointslice", "-n", controllerNamespace, "hanging") })
		}
		i := 0
		eventually(t, 20*time.Second, "applied while "+away.what, func() (bool, string) {
			i++
			said, took := applied(strings.Replace(broken, `e2e.test/none: ""`, fmt.Sprintf("e2e.test/none: %q", fmt.Sprint(away.what, i)), 1))
			if took > 6*time.Second {
				t.Errorf("applying took %v while %s", took, away.what)
			}
			return !strings.Contains(said, missing), said // until the API server knows
		})
	}
	kubectl(t, "patch", "service", "-n", controllerNamespace, "paifang-webhook", "-p",
		`{"spec":{"selector":{"app.kubernetes.io/name":"paifang","app.kubernetes.io/instance":"paifang"}}}`)
}
