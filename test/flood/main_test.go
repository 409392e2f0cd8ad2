// Package flood attacks the product with what is cheap to send and dear to serve, from a process that is held to half a
// core, while a client with ordinary requests looks at the clock. Memory must stay near what it was when nothing was
// asked, and the client must be served.
//
// PAIFANG_VERSUS=1 does the same to HAProxy and compares what becomes of the client; it wants a machine with nothing else
// to do (make floods). PAIFANG_BINARY=FILE attacks that binary; otherwise one is built.
package flood

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binary is the program under attack, self this one, which is the attacker and the origin too.
var binary, self string

// roleVariable tells this program that it is not the test.
const roleVariable = "FLOOD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "attacker":
		os.Exit(runAttacker(os.Args[1], os.Args[2], os.Args[3]))
	case "origin":
		os.Exit(runOrigin(os.Args[1]))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if self, err = os.Executable(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binary = os.Getenv("PAIFANG_BINARY"); binary != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "paifang-flood-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "paifang")
	build := exec.Command("go", "build", "-o", binary, "./cmd/paifang")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
