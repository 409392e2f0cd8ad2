package registry

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The same on other versions of etcd than that of the system, built from their modules in the directory etcdserver: which takes a minute or
// two for each the first time. They are built one after the other, and then tested side by side.
func TestVersionsOfEtcd(t *testing.T) {
	if os.Getenv("PAIFANG_ETCD") != "" {
		t.Skip("everything runs on the etcd that PAIFANG_ETCD names")
	}
	for version, modules := range map[string]string{"3.5": "3.5.mod", "3.6": "3.6.mod", "3.7": "go.mod"} {
		program := filepath.Join(scratch, "etcd-"+version)
		build := exec.Command("go", "build", "-modfile", modules, "-o", program, ".")
		build.Dir = "etcdserver"
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build of %s: %v\n%s", version, err, out)
		}
		if out, err := exec.Command(program, "--version").Output(); err != nil || !strings.HasPrefix(string(out), "etcd Version: "+version+".") {
			t.Fatalf("%s: %v\n%s", version, err, out)
		}
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			on := func(test func(*testing.T, string)) func(*testing.T) {
				return func(t *testing.T) { test(t, program) }
			}
			t.Run("store", on(store))
			t.Run("pushed", on(pushedAcross))
			t.Run("leases", on(leasesLost))
			t.Run("clock", on(lastRefAcross))
			t.Run("health", on(healthAcross))
			t.Run("guarded", on(guardedEtcd))
			if version == "3.7" {
				t.Run("killed", on(killedRegistry))
			}
		})
	}
}
