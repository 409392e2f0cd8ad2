package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/deploy/manifests"
	"paifang/test/e2e/bed"
)

// balancer starts our own SLB on a machine of its own, in front of a port of every Node, and returns where it listens.
func balancer(t *testing.T, name string, listen, port int, selector string) string {
	t.Helper()
	address := fmt.Sprintf("%s:%d", bed.EdgeAddress, listen)
	config := fmt.Sprintf(`admin: {address: "127.0.0.1:%d"}
sources: {kubernetes: {kubeconfig: %q, events: false}}
slb:
  listeners: [{name: http, address: %q, members: {selector: %q, port: %d}}]
`, listen+1, cluster.Kubeconfig, address, selector, port)
	file := filepath.Join(t.TempDir(), "slb.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := cluster.Process("slb-"+name, bed.Edge, cluster.Files.Paifang, "serve", "-c", file)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop(10 * time.Second)
		if t.Failed() {
			t.Logf("the SLB said:\n%s", p.Said())
		}
	})
	return address
}

// TestCordonBehindOurSLB has the SLB follow the Nodes: a cordoned one gets no new connection and finishes those it has, and no
// request fails. The entry is the DaemonSet on the nodes' own port.
func TestCordonBehindOurSLB(t *testing.T) {
	install(t)
	ns := namespace(t, "cordon")
	deploy(t, ns, "web", "v1", 2)
	apply(t, ingress(ns, "web", "cordon.test", "web"))
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://cordon.test/", 200)
	}
	slb := balancer(t, "cordon", 18000, 80, "")
	answers(t, client(slb, false), "http://cordon.test/", 200)
	fresh, kept := startLoad(slb, "http://cordon.test/", 2, false), startLoad(slb, "http://cordon.test/", 1, true)
	fresh.more(t, 100)
	for _, n := range cluster.Nodes {
		of := instance(t, n.Address+":80", "cordon.test")
		kubectl(t, "cordon", n.Name)
		t.Cleanup(func() { kubectl(t, "uncordon", n.Name) })
		shared(t, slb, "cordon.test", of, false)
		fresh.more(t, 100)
		kept.more(t, 20)
		kubectl(t, "uncordon", n.Name)
		shared(t, slb, "cordon.test", of, true)
	}
	fresh.none(t, "cordon, a connection for each request")
	kept.none(t, "cordon, connections that are kept")
}

// instance asks a pod what it sees, and returns which process of the product has sent the request on.
func instance(t *testing.T, address, host string) string {
	t.Helper()
	a := answers(t, client(address, false), "http://"+host+"/headers", 200)
	_, via, ok := strings.Cut(a.body, "X-Paifang-Via: ")
	if !ok {
		t.Fatalf("the pod sees no X-Paifang-Via: %s", a.body)
	}
	id, _, _ := strings.Cut(via, "/")
	return id
}

// shared waits until a balancer gives new connections to a process, or no longer does.
func shared(t *testing.T, balancer, host, to string, want bool) {
	t.Helper()
	eventually(t, 30*time.Second, fmt.Sprintf("new connections go to %s: %v", to, want), func() (bool, string) {
		n := 0
		for range 20 {
			if instance(t, balancer, host) == to {
				n++
			}
		}
		return n > 0 == want, fmt.Sprint(n, " of 20")
	})
}

// member is how a Node stands in the SLB that listens at a port of the edge: what its admin API says.
type member struct {
	Name   string
	Health string
	Why    string
	Share  float64
}

// membership waits until a member is as it should be.
func membership(t *testing.T, listen int, name, what string, is func(member) bool) {
	t.Helper()
	eventually(t, 30*time.Second, what, func() (bool, string) {
		said, err := cluster.Run(bed.Edge, cluster.Files.Paifang, "get", "nodes", "-o", "json", "--admin", fmt.Sprintf("127.0.0.1:%d", listen+1))
		if err != nil {
			return false, err.Error()
		}
		var all struct{ Items []member }
		if err := json.Unmarshal([]byte(said), &all); err != nil {
			return false, err.Error() + ": " + said
		}
		at := slices.IndexFunc(all.Items, func(m member) bool { return m.Name == name })
		return at >= 0 && is(all.Items[at]), said
	})
}

