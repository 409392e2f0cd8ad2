package registry

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The same on a newer etcd than that of the system, built from its module in the directory etcdserver: which takes a minute or two
// the first time.
func TestNewerEtcd(t *testing.T) {
	if os.Getenv("PAIFANG_ETCD") != "" {
		t.Skip("everything runs on the etcd that PAIFANG_ETCD names")
	}
	file := filepath.Join(scratch, "etcd")
	build := exec.Command("go", "build", "-o", file, ".")
	build.Dir = "etcdserver"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Setenv("PAIFANG_ETCD", file)
	t.Run("store", TestStore)
	t.Run("pushed", TestPushedAcross)
	t.Run("killed", TestKilledRegistry)
	t.Run("leases", TestLeasesLost)
	t.Run("clock", TestLastRefAcross)
	t.Run("guarded", TestGuardedEtcd)
}
