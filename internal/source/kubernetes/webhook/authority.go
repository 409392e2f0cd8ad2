package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// The data of the Secret that replicas share. tls.crt and tls.key have the names that Secrets of type kubernetes.io/tls have.
const (
	fileCA    = "ca.crt"
	fileCAKey = "ca.key"
	fileCert  = "tls.crt"
	fileKey   = "tls.key"
)

// The authority outlives many certificates, so that the API server's trust need not change with each. A certificate is
// replaced in the last third of its life.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	clockSkew       = time.Hour // of the API server's clock
)

// usable returns the certificate in data if its authority vouches for it under every name, and whether it may stay.
func usable(data map[string][]byte, names []string, now time.Time) (*tls.Certificate, bool) {
	pair, err := tls.X509KeyPair(data[fileCert], data[fileKey])
	if err != nil || len(names) == 0 {
		return nil, false
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data[fileCA])
	for _, name := range names {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return nil, false
		}
	}
	return &pair, pair.Leaf.NotAfter.Sub(now) > certificateLife/3
}

// renewed returns data with a new certificate for names, of the authority in data where that outlives it, else of a new one.
func renewed(data map[string][]byte, names []string, now time.Time) (map[string][]byte, error) {
	out := map[string][]byte{fileCA: data[fileCA], fileCAKey: data[fileCAKey]}
	authority, err := tls.X509KeyPair(out[fileCA], out[fileCAKey])
	if err != nil || authority.Leaf.NotAfter.Sub(now) < certificateLife {
		template := &x509.Certificate{Subject: pkix.Name{CommonName: "paifang webhook authority"}, IsCA: true, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageCertSign, NotAfter: now.Add(authorityLife)}
		if out[fileCA], out[fileCAKey], err = sign(template, nil, now); err != nil {
			return nil, err
		}
		if authority, err = tls.X509KeyPair(out[fileCA], out[fileCAKey]); err != nil {
			return nil, fmt.Errorf("webhook: make an authority: %w", err)
		}
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotAfter: now.Add(certificateLife)}
	out[fileCert], out[fileKey], err = sign(template, &authority, now)
	return out, err
}

// sign makes a key and a certificate for it, both in PEM. Without an authority the key signs itself.
func sign(template *x509.Certificate, by *tls.Certificate, now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("webhook: make a key: %w", err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126)); err != nil {
		return nil, nil, fmt.Errorf("webhook: make a serial number: %w", err)
	}
	template.NotBefore = now.Add(-clockSkew)
	parent, signer := template, any(private)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("webhook: sign a certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("webhook: write a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}
