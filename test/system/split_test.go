package system

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pieces are the processes of `up --split`, by name.
func (u *up) pieces() map[string]int {
	u.t.Helper()
	out := map[string]int{}
	for _, i := range get[infoRow](u, "info") {
		out[i.Name] = i.PID
	}
	return out
}

// healthy asks the SLB's own process, in split: a listing of all of them waits for those that are frozen.
func (u *up) healthy(node string) bool {
	at := u.admin()
	if u.split {
		at = u.at("127.0.0.1:8104")
	}
	nodes, err := tryGetAt[nodeRow](at, "nodes")
	seen := false
	for _, n := range nodes {
		if n.Name == node {
			seen = true
			if n.Health != "healthy" {
				return false
			}
		}
	}
	return seen && err == nil
}

// standing waits until a split up has everything: a table that is printed at once may be early.
func (u *up) standing() {
	u.t.Helper()
	for _, r := range roads {
		eventually(u.t, 15*time.Second, r.name+" answers", func() (bool, string) {
			status, body, err := call("GET", "http://"+r.to(u)+"/ready/1", "Host", r.host)
			return err == nil && status == 200, fmt.Sprint(status, body, err)
		})
	}
	u.waitReady(2, "app-registered")
	eventually(u.t, 5*time.Second, "both nodes are healthy", func() (bool, string) { return u.healthy("node-1") && u.healthy("node-2"), "" })
}

func TestSplitNodeDies(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	u := start(t, "--split", dir)
	u.standing()
	for _, signal := range []string{"KILL", "STOP"} {
		t.Run(signal, func(t *testing.T) {
			u.t = t
			if len(u.pieces()) != 7 {
				t.Errorf("processes: %v, want up and six pieces", u.pieces())
			}
			node := u.pieces()["node-1"]
			kept := begin(t, u.slb(), "shop.test", "/split-"+signal+"/", func(l *load) { l.pause = 5 * time.Millisecond })
			other := begin(t, u.gateway(), "gateway.test", "/split-other-"+signal+"/", func(l *load) { l.pause = 10 * time.Millisecond })
			window := long(8*time.Second, 30*time.Second)
			kept.wait(window / 4)
			before := time.Now()
			u.must("stop", "node-1", "--signal", signal)
			dead := time.Now() // the process has ended, or was frozen some time ago
			if signal == "KILL" && alive(node) {
				t.Errorf("process %d of node-1 lives on", node)
			}
			eventually(t, 3*time.Second, "node-1 leaves the SLB", func() (bool, string) { return !u.healthy("node-1"), "" })
			out := time.Now()
			// That is said when the first of its two ports has left. Both have after the second that is promised.
			eventually(t, 3*time.Second, "the second is over", func() (bool, string) { return time.Since(before) > time.Second, "" })
			if signal == "STOP" { // its system goes on taking connections for it
				dead = time.Now()
			}
			if out.Sub(before) > time.Second {
				t.Errorf("node-1 was out of the SLB after %v, want 1 s at most", out.Sub(before))
			}
			// From here on, new connections never meet it.
			fresh := begin(t, u.slb(), "shop.test", "/split-fresh-"+signal+"/", func(l *load) { l.short, l.pause = true, 10*time.Millisecond })
			fresh.wait(window / 4)
			short := fresh.end()
			none(t, fresh, short)
			reconcile(t, u, short, "/split-fresh-"+signal+"/", nil)
			u.must("start", "node-1")
			started := time.Now()
			eventually(t, 10*time.Second, "node-1 is back in the SLB", func() (bool, string) { return u.healthy("node-1"), "" })
			back := time.Since(started)
			again := begin(t, u.slb(), "shop.test", "/split-again-"+signal+"/", func(l *load) { l.short, l.pause = true, 10*time.Millisecond })
			again.wait(window / 4)
			since := again.end()
			none(t, again, since)
			through := map[string]int{}
			for _, o := range since {
				through[o.Node]++
			}
			if through["node-1"] == 0 || through["node-2"] == 0 {
				t.Errorf("new connections after start went through %v, want both nodes", through)
			}
			all, others := kept.end(), other.end()
			none(t, other, others)
			reconcile(t, u, others, "/split-other-"+signal+"/", sights(t, counts, "/split-other-"+signal+"/"))
			if len(kept.refused) > 0 {
				t.Errorf("%d new connections failed: %v", len(kept.refused), first(kept.refused, 3))
			}
			// What failed was under way on a connection through the node when it died, or was frozen.
			failed, late, newborn, was := failures(all), 0, 0, map[int64]string{}
			var longest time.Duration
			for _, o := range all {
				if o.Node != "" {
					was[o.Conn] = o.Node
				}
				longest = max(longest, o.End.Sub(o.Start))
			}
			for _, o := range failed {
				node := was[o.Conn]
				if o.Nth == 1 {
					newborn++
				}
				if o.Start.After(dead) || node != "" && node != "node-1" {
					late++
					t.Logf("began %v after the signal on a connection through %q: %v", o.Start.Sub(before), node, o)
				}
			}
			if len(failed) > connections || late > 0 {
				t.Errorf("%d requests failed, want at most %d; %d of them were not under way at node-1", len(failed), connections, late)
			}
			t.Logf("%d requests, %d failed (all under way at node-1, %d the first of their connection), longest %v; out of the SLB after %v, back %v after start",
				len(all), len(failed), newborn, longest, out.Sub(before), back)
		})
	}
	u.t = t
}

