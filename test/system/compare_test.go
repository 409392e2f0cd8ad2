package system

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestRoadsCompared takes the figures of the table that closes docs/two-roads.md: what the same pods, under the same load, are on
// one road and on the other. Its bounds are wide: what is promised exactly is tested by the drills beside it.
func TestRoadsCompared(t *testing.T) {
	t.Run("connections and CPU per request", costs)
	t.Run("ready to first request", firstRequest)
	t.Run("stopped", ended)
	// These run side by side, after the others: most of it is waiting for what takes its time.
	t.Run("hung", func(t *testing.T) { t.Parallel(); hung(t) })
	t.Run("unready and beating", func(t *testing.T) { t.Parallel(); unready(t) })
	t.Run("rule store away", func(t *testing.T) { t.Parallel(); storeAway(t) })
}

// costs counts, in a process per piece, what a request takes of each.
func costs(t *testing.T) {
	dir, _ := countingDir(t, 2, 0)
	u := start(t, "--split", dir)
	u.waitReady(2, "app-registered")
	for _, r := range []struct {
		road
		pieces []string
		ways   []string // listening addresses that the request passes, before the pods
	}{
		{roads[0], []string{"slb", "node-1", "node-2"}, []string{u.slb(), u.at("127.0.0.11:8080"), u.at("127.0.0.12:8080")}},
		{roads[1], []string{"gateway"}, []string{u.gateway()}},
	} {
		pids := map[string]int{}
		for _, p := range r.pieces {
			pids[p] = pieceProcess(t, u, p)
		}
		idle := map[string]int{} // left by the other road's load
		for _, p := range get[podRow](u, "pods") {
			idle[p.Name] = established(t, p.Reached[0])
		}
		l := begin(t, r.to(u), r.host, "/cost"+r.pieces[0]+"/", func(l *load) { l.pause = 0 })
		l.wait(2 * time.Second)
		before, n := cpu(t, pids), l.next.Load()
		l.wait(8 * time.Second)
		after, requests := cpu(t, pids), l.next.Load()-n
		var open []string
		for _, at := range r.ways {
			open = append(open, fmt.Sprintf("%s %d", at, established(t, at)))
		}
		for _, p := range get[podRow](u, "pods") {
			open = append(open, fmt.Sprintf("%s %d", p.Name, established(t, p.Reached[0])-idle[p.Name]))
		}
		none(t, l, l.end())
		sum := time.Duration(0)
		for _, p := range r.pieces {
			d := after[p] - before[p]
			sum += d
			t.Logf("%s: %s: %.1f µs of CPU a request", r.name, p, float64(d.Microseconds())/float64(requests))
		}
		t.Logf("%s: %.1f µs of CPU a request in all, %d requests in 8 s; open connections: %s", r.name,
			float64(sum.Microseconds())/float64(requests), requests, strings.Join(open, ", "))
	}
}

// pieceProcess is the process of a piece of `up --split`.
func pieceProcess(t *testing.T, u *up, name string) int {
	t.Helper()
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range procs {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if strings.Contains(string(text), filepath.Join(u.state, "pieces", name+".yaml")) {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			return pid
		}
	}
	t.Fatalf("no process of %s found", name)
	return 0
}

// cpu is the time that processes have used, in user and system mode.
func cpu(t *testing.T, pids map[string]int) map[string]time.Duration {
	t.Helper()
	out := map[string]time.Duration{}
	for name, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest) // from field 3 on: utime is 14, stime 15, see proc(5)
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		const tick = 10 * time.Millisecond // USER_HZ
		out[name] = time.Duration(user+system) * tick
	}
	return out
}

// established counts the connections that are open at a listening address.
func established(t *testing.T, at string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(at, ":")
	var a, b, c, d byte
	if _, err := fmt.Sscanf(host, "%d.%d.%d.%d", &a, &b, &c, &d); err != nil {
		t.Fatal(err)
	}
	p, _ := strconv.Atoi(port)
	want := fmt.Sprintf("%02X%02X%02X%02X:%04X", d, c, b, a, p)
	n := 0
	for _, l := range strings.Split(string(text), "\n") {
		f := strings.Fields(l)
		if len(f) > 3 && f[1] == want && f[3] == "01" {
			n++
		}
	}
	return n
}

