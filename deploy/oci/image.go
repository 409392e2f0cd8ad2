// Package oci writes container images without a daemon: one layer, one archive that `docker load`, `podman load`,
// `skopeo copy oci-archive:` and `ctr images import` read. The same input makes the same bytes, so that an image can be
// compared with one that somebody else built.
package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Image is what is written. One layer holds all files.
type Image struct {
	// Name is the reference with its tag, such as registry.test/paifang:1.0.
	Name string
	// Architecture as Go names it; the system is always linux.
	Architecture string
	Files        []File
	Entrypoint   []string
	// User is UID:GID.
	User string
	// Labels are org.opencontainers.image.* and others; none is added.
	Labels map[string]string
	// Created is the time of the image and of all its files, in whole seconds.
	Created time.Time
}

// File is one entry of the layer.
type File struct {
	// Path has no slash in front. One that ends in a slash is a directory.
	Path string
	// Mode are the permission bits, such as 0o755; 0o1777 for a directory that everybody may write.
	Mode    int64
	Content []byte
	// Capability is the extended attribute security.capability in the kernel's form; none: none. See NetBindService.
	Capability []byte
}

// NetBindService is the file capability that lets a process without root listen below port 1024, permitted and
// effective: VFS_CAP_REVISION_2 of linux/capability.h, in little endian. A container has it only if its bounding set has, and
// where that is missing the kernel refuses to start the file.
func NetBindService() []byte {
	const netBind = 1 << 10
	return []byte{1, 0, 0, 2, netBind & 0xff, netBind >> 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
}

// descriptor is one of the OCI image specification, and what the archive's index says of the image.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *platform         `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
}

type config struct {
	Created      string    `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       runConfig `json:"config"`
	RootFS       rootFS    `json:"rootfs"`
	History      []history `json:"history"`
}

type runConfig struct {
	User       string
	Entrypoint []string
	Env        []string
	WorkingDir string
	Labels     map[string]string `json:",omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// dockerManifest is what `docker load` of versions before 25 reads.
type dockerManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write writes the archive.
func (im *Image) Write(w io.Writer) error {
	plain, packed, err := im.layer()
	if err != nil {
		return fmt.Errorf("oci: write layer of %s: %w", im.Name, err)
	}
	created := im.Created.UTC().Format(time.RFC3339)
	conf, err := json.Marshal(config{
		Created: created, Architecture: im.Architecture, OS: "linux",
		Config: runConfig{User: im.User, Entrypoint: im.Entrypoint, Env: []string{"PATH=/"}, WorkingDir: "/", Labels: im.Labels},
		RootFS: rootFS{"layers", []string{digest(plain)}}, History: []history{{created, "deploy/image"}},
	})
	if err != nil {
		return fmt.Errorf("oci: write configuration of %s: %w", im.Name, err)
	}
	const vendor = "application/vnd.oci.image."
	man, err := json.Marshal(manifest{
		SchemaVersion: 2, MediaType: vendor + "manifest.v1+json",
		Config: &descriptor{MediaType: vendor + "config.v1+json", Digest: digest(conf), Size: len(conf)},
		Layers: []descriptor{{MediaType: vendor + "layer.v1.tar+gzip", Digest: digest(packed), Size: len(packed)}},
	})
	if err != nil {
		return fmt.Errorf("oci: write manifest of %s: %w", im.Name, err)
	}
	index, err := json.Marshal(manifest{
		SchemaVersion: 2, MediaType: vendor + "index.v1+json",
		Manifests: []descriptor{{
			MediaType: vendor + "manifest.v1+json", Digest: digest(man), Size: len(man), Platform: &platform{im.Architecture, "linux"},
			// The first is containerd's, the second the specification's.
			Annotations: map[string]string{"io.containerd.image.name": im.Name, "org.opencontainers.image.ref.name": im.Name},
		}},
	})
	if err != nil {
		return fmt.Errorf("oci: write index of %s: %w", im.Name, err)
	}
	docker, err := json.Marshal([]dockerManifest{{blob(conf), []string{im.Name}, []string{blob(packed)}}})
	if err != nil {
		return fmt.Errorf("oci: write docker's manifest of %s: %w", im.Name, err)
	}
	out := tar.NewWriter(w)
	for _, f := range []File{
		{Path: "oci-layout", Content: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{Path: blob(packed), Content: packed}, {Path: blob(conf), Content: conf}, {Path: blob(man), Content: man},
		{Path: "index.json", Content: index}, {Path: "manifest.json", Content: docker},
	} {
		f.Mode = 0o644
		if err := im.add(out, f); err != nil {
			return fmt.Errorf("oci: write %s of %s: %w", f.Path, im.Name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("oci: write %s: %w", im.Name, err)
	}
	return nil
}

// layer returns the tar archive of the files, plain and compressed.
func (im *Image) layer() (plain, packed []byte, err error) {
	var buf, zipped bytes.Buffer
	out := tar.NewWriter(&buf)
	for _, f := range im.Files {
		if err := im.add(out, f); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, nil, err
	}
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(buf.Bytes()); err != nil {
		return nil, nil, err
	}
	if err := z.Close(); err != nil {
		return nil, nil, err
	}
	return buf.Bytes(), zipped.Bytes(), nil
}

func (im *Image) add(out *tar.Writer, f File) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: f.Mode, Size: int64(len(f.Content)), ModTime: im.Created.UTC().Truncate(time.Second), Format: tar.FormatPAX}
	if f.Path[len(f.Path)-1] == '/' {
		h.Typeflag = tar.TypeDir
	}
	if f.Capability != nil {
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": string(f.Capability)}
	}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	_, err := out.Write(f.Content)
	return err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// blob is where an image layout keeps content.
func blob(b []byte) string { return "blobs/sha256/" + digest(b)[len("sha256:"):] }
