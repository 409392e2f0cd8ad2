// Package product says what is in the product's container image: one static binary, CA certificates, a user without rights, and
// nothing else; no shell, no libc.
package product

import (
	"time"

	"paifang/deploy/oci"
)

// user is who the program runs as: the nobody of the images that call themselves distroless.
const user = "65532"

// Image is the image of a binary for linux. roots are CAs in PEM, by which endpoints are verified by default; none: the image has
// none.
func Image(name, arch string, binary, roots []byte) *oci.Image {
	im := &oci.Image{
		Name: name, Architecture: arch, User: user + ":" + user, Entrypoint: []string{"/paifang"}, Created: time.Unix(0, 0),
		Labels: map[string]string{"org.opencontainers.image.title": "paifang", "org.opencontainers.image.licenses": "Apache-2.0"},
		Files: []oci.File{
			{Path: "etc/", Mode: 0o755},
			{Path: "etc/passwd", Mode: 0o644, Content: []byte("paifang:x:" + user + ":" + user + "::/:/none\n")},
			{Path: "etc/group", Mode: 0o644, Content: []byte("paifang:x:" + user + ":\n")},
			{Path: "tmp/", Mode: 0o1777}, // large bodies, as files without a name
		},
	}
	if len(roots) > 0 {
		im.Files = append(im.Files, oci.File{Path: "etc/ssl/", Mode: 0o755}, oci.File{Path: "etc/ssl/certs/", Mode: 0o755},
			oci.File{Path: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: roots})
	}
	im.Files = append(im.Files, oci.File{Path: "paifang", Mode: 0o755, Content: binary, Capability: oci.NetBindService()})
	return im
}