func TestSplitRegistryDies(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	u := start(t, "--split", dir)
	u.standing()
	for _, signal := range []string{"KILL", "STOP", "TERM"} {
		t.Run(signal, func(t *testing.T) {
			u.t = t
			prefix := "/reg-" + signal + "/"
			l := begin(t, u.gateway(), "gateway.test", prefix)
			window := long(8*time.Second, 60*time.Second)
			l.wait(time.Second)
			u.must("stop", "registry", "--signal", signal)
			stopped := time.Now()
			eventually(t, 12*time.Second, "a source is red", func() (bool, string) {
				rows, err := tryGet[sourceRow](u, "sources")
				return err == nil && slices.ContainsFunc(rows, func(s sourceRow) bool { return s.Failed }), fmt.Sprint(rows, err)
			})
			red := time.Since(stopped)
			l.wait(window - time.Since(stopped))
			u.must("start", "registry")
			started := time.Now()
			eventually(t, 20*time.Second, "no source is red", func() (bool, string) {
				rows, err := tryGet[sourceRow](u, "sources")
				return err == nil && !slices.ContainsFunc(rows, func(s sourceRow) bool { return s.Failed }), fmt.Sprint(rows, err)
			})
			well := time.Since(started)
			u.waitReady(2, "app-registered")
			l.wait(2 * time.Second)
			all := l.end()
			none(t, l, all)
			reconcile(t, u, all, prefix, sights(t, counts, prefix))
			t.Logf("%d requests; red %v after %s, well %v after start", len(all), red, signal, well)
		})
	}
	u.t = t
}

// TestSplitNodesReadTheRegistry: a Service whose addresses are a registry's has them in the processes of the nodes too, and while the
// registry is away.
func TestSplitNodesReadTheRegistry(t *testing.T) {
	dir, _ := countingDir(t, 2, 0)
	write(t, dir, "4-registered.yaml", `apiVersion: v1
kind: Service
metadata:
  name: registered
  annotations: {paifang.dev/registry: app-registered}
spec:
  ports: [{port: 80}]
---
`+ingress("registered", "registered.test", "/", "registered"))
	u := start(t, "--split", dir)
	u.standing()
	u.waitReady(2, "app-registered")
	answers := func() (bool, string) { // each on a connection of its own, which nodes have in turn
		for range 4 {
			status, body, err := call("GET", "http://"+u.slb()+"/1", "Host", "registered.test", "Connection", "close")
			if err != nil || status != 200 {
				return false, fmt.Sprint(status, body, err)
			}
		}
		return true, ""
	}
	eventually(t, 10*time.Second, "both nodes answer", answers)
	u.must("stop", "registry", "--signal", "KILL")
	if ok, what := answers(); !ok {
		t.Errorf("without the registry: %s", what)
	}
}

