package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/model"
)

// pair makes a certificate for hosts, with its first host as the common name.
func pair(t testing.TB, id string, hosts ...model.Host) model.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return model.Certificate{ID: model.CertificateID(id), Hosts: hosts, Attach: []model.Class{"ingress"},
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   model.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))}
}

func store(t testing.TB) *Store {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMostSpecificHostWins(t *testing.T) {
	s := store(t)
	failures := s.Set([]model.Certificate{
		pair(t, "one", "*.shop.test"), pair(t, "exact", "a.shop.test", "shop.test"), pair(t, "more", "**.test"), pair(t, "deep", "**.deep.test"),
	})
	if failures != nil {
		t.Fatal(failures)
	}
	for name, want := range map[string]string{
		"shop.test": "exact", "a.shop.test": "exact", "A.Shop.TEST": "exact", "a.shop.test.": "exact", "b.shop.test": "one",
		"c.b.shop.test": "more", "x.deep.test": "deep", "y.x.deep.test": "deep", "test": "", "other.example": "", "": "", ".shop.test": "",
		".": "", "..": "", "x..test": "more",
	} {
		id, ok := s.For(name)
		if string(id) != want || ok != (want != "") {
			t.Errorf("%q gets %q, want %q", name, id, want)
		}
	}
}

func TestBrokenCertificateIsReportedAndSiblingsServe(t *testing.T) {
	s := store(t)
	a, b := pair(t, "a", "a.test"), pair(t, "b", "b.test")
	noKey, mixed, garbage := a, a, a
	noKey.ID, noKey.Hosts, noKey.Key = "no-key", []model.Host{"c.test"}, model.Secret{}
	mixed.ID, mixed.Hosts, mixed.Key = "mixed", []model.Host{"d.test"}, b.Key
	garbage.ID, garbage.Hosts, garbage.Chain = "garbage", []model.Host{"e.test"}, "-----BEGIN"
	failures := s.Set([]model.Certificate{noKey, mixed, garbage, a})
	if len(failures) != 3 || failures[0].ID != "garbage" || failures[1].ID != "mixed" || failures[2].ID != "no-key" {
		t.Fatalf("failures: %v", failures)
	}
	for _, f := range failures {
		if f.Err == nil || strings.Contains(f.Err.Error(), "PRIVATE KEY-----") {
			t.Errorf("%s: %v", f.ID, f.Err)
		}
	}
	if id, _ := s.For("a.test"); id != "a" {
		t.Errorf("a.test gets %q", id)
	}
	if _, ok := s.For("d.test"); ok {
		t.Error("d.test gets a broken certificate")
	}
	if Check(a) != nil || Check(mixed) == nil {
		t.Error("Check differs from Set")
	}
}

func TestTwoForOneHost(t *testing.T) {
	older, younger := pair(t, "z-older", "a.test"), pair(t, "a-younger", "a.test")
	older.Origin.Created, younger.Origin.Created = time.Unix(1, 0), time.Unix(2, 0)
	for _, order := range [][]model.Certificate{{older, younger}, {younger, older}} {
		s := store(t)
		s.Set(order)
		if id, _ := s.For("a.test"); id != "z-older" {
			t.Errorf("a.test gets %q", id)
		}
	}
}

// serve accepts connections with the store's certificates until the test ends.
func serve(t *testing.T, s *Store) string {
	t.Helper()
	addr, _ := terminate(t, s.Terminator(model.ListenerTLS{}, NewTickets(TicketConfig{}), []string{"http/1.1"}))
	return addr
}

// terminate accepts connections until the test ends. What each handshake came to is in the channel; nil: it failed.
func terminate(t *testing.T, term *Terminator) (string, <-chan *Session) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sessions, over := make(chan *Session, 100), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				tc, session, err := term.Handshake(c)
				select {
				case sessions <- session:
				case <-over: // nobody has read those of before
				}
				if err == nil {
					fmt.Fprint(tc, "ok")
					_ = tc.Close()
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); close(over); wg.Wait() })
	return ln.Addr().String(), sessions
}

