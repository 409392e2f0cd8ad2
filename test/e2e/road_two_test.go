package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/deploy/manifests"
	"paifang/test/e2e/bed"
)

// The application on both roads: its pods register themselves, and a Service finds them by label.
const (
	roadsNamespace  = "roads"
	registryService = "nacos-order-service"
	roadsPassword   = "e2e-password"
	replicas        = 4
	gatewayPort     = 30280
)

// secondRoad is the gateway and the registry as users install them, and the application, once for all tests.
var secondRoad struct {
	once     sync.Once
	err      error
	registry string // the address of the registry's Service
}

// installSecondRoad applies our own manifests of the registry and the gateway, changed only where a user would, and the application. It
// comes after road 1, as it has to serve the same pods.
func installSecondRoad(t *testing.T) {
	t.Helper()
	install(t)
	secondRoad.once.Do(func() { secondRoad.err = applySecondRoad() })
	if secondRoad.err != nil {
		said, _ := cluster.Kubectl("get", "pods,events", "-A", "-o", "wide")
		logs, _ := cluster.Kubectl("logs", "-n", controllerNamespace, "deployment/paifang-gateway", "--tail=40")
		t.Fatalf("%v\n%s\n%s", secondRoad.err, said, logs)
	}
}

func applySecondRoad() error {
	// The volume of the registry is on the first node, and stays there.
	volume := filepath.Join(bed.Dir, "registry-volume")
	if err := os.Mkdir(volume, 0o777); err != nil {
		return err
	}
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: paifang-registry, namespace: %s}\nstringData: {password: " + roadsPassword + "}\n---\n"
	err := cluster.Apply(fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n---\n", roadsNamespace) + fmt.Sprintf(secret, roadsNamespace) + fmt.Sprintf(secret, controllerNamespace) +
		fmt.Sprintf(`apiVersion: v1
kind: PersistentVolume
metadata: {name: registry}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  local: {path: %s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
`, volume))
	if err != nil {
		return err
	}
	image := map[string]string{`image: "paifang:0.1.0"`: "image: " + bed.PaifangImage}
	if err := cluster.Apply(customised(manifests.Registry, image)); err != nil {
		return err
	}
	if _, err := cluster.Kubectl("rollout", "status", "-n", controllerNamespace, "statefulset/paifang-registry", "--timeout=90s"); err != nil {
		return err
	}
	// This cluster has no DNS.
	ip, err := cluster.Kubectl("get", "-n", controllerNamespace, "service/paifang-registry", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return err
	}
	secondRoad.registry = ip + ":8848"
	gateway := customised(manifests.Gateway, map[string]string{
		`image: "paifang:0.1.0"`:     "image: " + bed.PaifangImage,
		"paifang-registry:8848":      secondRoad.registry,
		"type: LoadBalancer":         "type: NodePort",
		"    targetPort: http\n":     fmt.Sprintf("    targetPort: http\n    nodePort: %d\n", gatewayPort),
		"      http: 0.0.0.0:8080\n": "      http: 0.0.0.0:8080\n      proxyFrom: [" + bed.EdgeAddress + "/32]\n",
		"\"0.1.0\"\ndata: {}\n":      "\"0.1.0\"\ndata:\n  application.yml: |\n    spring: {cloud: {gateway: {routes: [{id: order, uri: \"lb://" + registryService + "\", predicates: [\"Path=/order/**\"]}]}}}\n",
	})
	if err := cluster.Apply(gateway); err != nil {
		return err
	}
	if err := cluster.Apply(application(roadsNamespace, "v1", secondRoad.registry, replicas)); err != nil {
		return err
	}
	for _, what := range []string{controllerNamespace + " deployment/paifang-gateway", roadsNamespace + " deployment/order"} {
		ns, name, _ := strings.Cut(what, " ")
		if _, err := cluster.Kubectl("rollout", "status", "-n", ns, name, "--timeout=90s"); err != nil {
			return err
		}
	}
	return cluster.Apply(ingress(roadsNamespace, "order", "roads.test", "order"))
}

// application is the one of the examples, as docs/kubernetes.md says that pods of both roads are written. It logs in at a registry with what
// the Secret paifang-registry of its namespace says.
func application(ns, version, registry string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: order, namespace: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: order}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: order}}
    spec:
      terminationGracePeriodSeconds: 20
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: order}}, matchLabelKeys: [pod-template-hash]}
      containers:
      - name: order
        image: %[3]s
        imagePullPolicy: Never
        args: [example, order]
        env:
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        - {name: VERSION, value: %[4]s}
        - {name: PAIFANG_REGISTRY, value: "%[5]s"}
        - {name: PAIFANG_REGISTRY_USERNAME, value: nacos}
        - {name: PAIFANG_REGISTRY_PASSWORD_FILE, value: /etc/registry/password}
        ports: [{name: http, containerPort: 8080}]
        lifecycle: {preStop: {sleep: {seconds: 3}}}
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
        volumeMounts: [{name: registry, mountPath: /etc/registry, readOnly: true}]
      volumes: [{name: registry, secret: {secretName: paifang-registry}}]
---
apiVersion: v1
kind: Service
metadata: {name: order, namespace: %[1]s}
spec:
  selector: {app: order}
  ports: [{name: http, port: 80, targetPort: http}]
