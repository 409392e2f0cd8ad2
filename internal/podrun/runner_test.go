//go:build linux

package podrun

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

func TestTwoPodsOfOnePort(t *testing.T) {
	var mu sync.Mutex
	var lines, changes []string
	b := start(t, Config{
		Env: map[string]string{"EXTRA": "all", "LISTEN": "overridden"},
		Output: func(pod string, line []byte) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, pod+": "+string(line))
		},
		Changed: func(s PodStatus) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, fmt.Sprint(s.Name, " ", s.Phase, " ", s.Ready))
		},
	})
	w := deployment(2)
	w.Container.Env = append(w.Container.Env,
		model.EnvVar{Name: "MY_NAME", Field: "metadata.name"}, model.EnvVar{Name: "MY_NS", Field: "metadata.namespace"},
		model.EnvVar{Name: "MY_APP", Field: "metadata.labels['app']"}, model.EnvVar{Name: "MY_NODE", Field: "spec.nodeName"},
		model.EnvVar{Name: "MY_IP", Field: "status.podIP"}, model.EnvVar{Name: "MY_HOST", Field: "status.hostIP"},
		model.EnvVar{Name: "SECRET", Secret: model.NewSecret("s3")}, model.EnvVar{Name: "URL", Value: "http://$(MY_IP)/$$(X)"})
	t.Setenv("NOT_FOR_PODS", "x")
	b.commit(w)
	b.until("both are ready", func() bool { return b.in("shop/order", model.Ready) == "order-a order-b" })
	es := b.list("shop/order")
	for i, want := range []string{"node-1", "node-2"} {
		e := es[i]
		n := nodes()[i]
		if e.Node != want || !n.Range.Contains(e.Addr.Addr()) || e.Addr.Port() != containerPort || e.Since.IsZero() {
			t.Errorf("%+v", e)
		}
		if app, _ := e.Tags.Get("app"); app != "order" {
			t.Errorf("tags %v", e.Tags)
		}
		if p, ok := b.r.PodAt(e.Addr); !ok || p.Name != e.Name || p.PID == 0 || p.Workload != w.ID || p.IP != e.Addr.Addr() {
			t.Errorf("at %s: %+v", e.Addr, p)
		}
		body, err := get(e.Addr, "/env")
		if err != nil {
			t.Fatal(err)
		}
		var env []string
		if err := json.Unmarshal([]byte(body), &env); err != nil {
			t.Fatal(err)
		}
		ip := e.Addr.Addr().String()
		for _, want := range []string{
			"POD_NAME=" + e.Name, "POD_NAMESPACE=shop", "POD_IP=" + ip, "NODE_NAME=" + want, "MY_NAME=" + e.Name, "MY_NS=shop", "MY_APP=order",
			"MY_NODE=" + want, "MY_IP=" + ip, "MY_HOST=" + n.Addr.String(), "SECRET=s3", "URL=http://" + ip + "/$(X)", "EXTRA=all",
			fmt.Sprintf("LISTEN=%d", containerPort), "PAIFANG_IMAGE=order:v1", "PATH=" + os.Getenv("PATH"),
		} {
			if !slices.Contains(env, want) {
				t.Errorf("%s lacks %s: %q", e.Name, want, env)
			}
		}
		if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "NOT_FOR_PODS") }) {
			t.Error("a variable of ours leaked into a pod")
		}
	}
	log, err := os.ReadFile(b.pod("order-a").Log)
	if err != nil || !strings.Contains(string(log), "args to order-a\n") {
		t.Errorf("log %q, %v", log, err)
	}
	b.stop()
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(lines, "order-b: args to order-b") {
		t.Errorf("output %q", lines)
	}
	for _, want := range []string{"order-a Running false", "order-a Running true", "order-a Terminating false"} {
		if !slices.Contains(changes, want) {
			t.Errorf("no %q in %q", want, changes)
		}
	}
	b.until("nothing is left behind", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.sets) == 0 && len(b.r.Pods()) == 0 && b.fulls == 1
	})
}

func TestScaleAndLabels(t *testing.T) {
	b := start(t, Config{})
	b.commit(deployment(1))
	b.until("one", func() bool { return b.in("shop/order", model.Ready) == "order-a" })
	pid := b.pod("order-a").PID
	b.commit(deployment(3))
	b.until("three", func() bool { return b.ready() == "order-a order-b order-c" })
	b.commit(deployment(1))
	b.until("one again", func() bool { return len(b.r.Pods()) == 1 && b.in("shop/order", model.Ready) == "order-a" })

	out := deployment(1)
	out.Serves = []model.Serves{{List: list("shop/other"), Port: containerPort}}
	out.Labels = model.NewTags(map[string]string{"app": "other"})
	b.commit(out)
	b.until("it left its list and joined another", func() bool {
		b.mu.Lock()
		_, still := b.sets["kubernetes:shop/order"]
		b.mu.Unlock()
		return !still && b.in("shop/other", model.Ready) == "order-a"
	})
	if app, _ := b.list("shop/other")[0].Tags.Get("app"); app != "other" || b.pod("order-a").PID != pid {
		t.Errorf("%v, process %d, was %d", b.list("shop/other"), b.pod("order-a").PID, pid)
	}
	b.commit(deployment(0))
	b.until("none, and the list is known to be empty", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		s, ok := b.sets["kubernetes:shop/order"]
		return ok && len(s.Endpoints) == 0 && len(b.r.Pods()) == 0
	})
	if err := bindable(netip.MustParseAddr("127.0.0.1"), 0); err != nil {
		t.Error(err)
	}
}

