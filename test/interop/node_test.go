package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// nodeDir has the Node client with its modules, installed once.
var nodeDir = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(builds, "node")
	if err := os.CopyFS(dir, os.DirFS("node")); err != nil {
		return "", err
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
})

// openNode runs npm's nacos.
func openNode(t *testing.T, a access) client {
	t.Helper()
	for _, p := range []string{"node", "npm"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("install nodejs and npm to test their client: %v", err)
		}
	}
	dir, err := nodeDir()
	if err != nil {
		t.Fatal(err)
	}
	return launch(t, a, dir, "node", "client.js", fmt.Sprintf("%s:%d", a.host, a.port), a.namespace, a.username, a.password, a.dir, a.tls)
}
