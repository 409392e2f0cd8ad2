package system

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// instance is a small HTTP server at an address of its own that notes the number and the time of every request.
type instance struct {
	addr   string
	server *http.Server

	mu   sync.Mutex
	seen []sight
}

func serveInstance(t testing.TB, ip string) *instance {
	t.Helper()
	l, err := net.Listen("tcp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{addr: l.Addr().String()}
	i.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.seen = append(i.seen, sight{i.addr, time.Now(), r.URL.Path})
		i.mu.Unlock()
		_, _ = fmt.Fprintf(w, "%s %d %s", i.addr, pathNumber(r.URL.Path), r.Header.Get("X-Paifang-Node"))
	})}
	go func() { _ = i.server.Serve(l) }()
	t.Cleanup(func() { _ = i.server.Close() })
	return i
}

// lastSight is when the instance saw its last request.
func (i *instance) lastSight() (time.Time, int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.seen) == 0 {
		return time.Time{}, 0
	}
	return i.seen[len(i.seen)-1].at, len(i.seen)
}

func (i *instance) url(u *up, service string) string {
	ip, port, _ := net.SplitHostPort(i.addr)
	return instanceURL(u.registry(), service, ip, port)
}

func (i *instance) register(u *up, service string) {
	u.t.Helper()
	if status, body, err := call("POST", i.url(u, service)); err != nil || status != 200 || body != "ok" {
		u.t.Fatalf("register: %d %q %v", status, body, err)
	}
}

// beat keeps the instance alive until the test ends.
func (i *instance) beat(u *up, service string) {
	ip, port, _ := net.SplitHostPort(i.addr)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				_, _, _ = call("PUT", "http://"+u.registry()+"/nacos/v1/ns/instance/beat?"+instanceForm(service, ip, port).Encode())
			}
		}
	}()
	u.t.Cleanup(func() { close(stop); <-done })
}

// listed tells what GET …/instance/list says of an instance.
func listed(u *up, service, addr string) (there, healthy bool) {
	u.t.Helper()
	_, body, err := call("GET", "http://"+u.registry()+"/nacos/v1/ns/instance/list?serviceName="+service)
	if err != nil {
		u.t.Fatal(err)
	}
	var list struct {
		Hosts []struct {
			IP      string
			Port    int
			Healthy bool
		}
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		u.t.Fatalf("%v in %s", err, body)
	}
	for _, h := range list.Hosts {
		if fmt.Sprintf("%s:%d", h.IP, h.Port) == addr {
			return true, h.Healthy
		}
	}
	return false, false
}

// serviceDir has a route per service and no pods.
func serviceDir(t testing.TB, services ...string) string {
	dir := t.TempDir()
	var b strings.Builder
	b.WriteString("spring:\n  cloud:\n    gateway:\n      routes:\n")
	for _, s := range services {
		fmt.Fprintf(&b, "      - id: %s\n        uri: lb://%s\n        predicates:\n        - Path=/%s/**\n", s, s, s)
	}
	write(t, dir, "routes.yaml", b.String())
	return dir
}

// answers waits until the gateway knows the first instance of a service. Its requests have no number: they are none of a load's.
func answers(u *up, service string) {
	u.t.Helper()
	eventually(u.t, time.Second, service+" answers", func() (bool, string) {
		status, body, err := call("GET", "http://"+u.gateway()+"/"+service, "Host", "gateway.test")
		return err == nil && status == 200, fmt.Sprint(status, body, err)
	})
}

func TestInstances(t *testing.T) {
	u := start(t, serviceDir(t, "deleted", "silent", "last", "dead"))
	t.Run("group", func(t *testing.T) { // they run side by side: most of it is waiting
		t.Run("a deregistered one gets no request", func(t *testing.T) { t.Parallel(); deregistered(t, u) })
		t.Run("one that never beats", func(t *testing.T) { t.Parallel(); neverBeats(t, u) })
		t.Run("the last one deregistered", func(t *testing.T) { t.Parallel(); lastDeregistered(t, u) })
		t.Run("one that is listed and dead", func(t *testing.T) { t.Parallel(); listedAndDead(t, u) })
	})
}

func deregistered(t *testing.T, u *up) {
	stay, leave := serveInstance(t, "127.0.77.1"), serveInstance(t, "127.0.77.2")
	stay.register(u, "deleted")
	stay.beat(u, "deleted")
	answers(u, "deleted")
	leave.register(u, "deleted")
	l := begin(t, u.gateway(), "gateway.test", "/deleted/")
	worst := time.Duration(0)
	for range 5 {
		eventually(t, 5*time.Second, "the instance is used", func() (bool, string) {
			last, _ := leave.lastSight()
			return time.Since(last) < 20*time.Millisecond, last.String()
		})
		status, body, err := call("DELETE", leave.url(u, "deleted"))
		answer := time.Now()
		if err != nil || status != 200 {
			t.Fatalf("DELETE: %d %q %v", status, body, err)
		}
		l.wait(500 * time.Millisecond)
		last, n := leave.lastSight()
		if n == 0 {
			t.Fatal("the instance was never used")
		}
		worst = max(worst, last.Sub(answer))
		leave.register(u, "deleted")
	}
	all := l.end()
	none(t, l, all)
	reconcile(t, u, all, "/deleted/", nil)
	if worst > 100*time.Millisecond {
		t.Errorf("a request began at the instance %v after the answer to DELETE, want 100 ms at most", worst)
	}
	t.Logf("%d requests; the last one at a deregistered instance began %v after the answer", len(all), worst)
}

