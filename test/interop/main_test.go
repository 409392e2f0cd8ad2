package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is where TestMain has built Paifang; builds is where the clients of other languages are built, below the
// temporary directory: the tree stays clean.
var program, builds string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "interop")
		if err != nil {
			fmt.Println(err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program, builds = filepath.Join(dir, "paifang"), dir
		build := exec.Command("go", "build", "-o", program, "./cmd/paifang")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Printf("%v\n%s", err, out)
			return 1
		}
		status := m.Run()
		if n := overtaken.Load(); n > maxOvertaken {
			fmt.Printf("%d lists came by polls and not by pushes: want %d at most\n", n, maxOvertaken)
			return 1
		}
		return status
	}())
}

// scratch is a directory for a client. It is removed after all tests, for some clients write to it after they were closed.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(builds, "client")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
