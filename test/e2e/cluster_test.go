package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestCluster shows that the bed is a cluster, before anything of ours is asked of it: pods run on both nodes, Services lead to
// them from outside and from inside, and what ends is replaced.
func TestCluster(t *testing.T) {
	ns := namespace(t, "cluster")
	begin := time.Now()
	deploy(t, ns, "web", "v1", 3)
	t.Logf("3 of 3 pods ready after %.1f s", time.Since(begin).Seconds())
	kubectl(t, "expose", "-n", ns, "deployment/web", "--name=web-node", "--type=NodePort", "--port=80", "--target-port=8080")
	port := kubectl(t, "get", "-n", ns, "service/web-node", "-o", "jsonpath={.spec.ports[0].nodePort}")
	seen := map[string]bool{}
	for _, n := range cluster.Nodes {
		c := client(n.Address+":"+port, false)
		answers(t, c, "http://any.test/", 200)
		for range 20 {
			if a, err := get(c, "http://any.test/"); err == nil {
				seen[a.header.Get("X-Pod")] = true
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("NodePorts lead to %d of 3 pods", len(seen))
	}
	if nodes := kubectl(t, "get", "pods", "-n", ns, "-o", "jsonpath={.items[*].spec.nodeName}"); !strings.Contains(nodes, "n1") || !strings.Contains(nodes, "n2") {
		t.Errorf("pods are on %s only", nodes)
	}
	ip := kubectl(t, "get", "-n", ns, "service/web", "-o", "jsonpath={.spec.clusterIP}")
	curl := cluster.Process("curl", "n2", "curl", "-sS", "--max-time", "10", "http://"+ip+"/")
	if err := curl.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, "a Service's own address answers on a node", func() (bool, string) {
		return strings.HasPrefix(curl.Said(), "v1 web-"), curl.Said()
	})

	kubectl(t, "delete", "pods", "-n", ns, "-l", "app=web", "--grace-period=0", "--force")
	eventually(t, 30*time.Second, "pods are replaced", func() (bool, string) {
		out := kubectl(t, "get", "-n", ns, "deployment/web", "-o", "jsonpath={.status.readyReplicas} {.status.replicas}")
		return out == "3 3", out
	})
}

// TestPartition takes the network of a node away and gives it back.
func TestPartition(t *testing.T) {
	node := cluster.Nodes[1]
	begin := time.Now()
	if err := node.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitNode(node.Name, false, 30*time.Second); err != nil {
		t.Error(err)
	}
	t.Logf("found not ready after %.1f s", time.Since(begin).Seconds())
	if err := node.Connect(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitNode(node.Name, true, 30*time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestAPIServerRestart kills the API server and starts it again.
func TestAPIServerRestart(t *testing.T) {
	cluster.API.Kill()
	if _, err := cluster.Kubectl("get", "--request-timeout=2s", "nodes"); err == nil {
		t.Error("the API server answers after its end")
	}
	if err := cluster.API.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitAPI(60 * time.Second); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "get", "nodes")
	resumed(t)
}

// resumed ends a test that took the API server away: what follows the server works as before.
func resumed(t *testing.T) {
	t.Helper()
	if err := cluster.Resume(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	deploy(t, namespace(t, "resumed-"+strings.ToLower(t.Name())), "web", "v1", 2)
	t.Logf("2 of 2 pods of a new Deployment ready %.1f s after everything follows the API server again", time.Since(begin).Seconds())
}

// TestMachineIsSpared shows that what a kubelet sets on the whole machine has met a mask.
func TestMachineIsSpared(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"} {
		if !strings.Contains(string(mounts), fmt.Sprintf(" /proc/sys/%s tmpfs ", name)) {
			t.Errorf("%s is the machine's own", name)
		}
	}
}
