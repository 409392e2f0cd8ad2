package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"paifang/test/e2e/bed"
)

// Where the figures are measured: all in the network namespace of the tests. EndpointSlices take no loopback address, so the two
// backends have one of their own.
const (
	figuresProxy   = "127.0.0.1:18001" // kubectl proxy, as a client of the API server in clear text
	figuresHook    = "127.0.0.1:18443"
	figuresIngress = "127.0.0.1:18080"
	figuresAdmin   = "127.0.0.1:18088"
	figuresBackend = "10.250.0.1"
)

// TestFigures fills the API server with Ingresses, each with a Service and an EndpointSlice of its own, and prints what that
// costs the controller. It is run on request, on a machine that does nothing else: PAIFANG_FIGURES=1 make e2e.
func TestFigures(t *testing.T) {
	if os.Getenv("PAIFANG_FIGURES") == "" {
		t.Skip("set PAIFANG_FIGURES=1 on a machine that does nothing else")
	}
	const routes = 5000
	namespace(t, "figures")
	one, two := backend(t, "one"), backend(t, "two")
	start(t, cluster.Process("kubectl-proxy", "", cluster.Files.Kube, "kubectl", "--kubeconfig="+cluster.Kubeconfig, "proxy",
		"--address=127.0.0.1", "--port="+figuresProxy[strings.LastIndex(figuresProxy, ":")+1:]))
	eventually(t, 20*time.Second, "kubectl proxy answers", func() (bool, string) {
		return call(http.MethodGet, "/readyz", "") == nil, ""
	})
	began := time.Now()
	fill(t, routes, one)
	t.Logf("%d Ingresses, Services and EndpointSlices made in %.0f s", routes, time.Since(began).Seconds())

	events := watched(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "paifang.yaml")
	text := fmt.Sprintf("admin: {address: %q}\nsources: {kubernetes: {kubeconfig: %q, lease: {namespace: figures}}}\ningress: {nodes: [{name: node, http: %q}]}\n"+
		"webhook: {address: %q, cert: %[5]s/tls.crt, key: %[5]s/tls.key}\n", figuresAdmin, events.kubeconfig, figuresIngress, figuresHook, dir)
	cert, key := certificate(t, "localhost", 5000)
	for name, content := range map[string][]byte{"paifang.yaml": []byte(text), "tls.crt": cert, "tls.key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began = time.Now()
	p := start(t, cluster.Process("figures", "", cluster.Files.Paifang, "serve", "-c", config))
	ready := http.Client{Timeout: time.Second}
	eventually(t, 60*time.Second, "the controller is ready", func() (bool, string) {
		r, err := ready.Get("http://" + figuresAdmin + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK, r.Status
	})
	synced := time.Since(began)

	client := client(figuresIngress, true)
	answers(t, client, "http://host-0.test/", http.StatusOK)
	change := measureOf(t, "a changed Ingress", p, figuresChanges, func(i int) (from, until time.Time) {
		at := i * 7919 % routes
		path := "/changed-" + strconv.Itoa(i)
		mustCall(t, http.MethodPatch, ingressURL(at), fmt.Sprintf(`[{"op":"replace","path":"/spec/rules/0/http/paths/0/path","value":%q}]`, path))
		applied := time.Now()
		answered := ask(client, fmt.Sprintf("http://host-%d.test%s", at, path), func(a answer) bool { return a.status == http.StatusOK })
		return applied, within(t, answered, fmt.Sprintf("web-%d is answered at %s", at, path))
	})
	endpoint := measureOf(t, "a changed endpoint", p, figuresChanges, func(i int) (from, until time.Time) {
		at := (i*7919 + 1) % routes
		told := events.next("endpointslices", fmt.Sprintf("web-%d", at))
		// Asking begins before the change: the event may have passed, and been acted on, long before the API server has answered the PATCH.
		answered := ask(client, fmt.Sprintf("http://host-%d.test/", at), func(a answer) bool { return a.body == "two" })
		mustCall(t, http.MethodPatch, sliceURL(at), fmt.Sprintf(`[{"op":"replace","path":"/ports/0/port","value":%d}]`, two))
		return within(t, told, fmt.Sprintf("the event about web-%d passes", at)), within(t, answered, fmt.Sprintf("web-%d is answered by the other backend", at))
	})
	reviews := review(t, routes)
	time.Sleep(5 * time.Second) // what the changes left is settled
	before := cpu(t, p)
	const rest = 60 * time.Second
	time.Sleep(rest) // the figure is what is done in this time
	idle := float64(cpu(t, p)-before) / float64(rest) * 100
	memory := resident(t, p)

	table := []struct {
		what       string
		got, bound float64
		unit       string
	}{
		{"memory (RSS)", float64(memory) / (1 << 20), 150, "MiB"},
		{"from the start of the process to ready", synced.Seconds(), 5, "s"},
		{"a changed Ingress, from applied to answered, p99", ms(change[len(change)*99/100]), 50, "ms"},
		{"the same, median", ms(change[len(change)/2]), 10, "ms"},
		{"a changed endpoint, from its event on the controller's connection to answered, p99", ms(endpoint[len(endpoint)*99/100]), 10, "ms"},
		{"the same, median", ms(endpoint[len(endpoint)/2]), 10, "ms"},
		{"a review by the webhook, p99", ms(reviews[len(reviews)*99/100]), 20, "ms"},
		{"the same, median", ms(reviews[len(reviews)/2]), 10, "ms"},
		{"at rest over 60 s, of a core", idle, 0.5, "%"},
	}
	for _, row := range table {
		t.Logf("| %s | %.2f %s | %.1f |", row.what, row.got, row.unit, row.bound)
		if row.got > row.bound {
			t.Errorf("%s: %.2f %s, want %.1f at most", row.what, row.got, row.unit, row.bound)
		}
	}
}

func start(t *testing.T, p *bed.Process) *bed.Process {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", p.Name, p.Said())
		}
		p.Kill()
	})
	return p
}