`, ns, replicas, bed.PaifangImage, version, registry)
}

// placed are the pods of a label, as kubectl get pod -o wide shows them: name, address and node of each that runs.
func placed(t *testing.T, ns, label string) (pods [][3]string) {
	t.Helper()
	for line := range strings.Lines(kubectl(t, "get", "pods", "-n", ns, "-l", label, "-o", "wide", "--no-headers")) {
		f := strings.Fields(line)
		// NAME READY STATUS RESTARTS [(AGE ago)] AGE IP NODE NOMINATED GATES
		if n := len(f); n >= 9 && f[2] == "Running" {
			pods = append(pods, [3]string{f[0], f[n-4], f[n-3]})
		}
	}
	return pods
}

// wants are the addresses that pods of a port should have in the registry, sorted.
func wants(pods [][3]string, port string) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p[1]+":"+port)
	}
	slices.Sort(out)
	return out
}

// listed asks the registry for the healthy instances of a service and returns their addresses, sorted.
func listed(t *testing.T, service string) ([]string, error) {
	t.Helper()
	pods := placed(t, controllerNamespace, "app.kubernetes.io/name=paifang-registry")
	if len(pods) != 1 {
		return nil, fmt.Errorf("%d registries run", len(pods))
	}
	r := registryAt(pods[0][1]+":8848", roadsPassword)
	defer r.http.CloseIdleConnections()
	return r.list(service)
}

// registered waits until the registry lists what kubectl shows, and returns that.
func registered(t *testing.T, service, ns, label, port string, n int) [][3]string {
	t.Helper()
	return shown(t, ns, label, port, n, func() ([]string, error) { return listed(t, service) })
}

// shown waits until a list has the addresses of n pods that kubectl shows, and returns those.
func shown(t *testing.T, ns, label, port string, n int, list func() ([]string, error)) [][3]string {
	t.Helper()
	var pods [][3]string
	eventually(t, 45*time.Second, "the registry lists the pods of "+label, func() (bool, string) {
		pods = placed(t, ns, label)
		have, err := list()
		return err == nil && len(pods) == n && slices.Equal(have, wants(pods, port)), fmt.Sprint(have, err, pods)
	})
	return pods
}

// TestSecondRoad walks road 2 in its order: pods run, register themselves, are listed; the gateway registers, and carries a request to a
// pod on the other node.
func TestSecondRoad(t *testing.T) {
	installSecondRoad(t)
	pods := registered(t, registryService, roadsNamespace, "app=order", "8080", replicas)
	gateways := registered(t, "paifang-gateway", controllerNamespace, "app.kubernetes.io/name=paifang-gateway", "8080", 2)
	t.Logf("the registry lists %v and the gateways %v", wants(pods, "8080"), wants(gateways, "8080"))
	if gateways[0][2] == gateways[1][2] {
		t.Fatalf("both gateways are on %s", gateways[0][2])
	}
	for _, g := range gateways {
		c, seen := client(g[1]+":8080", false), map[string]int{}
		answers(t, c, "http://gateway.test/order/1", 200)
		for range 40 {
			var order struct{ PodNode string }
			a, err := get(c, "http://gateway.test/order/1")
			if err == nil {
				err = json.Unmarshal([]byte(a.body), &order)
			}
			if err != nil {
				t.Fatal(err, a)
			}
			seen[order.PodNode]++
		}
		if seen["n1"] == 0 || seen["n2"] == 0 {
			t.Errorf("the gateway on %s had answers of %v", g[2], seen)
		}
		// Others find the gateway by the registry: what it has registered answers on the other node.
		other := "n1"
		if g[2] == other {
			other = "n2"
		}
		curl := cluster.Process("curl-"+g[0], other, "curl", "-sS", "--max-time", "10", "http://"+g[1]+":8080/order/1")
		start(t, curl)
		eventually(t, 15*time.Second, "the gateway's address answers on "+other, func() (bool, string) {
			return strings.Contains(curl.Said(), `"service": "order"`), curl.Said()
		})
	}
	a := answers(t, client(gateways[0][1]+":8080", false), "http://gateway.test/pay/1", 404)
	if a.header.Get("X-Paifang-Reason") == "" {
		t.Errorf("404 without a reason: %v", a)
	}
	// A route that is added to the ConfigMap is served without a restart. The kubelet brings it to the pods in its own time.
	restarts := kubectl(t, "get", "pods", "-n", controllerNamespace, "-l", "app.kubernetes.io/name=paifang-gateway", "-o", "jsonpath={.items[*].metadata.uid}")
	kubectl(t, "patch", "configmap", "-n", controllerNamespace, "paifang-gateway-routes", "-p",
		`{"data":{"pay.yml":"spring: {cloud: {gateway: {routes: [{id: pay, uri: \"lb://`+registryService+`\", predicates: [\"Path=/pay/**\"]}]}}}"}}`)
	eventually(t, 100*time.Second, "a new route is served", func() (bool, string) {
		a, err := get(client(gateways[0][1]+":8080", false), "http://gateway.test/pay/1")
		return err == nil && a.status == 200, fmt.Sprint(a, err)
	})
	if now := kubectl(t, "get", "pods", "-n", controllerNamespace, "-l", "app.kubernetes.io/name=paifang-gateway", "-o", "jsonpath={.items[*].metadata.uid}"); now != restarts {
		t.Errorf("for a route the gateways became others: %s, were %s", now, restarts)
	}
}