func neverBeats(t *testing.T, u *up) {
	stay, silent := serveInstance(t, "127.0.77.3"), serveInstance(t, "127.0.77.4")
	stay.register(u, "silent")
	stay.beat(u, "silent")
	answers(u, "silent")
	l := begin(t, u.gateway(), "gateway.test", "/silent/", func(l *load) { l.pause = 30 * time.Millisecond })
	silent.register(u, "silent")
	began := time.Now()
	eventually(t, 2*time.Second, "the instance is used", func() (bool, string) { _, n := silent.lastSight(); return n > 0, "" })
	var unhealthy, gone time.Duration
	eventually(t, 36*time.Second, "the instance leaves the list", func() (bool, string) {
		time.Sleep(100 * time.Millisecond)
		there, healthy := listed(u, "silent", silent.addr)
		if !healthy && unhealthy == 0 {
			unhealthy = time.Since(began)
		}
		return !there, fmt.Sprintf("healthy %v", healthy)
	})
	gone = time.Since(began)
	last, n := silent.lastSight()
	all := l.end()
	none(t, l, all)
	if last.Sub(began) > 20*time.Second {
		t.Errorf("it was chosen %v after it had registered, want 20 s at most", last.Sub(began))
	}
	if gone > 35*time.Second {
		t.Errorf("it left the list after %v, want 35 s at most", gone)
	}
	if last.Sub(began) < 14*time.Second {
		t.Errorf("it was chosen for %v only: 15 s without a beat are allowed", last.Sub(began))
	}
	t.Logf("%d requests, %d at the silent one, the last after %v; unhealthy after %v, gone after %v", len(all), n, last.Sub(began), unhealthy, gone)
}

func lastDeregistered(t *testing.T, u *up) {
	only := serveInstance(t, "127.0.77.5")
	var worst time.Duration
	for range 5 {
		only.register(u, "last")
		get := func() int {
			status, _, err := call("GET", "http://"+u.gateway()+"/last/1", "Host", "gateway.test")
			if err != nil {
				t.Fatal(err)
			}
			return status
		}
		eventually(t, time.Second, "it answers", func() (bool, string) { s := get(); return s == 200, fmt.Sprint(s) })
		if status, body, err := call("DELETE", only.url(u, "last")); err != nil || status != 200 {
			t.Fatalf("DELETE: %d %q %v", status, body, err)
		}
		answer := time.Now()
		eventually(t, time.Second, "503", func() (bool, string) { s := get(); return s == 503, fmt.Sprint(s) })
		worst = max(worst, time.Since(answer))
	}
	if worst > 100*time.Millisecond {
		t.Errorf("503 came %v after the answer to DELETE, want 100 ms at most", worst)
	}
	t.Logf("503 at the latest %v after the answer", worst)
}

// listedAndDead: the registry goes on to list an instance that does not answer any more, as it does after a kill -9 for as long
// as nobody has missed its heartbeats.
func listedAndDead(t *testing.T, u *up) {
	stay, dead := serveInstance(t, "127.0.77.6"), serveInstance(t, "127.0.77.7")
	stay.register(u, "dead")
	stay.beat(u, "dead")
	answers(u, "dead")
	dead.register(u, "dead")
	dead.beat(u, "dead")
	l := begin(t, u.gateway(), "gateway.test", "/dead/", func(l *load) { l.pause = 10 * time.Millisecond })
	eventually(t, 5*time.Second, "the instance is used", func() (bool, string) { _, n := dead.lastSight(); return n > 100, "" })
	before := time.Now()
	_ = dead.server.Close()
	after := time.Now()
	l.wait(12 * time.Second)
	if there, healthy := listed(u, "dead", dead.addr); !there || !healthy {
		t.Errorf("the registry says there %v, healthy %v: this test is about one that is listed", there, healthy)
	}
	all := l.end()
	log := reconcile(t, u, all, "/dead/", nil)
	failed := failures(all)
	for _, o := range failed {
		if o.Start.After(after) || o.End.Before(before) || log[o.N][0].Reason != "upstream-reset" {
			t.Errorf("%v failed and was not in flight at the end", o)
		}
	}
	tried, lateTries := 0, 0
	var refused time.Time
	for _, lines := range log {
		if a := lines[0]; a.Tries > 1 && (refused.IsZero() || a.end().Before(refused)) {
			refused = a.end()
		}
	}
	for _, lines := range log {
		if a := lines[0]; a.Tries > 1 {
			tried++
			if a.Time.After(refused.Add(time.Millisecond)) { // times in the log are cut to milliseconds, so the first one ended up to 1 ms later
				lateTries++
				t.Errorf("chosen %v after its first refused connection: %s", a.Time.Sub(refused), a.Line)
			}
		}
	}
	t.Logf("%d requests, %d failed, %d tried again, %d of them late", len(all), len(failed), tried, lateTries)
}
