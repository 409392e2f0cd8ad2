package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/deploy/manifests"
	"paifang/test/e2e/bed"
)

// chart renders the chart for a namespace, road 2 alone, and applies it.
func chart(t *testing.T, ns string, values ...string) {
	t.Helper()
	repository, tag, _ := strings.Cut(bed.PaifangImage, ":")
	values = append([]string{"ingress.enabled=false", "image.repository=" + repository, "image.tag=" + tag}, values...)
	yaml, err := manifests.Template(filepath.Join("..", "..", "deploy"), ns, values...)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, yaml)
}

// routed is a value of the chart: a route for each name, by the path of that name, to lb://TO.
func routed(to map[string]string) string {
	text := "spring.cloud.gateway.routes:\n"
	for name, service := range to {
		text += fmt.Sprintf("- id: %s\n  uri: lb://%s\n  predicates: [Path=/%s/**]\n", name, service, name)
	}
	return `gateway.routes.application\.yml=` + text
}

// secret is a Secret with what is given as names and values.
func secret(ns, name string, data map[string][]byte) string {
	text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ndata:\n", name, ns)
	for key, value := range data {
		text += "  " + key + ": " + base64.StdEncoding.EncodeToString(value) + "\n"
	}
	return text
}

// etcds starts a cluster of three members beside that of Kubernetes, which wants certificates of its clients. It returns the endpoints, and
// the Secret of a client for the chart.
func etcds(t *testing.T, ns, name string) (endpoints []string, client string) {
	t.Helper()
	ca, certificate, key, err := cluster.Certificate("registry-etcd", bed.Address)
	if err != nil {
		t.Fatal(err)
	}
	var members []string
	for i := range 3 {
		members = append(members, fmt.Sprintf("m%d=http://127.0.0.1:%d", i, 2390+i))
		endpoints = append(endpoints, fmt.Sprintf("https://%s:%d", bed.Address, 2490+i))
	}
	for i, member := range members {
		own, peer, _ := strings.Cut(member, "=")
		start(t, cluster.Process("etcd-"+own, "", cluster.Files.Kube, "etcd", "--name="+own, "--data-dir="+filepath.Join(bed.Dir, "etcd-"+own),
			"--listen-client-urls="+endpoints[i], "--advertise-client-urls="+endpoints[i], "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
			"--initial-cluster="+strings.Join(members, ","), "--cert-file="+certificate, "--key-file="+key, "--trusted-ca-file="+ca, "--client-cert-auth",
			"--unsafe-no-fsync", "--log-level=warn", "--heartbeat-interval=300", "--election-timeout=3000"))
	}
	files := map[string][]byte{}
	for as, file := range map[string]string{"ca.crt": ca, "tls.crt": certificate, "tls.key": key} {
		if files[as], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return endpoints, secret(ns, name, files)
}

// foreignGateway is a gateway that is not ours, in a pod: see the program foreign.
func foreignGateway(ns, registry string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: foreign, namespace: %[1]s}
spec:
  selector: {matchLabels: {app: foreign}}
  template:
    metadata: {labels: {app: foreign}}
    spec:
      containers:
      - name: foreign
        image: %[2]s
        imagePullPolicy: Never
        env:
        - {name: REGISTRY, value: "%[3]s"}
        - {name: USERNAME, value: nacos}
        - {name: PASSWORD_FILE, value: /etc/registry/password}
        - {name: SERVICE, value: %[4]s}
        readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: registry, mountPath: /etc/registry, readOnly: true}, {name: tmp, mountPath: /tmp}]
      volumes: [{name: registry, secret: {secretName: paifang-registry}}, {name: tmp, emptyDir: {}}]
`, ns, bed.ForeignImage, registry, registryService)
}
