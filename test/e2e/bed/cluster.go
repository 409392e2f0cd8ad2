package bed

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Server is the URL of the API server.
const Server = "https://" + gateway + ":6443"

// Cluster is a running bed.
type Cluster struct {
	// Etcd, API, Controllers and Scheduler are the control plane, to be killed and started by tests.
	Etcd, API, Controllers, Scheduler *Process
	// Nodes are n1 and n2.
	Nodes []*Node
	// Kubeconfig is the file of the administrator.
	Kubeconfig string
	// Files are the programs.
	Files Files

	ca      *authority
	ready   *http.Client // asks /readyz as the administrator
	dir     string
	cgroups string
}

// Up brings a cluster up and returns when both nodes are Ready. It is called once, inside (Enter).
func Up() (*Cluster, error) {
	c := &Cluster{Files: Built(), dir: Dir, cgroups: os.Getenv(groupVariable)}
	for i, name := range []string{"n1", "n2"} {
		c.Nodes = append(c.Nodes, &Node{
			Name: name, Address: fmt.Sprintf("10.99.0.%d", 11+i), podRange: fmt.Sprintf("10.244.%d.0/24", i+1),
			dir: filepath.Join(c.dir, name), cgroup: c.cgroups + "/" + name, kube: c.Files.Kube,
		})
	}
	if err := network(c.Nodes); err != nil {
		return nil, err
	}
	if err := c.keys(); err != nil {
		return nil, err
	}
	// Both wait for nothing of the other: containers' daemons read images while the control plane starts.
	failed := make(chan error, len(c.Nodes))
	for _, n := range c.Nodes {
		go func() { failed <- n.runtime(c.Files) }()
	}
	err := c.controlPlane()
	for range c.Nodes {
		err = errors.Join(err, <-failed)
	}
	if err != nil {
		return nil, err
	}
	for _, n := range c.Nodes {
		if err := n.join(c); err != nil {
			return nil, err
		}
	}
	for _, n := range c.Nodes {
		if err := c.WaitNode(n.Name, true, 60*time.Second); err != nil {
			return nil, fmt.Errorf("%w\nkubelet said:\n%s", err, n.Kubelet.Said())
		}
	}
	return c, nil
}

