package system

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// enough is how many requests a load makes of which none may fail.
const enough = 100_000

// TestRollingDeployLosesNothing: ten instances are replaced again and again under load on both roads, until each load has made
// 100,000 requests. Then one of them is disabled in the registry: what was on its way to it is answered, and nothing new
// comes.
func TestRollingDeployLosesNothing(t *testing.T) {
	const replicas = 10
	dir, counts := countingDir(t, replicas, 2*time.Millisecond)
	u := start(t, dir)
	u.waitReady(replicas, "app-registered")
	loads := make([]*load, len(roads))
	prefixes := []string{"/deploy1/", "/deploy2/"}
	for i, r := range roads {
		loads[i] = begin(t, r.to(u), r.host, prefixes[i], func(l *load) { l.pause, l.users = time.Millisecond, connections/2 })
	}
	slowest := func() int64 { return min(loads[0].next.Load(), loads[1].next.Load()) }
	deploys := 0
	for ; slowest() < enough || deploys < 2; deploys++ {
		before := map[string]bool{}
		for _, p := range get[podRow](u, "pods") {
			before[p.Name] = true
		}
		write(t, dir, "1-app.yaml", application("app", replicas, counts, time.Duration(3+deploys%2)*time.Millisecond))
		eventually(t, 90*time.Second, "all instances are new", func() (bool, string) {
			fresh, old := 0, 0
			for _, p := range get[podRow](u, "pods") {
				switch {
				case before[p.Name]:
					old++
				case p.Ready:
					fresh++
				}
			}
			return fresh == replicas && old == 0, fmt.Sprintf("%d new, %d old", fresh, old)
		})
	}
	disabled(t, u, loads[1])
	for i, l := range loads {
		all := l.end()
		none(t, l, all)
		if len(all) < enough {
			t.Errorf("%s made %d requests, want %d", roads[i].name, len(all), enough)
		}
		reconcile(t, u, all, prefixes[i], sights(t, counts, prefixes[i]))
		t.Logf("%s: %d requests during %d deploys of %d instances", roads[i].name, len(all), deploys, replicas)
	}
}

// disabled takes one of the pods out by the registry's word and puts it back.
func disabled(t *testing.T, u *up, l *load) {
	t.Helper()
	pod := get[podRow](u, "pods")[0]
	ip, port, _ := strings.Cut(pod.Reached[0], ":")
	enable := func(on bool) {
		form := url.Values{"serviceName": {"app-registered"}, "ip": {ip}, "port": {port}, "enabled": {fmt.Sprint(on)}}
		if status, body, err := call("PUT", "http://"+u.registry()+"/nacos/v1/ns/instance?"+form.Encode()); err != nil || status != 200 {
			t.Fatal(status, body, err)
		}
	}
	served := func(from, to time.Time) (n int) {
		for _, a := range u.accessLog() {
			if a.Endpoint == pod.Reached[0] && strings.HasPrefix(a.Path, l.prefix) && a.Time.After(from) && a.Time.Before(to) {
				n++
			}
		}
		return n
	}
	enable(false)
	told := time.Now().Add(100 * time.Millisecond) // its push
	l.wait(2 * time.Second)
	enable(true)
	end := time.Now()
	if n := served(told, end.Add(-100*time.Millisecond)); n > 0 {
		t.Errorf("%d requests began at %s after it was disabled", n, pod.Name)
	}
	eventually(t, 10*time.Second, "it is asked again", func() (bool, string) { return served(end, time.Now()) > 0, "" })
}