// saidAt is when up printed a line, by the time in front of it. Several: the last.
func saidAt(t *testing.T, u *up, what string) time.Time {
	t.Helper()
	var out time.Time
	eventually(t, 15*time.Second, "up says "+what, func() (bool, string) {
		for _, l := range strings.Split(u.out.String(), "\n") {
			if at, ok := strings.CutSuffix(l, " "+what); ok {
				clock, err := time.ParseInLocation("15:04:05.000", at, time.Local)
				if err == nil {
					now := time.Now()
					out = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), clock.Nanosecond(), time.Local)
				}
			}
		}
		return !out.IsZero(), ""
	})
	return out
}

// firstRequest starts a pod that was stopped, and looks when it is ready and when it has its first request.
func firstRequest(t *testing.T) {
	dir, counts := countingDir(t, 2, time.Millisecond)
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	for i, r := range roads {
		var ready, registered []time.Duration
		for n := range 5 {
			prefix := fmt.Sprintf("/first%d-%d/", i, n)
			u.must("stop", "app-b")
			l := begin(t, r.to(u), r.host, prefix)
			l.wait(200 * time.Millisecond)
			began := time.Now()
			u.must("start", "app-b")
			var first time.Time
			eventually(t, 15*time.Second, "app-b has a request", func() (bool, string) {
				for _, all := range sights(t, counts, prefix) {
					for _, s := range all {
						if s.pod == "app-b" && (first.IsZero() || s.at.Before(first)) {
							first = s.at
						}
					}
				}
				return !first.IsZero(), ""
			})
			none(t, l, l.end())
			eventually(t, 15*time.Second, "app-b is ready", func() (bool, string) {
				return saidAt(t, u, "pod app-b on node-2: Ready").After(began), ""
			})
			ready = append(ready, first.Sub(saidAt(t, u, "pod app-b on node-2: Ready")))
			registered = append(registered, first.Sub(began))
			u.waitReady(2, "app-registered")
		}
		t.Logf("%s: first request %v after up said Ready, %v after `start`", r.name, ready, registered)
	}
}

// ended stops a pod in order: SIGTERM, which its program answers with a deregistration.
func ended(t *testing.T) {
	dir, _ := countingDir(t, 2, 3*time.Millisecond)
	u := start(t, dir)
	for i, r := range roads {
		u.waitReady(2, "app-registered")
		prefix := fmt.Sprintf("/ended%d/", i)
		l := begin(t, r.to(u), r.host, prefix)
		l.wait(time.Second)
		addr := get[podRow](u, "pods")[0].Reached[0]
		began := time.Now()
		u.must("stop", "app-a")
		l.wait(time.Second)
		all := l.end()
		none(t, l, all)
		t.Logf("%s: stopped: the last of %d requests began at it %v after `stop`, none failed", r.name, len(all), lastAt(u, prefix, len(all), addr).Sub(began))
		u.must("start", "app-a")
	}
}

// lastAt is when the last request began that was sent to an endpoint, as the access log has it.
func lastAt(u *up, prefix string, requests int, addr string) time.Time {
	var last time.Time
	for _, lines := range u.requests(prefix, requests) {
		for _, a := range lines {
			if a.Endpoint == addr && a.Time.After(last) {
				last = a.Time
			}
		}
	}
	return last
}

