package system

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNodeIsStoppedUnderLoad(t *testing.T) {
	dir, counts := countingDir(t, 2, 3*time.Millisecond)
	u := start(t, dir)
	u.waitReady(2, "")
	kept := begin(t, u.slb(), "shop.test", "/node/")
	fresh := begin(t, u.slb(), "shop.test", "/fresh/", func(l *load) { l.short, l.pause = true, 10*time.Millisecond })
	window := long(10*time.Second, 30*time.Second)
	kept.wait(window / 4)

	before := time.Now()
	stopped := make(chan string, 1)
	go func() {
		out, err := u.cli("stop", "node-1")
		stopped <- fmt.Sprint(out, err)
	}()
	healthy := func(name string) int {
		n := 0
		nodes, err := tryGet[nodeRow](u, "nodes")
		for _, x := range nodes {
			if x.Name == name && x.Health == "healthy" && !x.Draining {
				n++
			}
		}
		if err != nil {
			return -1
		}
		return n
	}
	eventually(t, 3*time.Second, "node-1 leaves the SLB", func() (bool, string) { return healthy("node-1") == 0, "" })
	if took := time.Since(before); took > time.Second {
		t.Errorf("node-1 was out of the SLB %v after stop, want 1 s at most", took)
	} else {
		t.Logf("node-1 was out of the SLB %v after stop", took)
	}
	said := <-stopped
	end := time.Now()
	t.Logf("stop node-1 took %v and said %q", end.Sub(before), said)
	kept.wait(window / 4)
	eventually(t, 3*time.Second, "no connection through node-1 is open", func() (bool, string) {
		for _, n := range get[nodeRow](u, "nodes") {
			if n.Name == "node-1" && n.Open > 0 {
				return false, fmt.Sprintf("%d open", n.Open)
			}
		}
		return true, ""
	})

	starting := time.Now()
	u.must("start", "node-1")
	started := time.Now()
	eventually(t, 5*time.Second, "node-1 is back in the SLB", func() (bool, string) { return healthy("node-1") == 2, "" })
	t.Logf("node-1 was back in the SLB %v after start", time.Since(started))
	kept.wait(window / 4)

	all, short := kept.end(), fresh.end()
	reconcile(t, u, all, "/node/", sights(t, counts, "/node/"))
	reconcile(t, u, short, "/fresh/", sights(t, counts, "/fresh/"))
	none(t, kept, all)
	none(t, fresh, short)

	// Established connections through node-1 were told and closed, each once.
	through, told := map[int64]bool{}, 0
	for _, o := range all {
		if o.Start.Before(before) && o.Node == "node-1" {
			through[o.Conn] = true
		}
	}
	for _, o := range all {
		if through[o.Conn] && o.LastCall {
			told++
		}
	}
	during, back := 0, 0
	for _, o := range append(all, short...) {
		if o.Node != "node-1" {
			continue
		}
		if o.Start.After(end) && o.Start.Before(starting) && o.End.Before(starting) {
			during++
		}
		if o.Start.After(started) {
			back++
		}
	}
	if during > 0 {
		t.Errorf("%d requests went through node-1 while it was stopped", during)
	}
	if back == 0 {
		t.Error("no request went through node-1 after start")
	}
	closedThere := 0
	for _, o := range u.accessLog() {
		if o.Method == "" && o.Endpoint == u.at("127.0.0.11:8080") && o.end().After(before) && o.end().Before(end.Add(time.Second)) {
			closedThere++
		}
	}
	if told+kept.closed < len(through) {
		t.Errorf("of %d connections through node-1, %d were told to end and %d were closed while idle", len(through), told, kept.closed)
	}
	if closedThere < len(through) {
		t.Errorf("the SLB's access log counts %d connections through node-1 that ended, want at least %d", closedThere, len(through))
	}
	t.Logf("%d+%d requests, connections through node-1: %d, told to end %d, closed idle %d, in the SLB's log %d; back through node-1: %d",
		len(all), len(short), len(through), told, kept.closed, closedThere, back)
	if strings.Contains(said, "error") {
		t.Errorf("stop said %q", said)
	}
}
