package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/deploy/manifests"
	"paifang/test/e2e/bed"
)

// controllerNamespace is the one that the plain manifests name.
const controllerNamespace = "paifang"

// installation is the product as users install it, once for all tests.
var installation struct {
	once sync.Once
	err  error
}

// install applies our own manifest of the DaemonSet with a webhook, changed only where a user would: its image, and what is published.
func install(t *testing.T) {
	t.Helper()
	installation.once.Do(func() {
		yaml := customised(manifests.DaemonSetWebhook, map[string]string{
			"image: \"paifang:0.1.0\"": "image: " + bed.PaifangImage,
			"- {apiGroups: [\"\"], resources: [events], verbs: [create]}\n": "- {apiGroups: [\"\"], resources: [events], verbs: [create]}\n" +
				"- {apiGroups: [networking.k8s.io], resources: [ingresses/status], verbs: [patch]}\n", // for what is published
			"        events: true": "        events: true\n        adopt: [nginx, legacy]\n        publish: {addresses: [" + cluster.Nodes[0].Address + "]}",
			"    log:\n":           "    metrics: {nginx: true}\n    log:\n",
			"    ingress:\n":       "    ingress:\n      proxyFrom: [" + bed.EdgeAddress + "/32]\n",
		})
		if installation.err = cluster.Apply(yaml); installation.err != nil {
			return
		}
		_, installation.err = cluster.Kubectl("rollout", "status", "-n", controllerNamespace, "daemonset/paifang", "--timeout=60s")
	})
	if installation.err != nil {
		said, _ := cluster.Kubectl("describe", "pods", "-n", controllerNamespace)
		logs, _ := cluster.Kubectl("logs", "-n", controllerNamespace, "daemonset/paifang", "--tail=40")
		t.Fatalf("%v\n%s\n%s", installation.err, said, logs)
	}
}

// customised replaces parts of a manifest, each of which must be there once.
func customised(yaml string, parts map[string]string) string {
	for old, with := range parts {
		if n := strings.Count(yaml, old); n != 1 {
			panic(fmt.Sprintf("%q is %d times in the manifest", old, n))
		}
		yaml = strings.Replace(yaml, old, with, 1)
	}
	return yaml
}

// entry is where a node's ingress listens.
func entry(i int) string { return cluster.Nodes[i].Address + ":80" }

// ingress is an Ingress of the class paifang with one host and path /.
func ingress(ns, name, host, service string, annotations ...string) string {
	var notes strings.Builder
	for i := 0; i+1 < len(annotations); i += 2 {
		fmt.Fprintf(&notes, "    %s: %q\n", annotations[i], annotations[i+1])
	}
	return fmt.Sprintf(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  namespace: %s
  annotations:
    e2e.test/none: ""
%sspec:
  ingressClassName: paifang
  rules:
  - host: %s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}]}
`, name, ns, notes.String(), host, service)
}

// TestInstall applies the manifest and asks both nodes on port 80 for what an Ingress says.
func TestInstall(t *testing.T) {
	install(t)
	ns := namespace(t, "install")
	deploy(t, ns, "web", "v1", 1)
	apply(t, ingress(ns, "web", "install.test", "web"))
	for i := range cluster.Nodes {
		answers(t, client(entry(i), false), "http://install.test/", 200)
	}
	pods := kubectl(t, "get", "pods", "-n", controllerNamespace, "-o", "jsonpath={range .items[*]}{.status.podIP} {.spec.securityContext.runAsUser} {.status.containerStatuses[0].restartCount}{'\\n'}{end}")
	for _, n := range cluster.Nodes {
		if !strings.Contains(pods, n.Address+" 65532 0\n") {
			t.Errorf("no pod without restarts that is user 65532 on %s: %s", n.Name, pods)
		}
	}
	eventually(t, 20*time.Second, "the address is in the status", func() (bool, string) {
		ip := kubectl(t, "get", "ingress", "-n", ns, "web", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
		return ip == cluster.Nodes[0].Address, ip
	})
	// What the Role does not list is refused, also for the controller's own account.
	account := "--as=system:serviceaccount:" + controllerNamespace + ":paifang"
	for _, may := range []struct{ want, verb, what, where string }{
		{"yes", "list", "ingresses.networking.k8s.io", ""}, {"yes", "create", "events", ""}, {"no", "get", "pods", ""}, {"no", "create", "ingresses.networking.k8s.io", ""},
		{"no", "update", "secrets", ""}, {"no", "get", "nodes", ""}, {"no", "delete", "leases.coordination.k8s.io", ""},
		{"yes", "patch", "ingresses.networking.k8s.io", "--subresource=status"}, {"no", "update", "ingresses.networking.k8s.io", "--subresource=status"},
		{"no", "patch", "ingresses.networking.k8s.io", ""}, {"no", "create", "leases.coordination.k8s.io", ""},
		{"yes", "create", "leases.coordination.k8s.io", "--namespace=" + controllerNamespace},
	} {
		args := []string{"auth", "can-i", may.verb, may.what, account}
		if strings.HasPrefix(may.where, "--namespace") {
			args = append(args, may.where)
		} else if args = append(args, "--all-namespaces"); may.where != "" {
			args = append(args, may.where)
		}
		said, _ := cluster.Kubectl(args...) // "no" is an exit code too
		if strings.TrimSpace(said) != may.want {
			t.Errorf("%s %s %s: %s, want %s", may.verb, may.what, may.where, said, may.want)
		}
	}
}

// TestTLS serves a certificate from a Secret, another one when the Secret changes, and goes on without when it goes.
func TestTLS(t *testing.T) {
	install(t)
	ns := namespace(t, "tls")
	deploy(t, ns, "web", "v1", 1)
	secret := func(serial int64) string {
		chain, key := certificate(t, "tls.test", serial)
		return tlsSecret(ns, "web-tls", chain, key)
	}
	apply(t, secret(1001))
	apply(t, strings.Replace(ingress(ns, "web", "tls.test", "web"), "  rules:", "  tls: [{hosts: [tls.test], secretName: web-tls}]\n  rules:", 1))
	servesCertificate(t, "tls.test", 1001)
	apply(t, secret(1002))
	servesCertificate(t, "tls.test", 1002)
	c := client(entry(0), false)
	// To redirect to https is ingress-nginx's default, and not this class's.
	answers(t, c, "http://tls.test/", 200)
	kubectl(t, "delete", "secret", "-n", ns, "web-tls")
	eventually(t, 20*time.Second, "an Event tells that the Secret is missing", func() (bool, string) {
		said := kubectl(t, "get", "events", "-n", ns, "--field-selector=involvedObject.name=web", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(said, "web-tls"), said
	})
	answers(t, c, "http://tls.test/", 200)
}

// servesCertificate waits until a host has the certificate with a serial number.
func servesCertificate(t *testing.T, host string, want int64) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprint("certificate ", want, " is served"), func() (bool, string) {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 3 * time.Second}, "tcp", cluster.Nodes[0].Address+":443", &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			return false, err.Error()
		}
		defer conn.Close()
		serial := conn.ConnectionState().PeerCertificates[0].SerialNumber
		return serial.Cmp(big.NewInt(want)) == 0, serial.String()
	})
}

func tlsSecret(ns, name string, chain, key []byte) string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s, namespace: %s}\ndata: {tls.crt: %s, tls.key: %s}\n", name, ns, b64(chain), b64(key))
}

// certificate makes a self-signed certificate.
func certificate(t *testing.T, host string, serial int64) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded})
}