// Pods that run are in a list that comes before the rules which lead there are in force, and out of it again if those never are.
func TestListsComeBeforeRules(t *testing.T) {
	b := start(t, Config{})
	b.commit(deployment(2))
	b.until("two", func() bool { return b.ready() == "order-a order-b" })
	next := deployment(2)
	next.Serves = append(next.Serves, model.Serves{List: list("shop/other"), Port: containerPort})
	prepare := func() snapshot.Change {
		t.Helper()
		c, err := b.r.Prepare(t.Context(), snapshot.New(snapshot.Contents{Workloads: []model.Workload{next}}))
		if err != nil {
			t.Fatal(err)
		}
		if got := b.in("shop/other", model.Ready); got != "order-a order-b" {
			t.Errorf("prepared: the list has %q", got)
		}
		return c
	}
	prepare().Abort()
	b.until("the list is gone", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.sets["kubernetes:shop/other"].Endpoints) == 0
	})
	prepare().Commit()
	b.commit(next)
	if got := b.in("shop/other", model.Ready); got != "order-a order-b" {
		t.Errorf("committed: the list has %q", got)
	}
	if got := b.ready(); got != "order-a order-b" {
		t.Errorf("the other list has %q", got)
	}
}

// TestRollout asks the pods that are offered all the while: each one must answer.
func TestRollout(t *testing.T) {
	b := start(t, Config{})
	b.commit(with(deployment(2), "FLAGS", "slow"))
	b.until("both are ready", func() bool { return b.in("shop/order", model.Ready) == "order-a order-b" })
	next := deployment(2)
	next.Template = "2"
	b.commit(next)
	fewest, most := 2, 0
	b.until("new ones took over", func() bool {
		n := 0
		for _, e := range b.list("shop/order") {
			if e.State == model.Ready {
				n++
			}
		}
		living := 0
		for _, p := range b.r.Pods() {
			if p.Phase != Terminating {
				living++
			}
		}
		fewest, most = min(fewest, n), max(most, living)
		return b.in("shop/order", model.Ready) == "order-c order-d" && len(b.r.Pods()) == 2
	})
	if fewest < 2 || most > 3 {
		b.mu.Lock()
		t.Errorf("down to %d ready, up to %d pods: %q", fewest, most, b.history)
		b.mu.Unlock()
	}
	if c, d := b.pod("order-c"), b.pod("order-d"); c.Node == d.Node {
		t.Errorf("both on %s", c.Node)
	}
	next.Template = "3"
	b.commit(next)
	b.until("letters are used again", func() bool { return b.in("shop/order", model.Ready) == "order-a order-b" && len(b.r.Pods()) == 2 })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range []string{"order-a", "order-b"} {
		if !slices.Contains(b.history, name+" draining") {
			t.Errorf("%s did not drain: %q", name, b.history)
		}
	}
}

func TestBrokenRolloutKeepsTheOldPods(t *testing.T) {
	b := start(t, Config{})
	b.commit(deployment(2))
	b.until("both are ready", func() bool { return b.ready() == "order-a order-b" })
	bad := deployment(2)
	bad.Template = "2"
	bad.Container.Command = []string{"./no-such-program"}
	b.commit(bad)
	b.until("the new one waits", func() bool { return b.pod("order-c").Phase == Waiting && len(b.r.Diagnostics()) == 1 })
	d := b.r.Diagnostics()[0]
	if d.Code != model.CodeNoProgram || !strings.Contains(d.Message, "order:v1") || d.Origin.At() != "1-pods.yaml:2" {
		t.Errorf("%v", d)
	}
	if b.ready() != "order-a order-b" || len(b.r.Pods()) != 3 {
		t.Errorf("pods %+v", b.r.Pods())
	}
	b.commit(deployment(2)) // mended
	b.until("back", func() bool {
		return b.ready() == "order-a order-b" && len(b.r.Pods()) == 2 && len(b.r.Diagnostics()) == 0
	})
}

