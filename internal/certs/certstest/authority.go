// Package certstest makes certificates for tests: authorities, servers' certificates as the model has them, and clients'.
package certstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"paifang/internal/model"
)

// Authority signs certificates.
type Authority struct {
	Certificate *x509.Certificate

	t   testing.TB
	key *ecdsa.PrivateKey
	up  *Authority // that signed this one; nil: itself
}

// New returns an authority signed by another one, or by itself where up is nil.
func New(t testing.TB, name string, up *Authority) *Authority {
	t.Helper()
	a := &Authority{t: t, up: up}
	a.Certificate, a.key = a.sign(up, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign})
	return a
}

func (a *Authority) sign(by *Authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<60)); err != nil {
		a.t.Fatal(err)
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

// PEM is the authority's certificate.
func (a *Authority) PEM() string { return certificatePEM(a.Certificate.Raw) }

// Revocations is a list in PEM of certificates that the authority has taken back, which counts until next, from an hour ago or from an
// hour before next.
func (a *Authority) Revocations(next time.Time, revoked ...*x509.Certificate) string {
	a.t.Helper()
	list := x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: next}
	if next.Before(time.Now()) {
		list.ThisUpdate = next.Add(-time.Hour)
	}
	for _, c := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: list.ThisUpdate})
	}
	return a.List(&list)
}

// List signs a revocation list and returns it in PEM.
func (a *Authority) List(list *x509.RevocationList) string {
	a.t.Helper()
	der, err := x509.CreateRevocationList(rand.Reader, list, a.Certificate, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
}

// Response is what an OCSP responder of the authority says, signed by the authority, or by a pair whose certificate it carries.
func (a *Authority) Response(r ocsp.Response, by *tls.Certificate) []byte {
	a.t.Helper()
	signer, key := a.Certificate, crypto.Signer(a.key)
	if by != nil {
		signer, key, r.Certificate = by.Leaf, by.PrivateKey.(crypto.Signer), by.Leaf
	}
	r.IssuerHash = crypto.SHA1
	der, err := ocsp.CreateResponse(a.Certificate, signer, r, key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// Pool holds the authority's certificate alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.Certificate)
	return p
}

// Pair signs a certificate after a template. Every intermediate certificate comes with it.
func (a *Authority) Pair(template x509.Certificate) tls.Certificate {
	a.t.Helper()
	cert, key := a.sign(a, &template)
	out := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for up := a; up.up != nil; up = up.up {
		out.Certificate = append(out.Certificate, up.Certificate.Raw)
	}
	return out
}

// Client returns what a client shows.
func (a *Authority) Client(name string, change ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	template := x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: []string{"Shop, Inc."}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range change {
		c(&template)
	}
	return a.Pair(template)
}

// Server returns what a server shows for names and addresses, the first its common name.
func (a *Authority) Server(names ...string) tls.Certificate {
	a.t.Helper()
	template := x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, n := range names {
		if addr, err := netip.ParseAddr(n); err == nil {
			template.IPAddresses = append(template.IPAddresses, addr.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	return a.Pair(template)
}

// For returns a certificate of listeners of a class, for hosts that are also the names in it.
func (a *Authority) For(class model.Class, id string, hosts ...model.Host) model.Certificate {
	a.t.Helper()
	template := x509.Certificate{Subject: pkix.Name{CommonName: id}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range hosts {
		template.DNSNames = append(template.DNSNames, string(h))
	}
	chain, key := Text(a.t, a.Pair(template))
	return model.Certificate{ID: model.CertificateID(id), Hosts: hosts, Attach: []model.Class{class}, Chain: chain, Key: key}
}

// Text is a pair in PEM.
func Text(t testing.TB, pair tls.Certificate) (chain string, key model.Secret) {
	t.Helper()
	for _, der := range pair.Certificate {
		chain += certificatePEM(der)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return chain, model.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