// hung freezes a pod: its socket takes connections, and nothing answers. On each road a request begins every 20 ms, whatever became of
// those before it, and is given up after 500 ms.
func hung(t *testing.T) {
	dir, _ := countingDir(t, 2, 0)
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	pod := get[podRow](u, "pods")[0]
	if err := syscall.Kill(pod.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var both sync.WaitGroup
	for _, r := range roads {
		both.Go(func() {
			failed, all, last := askFrozen("http://"+r.to(u)+"/hung/1", r.host, began.Add(25*time.Second))
			t.Logf("%s: hung: %d of %d requests had no answer, the last of them began %v after it froze", r.name, failed, all, last.Sub(began))
			if last.Sub(began) > 20*time.Second {
				t.Errorf("%s: it is still chosen", r.name)
			}
		})
	}
	both.Wait()
	if err := syscall.Kill(pod.PID, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// askFrozen asks every 20 ms until end, and returns how many requests had no answer in 500 ms, how many there were, and when the last of
// the former began.
func askFrozen(url, host string, end time.Time) (failed, all int, last time.Time) {
	client := http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	var mu sync.Mutex
	ask := func() {
		began := time.Now()
		req, _ := http.NewRequest(http.MethodGet, url, nil)
		req.Host = host
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		mu.Lock()
		defer mu.Unlock()
		all++
		if err != nil || res.StatusCode != http.StatusOK {
			failed++
			if began.After(last) {
				last = began
			}
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var wg sync.WaitGroup
	for ; time.Now().Before(end); <-tick.C {
		wg.Go(ask)
	}
	wg.Wait()
	return failed, all, last
}

// unready has a pod fail its probe and go on with its heartbeats.
func unready(t *testing.T) {
	dir, _ := countingDir(t, 2, 3*time.Millisecond)
	flags := t.TempDir()
	text, err := os.ReadFile(filepath.Join(dir, "1-app.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	probe := fmt.Sprintf(`exec: {command: [sh, -c, 'test ! -e %s/$POD_NAME']}`, flags)
	changed := strings.Replace(string(text), "httpGet: {path: /healthz, port: http}", probe, 1)
	if changed == string(text) {
		t.Fatal("the manifest has another probe")
	}
	write(t, dir, "1-app.yaml", changed)
	u := start(t, dir)
	u.waitReady(2, "app-registered")
	var loads []*load
	prefix := func(i int) string { return fmt.Sprintf("/unready%d/", i) }
	for i, r := range roads {
		loads = append(loads, begin(t, r.to(u), r.host, prefix(i)))
	}
	loads[0].wait(time.Second)
	pod := get[podRow](u, "pods")[0]
	flag := filepath.Join(flags, pod.Name)
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	loads[0].wait(10 * time.Second)
	end := time.Now()
	for i, r := range roads {
		all := loads[i].end()
		none(t, loads[i], all)
		last := lastAt(u, prefix(i), len(all), pod.Reached[0])
		t.Logf("%s: unready: its last request began %v after its probe began to fail; the load went on for %v; none of %d failed", r.name, last.Sub(began), end.Sub(began), len(all))
		if dropped := end.Sub(last) > 3*time.Second; dropped != (i == 0) {
			t.Errorf("%s: dropped is %v", r.name, dropped)
		}
	}
}

// storeAway takes away the directory in which the rules are.
func storeAway(t *testing.T) {
	dir, _ := countingDir(t, 2, 3*time.Millisecond)
	rules := filepath.Join(t.TempDir(), "rules")
	if err := os.CopyFS(rules, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	u := start(t, rules)
	u.waitReady(2, "app-registered")
	one := begin(t, u.slb(), "shop.test", "/store1/")
	two := begin(t, u.gateway(), "gateway.test", "/store2/")
	one.wait(time.Second)
	if err := os.Rename(rules, rules+".away"); err != nil {
		t.Fatal(err)
	}
	one.wait(10 * time.Second)
	t.Logf("while it is away: %s", u.must("get", "sources"))
	if err := os.Rename(rules+".away", rules); err != nil {
		t.Fatal(err)
	}
	one.wait(2 * time.Second)
	all1, all2 := one.end(), two.end()
	none(t, one, all1)
	none(t, two, all2)
	t.Logf("rule store away for 10 s: %d and %d requests, none failed", len(all1), len(all2))
}