func TestDrainsBeforeSIGTERM(t *testing.T) {
	b := start(t, Config{})
	b.commit(with(deployment(2), "FLAGS", "slow"))
	b.until("both are ready", func() bool { return b.ready() == "order-a order-b" })
	b.commit(with(deployment(1), "FLAGS", "slow"))
	b.until("one drains while it lives", func() bool {
		p := b.pod("order-b")
		return b.in("shop/order", model.Draining) == "order-b" && p.PID != 0 && p.Phase == Terminating
	})
	at := b.list("shop/order")[1].Addr
	if body, err := get(at, "/"); err != nil || body != "order-b" {
		t.Errorf("the draining pod answers %q, %v", body, err)
	}
	b.until("it is gone", func() bool { return len(b.list("shop/order")) == 1 && len(b.r.Pods()) == 1 })
}

func TestCrashAndRestart(t *testing.T) {
	b := start(t, Config{Backoff: 300 * time.Millisecond})
	b.commit(deployment(1))
	b.until("ready", func() bool { return b.ready() == "order-a" })
	first := b.pod("order-a")
	kill := func() {
		if err := b.r.Kill(t.Context(), "order-a", KILL); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	b.until("restarted at once on its address", func() bool {
		p := b.pod("order-a")
		return p.Ready && p.PID != first.PID && p.Restarts == 1 && p.IP == first.IP
	})
	b.mu.Lock()
	if !slices.Contains(b.history, "order-a unhealthy") {
		t.Errorf("its address stayed: %q", b.history)
	}
	b.mu.Unlock()
	kill()
	b.until("it is backed off", func() bool { return b.pod("order-a").Phase == BackOff && len(b.r.Diagnostics()) == 1 })
	if d := b.r.Diagnostics()[0]; d.Code != model.CodeWorkloadFailed || !strings.Contains(d.Message, "killed") {
		t.Errorf("%v", d)
	}
	b.until("a dead pod is not offered", func() bool { return b.in("shop/order", model.Ready) == "" && b.pod("order-a").Phase == BackOff })
	b.until("restarted later", func() bool { return b.ready() == "order-a" && len(b.r.Diagnostics()) == 0 })
	kill()
	b.until("backed off again", func() bool { return b.pod("order-a").Phase == BackOff })
	if err := b.r.Start(t.Context(), "order-a"); err != nil {
		t.Error(err)
	}
	b.until("started by hand", func() bool { return b.ready() == "order-a" })
}

func TestEndsAgainAndAgain(t *testing.T) {
	b := start(t, Config{Backoff: 50 * time.Millisecond})
	w := deployment(1)
	w.Container.Env[0].Value = "exit"
	b.commit(w)
	b.until("it is said", func() bool { return len(b.r.Diagnostics()) == 1 && b.pod("order-a").Restarts >= 3 })
	if d := b.r.Diagnostics()[0]; !strings.Contains(d.Message, "exit status 3: ") || !strings.Contains(d.Message, b.pod("order-a").Log) {
		t.Errorf("%v", d)
	}
	w.ID, w.Name, w.Single, w.Never = "pod/shop/job", "job", true, true
	b.commit(w)
	b.until("a pod that is never restarted has failed", func() bool { return b.pod("job").Phase == Failed && len(b.r.Pods()) == 1 })
	if p := b.pod("job"); p.Restarts != 0 {
		t.Errorf("%+v", p)
	}
}

func TestSinglePodKeepsItsName(t *testing.T) {
	b := start(t, Config{})
	w := deployment(1)
	w.ID, w.Name, w.Single, w.Node = "pod/shop/debug", "debug", true, "node-2"
	b.commit(w)
	b.until("ready", func() bool { return b.ready() == "debug" })
	first := b.pod("debug")
	if first.Node != "node-2" {
		t.Errorf("on %s", first.Node)
	}
	w.Template = "2"
	b.commit(w)
	b.until("replaced", func() bool { p := b.pod("debug"); return p.Ready && p.PID != first.PID && len(b.r.Pods()) == 1 })
	w.Template, w.Node = "3", "node-9"
	b.commit(w)
	b.until("no such node", func() bool { return b.pod("debug").Phase == Waiting && len(b.r.Diagnostics()) == 1 })
	if d := b.r.Diagnostics()[0]; d.Field != "spec.nodeName" || !strings.Contains(d.Message, "node-9") {
		t.Errorf("%v", d)
	}
}

func TestShutdownEndsTheDeaf(t *testing.T) {
	b := start(t, Config{StopWithin: 300 * time.Millisecond})
	w := with(deployment(2), "FLAGS", "deaf")
	w.Grace = time.Minute
	b.commit(w)
	b.until("ready", func() bool { return b.ready() == "order-a order-b" })
	pid := b.pod("order-a").PID
	begin := time.Now()
	b.stop()
	if d := time.Since(begin); d < 300*time.Millisecond || d > 3*time.Second {
		t.Errorf("took %s", d)
	}
	if _, err := identity(pid); err == nil {
		t.Error("a pod lives on")
	}

	b = start(t, Config{StopWithin: time.Minute})
	b.commit(w)
	b.until("ready", func() bool { return b.ready() == "order-a order-b" })
	begin = time.Now()
	b.cancel()
	b.r.KillAll()
	b.stop()
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("KillAll took %s", d)
	}
}
