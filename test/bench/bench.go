package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bench is what all rows share: the binary, the upstream, a certificate and a directory that goes at the end.
type bench struct {
	options
	dir              string
	chain, key, pair string // files, in PEM; pair has both
	upstream         *process
}

func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "paifang-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, dir: dir, chain: filepath.Join(dir, "chain.pem"), key: filepath.Join(dir, "key.pem"), pair: filepath.Join(dir, "pair.pem")}
	if err := b.prepare(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) error {
	if err := os.Chmod(b.dir, 0o755); err != nil { // nginx's workers are another user
		return err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.dir, "bin", "paifang")
		c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.binary, "./cmd/paifang")
		c.Dir = filepath.Join("..", "..")
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	c := exec.CommandContext(ctx, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
		"-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test", "-keyout", b.key, "-out", b.chain)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("openssl: %w\n%s", err, out)
	}
	chain, err := os.ReadFile(b.chain)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(b.key)
	if err != nil {
		return err
	}
	if err := write(b.pair, string(chain), string(key)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.upstream, err = start(loadCore, []string{"GOMAXPROCS=1", "GOGC=off"}, self, responderCommand, upstreamAt); err != nil {
		return err
	}
	return b.upstream.awaitAddress(ctx, upstreamAt)
}

// secret is the certificate as a Kubernetes Secret, for every server name: wrk sends the address for one.
func (b *bench) secret() string {
	read := func(file string) string {
		text, _ := os.ReadFile(file)
		return "    " + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n    ") + "\n"
	}
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: bench-tls}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n" +
		read(b.chain) + "  tls.key: |\n" + read(b.key) + "---\napiVersion: paifang.dev/v1\nkind: Certificate\nmetadata: {name: any}\n" +
		"spec: {attach: [ingress], hosts: [\"\"], secret: default/bench-tls}\n"
}

func (b *bench) close() {
	b.upstream.stop()
	_ = os.RemoveAll(b.dir)
}
