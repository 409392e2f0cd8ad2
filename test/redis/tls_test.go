package redis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"
)

// certificate writes one for 127.0.0.1 that vouches for itself, and its key.
func certificate(t *testing.T) (chain, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	chain, key = filepath.Join(dir, "redis.crt"), filepath.Join(dir, "redis.key")
	write(t, chain, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return chain, key
}

// TestOverTLS: a limit is counted over TLS, if the certificate is one that the system trusts.
func TestOverTLS(t *testing.T) {
	chain, key := certificate(t)
	address, kill := redis(t, "--tls-cert-file", chain, "--tls-key-file", key, "--tls-ca-cert-file", chain, "--tls-auth-clients", "no")
	behind := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(behind.Close)
	distrustful := gateway(t, address, behind.Listener.Addr().String(), ", tls: true")
	clear := gateway(t, address, behind.Listener.Addr().String(), "")
	t.Setenv("SSL_CERT_FILE", chain)
	trusting := gateway(t, address, behind.Listener.Addr().String(), ", tls: true")
	within(t, 5*time.Second, "the limit is counted", func() bool { return status(trusting, "/refuse") == 200 })
	got := pressed("/refuse", time.Second, trusting)
	if got[200] == 0 || got[429] == 0 || len(got) != 2 {
		t.Errorf("over TLS: %v, want 200 and 429", got)
	}
	for name, at := range map[string]string{"to a server that nobody vouches for": distrustful, "in clear text": clear} {
		if got := status(at, "/refuse"); got != 503 {
			t.Errorf("%s: %d, want 503", name, got)
		}
	}
	kill()
	within(t, 5*time.Second, "Redis is missed", func() bool { return status(trusting, "/refuse") == 503 })
}
