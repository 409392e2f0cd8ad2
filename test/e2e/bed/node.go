package bed

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"paifang/deploy/oci"
	"paifang/deploy/product"
)

// Node is a machine of the cluster: a network namespace with containerd, kubelet and kube-proxy.
type Node struct {
	// Name is n1 or n2, Address its address on the bridge.
	Name, Address string
	// Containerd, Kubelet and Proxy are its programs.
	Containerd, Kubelet, Proxy *Process

	podRange, dir, cgroup, kube string
}

// PauseImage and PodImage are the images of pods' sandboxes and of the tests' own pods, ForeignImage that of a gateway that is not ours,
// PaifangImage that of the product. Every node has them.
const (
	PauseImage   = "e2e.test/pause:1"
	PodImage     = "e2e.test/pod:1"
	ForeignImage = "e2e.test/foreign:1"
	PaifangImage = "e2e.test/paifang:1"
)

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

// runtime starts containerd and gives it the images.
func (n *Node) runtime(f Files) error {
	for _, d := range []string{"cni", "root-ca", "kubelet", "plugins", "logs", "cert"} {
		if err := os.MkdirAll(n.path(d), 0o755); err != nil {
			return fmt.Errorf("bed: node %s: %w", n.Name, err)
		}
	}
	for name, text := range map[string]string{
		"containerd.toml": fmt.Sprintf(containerdConfig, n.path("containerd"), n.path("containerd-state"), n.socket(), PauseImage, cni, n.path("cni")),
		"cni/10-ptp.conflist": fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp", "mtu": 1500, "ipam":
{"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}`, n.path("cni-data"), n.podRange),
		"resolv.conf": "nameserver " + gateway + "\n",
	} {
		if err := os.WriteFile(n.path(name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("bed: node %s: %w", n.Name, err)
		}
	}
	if err := makeGroups(n.cgroup); err != nil {
		return err
	}
	if _, err := run(5*time.Second, "nsenter", append(inside(n.Name), "sysctl", "-qw", "net.ipv4.ip_forward=1")[1:]...); err != nil {
		return err
	}
	n.Containerd = n.process("containerd", "containerd", "--config="+n.path("containerd.toml"))
	if err := n.Containerd.Start(); err != nil {
		return err
	}
	if err := until(30*time.Second, "containerd of "+n.Name, func() error {
		conn, err := net.DialTimeout("unix", n.socket(), time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}); err != nil {
		return fmt.Errorf("%w\nit said:\n%s", err, n.Containerd.Said())
	}
	var programs [3][]byte
	for i, name := range []string{f.Pod, f.Foreign, f.Paifang} {
		var err error
		if programs[i], err = os.ReadFile(name); err != nil {
			return fmt.Errorf("bed: node %s: %w", n.Name, err)
		}
	}
	own := func(name, user string, program []byte, args ...string) *oci.Image {
		return &oci.Image{Name: name, Architecture: arch, User: user, Entrypoint: append([]string{"/program"}, args...), Created: time.Unix(0, 0),
			Files: []oci.File{{Path: "program", Mode: 0o755, Content: program}}}
	}
	for _, image := range []*oci.Image{
		own(PauseImage, "65535:65535", programs[0], "pause"), own(PodImage, "65532:65532", programs[0]), own(ForeignImage, "65532:65532", programs[1]),
		product.Image(PaifangImage, arch, programs[2], nil),
	} {
		var archive bytes.Buffer
		if err := image.Write(&archive); err != nil {
			return err
		}
		if err := n.Import(archive.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// Import gives the node the images of an archive.
func (n *Node) Import(archive []byte) error {
	file, err := os.CreateTemp(n.dir, "image-*.tar")
	if err != nil {
		return fmt.Errorf("bed: import image: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(archive)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("bed: import image: %w", err)
	}
	_, err = run(time.Minute, "ctr", "--address="+n.socket(), "--namespace=k8s.io", "images", "import", file.Name())
	return err
}

func (n *Node) socket() string { return n.path("containerd.sock") }

// join starts kubelet and kube-proxy.
func (n *Node) join(c *Cluster) error {
	kubeconfig, err := c.ca.kubeconfig("node-"+n.Name, "system:node:"+n.Name, "system:nodes", Server)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"kubelet.yaml": fmt.Sprintf(kubeletConfig, n.cgroup, n.socket(), c.ca.path("ca.crt"), n.path("resolv.conf"), n.path("logs"), n.path("plugins")),
		"proxy.yaml":   fmt.Sprintf(proxyConfig, c.ca.path("proxy.kubeconfig"), podRange, n.Name),
	} {
		if err := os.WriteFile(n.path(name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("bed: node %s: %w", n.Name, err)
		}
	}
	n.Kubelet = n.process("kubelet", n.kube, "kubelet", "--config="+n.path("kubelet.yaml"), "--kubeconfig="+kubeconfig,
		"--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("cert"), "--hostname-override="+n.Name, "--node-ip="+n.Address,
		"--node-labels=topology.kubernetes.io/zone=zone-"+n.Name)
	n.Proxy = n.process("proxy", n.kube, "proxy", "--config="+n.path("proxy.yaml"))
	if err := n.Kubelet.Start(); err != nil {
		return err
	}
	return n.Proxy.Start()
}

// process declares a program of the node, for which the machine has the node's name: pods that share its network have it too.
func (n *Node) process(name string, args ...string) *Process {
	named := []string{"unshare", "--uts", "sh", "-c", `hostname "$0" && exec "$@"`, n.Name}
	return &Process{Name: name + " of " + n.Name, Log: n.path(name + ".log"), netns: n.Name, args: append(named, args...)}
}
