// Command image builds the product's container image without a daemon: see package product for what is
// in it. `make image` runs it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"paifang/deploy/product"
)

func main() {
	name := flag.String("name", "paifang:latest", "reference of the image, with its tag")
	out := flag.String("out", "dist/paifang-image.tar", "file to write the archive to")
	arch := flag.String("arch", runtime.GOARCH, "architecture: amd64, arm64 or another of Go's")
	roots := flag.String("roots", "/etc/ssl/certs/ca-certificates.crt", "PEM file with the CAs that endpoints are verified against by default; none: leave them out")
	source := flag.String("source", ".", "root of the source tree")
	flag.Parse()
	if err := build(*name, *out, *arch, *roots, *source); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func build(name, out, arch, roots, source string) error {
	created, err := epoch()
	if err != nil {
		return err
	}
	binary, err := compile(source, arch)
	if err != nil {
		return err
	}
	var pem []byte
	if roots != "" {
		pem, err = os.ReadFile(roots)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w; install ca-certificates, name another file with -roots, or -roots '' for none", err)
		} else if err != nil {
			return err
		}
	}
	im := product.Image(name, arch, binary, pem)
	im.Created = created
	var archive bytes.Buffer
	if err := im.Write(&archive); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out, archive.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Printf("%s: %s for linux/%s, %.1f MB (binary %.1f MB)\n", out, name, arch, float64(archive.Len())/1e6, float64(len(binary))/1e6)
	return nil
}

// compile builds the binary for the image and returns it.
func compile(source, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "paifang-image-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "paifang")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./cmd/paifang")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, said)
	}
	return os.ReadFile(file)
}

// epoch is the time that the image has: SOURCE_DATE_EPOCH as reproducible-builds.org defines it, else 1970.
func epoch() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Unix(0, 0), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
