package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clients are those of each road.
const clients = 4

// row is a line of the table: what was done, and how each road took it.
type row struct {
	what string
	cell [2]string
}

// roads are both of them under load, each behind an SLB of its own, to the same pods.
type roads struct {
	t       *testing.T
	traffic [2]*traffic
	rows    []row
}

// event does something, and adds how many requests failed on each road until done returns, with the seconds that done tells for each. It
// returns the failures.
func (r *roads) event(what string, do func() (out [2]string)) [2]int {
	r.t.Helper()
	var before [2]tally
	for i, w := range r.traffic {
		w.more(r.t, 50)
		before[i] = w.tally()
	}
	out := do()
	line, failed := row{what: what}, [2]int{}
	for i, w := range r.traffic {
		w.more(r.t, 200)
		now := w.tally()
		failed[i] = now.failed - before[i].failed
		line.cell[i] = fmt.Sprintf("%d of %d | %s", failed[i], now.ok-before[i].ok+failed[i], out[i])
		for _, kind := range now.since(before[i]) {
			r.t.Logf("%s, %s: %s", what, w.road, kind)
		}
	}
	r.rows = append(r.rows, line)
	r.t.Logf("%s | %s | %s", line.what, line.cell[0], line.cell[1])
	return failed
}

// seconds are those that the longest of several took.
func seconds(took []time.Duration) string {
	if len(took) == 0 {
		return "—"
	}
	return fmt.Sprintf("%.1f s", max(0, slices.Max(took).Seconds()))
}

// ended has the pods of a label end, by what restart does, and returns for each road the seconds from the order to end until the last answer.
// lasting finds the last answers in a tally, for the pods that have ended.
func (r *roads) ended(ns, label string, n int, restart func(), lasting func(of tally, pods []string) []time.Time) [2]string {
	r.t.Helper()
	ends := watchEnds(r.t, fmt.Sprint(len(r.rows), ns), ns, label)
	restart()
	var pods []string
	var at []time.Time
	eventually(r.t, 90*time.Second, "the old pods of "+label+" are gone", func() (bool, string) {
		pods, at = ends.list()
		return len(pods) == n && strings.Count(kubectl(r.t, "get", "pods", "-n", ns, "-l", label, "--no-headers"), "\n") == n, fmt.Sprint(pods)
	})
	var out [2]string
	for i, w := range r.traffic {
		var took []time.Duration
		for j, last := range lasting(w.tally(), pods) {
			took = append(took, last.Sub(at[j]))
		}
		out[i] = seconds(took)
	}
	return out
}

// served reads how many endpoints of the application a process of ours sends requests to; -1: it does not say.
func served(address string) int {
	c := client(address, false)
	c.Timeout = 500 * time.Millisecond
	a, err := get(c, "http://metrics.test/metrics")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(a.body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if strings.HasPrefix(name, "paifang_upstream_endpoints_serving{") && (strings.Contains(name, registryService) || strings.Contains(name, roadsNamespace+"/order")) {
			n, err := strconv.ParseFloat(value, 64)
			if err == nil {
				return int(n)
			}
		}
	}
	return -1
}

// until waits for all of each road's processes to serve so many endpoints, or as many at most, and returns the seconds since begin until
// the last one did. addresses are those of their metrics.
func (r *roads) until(begin time.Time, addresses [2][]string, what string, holds func(n int) bool) [2]string {
	r.t.Helper()
	took := [2]map[string]time.Duration{{}, {}}
	eventually(r.t, 90*time.Second, what, func() (bool, string) {
		missing := 0
		said := ""
		for i := range addresses {
			for _, a := range addresses[i] {
				if _, known := took[i][a]; known {
					continue
				}
				n := served(a)
				if holds(n) {
					took[i][a] = time.Since(begin)
				} else {
					missing++
					said += fmt.Sprintf("%s serves %d; ", a, n)
				}
			}
		}
		return missing == 0, said
	})
	return [2]string{seconds(slices.Collect(maps.Values(took[0]))), seconds(slices.Collect(maps.Values(took[1])))}
}

// proxies are the addresses of the metrics of each road's processes, of one node or of all.
func proxies(t *testing.T, node string) (out [2][]string) {
	t.Helper()
	for _, n := range cluster.Nodes {
		if node == "" || n.Name == node {
			out[0] = append(out[0], n.Address+":8089")
		}
	}
	for _, p := range placed(t, controllerNamespace, "app.kubernetes.io/name=paifang-gateway") {
		if node == "" || p[2] == node {
			out[1] = append(out[1], p[1]+":8089")
		}
	}
	return out
}

// kill ends the process of a pod of ours with SIGKILL, as a kernel does that is out of memory. It is known by a variable of its environment,
// and by what it was started with.
func kill(variable string, args ...string) error {
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return err
	}
	for _, file := range all {
		env, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+variable+"\x00")) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil || !bytes.HasPrefix(line, []byte("/paifang\x00"+strings.Join(args, "\x00")+"\x00")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return errors.New("no process with " + variable)
}

