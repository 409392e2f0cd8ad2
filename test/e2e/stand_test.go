package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/test/e2e/bed"
)

// namespace makes a namespace that goes with the test.
func namespace(t *testing.T, name string) string {
	t.Helper()
	apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+name+"}\n")
	t.Cleanup(func() {
		if _, err := cluster.Kubectl("delete", "namespace", name, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	return name
}

// apply applies documents and fails the test where that fails.
func apply(t *testing.T, yaml string) {
	t.Helper()
	if err := cluster.Apply(yaml); err != nil {
		t.Fatal(err)
	}
}

// kubectl runs kubectl and fails the test where that fails.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// workload is a Deployment of the tests' own server with a Service of its name, port 80.
func workload(ns, name, version string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  replicas: %[4]d
  selector: {matchLabels: {app: %[2]s}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
      - name: server
        image: %[5]s
        imagePullPolicy: Never
        env: [{name: VERSION, value: %[3]q}, {name: DRAIN, value: 3s}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  selector: {app: %[2]s}
  ports: [{name: http, port: 80, targetPort: http}]
`, ns, name, version, replicas, bed.PodImage)
}

// deploy applies a workload and waits until its pods are ready.
func deploy(t *testing.T, ns, name, version string, replicas int) {
	t.Helper()
	apply(t, workload(ns, name, version, replicas))
	rolledOut(t, ns, "deployment/"+name)
}

func rolledOut(t *testing.T, ns, what string) {
	t.Helper()
	if out, err := cluster.Kubectl("rollout", "status", "-n", ns, what, "--timeout=60s"); err != nil {
		pods, _ := cluster.Kubectl("get", "pods,events", "-n", ns, "-o", "wide")
		t.Fatalf("%v\n%s\n%s", err, out, pods)
	}
}

// eventually polls a condition until it holds, and fails the test with what it last said.
func eventually(t testing.TB, within time.Duration, what string, holds func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		ok, last := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, within, last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
}

// client asks one address, whatever the host of the request. Each request has a connection of its own unless keep is set.
func client(address string, keep bool) *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	return &http.Client{
		Timeout:       15 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			DisableKeepAlives: !keep,
		},
	}
}

// get makes one request. fields are names and values of header fields.
func get(c *http.Client, url string, fields ...string) (answer, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, strings.TrimSpace(string(body))}, err
}

// answers waits until a URL is answered with a status, and returns that answer.
func answers(t testing.TB, c *http.Client, url string, status int, fields ...string) answer {
	t.Helper()
	var last answer
	eventually(t, 30*time.Second, fmt.Sprintf("%s is answered %d", url, status), func() (bool, string) {
		a, err := get(c, url, fields...)
		if err != nil {
			return false, err.Error()
		}
		last = a
		return a.status == status, fmt.Sprint(a.status, " ", a.body)
	})
	return last
}

// load sends requests until it is ended, from several clients at once, and counts how they went.
type load struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	versions map[string]int // answers 200 by X-Version
	failed   map[string]int // other answers and errors
}

// startLoad begins. url is asked at address by each of clients, without retries.
func startLoad(address, url string, clients int, keep bool, fields ...string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, versions: map[string]int{}, failed: map[string]int{}}
	for range clients {
		l.done.Go(func() {
			c := client(address, keep)
			defer c.CloseIdleConnections()
			for ctx.Err() == nil {
				a, err := get(c, url, fields...)
				l.mu.Lock()
				switch {
				case err != nil:
					l.failed[err.Error()]++
				case a.status != http.StatusOK:
					l.failed[fmt.Sprint(a.status, " ", a.header.Get("X-Paifang-Reason"), " ", a.body)]++
				default:
					l.versions[a.header.Get("X-Version")]++
				}
				l.mu.Unlock()
				time.Sleep(2 * time.Millisecond) // two cores run the whole cluster: a client that never rests starves it
			}
		})
	}
	return l
}

// count is the number of answers 200 so far.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for c := range maps.Values(l.versions) {
		n += c
	}
	return n
}

// more waits for so many further answers.
func (l *load) more(t testing.TB, n int) {
	t.Helper()
	begin := l.count()
	eventually(t, 60*time.Second, "further answers", func() (bool, string) {
		now := l.count()
		return now >= begin+n, fmt.Sprint(now - begin)
	})
}

// end ends the load and returns how many were answered 200, and a line for each way in which others were not.
func (l *load) end() (ok int, failures []string) {
	l.cancel()
	l.done.Wait()
	ok = l.count()
	for _, what := range slices.Sorted(maps.Keys(l.failed)) {
		failures = append(failures, fmt.Sprintf("%d × %s", l.failed[what], what))
	}
	return ok, failures
}

// none fails the test where a request failed, or where there were none.
func (l *load) none(t testing.TB, what string) {
	t.Helper()
	ok, failures := l.end()
	t.Logf("%s: %d requests answered 200, %v; failed: %d kinds", what, ok, l.versions, len(failures))
	if ok == 0 || len(failures) > 0 {
		t.Errorf("%s: %d requests answered; failed:\n%s", what, ok, strings.Join(failures, "\n"))
	}
}
