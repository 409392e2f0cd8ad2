package bed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// kubeVersion is that of k8s.io/kubernetes in kube/go.mod.
const kubeVersion = "v1.37.2"

// Files are the programs that a bed runs, built before it is entered: inside there is no network to fetch modules over.
type Files struct {
	// Kube is the binary of kube/main.go.
	Kube string
	// Pod is the program of the test's own pods, Foreign that of the gateway that is not ours, and Paifang the product.
	Pod, Foreign, Paifang string
}

// filesVariable tells the copy of the process inside where Build put the files.
const filesVariable = "PAIFANG_E2E_FILES"

// Built returns what Build has built, in the process inside.
func Built() Files {
	f := strings.Split(os.Getenv(filesVariable), ":")
	if len(f) != 4 {
		panic("bed: " + filesVariable + " is not set: Build comes before Enter")
	}
	return Files{f[0], f[1], f[2], f[3]}
}

// Build builds the programs, Kubernetes' only where the cache has none of its version: that takes ten minutes on two cores.
// It does nothing in the process inside. root is where the product's source is, and module where this module is.
func Build(root, module string) error {
	if os.Getenv(roleVariable) != "" {
		return nil
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	f := Files{
		Kube:    filepath.Join(cache, "kube-"+kubeVersion, "kube"),
		Pod:     filepath.Join(cache, "e2e", "pod"),
		Foreign: filepath.Join(cache, "e2e", "foreign"),
		Paifang: filepath.Join(cache, "e2e", "paifang"),
	}
	if _, err := os.Stat(f.Kube); err != nil {
		begin := time.Now()
		fmt.Fprintln(os.Stderr, "bed: building Kubernetes "+kubeVersion+" into "+f.Kube+", once; some ten minutes on two cores")
		flags := "-s -w -X k8s.io/client-go/pkg/version.gitVersion=" + kubeVersion
		for _, v := range []string{"gitVersion=" + kubeVersion, "gitMajor=1", "gitMinor=37", "gitTreeState=clean"} {
			flags += " -X k8s.io/component-base/version." + v
		}
		if err := goBuild(filepath.Join(module, "kube"), f.Kube, ".", "-ldflags", flags); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "bed: Kubernetes is built, in", time.Since(begin).Round(time.Second))
	}
	if err := goBuild(module, f.Pod, "./pod", "-ldflags", "-s -w"); err != nil {
		return err
	}
	if err := goBuild(filepath.Join(module, "foreign"), f.Foreign, ".", "-ldflags", "-s -w"); err != nil {
		return err
	}
	// The chart is rendered inside, by a Helm that the go command then has in its cache.
	helm := exec.Command("go", "tool", "helm", "version")
	helm.Dir = filepath.Join(root, "deploy", "helm")
	if said, err := helm.CombinedOutput(); err != nil {
		return fmt.Errorf("bed: build Helm: %w\n%s", err, said)
	}
	if named := os.Getenv("PAIFANG_BINARY"); named != "" {
		f.Paifang = named
	} else if err := goBuild(root, f.Paifang, "./cmd/paifang", "-ldflags", "-s -w"); err != nil {
		return err
	}
	return os.Setenv(filesVariable, strings.Join([]string{f.Kube, f.Pod, f.Foreign, f.Paifang}, ":"))
}

func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("bed: find cache: %w", err)
	}
	return filepath.Join(dir, "paifang-ci"), nil
}

// goBuild builds a static binary. It is there whole or not at all.
func goBuild(dir, out, pkg string, flags ...string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("bed: %w", err)
	}
	fresh := fmt.Sprintf("%s.%d", out, os.Getpid())
	args := append([]string{"build", "-buildvcs=false", "-trimpath", "-o", fresh}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("bed: build %s in %s: %w\n%s", pkg, dir, err, said)
	}
	return os.Rename(fresh, out)
}