// TestRoadsUnderFaults does to both roads at once, under load, what happens to clusters, and prints the table of docs/kubernetes.md.
func TestRoadsUnderFaults(t *testing.T) {
	installSecondRoad(t)
	pods := registered(t, registryService, roadsNamespace, "app=order", "8080", replicas)
	slb := [2]string{balancer(t, "road1", 18030, 80, ""), balancer(t, "road2", 18040, gatewayPort, "")}
	r := &roads{t: t}
	for i, host := range []string{"roads.test", "gateway.test"} {
		answers(t, client(slb[i], false), "http://"+host+"/order/1", 200)
		w := startTraffic(fmt.Sprint("road ", i+1), slb[i], "http://"+host+"/order/1", clients)
		defer w.end()
		r.traffic[i] = w
	}
	r.until(time.Now(), proxies(t, ""), "everybody serves all pods", func(n int) bool { return n == replicas })

	// The application: pods by their names.
	lastOfPods := func(of tally, pods []string) (out []time.Time) {
		for _, p := range pods {
			out = append(out, of.pods[p])
		}
		return out
	}
	failed := r.event("rolling update of the application", func() [2]string {
		return r.ended(roadsNamespace, "app=order", replicas, func() {
			apply(t, application(roadsNamespace, "v2", secondRoad.registry, replicas))
			rolledOut(t, roadsNamespace, "deployment/order")
		}, lastOfPods)
	})
	if failed != [2]int{} {
		t.Errorf("rolling update of the application: %v requests failed", failed)
	}

	// What reads requests: its processes by what they write into X-Paifang-Via. One is replaced after the other, so that their order is
	// that of their pods.
	lastOfVia := func(road int) func(of tally, pods []string) []time.Time {
		old := slices.Collect(maps.Keys(r.traffic[road].tally().via))
		return func(of tally, pods []string) (out []time.Time) {
			for _, id := range old {
				if at := of.via[id]; time.Since(at) < 10*time.Minute {
					out = append(out, at)
				}
			}
			slices.SortFunc(out, time.Time.Compare)
			return out[max(0, len(out)-len(pods)):]
		}
	}
	for road, c := range []struct{ kind, name, what string }{{"daemonset", "paifang", "the controller"}, {"deployment", "paifang-gateway", "the gateway"}} {
		failed := r.event("rolling update of "+c.what, func() [2]string {
			out := r.ended(controllerNamespace, "app.kubernetes.io/name="+c.name, 2, func() {
				kubectl(t, "rollout", "restart", "-n", controllerNamespace, c.kind+"/"+c.name)
				rolledOut(t, controllerNamespace, c.kind+"/"+c.name)
			}, lastOfVia(road))
			out[1-road] = "—"
			return out
		})
		if failed != [2]int{} {
			t.Errorf("rolling update of %s: %v requests failed", c.what, failed)
		}
	}

	failed = r.event("restart of the registry", func() [2]string {
		begin := time.Now()
		kubectl(t, "rollout", "restart", "-n", controllerNamespace, "statefulset/paifang-registry")
		rolledOut(t, controllerNamespace, "statefulset/paifang-registry")
		pods = registered(t, registryService, roadsNamespace, "app=order", "8080", replicas)
		return [2]string{"—", fmt.Sprintf("lists all again after %.1f s", time.Since(begin).Seconds())}
	})
	if failed != [2]int{} {
		t.Errorf("restart of the registry: %v requests failed", failed)
	}

	all := proxies(t, "")
	failed = r.event("kill -9 of a pod", func() [2]string {
		begin := time.Now()
		if err := kill("POD_NAME="+pods[0][0], "example"); err != nil {
			t.Fatal(err)
		}
		return r.until(begin, all, "the killed pod is out", func(n int) bool { return n >= 0 && n < replicas })
	})
	// What a pod has begun to answer cannot be sent again.
	if max(failed[0], failed[1]) > clients {
		t.Errorf("kill -9 of a pod: %v requests failed", failed)
	}
	r.until(time.Now(), all, "the killed pod is back", func(n int) bool { return n == replicas })

	lost, left := cluster.Nodes[1], proxies(t, cluster.Nodes[0].Name)
	t.Cleanup(func() { _ = lost.Connect() })
	failed = r.event("a node is cut off", func() [2]string {
		begin := time.Now()
		if err := lost.Disconnect(); err != nil {
			t.Fatal(err)
		}
		out := r.until(begin, left, "the pods of the lost node are out", func(n int) bool { return n == replicas/2 })
		if err := cluster.WaitNode(lost.Name, false, 30*time.Second); err != nil {
			t.Error(err)
		}
		t.Logf("the cluster calls the node not ready after %.1f s", time.Since(begin).Seconds())
		for i, w := range r.traffic {
			if bad := w.tally().bad; bad.After(begin) {
				out[i] += fmt.Sprintf("; the last request failed after %.1f s", bad.Sub(begin).Seconds())
			}
		}
		return out
	})
	if max(failed[0], failed[1]) > 3*clients {
		t.Errorf("a node is cut off: %v requests failed", failed)
	}
	failed = r.event("the node is back", func() [2]string {
		begin := time.Now()
		if err := lost.Connect(); err != nil {
			t.Fatal(err)
		}
		if err := cluster.WaitNode(lost.Name, true, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		out := r.until(begin, proxies(t, ""), "all pods serve again", func(n int) bool { return n == replicas })
		return [2]string{"in again after " + out[0], "in again after " + out[1]}
	})
	// Each client may have one request on its way to the lost node, which ends by the client's patience.
	if max(failed[0], failed[1]) > clients {
		t.Errorf("the node is back: %v requests failed", failed)
	}

	var table strings.Builder
	for _, l := range r.rows {
		fmt.Fprintf(&table, "| %s | %s | %s |\n", l.what, l.cell[0], l.cell[1])
	}
	t.Logf("failed requests, and seconds until out of rotation:\n| what | road 1: failed | out after | road 2: failed | out after |\n|---|---|---|---|---|\n%s", table.String())
}
