package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestWorkerShutdownTimeout: requests under way have as long as the ConfigMap says when the process ends, also where it is changed
// while the process runs.
func TestWorkerShutdownTimeout(t *testing.T) {
	asked, release := make(chan struct{}, 1), make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	defer backend.Close()
	defer close(release)
	at := netip.MustParseAddrPort(backend.Listener.Addr().String())
	file := filepath.Join(t.TempDir(), "all.yaml")
	write := func(timeout string) {
		t.Helper()
		text := fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: ingress-nginx}
data: {worker-shutdown-timeout: %s}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: order, port: {number: 80}}}}
---
apiVersion: v1
kind: Service
metadata: {name: order, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: order, namespace: shop}
subsets: [{addresses: [{ip: %s}], ports: [{port: %d}]}]
`, timeout, at.Addr(), at.Port())
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1h")
	front := free(t)
	a, err := New(Config{Admin: Admin{Address: netip.MustParseAddrPort("127.0.0.1:0")}, Leave: -1, Ingress: &Ingress{Nodes: []Node{{Name: "node-1", HTTP: front}}},
		Sources: Sources{Manifests: []string{file}, IngressNginx: &IngressNginx{Args: []string{"--configmap=ingress-nginx/settings"}}}}, Options{Name: "test", Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	if err := a.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := a.drainTime(); d != time.Hour {
		t.Errorf("at the beginning %v", d)
	}
	write("300ms")
	until(t, "the ConfigMap counts", func() bool {
		l, ok := a.store.Load().Listener("node-1/http")
		return ok && l.Clients == (model.Clients{Drain: 300 * time.Millisecond})
	})
	c, err := net.Dial("tcp", front.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	began := time.Now()
	cancel()
	running.Wait()
	if took := time.Since(began); took < 300*time.Millisecond || took > 4*time.Second { // 5 s are the default
		t.Errorf("it took %v to end", took)
	}
}
