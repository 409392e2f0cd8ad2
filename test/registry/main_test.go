// Package registry tests what the registry keeps against what ends processes and networks: a file under a process that is
// killed a thousand times, and a cluster of etcd with several registries on it whose connections are cut.
package registry

import (
	"os"
	"testing"

	"paifang/internal/registry/registrytest"
)

func TestMain(m *testing.M) {
	if registrytest.Child() {
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Nothing that was acknowledged is lost, and the file always opens. PAIFANG_LONG=1 kills a thousand times, which takes minutes.
func TestKilled(t *testing.T) {
	times := 150
	if os.Getenv("PAIFANG_LONG") != "" {
		times = 1000
	}
	registrytest.Kill(t, times)
}
