package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// Config returns the TLS settings of a listener that terminates: TLS 1.2 and 1.3, forward secrecy and authenticated
// encryption only (RFC 9325 sections 3.1.1 and 4.2), session ticket keys made and rotated by crypto/tls each day.
// nextProtos are the protocols that ALPN offers, the preferred first; a client that offers none of them and
// others is refused (RFC 7301 section 3.2). Each listener needs a Config of its own: ticket keys are not to be shared
// between listeners that trust differently.
func (s *Store) Config(nextProtos []string) *tls.Config {
	return &tls.Config{
		GetCertificate: s.GetCertificate,
		NextProtos:     nextProtos,
		MinVersion:     tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all of this kind and not configurable
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}

// DefaultName is the name in the default certificate. It ends in .invalid, which no one can own (RFC 6761 section 6.4).
const DefaultName = "default.paifang.invalid"

// selfSigned makes the default certificate: ECDSA P-256, valid for a year from the day before now.
func selfSigned(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Paifang default certificate", Organization: []string{"Paifang"}},
		DNSNames:     []string{DefaultName},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(365 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
