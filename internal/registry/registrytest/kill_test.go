package registrytest

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if Child() {
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// What was acknowledged outlives a kill at any moment. The module test/registry does it a thousand times.
func TestKilled(t *testing.T) { Kill(t, 25) }