// watchedNode has an application run on the first node alone, with an SLB in front of both that listens at a port of the edge. It returns where
// that is, the second node, and which process of the product serves there.
func watchedNode(t *testing.T, name string, listen int) (slb string, far *bed.Node, of string) {
	t.Helper()
	ns, host := namespace(t, name), name+".test"
	apply(t, strings.Replace(workload(ns, "web", "v1", 1), "      terminationGracePeriodSeconds", "      nodeName: n1\n      terminationGracePeriodSeconds", 1))
	rolledOut(t, ns, "deployment/web")
	apply(t, ingress(ns, "web", host, "web"))
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://"+host+"/", 200)
	}
	slb, far = balancer(t, name, listen, 80, ""), cluster.Nodes[1]
	of = instance(t, far.Address+":80", host)
	shared(t, slb, host, of, true)
	return slb, far, of
}

// TestNotReadyBehindOurSLB ends the kubelet of a node: what listens on the node goes on answering, the SLB's probes included, and it is the
// Node's state alone that takes it out. No request fails.
func TestNotReadyBehindOurSLB(t *testing.T) {
	install(t)
	const listen = 18060
	slb, silent, of := watchedNode(t, "notready", listen)
	membership(t, listen, silent.Name, "both nodes are in", func(m member) bool { return m.Health == "healthy" && m.Why == "" && m.Share == 0.5 })
	l := startLoad(slb, "http://notready.test/", 2, false)
	l.more(t, 100)
	silent.Kubelet.Kill()
	t.Cleanup(func() {
		if !silent.Kubelet.Alive() {
			_ = silent.Kubelet.Start()
		}
		if err := cluster.WaitNode(silent.Name, true, 30*time.Second); err != nil {
			t.Error(err)
		}
	})
	membership(t, listen, silent.Name, "its Node's state takes a node out", func(m member) bool {
		return m.Health == "unhealthy" && m.Why == "Node "+silent.Name+" is not Ready: NodeStatusUnknown" && m.Share == 0
	})
	shared(t, slb, "notready.test", of, false)
	answers(t, client(silent.Address+":80", false), "http://notready.test/", 200)
	if err := silent.Kubelet.Start(); err != nil {
		t.Fatal(err)
	}
	shared(t, slb, "notready.test", of, true)
	membership(t, listen, silent.Name, "it is back in", func(m member) bool { return m.Health == "healthy" && m.Why == "" })
	l.none(t, "a node that is not Ready, and its return")
}

