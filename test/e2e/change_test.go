package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paifang/test/e2e/bed"
)

// TestRollingUpdate changes the version of a Deployment under load: no request fails.
func TestRollingUpdate(t *testing.T) {
	install(t)
	ns := namespace(t, "rolling")
	deploy(t, ns, "web", "v1", 3)
	apply(t, ingress(ns, "web", "rolling.test", "web"))
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://rolling.test/", 200)
	}
	kept, fresh := startLoad(entry(0), "http://rolling.test/", 2, true), startLoad(entry(1), "http://rolling.test/", 1, false)
	kept.more(t, 200)
	apply(t, workload(ns, "web", "v2", 3))
	rolledOut(t, ns, "deployment/web")
	kept.more(t, 200)
	fresh.more(t, 20)
	kept.none(t, "rolling update, connections that are kept")
	fresh.none(t, "rolling update, a connection for each request")
	if kept.versions["v1"] == 0 || kept.versions["v2"] == 0 {
		t.Errorf("both versions should have answered: %v", kept.versions)
	}
}

// TestPodKill ends pods at once, as a node that loses power does, while others of their Service live: requests that came to no
// server are sent to another.
func TestPodKill(t *testing.T) {
	install(t)
	ns := namespace(t, "kill")
	deploy(t, ns, "web", "v1", 3)
	apply(t, ingress(ns, "web", "kill.test", "web"))
	answers(t, client(entry(0), false), "http://kill.test/", 200)
	l := startLoad(entry(0), "http://kill.test/", 2, true)
	l.more(t, 200)
	for range 3 {
		pod := kubectl(t, "get", "pods", "-n", ns, "-l", "app=web", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")
		kubectl(t, "delete", "pod", "-n", ns, pod, "--grace-period=0", "--force")
		rolledOut(t, ns, "deployment/web")
		l.more(t, 100)
	}
	// A request that a pod has begun to answer cannot be sent again: there are two clients, and so at most two for each kill.
	ok, failures := l.end()
	t.Logf("three pods killed: %d requests answered, failed: %v", ok, failures)
	failed := 0
	for _, n := range l.failed {
		failed += n
	}
	if ok == 0 || failed > 6 {
		t.Errorf("%d requests failed: %s", failed, strings.Join(failures, "\n"))
	}
}

// TestScaleToZero has a Service without pods answer 503 at once, and 200 when there is one again.
func TestScaleToZero(t *testing.T) {
	install(t)
	ns := namespace(t, "zero")
	deploy(t, ns, "web", "v1", 2)
	apply(t, ingress(ns, "web", "zero.test", "web"))
	c := client(entry(0), false)
	answers(t, c, "http://zero.test/", 200)
	for range 2 {
		kubectl(t, "scale", "-n", ns, "deployment/web", "--replicas=0")
		a := answers(t, c, "http://zero.test/", 503)
		if a.header.Get("X-Paifang-Reason") == "" {
			t.Errorf("503 without a reason: %v", a)
		}
		begin := time.Now()
		if _, err := get(c, "http://zero.test/"); err != nil || time.Since(begin) > time.Second {
			t.Errorf("503 took %v: %v", time.Since(begin), err)
		}
		kubectl(t, "scale", "-n", ns, "deployment/web", "--replicas=2")
		answers(t, c, "http://zero.test/", 200)
	}
}

// TestWithoutAPIServer kills the API server under load: what is known goes on being served, and what is new is served once the
// server is back.
func TestWithoutAPIServer(t *testing.T) {
	install(t)
	ns := namespace(t, "noapi")
	deploy(t, ns, "web", "v1", 2)
	apply(t, ingress(ns, "web", "noapi.test", "web"))
	answers(t, client(entry(0), false), "http://noapi.test/", 200)
	slb := balancer(t, "noapi", 18050, 80, "") // which follows the Nodes
	answers(t, client(slb, false), "http://noapi.test/", 200)
	l := startLoad(entry(0), "http://noapi.test/", 2, true)
	l.more(t, 100)
	away := time.Now()
	cluster.API.Kill()
	restarted := false
	defer func() {
		if !restarted {
			_ = cluster.API.Start()
		}
	}()
	begin := time.Now()
	for time.Since(begin) < 6*time.Second { // longer than a source is patient
		l.more(t, 50)
	}
	if err := cluster.API.Start(); err != nil {
		t.Fatal(err)
	}
	restarted = true
	if err := cluster.WaitAPI(60 * time.Second); err != nil {
		t.Fatal(err)
	}
	apply(t, ingress(ns, "second", "second.noapi.test", "web"))
	begin = time.Now()
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://second.noapi.test/", 200)
	}
	t.Logf("an Ingress that was applied once the API server was back was served by both nodes after %.1f s", time.Since(begin).Seconds())
	answers(t, client(slb, false), "http://second.noapi.test/", 200)
	l.none(t, "API server away")
	listedOnce(t, away)
	resumed(t)
}

