package registry

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same on other versions of etcd than that of the system, built from their modules in the directory etcdserver: which takes a minute or
// two for each the first time.
func TestVersionsOfEtcd(t *testing.T) {
	if os.Getenv("PAIFANG_ETCD") != "" {
		t.Skip("everything runs on the etcd that PAIFANG_ETCD names")
	}
	for version, modules := range map[string]string{"3.5": "3.5.mod", "3.6": "3.6.mod", "3.7": "go.mod"} {
		t.Run(version, func(t *testing.T) {
			file := filepath.Join(scratch, "etcd-"+version)
			build := exec.Command("go", "build", "-modfile", modules, "-o", file, ".")
			build.Dir = "etcdserver"
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("go build: %v\n%s", err, out)
			}
			if out, err := exec.Command(file, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "etcd Version: "+version+".") {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Setenv("PAIFANG_ETCD", file)
			t.Run("store", TestStore)
			t.Run("pushed", TestPushedAcross)
			t.Run("leases", TestLeasesLost)
			t.Run("clock", TestLastRefAcross)
			t.Run("health", TestHealthAcross)
			t.Run("guarded", TestGuardedEtcd)
			if version == "3.7" {
				t.Run("killed", TestKilledRegistry)
			}
		})
	}
}
