// Package registry tests what the registry keeps against what ends processes and networks: a file under a process that is
// killed a thousand times, a registry that is killed while a gateway carries requests by what it said, and a cluster of etcd with
// several registries on it whose connections are cut.
package registry

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"paifang/internal/registry/registrytest"
)

// scratch is where the product is built.
var scratch string

func TestMain(m *testing.M) {
	if registrytest.Child() {
		os.Exit(1)
	}
	if at := os.Getenv(bareVariable); at != "" {
		fmt.Fprintln(os.Stderr, serveBare(at))
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "paifang-registry-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	// Tests that are parallel here wait more than they work, so that there may be more of them than cores; -parallel says otherwise.
	if err := flag.Set("test.parallel", "4"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Nothing that was acknowledged is lost, and the file always opens: a thousand kills, of processes with four files side by side,
// for they wait more than they work.
func TestKilled(t *testing.T) {
	const kills, files = 1000, 4
	for i := range files {
		t.Run(fmt.Sprint("file ", i+1), func(t *testing.T) {
			t.Parallel()
			registrytest.Kill(t, kills/files)
		})
	}
}