func shake(addr string, c *tls.Config) (tls.ConnectionState, error) {
	c.InsecureSkipVerify = true // the test reads the certificate itself
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: c}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		return tls.ConnectionState{}, err
	}
	return conn.(*tls.Conn).ConnectionState(), nil
}

func TestRejectUnknown(t *testing.T) {
	s := store(t)
	s.Set([]model.Certificate{pair(t, "shop", "shop.test")})
	addr, _ := terminate(t, s.Terminator(model.ListenerTLS{RejectUnknown: true}, NewTickets(TicketConfig{}), []string{"http/1.1"}))
	if st, err := shake(addr, &tls.Config{ServerName: "shop.test"}); err != nil || st.PeerCertificates[0].Subject.CommonName != "shop" {
		t.Errorf("shop.test: %v", err)
	}
	for _, name := range []string{"other.test", ""} {
		if _, err := shake(addr, &tls.Config{ServerName: name}); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestHandshake(t *testing.T) {
	s := store(t)
	s.Set([]model.Certificate{pair(t, "shop", "shop.test")})
	addr := serve(t, s)
	name := func(c *tls.Config) string {
		t.Helper()
		st, err := shake(addr, c)
		if err != nil {
			t.Fatal(err)
		}
		return st.PeerCertificates[0].Subject.CommonName
	}
	if n := name(&tls.Config{ServerName: "shop.test"}); n != "shop" {
		t.Errorf("shop.test got %q", n)
	}
	if n := name(&tls.Config{ServerName: "other.test"}); n != "Paifang default certificate" {
		t.Errorf("other.test got %q", n)
	}
	if n := name(&tls.Config{}); n != "Paifang default certificate" {
		t.Errorf("no name got %q", n)
	}
	commit, _ := s.Prepare([]model.Certificate{pair(t, "renewed", "shop.test")}, nil)
	if n := name(&tls.Config{ServerName: "shop.test"}); n != "shop" {
		t.Errorf("before the commit shop.test got %q", n)
	}
	commit()
	if n := name(&tls.Config{ServerName: "shop.test"}); n != "renewed" {
		t.Errorf("after the commit shop.test got %q", n)
	}
	for what, c := range map[string]*tls.Config{
		"TLS 1.1":     {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"CBC":         {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
		"static RSA":  {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}},
		"other proto": {NextProtos: []string{"smtp"}},
	} {
		if _, err := shake(addr, c); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	if st, err := shake(addr, &tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}); err != nil || st.NegotiatedProtocol != "http/1.1" {
		t.Errorf("TLS 1.2: %v %v", st.NegotiatedProtocol, err)
	}
}

func TestUnchangedIsNotParsedAgain(t *testing.T) {
	s := store(t)
	c := pair(t, "a", "a.test")
	s.Set([]model.Certificate{c})
	pairOf := func(name string) *tls.Certificate { return s.certificate(s.index.Load(), name).pair }
	before := pairOf("a.test")
	c.Hosts = append(c.Hosts, "b.test")
	s.Set([]model.Certificate{c})
	if pairOf("b.test") != before {
		t.Error("the key pair was parsed again")
	}
	if l := s.List(); len(l) != 1 || l[0].ID != "a" || len(l[0].Hosts) != 2 {
		t.Errorf("List: %+v", l)
	}
}

func TestSetWhileServing(t *testing.T) {
	s := store(t)
	one, two := []model.Certificate{pair(t, "one", "a.test")}, []model.Certificate{pair(t, "two", "a.test")}
	s.Set(one)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				if _, ok := s.For("a.test"); !ok {
					t.Error("a name lost its certificate during a swap")
					return
				}
			}
		})
	}
	for range 200 {
		s.Set(two)
		s.Set(one)
	}
	wg.Wait()
}