// backend answers with a text, and returns its port.
func backend(t *testing.T, text string) (port int) {
	t.Helper()
	if out, err := exec.Command("ip", "address", "replace", figuresBackend+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("tcp", figuresBackend+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// call makes one request to the API server.
func call(method, path, body string) error {
	req, err := http.NewRequest(method, "http://"+figuresProxy+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/json-patch+json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, said)
	}
	return err
}

func mustCall(t *testing.T, method, path, body string) {
	t.Helper()
	if err := call(method, path, body); err != nil {
		t.Fatal(err)
	}
}

func ingressURL(i int) string {
	return fmt.Sprintf("/apis/networking.k8s.io/v1/namespaces/figures/ingresses/web-%d", i)
}

func sliceURL(i int) string {
	return fmt.Sprintf("/apis/discovery.k8s.io/v1/namespaces/figures/endpointslices/web-%d", i)
}

// fill makes n Ingresses with all that belongs to them.
func fill(t *testing.T, n, port int) {
	t.Helper()
	mustCall(t, http.MethodPost, "/apis/networking.k8s.io/v1/ingressclasses",
		`{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"figures"},"spec":{"controller":"paifang.dev/controller"}}`)
	t.Cleanup(func() { _ = call(http.MethodDelete, "/apis/networking.k8s.io/v1/ingressclasses/figures", "") })
	work, failed := make(chan int), make(chan error, n)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := range work {
				for path, body := range documents(i, port) {
					if err := call(http.MethodPost, path, body); err != nil {
						failed <- err
						return
					}
				}
			}
		})
	}
	for i := range n {
		select {
		case work <- i:
		case err := <-failed:
			t.Fatal(err)
		}
	}
	close(work)
	all.Wait()
}

