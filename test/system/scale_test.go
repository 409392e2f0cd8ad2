package system

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a process may keep in memory, in MiB, with 5,000 routes to as many services, and with an address for each as well.
const (
	maxResident          = 100
	maxResidentAddresses = 130
)

// TestManyManifests has `paifang serve` read 5,000 Ingresses and as many Services from files, looks at its memory, and
// then at how long changes of single files take until they are served. PAIFANG_ROUTES=N takes another number.
func TestManyManifests(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	n := 5000
	if text := os.Getenv("PAIFANG_ROUTES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("Ingresses and Services", func(t *testing.T) { manyManifests(t, n, false, maxResident) })
	t.Run("and EndpointSlices", func(t *testing.T) { manyManifests(t, n, true, maxResidentAddresses) })
}

func manyManifests(t *testing.T, n int, withSlices bool, most int) {
	dir := t.TempDir()
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	replace := func(name, text string) {
		tmp := filepath.Join(dir, "next")
		if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(manifests, name)); err != nil {
			t.Fatal(err)
		}
	}
	replace("class.yaml", "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: paifang}\nspec: {controller: paifang.dev/controller}\n")
	for i := range n {
		replace(fmt.Sprintf("shop-%d.yaml", i), shopManifest(i, withSlices))
	}
	p := serveFiles(t, dir, manifests)
	took := time.Since(p.began)
	eventually(t, 20*time.Second, "the last route", func() (bool, string) {
		status := p.ask(t, fmt.Sprintf("shop-%d.test", n-1), "/")
		return status > 500, fmt.Sprint(status) // nothing is where it leads
	})
	most = max(most, most*n/5000)
	resident := 0
	within, _ := poll(10*time.Second, func() (bool, string) { // what reading took is given back soon after
		resident = p.resident(t)
		return resident <= most, ""
	})
	t.Logf("%d routes: ready after %v, %d MiB resident", n, took.Round(10*time.Millisecond), resident)
	if !within {
		t.Errorf("%d MiB are resident, want %d at most", resident, most)
	}
	const changes = 100
	var routes []time.Duration
	for i := range changes {
		host := fmt.Sprintf("changed-%d.test", i)
		began := time.Now()
		replace(fmt.Sprintf("shop-%d.yaml", i*7919%n), strings.Replace(shopManifest(i*7919%n, withSlices), fmt.Sprintf("shop-%d.test", i*7919%n), host, 1))
		for p.ask(t, host, "/") == 404 {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%s is not served", host)
			}
		}
		routes = append(routes, time.Since(began))
	}
	slices.Sort(routes)
	t.Logf("%d routes: a file changed until it is served: median %v, p99 %v, of which 5 ms are for writes that go on", n, routes[changes/2], routes[changes*99/100])
	if routes[changes/2] > 50*time.Millisecond {
		t.Errorf("a changed file is served after %v, want 50ms at most", routes[changes/2])
	}
}

func shopManifest(i int, withSlice bool) string {
	text := fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: shop-%[1]d, namespace: shop, labels: {app: shop-%[1]d}}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop-%[1]d, namespace: shop}
spec:
  ingressClassName: paifang
  rules:
    - host: shop-%[1]d.test
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: shop-%[1]d, port: {name: http}}}
`, i)
	if !withSlice {
		return text
	}
	return text + fmt.Sprintf(`---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-%[1]d-1, namespace: shop, labels: {kubernetes.io/service-name: shop-%[1]d}}
addressType: IPv4
ports: [{name: http, port: 1}]
endpoints:
  - addresses: [127.%[2]d.%[3]d.%[4]d]
    conditions: {ready: true}
`, i, 100+i>>16, i>>8&255, i&255)
}

// served is a `paifang serve` with one ingress node.
type served struct {
	cmd   *exec.Cmd
	began time.Time
	http  string
	conn  net.Conn
	in    *bufio.Reader
}

// serveFiles starts a process over a directory of manifests and returns when it is ready.
func serveFiles(t *testing.T, dir, manifests string) *served {
	t.Helper()
	admin, node := freeAddress(t), freeAddress(t)
	config := filepath.Join(dir, "serve.yaml")
	text := fmt.Sprintf("admin: {address: %q}\nsources: {manifests: [%q]}\ningress:\n  nodes: [{name: node-1, http: %q}]\n", admin, manifests, node)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &served{cmd: exec.Command(binary, "serve", "-c", config), began: time.Now(), http: node}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	_ = log.Close() // the process has its own
	t.Cleanup(func() {
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("the process said:\n%s", said)
		}
	})
	eventually(t, time.Minute, "ready", func() (bool, string) {
		r, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		_ = r.Body.Close()
		return r.StatusCode == 200, r.Status
	})
	return p
}

// ask makes a request on the one connection and returns the status.
func (p *served) ask(t *testing.T, host, path string) int {
	t.Helper()
	if p.conn == nil {
		conn, err := net.Dial("tcp", p.http)
		if err != nil {
			t.Fatal(err)
		}
		p.conn, p.in = conn, bufio.NewReader(conn)
	}
	_ = p.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(p.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(p.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode
}

// resident is the memory of the process in MiB.
func (p *served) resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb >> 10
		}
	}
	t.Fatalf("no VmRSS in %s", text)
	return 0
}

// stop ends the process; once is enough.
func (p *served) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	if p.conn != nil {
		_ = p.conn.Close()
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = p.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-ended
	}
}
