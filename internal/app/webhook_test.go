package app

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/apitest"
	"paifang/internal/source/kubernetes/webhook"
)

// TestToldWebhook: the webhook of an installation of ingress-nginx is started where its flags say, with their certificate, and
// answers on the path that its ValidatingWebhookConfiguration has. One whose files are not there keeps nothing from starting.
func TestToldWebhook(t *testing.T) {
	api := apitest.New(t)
	cert, key := pairFiles(t)
	at := free(t)
	args := func(cert string) string {
		return fmt.Sprintf("  ingressNginx: {args: [\"--validating-webhook=%s\", %q, %q]}\n", at, "--validating-webhook-certificate="+cert, "--validating-webhook-key="+key)
	}
	start := func(cert string) *App {
		text := fmt.Sprintf("admin: {address: %q}\nsources:\n  kubernetes: {kubeconfig: %q}\n%singress: {nodes: [{name: node, http: %q}]}\ndrain: 100ms\n", free(t), api.Kubeconfig(), args(cert), free(t))
		return started(t, parsed(t, text))
	}
	a := start(cert)
	holds(t, "it is ready", func() bool { return a.hub.Ready() })
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	const bad = `{"request":{"uid":"u","kind":{"kind":"Ingress"},"operation":"CREATE","namespace":"shop","object":{"metadata":{"name":"web"},"spec":{"ingressClassName":"nginx",` +
		`"rules":[{"host":"shop.test","http":{"paths":[{"path":"no/path","pathType":"Exact","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}}}}`
	r, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Post("https://"+at.String()+webhook.PathOfIngressNginx, "application/json", strings.NewReader(bad))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if said, err := io.ReadAll(r.Body); err != nil || !strings.Contains(string(said), `"allowed":false`) {
		t.Errorf("%s, %v", said, err)
	}

	other := start("no/such/file")
	said := 0
	for _, d := range other.diagnostics() {
		if d.Field == "--validating-webhook" && d.Code == model.CodeListenerFailed && strings.Contains(d.Message, "no/such/file") {
			said++
		}
	}
	if said != 1 || other.webhook != nil {
		t.Errorf("it is said %d times that there is no webhook", said)
	}
}
