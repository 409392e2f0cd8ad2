// Package e2e tests the product on a real Kubernetes: see package bed for the cluster and `make e2e` for how it is run. Every
// test works in a namespace of its own, so that tests of one cluster do not see each other.
//
// PAIFANG_E2E=required makes a missing program an error; otherwise the tests are skipped with a line that says what is missing.
// PAIFANG_BINARY=FILE tests that binary; otherwise one is built.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"paifang/test/e2e/bed"
)

// cluster is what all tests share.
var cluster *bed.Cluster

func TestMain(m *testing.M) {
	if lack := bed.Missing(); lack != "" {
		if os.Getenv("PAIFANG_E2E") == "required" {
			fmt.Fprintln(os.Stderr, "e2e: no cluster on this machine:", lack)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, "e2e: skipped:", lack)
		os.Exit(0)
	}
	if err := bed.Build(filepath.Join("..", ".."), "."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	bed.Enter()
	begin := time.Now()
	var err error
	if cluster, err = bed.Up(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("cluster of two nodes up in %.1f s\n", time.Since(begin).Seconds())
	os.Exit(m.Run())
}
