package bed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs the cluster's certificates.
type authority struct {
	dir  string
	cert *x509.Certificate
	pem  []byte
	key  *ecdsa.PrivateKey
}

// newAuthority makes a CA in a directory: ca.crt and ca.key.
func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("bed: make key of CA: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("bed: make CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("bed: make CA: %w", err)
	}
	a := &authority{dir: dir, cert: cert, key: key, pem: encode("CERTIFICATE", der)}
	keyPEM, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return a, a.write(map[string][]byte{"ca.crt": a.pem, "ca.key": keyPEM})
}

// issue makes NAME.crt and NAME.key for a user or server.
func (a *authority) issue(name, user, organization string, hosts ...string) (certPEM, keyPem []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("bed: make key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, nil, fmt.Errorf("bed: make certificate of %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: user}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if organization != "" {
		template.Subject.Organization = []string{organization}
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("bed: make certificate of %s: %w", name, err)
	}
	if keyPem, err = keyPEM(key); err != nil {
		return nil, nil, err
	}
	certPEM = encode("CERTIFICATE", der)
	return certPEM, keyPem, a.write(map[string][]byte{name + ".crt": certPEM, name + ".key": keyPem})
}

// kubeconfig makes NAME.kubeconfig for a user and returns its path.
func (a *authority) kubeconfig(name, user, organization, server string) (string, error) {
	cert, key, err := a.issue(name, user, organization)
	if err != nil {
		return "", err
	}
	b64 := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: %q, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: e2e, context: {cluster: e2e, user: %q}}]
current-context: e2e
`, server, b64(a.pem), user, b64(cert), b64(key), user)
	return a.path(name + ".kubeconfig"), a.write(map[string][]byte{name + ".kubeconfig": []byte(text)})
}

// accountKey makes the key that signs the tokens of service accounts.
func (a *authority) accountKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("bed: make key of service accounts: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("bed: make key of service accounts: %w", err)
	}
	return a.write(map[string][]byte{"sa.key": encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "sa.pub": encode("PUBLIC KEY", public)})
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(files map[string][]byte) error {
	for name, content := range files {
		if err := os.WriteFile(a.path(name), content, 0o600); err != nil {
			return fmt.Errorf("bed: %w", err)
		}
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("bed: encode key: %w", err)
	}
	return encode("EC PRIVATE KEY", der), nil
}