// listedOnce compares with what the API server has written down: since a time, each replica has asked once for all objects of each
// kind, and so has the SLB, which reads Nodes as well.
func listedOnce(t *testing.T, since time.Time) {
	t.Helper()
	kinds := []string{"ingressclasses", "ingresses", "services", "endpointslices", "secrets"}
	wanted := map[string]bool{bed.EdgeAddress + " nodes": true}
	for _, k := range kinds {
		for _, n := range cluster.Nodes {
			wanted[n.Address+" "+k] = true
		}
	}
	counts := func() (map[string]int, string) {
		reads, err := cluster.Reads(since)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, r := range reads {
			ours := r.User == "system:serviceaccount:"+controllerNamespace+":paifang" || r.From == bed.EdgeAddress
			if ours && r.Whole {
				seen[r.From+" "+r.Resource]++
			}
		}
		return seen, fmt.Sprint(seen)
	}
	eventually(t, 20*time.Second, "every kind is listed", func() (bool, string) {
		seen, said := counts()
		for what := range wanted {
			if seen[what] == 0 {
				return false, said
			}
		}
		return true, said
	})
	seen, said := counts()
	t.Log("lists since the API server went away:", said)
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%s: listed %d times", what, n)
		}
	}
}

// TestLeaderChange ends the replica that writes under load: the other one does, and no request to it fails meanwhile.
func TestLeaderChange(t *testing.T) {
	install(t)
	ns := namespace(t, "leader")
	deploy(t, ns, "web", "v1", 1)
	apply(t, ingress(ns, "first", "first.leader.test", "web"))
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://first.leader.test/", 200)
	}
	published := func(name string) {
		t.Helper()
		eventually(t, 45*time.Second, "the status of "+name, func() (bool, string) {
			ip := kubectl(t, "get", "ingress", "-n", ns, name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
			return ip != "", ip
		})
	}
	holder := func() string {
		return kubectl(t, "get", "lease", "-n", controllerNamespace, "paifang", "-o", "jsonpath={.spec.holderIdentity}")
	}
	published("first")
	was := holder()
	var victim string
	survivor := -1
	for _, line := range strings.Fields(kubectl(t, "get", "pods", "-n", controllerNamespace, "-o", "jsonpath={range .items[*]}{.metadata.name}={.spec.nodeName} {end}")) {
		name, node, _ := strings.Cut(line, "=")
		if strings.HasPrefix(was, node+"_") { // the host name of a pod with hostNetwork is its node's
			victim = name
		}
	}
	if victim == "" {
		t.Fatalf("no pod is the holder %q", was)
	}
	for i, n := range cluster.Nodes {
		if !strings.HasPrefix(was, n.Name+"_") {
			survivor = i
		}
	}
	if survivor < 0 {
		t.Fatalf("%q holds the lease on every node", was)
	}
	kept, fresh := startLoad(entry(survivor), "http://first.leader.test/", 1, true), startLoad(entry(survivor), "http://first.leader.test/", 1, false)
	kept.more(t, 100)
	kubectl(t, "delete", "pod", "-n", controllerNamespace, victim, "--wait=false")
	eventually(t, 45*time.Second, "another replica holds the lease", func() (bool, string) {
		now := holder()
		return now != "" && now != was, now
	})
	apply(t, ingress(ns, "second", "second.leader.test", "web"))
	published("second")
	rolledOut(t, controllerNamespace, "daemonset/paifang")
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://second.leader.test/", 200)
	}
	kept.more(t, 100)
	kept.none(t, "leader change, connections that are kept")
	fresh.none(t, "leader change, a connection for each request")
}