// TestPartitionBehindOurSLB takes a node's network away under load: the node leaves by the SLB's own probes, long before the
// cluster calls it not ready; then by its Node's state too; and comes back.
func TestPartitionBehindOurSLB(t *testing.T) {
	install(t)
	const listen = 18010
	slb, lost, of := watchedNode(t, "partition", listen)
	l := startLoad(slb, "http://partition.test/", 2, false)
	l.more(t, 100)
	if err := lost.Disconnect(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lost.Connect() })
	byState := "Node " + lost.Name + " is not Ready: NodeStatusUnknown"
	membership(t, listen, lost.Name, "probes take the lost node out", func(m member) bool {
		return m.Health == "unhealthy" && m.Why != "" && !strings.Contains(m.Why, byState)
	})
	if err := cluster.WaitNode(lost.Name, false, 30*time.Second); err != nil {
		t.Error(err)
	}
	membership(t, listen, lost.Name, "so does its Node's state", func(m member) bool { return strings.HasPrefix(m.Why, byState+"; ") && m.Share == 0 })
	l.more(t, 100)
	ok, failures := l.end()
	t.Logf("partition of a node: %d requests answered, failed: %v", ok, failures)
	// Requests that were on their way on the lost node are lost: with two clients, few.
	failed := 0
	for _, n := range l.failed {
		failed += n
	}
	if failed > 10 {
		t.Errorf("%d requests failed", failed)
	}
	quiet := startLoad(slb, "http://partition.test/", 2, false)
	quiet.more(t, 100)
	if err := lost.Connect(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WaitNode(lost.Name, true, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	shared(t, slb, "partition.test", of, true)
	quiet.none(t, "a lost node, and its return")
}

// TestDeploymentBehindNodePort is the other way to install: replicas behind a Service, whose NodePort is the entry of our own SLB.
// A restart of all replicas, one under the other, loses no request.
func TestDeploymentBehindNodePort(t *testing.T) {
	const ns, class = "paifang-behind", "behind"
	yaml := beside(ns, class)
	apply(t, yaml)
	t.Cleanup(func() {
		if err := cluster.Delete(yaml); err != nil {
			t.Error(err)
		}
	})
	rolledOut(t, ns, "deployment/paifang")
	apps := namespace(t, "behind")
	deploy(t, apps, "web", "v1", 2)
	apply(t, strings.Replace(ingress(apps, "web", "behind.test", "web"), "ingressClassName: paifang", "ingressClassName: "+class, 1))
	var port int
	fmt.Sscan(kubectl(t, "get", "-n", ns, "service/paifang", "-o", `jsonpath={.spec.ports[?(@.name=="http")].nodePort}`), &port)
	slb := balancer(t, "behind", 18020, port, "topology.kubernetes.io/zone in (zone-n1,zone-n2)")
	answers(t, client(slb, false), "http://behind.test/", 200)
	fresh, kept := startLoad(slb, "http://behind.test/", 1, false), startLoad(slb, "http://behind.test/", 2, true)
	kept.more(t, 100)
	kubectl(t, "rollout", "restart", "-n", ns, "deployment/paifang")
	rolledOut(t, ns, "deployment/paifang")
	eventually(t, 60*time.Second, "the old replicas have ended", func() (bool, string) {
		pods := kubectl(t, "get", "pods", "-n", ns, "--no-headers")
		return strings.Count(pods, "\n") == 2, pods
	})
	kept.more(t, 100)
	fresh.none(t, "restart of the controller, a connection for each request")
	kept.none(t, "restart of the controller, connections that are kept")
}

// beside is our manifest of the Deployment for a second installation in the cluster: with a namespace, class and controller of its
// own, and a NodePort in place of a balancer.
func beside(ns, class string) string {
	return strings.NewReplacer(
		"namespace: paifang\n", "namespace: "+ns+"\n", "namespace: paifang}", "namespace: "+ns+"}", "name: paifang\n---", "name: "+ns+"\n---",
		"service: paifang/paifang", "service: "+ns+"/paifang", "type: LoadBalancer", "type: NodePort", "externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster",
		// The Service gives the balancer's connections addresses of the nodes.
		"    ingress:\n", "    ingress:\n      proxyFrom: [10.99.0.0/24, 10.244.0.0/16]\n",
		`image: "paifang:0.1.0"`, "image: "+bed.PaifangImage, "paifang.dev/controller", "e2e.test/"+class,
		"kind: IngressClass\nmetadata:\n  name: paifang", "kind: IngressClass\nmetadata:\n  name: "+class,
		"kind: ClusterRole\nmetadata:\n  name: paifang", "kind: ClusterRole\nmetadata:\n  name: "+ns,
		"kind: ClusterRoleBinding\nmetadata:\n  name: paifang", "kind: ClusterRoleBinding\nmetadata:\n  name: "+ns, "kind: ClusterRole, name: paifang}", "kind: ClusterRole, name: "+ns+"}",
	).Replace(manifests.Deployment)
}