// keys makes the CA, every certificate and every kubeconfig.
func (c *Cluster) keys() error {
	dir := filepath.Join(c.dir, "pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("bed: %w", err)
	}
	ca, err := newAuthority(dir)
	if err != nil {
		return err
	}
	c.ca = ca
	if err := ca.accountKey(); err != nil {
		return err
	}
	if _, _, err := ca.issue("apiserver", "kube-apiserver", "", gateway, "10.96.0.1", "127.0.0.1", "localhost",
		"kubernetes", "kubernetes.default", "kubernetes.default.svc"); err != nil {
		return err
	}
	if _, _, err := ca.issue("kubelet-client", "kube-apiserver-kubelet-client", "system:masters"); err != nil {
		return err
	}
	for _, u := range [][2]string{
		{"controllers", "system:kube-controller-manager"}, {"scheduler", "system:kube-scheduler"}, {"proxy", "system:kube-proxy"},
	} {
		if _, err := ca.kubeconfig(u[0], u[1], "", Server); err != nil {
			return err
		}
	}
	if c.Kubeconfig, err = ca.kubeconfig("admin", "admin", "system:masters", Server); err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(ca.path("admin.crt"), ca.path("admin.key"))
	if err != nil {
		return fmt.Errorf("bed: read the administrator's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	c.ready = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}}, DisableKeepAlives: true}}
	return nil
}

// controlPlane starts the programs that Kubernetes is without nodes.
func (c *Cluster) controlPlane() error {
	const etcd = "http://127.0.0.1:2379"
	f := c.ca.path
	c.Etcd = c.process("etcd", "etcd", "--data-dir="+c.dir+"/etcd", "--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn")
	if err := os.WriteFile(c.dir+"/audit.yaml", []byte(auditPolicy), 0o600); err != nil {
		return fmt.Errorf("bed: %w", err)
	}
	c.API = c.process("apiserver", "apiserver", "--etcd-servers="+etcd, "--bind-address=0.0.0.0", "--secure-port=6443",
		"--advertise-address="+gateway, "--service-cluster-ip-range="+serviceRange, "--client-ca-file="+f("ca.crt"),
		"--tls-cert-file="+f("apiserver.crt"), "--tls-private-key-file="+f("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+f("sa.pub"),
		"--service-account-signing-key-file="+f("sa.key"), "--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction", "--allow-privileged", "--kubelet-client-certificate="+f("kubelet-client.crt"),
		"--kubelet-client-key="+f("kubelet-client.key"), "--kubelet-preferred-address-types=InternalIP",
		// The API server calls webhooks at the addresses of pods: it is outside of the nodes, where those of Services lead nowhere.
		"--enable-aggregator-routing=true", "--audit-policy-file="+c.dir+"/audit.yaml", "--audit-log-path="+c.auditLog())
	kc := f("controllers.kubeconfig")
	c.Controllers = c.process("controllers", "controllers", "--kubeconfig="+kc, "--authentication-kubeconfig="+kc, "--authorization-kubeconfig="+kc,
		"--service-account-private-key-file="+f("sa.key"), "--root-ca-file="+f("ca.crt"), "--cluster-signing-cert-file="+f("ca.crt"),
		"--cluster-signing-key-file="+f("ca.key"), "--use-service-account-credentials", "--leader-elect=false", "--allocate-node-cidrs=false",
		"--node-monitor-grace-period=8s", "--node-monitor-period=1s", "--kube-api-qps=500", "--kube-api-burst=1000")
	ks := f("scheduler.kubeconfig")
	c.Scheduler = c.process("scheduler", "scheduler", "--kubeconfig="+ks, "--authentication-kubeconfig="+ks, "--authorization-kubeconfig="+ks,
		"--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000")
	if err := c.Etcd.Start(); err != nil {
		return err
	}
	if err := c.API.Start(); err != nil {
		return err
	}
	if err := c.WaitAPI(90 * time.Second); err != nil {
		return fmt.Errorf("%w\netcd said:\n%s\nthe API server said:\n%s", err, c.Etcd.Said(), c.API.Said())
	}
	if err := c.Controllers.Start(); err != nil {
		return err
	}
	return c.Scheduler.Start()
}

// auditPolicy has the API server write down what service accounts and the administrator read, which Reads returns.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts", "system:masters"], verbs: [list, watch]}
- {level: None}
`

func (c *Cluster) auditLog() string { return c.dir + "/audit.log" }

// process declares a program of the kube binary in the namespace of the test.
func (c *Cluster) process(name, role string, args ...string) *Process {
	return &Process{Name: name, Log: filepath.Join(c.dir, name+".log"), args: append([]string{c.Files.Kube, role}, args...)}
}

// Process declares a program of the test's own, such as a paifang as the SLB in front of the nodes. on names a node, or is
// empty for the place of the test itself.
func (c *Cluster) Process(name, on string, args ...string) *Process {
	return &Process{Name: name, Log: filepath.Join(c.dir, name+".log"), netns: on, args: args}
}

// Run runs a program to its end where Process would, and returns what it said.
func (c *Cluster) Run(on string, args ...string) (string, error) {
	if on != "" {
		args = append(inside(on), args...)
	}
	return run(time.Minute, args[0], args[1:]...)
}

// Certificate makes a certificate by the cluster's CA, for servers at the hosts and for clients, and returns the files of the CA, of the
// certificate and of its key.
func (c *Cluster) Certificate(name string, hosts ...string) (ca, certificate, key string, err error) {
	_, _, err = c.ca.issue(name, name, "", hosts...)
	return c.ca.path("ca.crt"), c.ca.path(name + ".crt"), c.ca.path(name + ".key"), err
}

// Resume has what follows the API server begin anew, after that was away. All of it finds the server again after pauses that grow up to a
// minute while it is away, and go on growing where it is away a second time within two minutes: until then a Deployment is not looked at.
func (c *Cluster) Resume() error {
	all := []*Process{c.Controllers, c.Scheduler}
	for _, n := range c.Nodes {
		all = append(all, n.Kubelet, n.Proxy)
	}
	for _, p := range all {
		p.Kill()
		if err := p.Start(); err != nil {
			return err
		}
	}
	return nil
}

// WaitAPI waits until the API server says that it is ready.
func (c *Cluster) WaitAPI(within time.Duration) error {
	return until(within, "the API server", func() error {
		resp, err := c.ready.Get(Server + "/readyz")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return errors.New("readyz: " + resp.Status)
		}
		return nil
	})
}

// WaitNode waits until a node is Ready, or is not.
func (c *Cluster) WaitNode(name string, ready bool, within time.Duration) error {
	return until(within, fmt.Sprintf("node %s: ready %v", name, ready), func() error {
		said, err := c.Kubectl("get", "node", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err != nil {
			return err
		}
		if (said == "True") != ready {
			return errors.New("its condition Ready is " + said)
		}
		return nil
	})
}

// Kubectl runs kubectl as the administrator and returns what it said.
func (c *Cluster) Kubectl(args ...string) (string, error) { return c.kubectl("", args...) }

// Apply runs kubectl apply on documents in YAML.
func (c *Cluster) Apply(yaml string) error {
	_, err := c.kubectl(yaml, "apply", "-f", "-")
	return err
}

// ApplyWarned runs kubectl apply on documents in YAML and returns the warnings that the API server has given.
func (c *Cluster) ApplyWarned(yaml string) (warnings string, err error) {
	var said strings.Builder
	_, err = c.kubectlTo(&said, yaml, "apply", "-f", "-")
	return said.String(), err
}

// ApplyOnServer runs kubectl apply --server-side, which keeps no copy of the documents in an annotation.
func (c *Cluster) ApplyOnServer(yaml string) error {
	_, err := c.kubectl(yaml, "apply", "--server-side", "-f", "-")
	return err
}

// ApplyIn runs kubectl apply on documents that name no namespace.
func (c *Cluster) ApplyIn(namespace, yaml string) error {
	_, err := c.kubectl(yaml, "apply", "-n", namespace, "-f", "-")
	return err
}

// Delete runs kubectl delete on documents in YAML, and waits until they are gone.
func (c *Cluster) Delete(yaml string) error {
	_, err := c.kubectl(yaml, "delete", "--ignore-not-found", "--grace-period=1", "-f", "-")
	return err
}

func (c *Cluster) kubectl(input string, args ...string) (string, error) {
	var said strings.Builder
	return c.kubectlTo(&said, input, args...)
}

func (c *Cluster) kubectlTo(said *strings.Builder, input string, args ...string) (string, error) {
	cmd := exec.Command(c.Files.Kube, append([]string{"kubectl", "--kubeconfig=" + c.Kubeconfig, "--cache-dir=" + c.dir + "/kubectl"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, said
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("bed: run kubectl: %w", err)
	}
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("bed: kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}
