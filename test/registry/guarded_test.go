package registry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// guarded is a member of etcd that takes TLS with client certificates only, and knows the user "registry".
type guarded struct {
	url                            string
	ca, certificate, key, password string // files
}

func startGuardedEtcd(t *testing.T, program string) *guarded {
	t.Helper()
	dir := t.TempDir()
	g := &guarded{url: "https://" + freeAddress(t), ca: filepath.Join(dir, "ca.pem"), certificate: filepath.Join(dir, "cert.pem"),
		key: filepath.Join(dir, "key.pem"), password: filepath.Join(dir, "password")}
	must(t, os.WriteFile(g.password, []byte("secret\n"), 0o600))
	g.issue(t)
	peer := "http://" + freeAddress(t)
	cmd := exec.Command(program, "--data-dir", filepath.Join(dir, "data"), "--name", "one",
		"--listen-client-urls", g.url, "--advertise-client-urls", g.url, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", "one="+peer, "--cert-file", g.certificate, "--key-file", g.key, "--trusted-ca-file", g.ca, "--client-cert-auth", "--log-level", "error")
	cmd.Env = etcdEnv()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("etcd: %s", log.String())
		}
	})
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{g.url}, TLS: g.secure(t, true), Logger: zap.NewNop()})
	must(t, err)
	defer c.Close()
	within(t, 30*time.Second, "etcd answers", func() bool {
		_, err := c.Get(timeout(t, time.Second), "a")
		return err == nil
	})
	ctx := timeout(t, 20*time.Second)
	for _, do := range []func() error{
		func() error { _, err := c.UserAdd(ctx, "root", "rootsecret"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := c.RoleAdd(ctx, "registry"); return err },
		func() error {
			_, err := c.RoleGrantPermission(ctx, "registry", prefixOf(t), clientv3.GetPrefixRangeEnd(prefixOf(t)), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func() error { _, err := c.UserAdd(ctx, "registry", "secret"); return err },
		func() error { _, err := c.UserGrantRole(ctx, "registry", "registry"); return err },
		func() error { _, err := c.AuthEnable(ctx); return err },
	} {
		if err := do(); err != nil {
			must(t, err)
		}
	}
	return g
}

// issue makes an authority and one certificate that serves both sides.
func (g *guarded) issue(t *testing.T) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	for file, block := range map[string]*pem.Block{
		g.ca: {Type: "CERTIFICATE", Bytes: caDER}, g.certificate: {Type: "CERTIFICATE", Bytes: der}, g.key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		must(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
}

func (g *guarded) secure(t *testing.T, own bool) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(g.ca)
	must(t, err)
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AppendCertsFromPEM(text)
	if own {
		pair, err := tls.LoadX509KeyPair(g.certificate, g.key)
		must(t, err)
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
