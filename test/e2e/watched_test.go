package e2e

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// eventProxy stands between a controller and the API server and tells when an event is written onto the controller's connection.
type eventProxy struct {
	// kubeconfig is a file by which the controller reaches it, over TLS and HTTP/2 as it would the API server.
	kubeconfig string

	mu       sync.Mutex
	resource string // whose watch is looked at, for an object
	name     []byte
	told     chan time.Time
}

// watched starts one in front of kubectl proxy.
func watched(t *testing.T) *eventProxy {
	t.Helper()
	p := &eventProxy{}
	forward := &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: figuresProxy})
			r.Out.Header.Set("Accept-Encoding", "identity") // names are looked for in what passes
		},
		ModifyResponse: func(r *http.Response) error {
			if path := r.Request.URL.Path; r.Request.URL.Query().Get("watch") != "" {
				r.Body = &eventBody{ReadCloser: r.Body, of: p, resource: path[strings.LastIndexByte(path, '/')+1:]}
			}
			return nil
		},
	}
	s := httptest.NewUnstartedServer(forward)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	p.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n"+
		"clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]\n", s.URL)
	if err := os.WriteFile(p.kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// next returns where the time comes from at which the next event about an object is passed on.
func (p *eventProxy) next(resource, name string) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resource, p.name, p.told = resource, []byte(name), make(chan time.Time, 1)
	return p.told
}

// eventBody is the body of a watch.
type eventBody struct {
	io.ReadCloser
	of       *eventProxy
	resource string
}

// Read implements io.Reader. What it returns is written to the controller next.
func (b *eventBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.told != nil && b.of.resource == b.resource && bytes.Contains(into[:n], b.of.name) {
		b.of.told <- time.Now()
		b.of.told = nil
	}
	return n, err
}

// review asks the webhook about changes of Ingresses, as the API server does, and returns how long each took, in order.
func review(t *testing.T, routes int) []time.Duration {
	t.Helper()
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer c.CloseIdleConnections()
	return measure(500, func(i int) time.Time {
		at := i * 7919 % routes
		object := documents(at, 80)["/apis/networking.k8s.io/v1/namespaces/figures/ingresses"]
		object = strings.Replace(object, `"path":"/"`, `"path":"/reviewed"`, 1)
		object = strings.Replace(object, `"annotations":{`, `"annotations":{"nginx.ingress.kubernetes.io/server-snippet":"return 200;",`, 1)
		body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","kind":{"group":"networking.k8s.io","version":"v1","kind":"Ingress"},`+
			`"operation":"UPDATE","namespace":"figures","object":%s}}`, object)
		began := time.Now()
		r, err := c.Post("https://"+figuresHook+"/validate", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil || !strings.Contains(string(said), "server-snippet") {
			t.Fatalf("review of %d: %s %v", at, said, err)
		}
		return began
	})
}
