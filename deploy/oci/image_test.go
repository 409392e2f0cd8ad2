package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"testing"
	"time"
)

func sample() *Image {
	return &Image{
		Name: "registry.test/a:1", Architecture: "amd64", User: "65532:65532", Entrypoint: []string{"/a"}, Created: time.Unix(1000, 0),
		Files: []File{
			{Path: "tmp/", Mode: 0o1777},
			{Path: "a", Mode: 0o755, Content: []byte("program"), Capability: NetBindService()},
		},
	}
}

// TestEveryDigestIsOfWhatItNames follows the archive as a container runtime does.
func TestEveryDigestIsOfWhatItNames(t *testing.T) {
	var archive bytes.Buffer
	if err := sample().Write(&archive); err != nil {
		t.Fatal(err)
	}
	files, _ := unpack(t, archive.Bytes())
	var index, man manifest
	var conf config
	parse(t, files["index.json"], &index)
	follow := func(d descriptor) []byte {
		b := files["blobs/sha256/"+d.Digest[len("sha256:"):]]
		if digest(b) != d.Digest || len(b) != d.Size {
			t.Fatalf("%s of %d bytes is %s of %d", d.Digest, d.Size, digest(b), len(b))
		}
		return b
	}
	parse(t, follow(index.Manifests[0]), &man)
	parse(t, follow(*man.Config), &conf)
	z, err := gzip.NewReader(bytes.NewReader(follow(man.Layers[0])))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if digest(plain) != conf.RootFS.DiffIDs[0] {
		t.Errorf("the layer unpacks to %s, the configuration names %s", digest(plain), conf.RootFS.DiffIDs[0])
	}
	layer, heads := unpack(t, plain)
	if string(layer["a"]) != "program" || heads["a"].PAXRecords["SCHILY.xattr.security.capability"] != string(NetBindService()) {
		t.Errorf("the program in the layer: %+v", heads["a"])
	}
	if conf.Config.User != "65532:65532" || conf.Config.Entrypoint[0] != "/a" {
		t.Errorf("configuration: %+v", conf.Config)
	}
	if heads["tmp/"].Typeflag != tar.TypeDir {
		t.Errorf("tmp/ is no directory: %+v", heads["tmp/"])
	}
}

func TestSameInputSameBytes(t *testing.T) {
	var a, b bytes.Buffer
	if err := sample().Write(&a); err != nil {
		t.Fatal(err)
	}
	if err := sample().Write(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two archives of the same input differ")
	}
}

func unpack(t *testing.T, archive []byte) (map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	files, heads := map[string][]byte{}, map[string]*tar.Header{}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return files, heads
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name], heads[h.Name] = b, h
	}
}

func parse(t *testing.T, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
}