// TestSplitPiecesAreMissed: up says and explains that a piece is gone, whoever ended its process.
func TestSplitPiecesAreMissed(t *testing.T) {
	u := start(t, "--split")
	u.waitReady(2, "nacos-order-service")
	const url, served = "http://gateway.test/order/42", "listener gateway"
	says := func(what string, explained bool) {
		t.Helper()
		eventually(t, 10*time.Second, "up says "+what, func() (bool, string) { return strings.Contains(u.out.String(), " "+what), u.out.head() })
		eventually(t, 10*time.Second, "explain agrees", func() (bool, string) {
			text := u.say("explain", url)
			return strings.Contains(text, served) == explained, text
		})
	}
	says("", true)
	for _, c := range []struct {
		end  func()
		what string
	}{
		{func() { u.must("stop", "gateway") }, "gateway stopped"},
		{func() { _ = syscall.Kill(u.pieces()["gateway"], syscall.SIGKILL) }, "gateway ended: signal: killed"},
	} {
		c.end()
		says(c.what, false)
		if c.what == "gateway stopped" { // and took itself out of the registry
			if roads := u.say("get", "roads"); strings.Contains(roads, "paifang-gateway") || !strings.Contains(roads, "1 application: ") {
				t.Errorf("roads without the gateway:\n%s", roads)
			}
		}
		u.must("start", "gateway")
		says("gateway started", true)
		eventually(t, 10*time.Second, "the gateway answers", func() (bool, string) {
			status, body, err := call("GET", "http://"+u.gateway()+"/order/42", "Host", "gateway.test")
			return err == nil && status == 200, fmt.Sprint(status, body, err)
		})
	}
}

// TestSplitEnds: all processes end together, in order, whoever of them gets the signal first.
func TestSplitEnds(t *testing.T) {
	dir, _ := countingDir(t, 2, 3*time.Millisecond)
	processes := func(u *up) (all []podRow) {
		all = get[podRow](u, "pods")
		for name, pid := range u.pieces() {
			all = append(all, podRow{Name: name, PID: pid})
		}
		return all
	}
	t.Run("signal", func(t *testing.T) {
		u := start(t, "--split", dir)
		u.standing()
		all := processes(u)
		one := begin(t, u.slb(), "shop.test", "/one/")
		two := begin(t, u.gateway(), "gateway.test", "/two/")
		one.wait(time.Second)
		signalled := time.Now()
		u.interrupt(syscall.SIGINT)
		for i, l := range []*load{one, two} {
			outcomes, inFlight := l.end(), 0
			for _, o := range failures(outcomes) {
				if o.Nth > 1 || o.Status != 0 {
					if inFlight++; inFlight <= 5 {
						t.Logf("%s failed %v after the signal: %v", roads[i].name, o.End.Sub(signalled), o)
					}
				}
			}
			if inFlight > 0 {
				t.Errorf("%s: %d of %d requests failed while up ended", roads[i].name, inFlight, len(outcomes))
			}
		}
		nothingLeft(t, u, all)
	})
	t.Run("kill", func(t *testing.T) {
		u := start(t, "--split", dir)
		u.standing()
		all := processes(u)
		u.ended = true
		_ = u.cmd.Process.Kill()
		<-u.done
		for _, p := range all {
			if ok, _ := poll(12*time.Second, func() (bool, string) { return !alive(p.PID), "" }); !ok {
				t.Errorf("%s, process %d, lives on after kill -9 of up", p.Name, p.PID)
				_ = syscall.Kill(p.PID, syscall.SIGKILL)
			}
		}
		nothingLeft(t, u, all)
		if c, err := net.Dial("tcp", u.slb()); err == nil {
			_ = c.Close()
			t.Error("the SLB still answers")
		}
	})
}
