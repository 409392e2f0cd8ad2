// Package manifests are the chart's objects for those who install without Helm, and how they are made: by Helm itself.
package manifests

import (
	"bytes"
	_ "embed" // the files
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// DaemonSet serves on the ports of the nodes, Deployment behind a Service. Those with a webhook have kubectl apply say what is
// wrong with an Ingress, too. Gateway and Registry are road 2, GatewayServices is a gateway to the pods of Services, without a registry,
// RegistryEtcd the registry on a cluster of etcd. All are for the namespace paifang.
var (
	//go:embed daemonset.yaml
	DaemonSet string
	//go:embed deployment.yaml
	Deployment string
	//go:embed daemonset-webhook.yaml
	DaemonSetWebhook string
	//go:embed deployment-webhook.yaml
	DeploymentWebhook string
	//go:embed gateway.yaml
	Gateway string
	//go:embed gateway-services.yaml
	GatewayServices string
	//go:embed registry.yaml
	Registry string
	//go:embed registry-etcd.yaml
	RegistryEtcd string
)

// File is one of the files, and the values that it is made with.
type File struct {
	Name   string
	Values []string
}

// Files are all of them.
func Files() []File {
	return []File{
		{"daemonset.yaml", []string{"kind=DaemonSet"}},
		{"deployment.yaml", []string{"kind=Deployment"}},
		{"daemonset-webhook.yaml", []string{"kind=DaemonSet", "webhook.enabled=true"}},
		{"deployment-webhook.yaml", []string{"kind=Deployment", "webhook.enabled=true"}},
		{"gateway.yaml", []string{"ingress.enabled=false", "gateway.enabled=true", "gateway.nacos.address=paifang-registry:8848"}},
		{"gateway-services.yaml", []string{"ingress.enabled=false", "gateway.enabled=true", "gateway.kubernetes.enabled=true"}},
		{"registry.yaml", []string{"ingress.enabled=false", "registry.enabled=true"}},
		{"registry-etcd.yaml", []string{"ingress.enabled=false", "registry.enabled=true", "registry.storage=etcd", "registry.etcd.endpoints={http://etcd:2379}"}},
	}
}

const head = `# Made from deploy/chart by make manifests: change that, and this is made again.
apiVersion: v1
kind: Namespace
metadata:
  name: paifang
`

// Render makes the file by Helm from the chart. dir is the directory deploy.
func Render(dir string, f File) (string, error) {
	text, err := Template(dir, "paifang", f.Values...)
	if err != nil {
		return "", fmt.Errorf("manifests: render %s: %w", f.Name, err)
	}
	return head + text, nil
}

// Template runs Helm on the chart in the directory dir, for a namespace and with values as --set takes them. Who applies what it
// returns manages the objects, not Helm.
func Template(dir, namespace string, values ...string) (string, error) {
	args := []string{"tool", "helm", "template", "paifang", filepath.Join("..", "chart"), "--namespace=" + namespace, "--kube-version=1.37.0"}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join(dir, "helm")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("manifests: run helm: %w: %s", err, said.Bytes())
	}
	return strings.ReplaceAll(out.String(), "    app.kubernetes.io/managed-by: Helm\n", ""), nil
}