// documents are what belongs to one Ingress, by the path to post it to.
func documents(i, port int) map[string]string {
	return map[string]string{
		"/api/v1/namespaces/figures/services": fmt.Sprintf(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"web-%d","labels":{"app":"web-%[1]d","app.kubernetes.io/managed-by":"Helm"}},`+
			`"spec":{"clusterIP":"None","ports":[{"name":"http","port":80}]}}`, i),
		"/apis/discovery.k8s.io/v1/namespaces/figures/endpointslices": fmt.Sprintf(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-%d","labels":{"kubernetes.io/service-name":"web-%[1]d"}},`+
			`"addressType":"IPv4","ports":[{"name":"http","port":%d}],"endpoints":[{"addresses":[%q],"conditions":{"ready":true},"nodeName":"n1"}]}`, i, port, figuresBackend),
		"/apis/networking.k8s.io/v1/namespaces/figures/ingresses": fmt.Sprintf(`{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web-%d","labels":{"app":"web-%[1]d"},"annotations":{"meta.helm.sh/release-name":"web-%[1]d"}},`+
			`"spec":{"ingressClassName":"figures","rules":[{"host":"host-%[1]d.test","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web-%[1]d","port":{"number":80}}}}]}}]}}`, i),
	}
}

// measure does something so many times and returns how long after what it returns each took, in order.
func measure(n int, do func(int) time.Time) []time.Duration {
	var took []time.Duration
	for i := range n {
		applied := do(i)
		took = append(took, time.Since(applied))
	}
	slices.Sort(took)
	return took
}

// figuresChanges is how many changes of each kind are measured: p99 then rests on the ten slowest.
const figuresChanges = 1000

// measureOf does something so many times and returns how long each took, in order. It tells of the slowest how long threads of the process
// waited for a processor meanwhile: the cluster, its clients and the process share those of one machine.
func measureOf(t *testing.T, what string, p *bed.Process, n int, do func(int) (from, until time.Time)) []time.Duration {
	t.Helper()
	type slow struct{ took, waited, after time.Duration }
	var all []slow
	began := time.Now()
	for i := range n {
		before := waited(p)
		from, until := do(i)
		all = append(all, slow{until.Sub(from), waited(p) - before, time.Since(began)})
	}
	slices.SortFunc(all, func(a, b slow) int { return cmp.Compare(a.took, b.took) })
	took := make([]time.Duration, n)
	for i, s := range all {
		took[i] = s.took
		if i >= n-5 {
			t.Logf("%s, one of the slowest: %.1f ms, %.1f s after the first; threads of the process waited %.1f ms for a processor", what, ms(s.took), s.after.Seconds(), ms(s.waited))
		}
	}
	return took
}

// waited is how long all threads of a process have waited for a processor.
func waited(p *bed.Process) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.PID()))
	for _, f := range files {
		text, _ := os.ReadFile(f) // of a thread that has ended meanwhile there is none
		if fields := strings.Fields(string(text)); len(fields) == 3 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}

// askPause is between two requests of ask. It is short against what is measured; without one, asking would take the processor from what
// has to do the work.
const askPause = 300 * time.Microsecond

// ask asks over and over, in a goroutine of its own, until the answer is the one that is waited for, and then says when that came. It gives up
// after 10 s and says nothing.
func ask(c *http.Client, url string, is func(answer) bool) <-chan time.Time {
	answered := make(chan time.Time, 1)
	go func() {
		defer c.CloseIdleConnections() // it keeps one for each host, and those of a thousand are more than the process takes
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if a, err := get(c, url); err == nil && is(a) {
				answered <- time.Now()
				return
			}
			pause := syscall.NsecToTimespec(askPause.Nanoseconds())
			_ = syscall.Nanosleep(&pause, nil) // time.Sleep would make a whole millisecond of it; a signal may make it shorter
		}
	}()
	return answered
}

// within takes what comes within 10 s.
func within(t *testing.T, from <-chan time.Time, what string) time.Time {
	t.Helper()
	select {
	case at := <-from:
		return at
	case <-time.After(10 * time.Second):
		t.Fatal("not within 10 s: " + what)
		return time.Time{}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// resident is the resident memory of a process in bytes.
func resident(t *testing.T, p *bed.Process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("there is no VmRSS")
	return 0
}

// cpu is what a process has used of a core.
func cpu(t *testing.T, p *bed.Process) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return time.Duration(user+system) * (time.Second / 100) // the kernel counts in hundredths for everybody outside
}
