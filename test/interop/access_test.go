package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Clients log in and are served; with another password they are not.
func TestAuthentication(t *testing.T) {
	v := newServer(t, settings{auth: "on", top: "data: data\n"})
	b, err := os.ReadFile(filepath.Join(v.dir, "data", "registry", "password"))
	must(t, err)
	password := strings.TrimSpace(string(b))
	t.Run("clients", func(t *testing.T) {
		for _, k := range kinds() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				a := access{host: "127.0.0.1", port: v.port, namespace: k.name, username: "nacos", password: password, dir: scratch(t)}
				c := k.open(t, a)
				in := at("127.0.0.1", 8081)
				must(t, c.register("order", in))
				must(t, c.subscribe("order"))
				sees(t, c, "order", in)
				must(t, c.publish("order.yaml", "limit: 1"))
				if got, err := c.config("order.yaml"); got != "limit: 1" || err != nil {
					t.Error(got, err)
				}
			})
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		for i, k := range kinds() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				c := k.open(t, access{host: "127.0.0.1", port: v.port, namespace: "public", username: "nacos", password: "wrong", dir: scratch(t), refused: true})
				err := c.register("order", at("127.0.0.1", 8082+i)) // Node's waits to be let in for longer than its driver
				if err == nil {
					t.Errorf("%s registers with a wrong password", k.name)
				}
				t.Log(err)
			})
		}
	})
	_, token, _ := strings.Cut(v.call(t, "POST", "/v1/auth/login", "username", "nacos", "password", password), `"accessToken":"`)
	token, _, _ = strings.Cut(token, `"`)
	body := v.call(t, "GET", "/v1/ns/instance/list", "serviceName", "order", "accessToken", token)
	if strings.Contains(body, "127.0.0.1") {
		t.Errorf("somebody has registered with a wrong password: %s", body)
	}
	if status, body := v.ask(t, "GET", "/v1/ns/instance/list", "serviceName", "order"); status != 403 {
		t.Errorf("nobody may read: %d %s", status, body)
	}
}

// Clients speak TLS, those of gRPC on both ports.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certificate, key := selfSigned(t, dir)
	v := newServer(t, settings{registry: "  certificate: " + certificate + "\n  key: " + key + "\n"})
	b, err := os.ReadFile(certificate)
	must(t, err)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(b)
	plain := http.DefaultTransport // Go's client of v1 uses it
	http.DefaultTransport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	defer func() { http.DefaultTransport = plain }()
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			c := k.open(t, access{host: "127.0.0.1", port: v.port, namespace: k.name, dir: scratch(t), tls: certificate})
			in := at("127.0.0.1", 8081)
			must(t, c.register("order", in))
			must(t, c.subscribe("order"))
			sees(t, c, "order", in)
		})
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t *testing.T, dir string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	from := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "registry"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, from, from, &private.PublicKey, private)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	certificate, key = filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem")
	must(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	return certificate, key
}
