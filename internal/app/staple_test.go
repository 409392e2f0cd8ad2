package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

// TestStaplingOfAnInstallation: enable-ocsp has the OCSP responses of certificates stapled, while it says so.
func TestStaplingOfAnInstallation(t *testing.T) {
	ca := certstest.New(t, "middle", certstest.New(t, "root", nil))
	responder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q, err := ocsp.ParseRequest(body)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = w.Write(ca.Response(ocsp.Response{Status: ocsp.Good, SerialNumber: q.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}, nil))
	}))
	defer responder.Close()
	lost := httptest.NewServer(http.NotFoundHandler())
	defer lost.Close()
	var secrets strings.Builder
	for name, at := range map[string]string{"web": responder.URL, "lost": lost.URL} {
		chain, key := certstest.Text(t, ca.Pair(x509.Certificate{DNSNames: []string{name + ".test"}, OCSPServer: []string{at}}))
		fmt.Fprintf(&secrets, `---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: %[1]s, namespace: shop}
stringData: {tls.crt: %[2]q, tls.key: %[3]q}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s, namespace: shop}
spec: {tls: [{hosts: [%[1]s.test], secretName: %[1]s}], rules: [{host: %[1]s.test}]}
`, name, chain, key.Reveal())
	}
	file := filepath.Join(t.TempDir(), "all.yaml")
	write := func(data string) {
		t.Helper()
		settings := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: ingress-nginx}\ndata: {" + data + "}\n"
		if err := os.WriteFile(file, []byte(settings+secrets.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("enable-ocsp: 'true'")
	front := free(t)
	a := started(t, Config{Ingress: &Ingress{Nodes: []Node{{Name: "node-1", HTTP: free(t), HTTPS: front}}},
		Sources: Sources{Manifests: []string{file}, IngressNginx: &IngressNginx{Args: []string{"--configmap=ingress-nginx/settings"}}}})
	stapled := func() bool {
		c, err := tls.Dial("tcp", front.String(), &tls.Config{ServerName: "web.test", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().OCSPResponse != nil
	}
	missing := func() (out []string) {
		for _, d := range a.diagnostics() {
			if d.Code == model.CodeStapleMissing {
				out = append(out, d.Origin.Namespace+"/"+d.Origin.Name+" "+d.Message)
			}
		}
		return out
	}
	until(t, "a response is stapled", stapled)
	until(t, "the other one is told of", func() bool { return len(missing()) == 1 })
	if got := missing()[0]; !strings.HasPrefix(got, "shop/lost no OCSP response is stapled: "+lost.URL) || !strings.Contains(got, "status 404") {
		t.Error(got)
	}
	resp, err := http.Get("http://" + a.admin.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`paifang_tls_ocsp_responses_total{result="good"} 1`, `paifang_tls_ocsp_responses_total{result="failed"} 1`, "paifang_tls_staple_end_timestamp_seconds{certificate="} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s", want)
		}
	}
	write("")
	until(t, "nothing is stapled any more", func() bool { return !stapled() })
	if got := missing(); len(got) > 0 {
		t.Errorf("where nobody staples: %s", got)
	}
}
