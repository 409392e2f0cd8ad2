// Package system tests the product from outside, under load, as the person sees it who starts `paifang up` and breaks
// something: a client that numbers its requests and never retries is compared with the access log and with what the
// pods saw. It knows the binary, its files and its addresses, and nothing of the code.
//
// PAIFANG_LONG=1 runs the drills for as long as they are promised for (30 s and 60 s). PAIFANG_BINARY=FILE tests that
// binary; otherwise one is built.
package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// binary is the program under test, self this one, which its pods run as well.
var binary, self string

// roleVariable tells this program that it is a pod.
const roleVariable = "SYSTEM_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "pod" {
		os.Exit(runPod())
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if self, err = os.Executable(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binary = os.Getenv("PAIFANG_BINARY"); binary == "" {
		dir, err := os.MkdirTemp("", "paifang-system-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "bin", "paifang")
		build := exec.Command("go", "build", "-o", binary, "./cmd/paifang")
		build.Dir = root()
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// root is where the product's source is.
func root() string {
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		panic(err)
	}
	return dir
}

// long is the second value where PAIFANG_LONG is set, else the first.
func long(d, promised time.Duration) time.Duration {
	if os.Getenv("PAIFANG_LONG") != "" {
		return promised
	}
	return d
}

// eventually polls a condition until it holds, and fails the test with what it last said.
func eventually(t testing.TB, within time.Duration, what string, holds func() (bool, string)) {
	t.Helper()
	if ok, last := poll(within, holds); !ok {
		t.Fatalf("%s: not within %v: %s", what, within, last)
	}
}

func poll(within time.Duration, holds func() (bool, string)) (bool, string) {
	deadline := time.Now().Add(within)
	for {
		ok, last := holds()
		if ok {
			return true, last
		}
		if time.Now().After(deadline) {
			return false, last
		}
		time.Sleep(2 * time.Millisecond)
	}
}
