package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestImage runs make image, follows the archive from its index to the files as a container runtime does, each digest being checked,
// and runs the program that it finds there.
func TestImage(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed (Debian: apt-get install make)")
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		t.Skip("there are no CA certificates to put in (Debian: apt-get install ca-certificates)")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "image.tar")
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // all of the program is compiled
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "-C", "../..", "image", "IMAGE="+file)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make image: %v\n%s", err, said)
	}
	archive, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	im := image{t, entries(t, archive)}

	var index, man struct {
		Manifests []descriptor
		Config    descriptor
		Layers    []descriptor
	}
	im.json("index.json", im.files["index.json"], &index)
	if len(index.Manifests) != 1 {
		t.Fatalf("the index has %d manifests", len(index.Manifests))
	}
	im.json("the manifest", im.blob(index.Manifests[0]), &man)
	var config struct {
		Architecture, OS string
		Config           struct {
			User       string
			Entrypoint []string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	im.json("the configuration", im.blob(man.Config), &config)
	if config.OS != "linux" || config.Architecture != runtime.GOARCH || config.Config.User != "65532:65532" || len(config.Config.Entrypoint) != 1 {
		t.Errorf("configuration: %+v", config)
	}
	if len(man.Layers) == 0 || len(man.Layers) != len(config.RootFS.DiffIDs) {
		t.Fatalf("%d layers, and the configuration names %d", len(man.Layers), len(config.RootFS.DiffIDs))
	}
	root := map[string][]byte{}
	for i, l := range man.Layers {
		z, err := gzip.NewReader(bytes.NewReader(im.blob(l)))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if got := sum(plain); got != config.RootFS.DiffIDs[i] {
			t.Errorf("layer %d unpacks to %s, the configuration names %s", i, got, config.RootFS.DiffIDs[i])
		}
		for name, b := range entries(t, bytes.NewReader(plain)) {
			root[name] = b
		}
	}
	if !bytes.Contains(root["etc/ssl/certs/ca-certificates.crt"], []byte("-----BEGIN CERTIFICATE-----")) || !bytes.Contains(root["etc/passwd"], []byte("65532")) {
		t.Error("there are no CA certificates, or the user has no name")
	}

	program := root[strings.TrimPrefix(config.Config.Entrypoint[0], "/")]
	binary, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatalf("%s: %v", config.Config.Entrypoint[0], err)
	}
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a loader and libraries, which the image does not have")
		}
	}
	if runtime.GOOS != "linux" {
		t.Skip("the program of the image runs on Linux")
	}
	run := filepath.Join(dir, "paifang")
	if err := os.WriteFile(run, program, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, run, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "paifang") {
		t.Errorf("version: %v\n%s", err, out)
	}
}

// descriptor is how images name content.
type descriptor struct {
	Digest string
	Size   int64
}

// image is an archive that is followed.
type image struct {
	t     *testing.T
	files map[string][]byte
}

// blob is the content that a descriptor names, which must be what it says.
func (im image) blob(d descriptor) []byte {
	im.t.Helper()
	name, found := strings.CutPrefix(d.Digest, "sha256:")
	b, ok := im.files["blobs/sha256/"+name]
	if !found || !ok || sum(b) != d.Digest || int64(len(b)) != d.Size {
		im.t.Fatalf("%+v: %d bytes with %s", d, len(b), sum(b))
	}
	return b
}

func (im image) json(what string, b []byte, to any) {
	im.t.Helper()
	if err := json.Unmarshal(b, to); err != nil {
		im.t.Fatalf("%s: %v", what, err)
	}
}

func sum(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// entries are the files of a tar archive.
func entries(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
}
