package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// Codes of requests that are not served on the connection they came by.
const (
	CodeMisdirected model.Code = "misdirected"        // 421: the host has other TLS rules, or another certificate, than the connection
	CodeClientCert  model.Code = "client-certificate" // 400: the client's certificate is missing or not good
	CodeTLSRequired model.Code = "tls-required"       // 403: the host wants client certificates, and the request came in clear text
)

// Session is what a handshake came to. It stays for as long as the connection does and may be read from any goroutine.
type Session struct {
	Name     string // server name in its normal form; empty: none was sent
	Version  uint16 // as in crypto/tls
	Cipher   uint16 // as in crypto/tls
	Protocol string // that ALPN chose; empty: none
	Resumed  bool
	Client   *Client // nil: no certificate was shown

	store   *Store
	cert    *parsed
	rules   *rules
	shown   []*x509.Certificate // by the client
	refuse  model.Code
	checked atomic.Pointer[checked] // how the connection's own name was last looked at
	now     func() time.Time
}

// checked is what a session was found to be worth for its own name, under one set of rules.
type checked struct {
	index  *index
	refuse model.Code
}

// Client is the certificate that a client has shown.
type Client struct {
	Verified bool   // against the CAs of the host's policy
	Problem  string // why it is not; empty too where nobody asked
	Subject  string // as in RFC 2253
	Issuer   string // as in RFC 2253
	Serial   string // hexadecimal
	SHA256   string // fingerprint of the certificate, hexadecimal
	// Certificate must not be changed.
	Certificate *x509.Certificate

	once sync.Once
	pem  string
}

// PEM is the certificate as text, made when it is first asked for.
func (c *Client) PEM() string {
	c.once.Do(func() {
		c.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate.Raw}))
	})
	return c.pem
}

func (h *handshake) session(cs tls.ConnectionState) *Session {
	s := &Session{Name: h.name, Version: cs.Version, Cipher: cs.CipherSuite, Protocol: cs.NegotiatedProtocol, Resumed: cs.DidResume,
		store: h.t.store, cert: h.cert, rules: h.rules, shown: cs.PeerCertificates, now: h.t.tickets.now}
	var problem error
	verified := h.rules.verifies()
	if h.rules.auth != model.ClientNone && !verified {
		s.refuse, problem = h.rules.judge(cs.PeerCertificates, s.now())
		verified = problem == nil
	}
	if len(cs.PeerCertificates) > 0 {
		leaf := cs.PeerCertificates[0]
		sum := sha256.Sum256(leaf.Raw)
		s.Client = &Client{Verified: verified, Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(),
			Serial: leaf.SerialNumber.Text(16), SHA256: hex.EncodeToString(sum[:]), Certificate: leaf}
		if problem != nil {
			s.Client.Problem = strings.TrimPrefix(problem.Error(), "certs: verify client: ")
		}
	}
	return s
}

// Dry returns the session that a handshake for a server name would come to, of a client that shows a good certificate where it
// is asked for one: for those who explain.
func (s *Store) Dry(name string) *Session {
	x := s.index.Load()
	name = normal(name)
	return &Session{Name: name, store: s, cert: s.certificate(x, name), rules: x.of(name), now: time.Now}
}

// Asks is what the handshake asked of the client.
func (s *Session) Asks() model.ClientAuth { return s.rules.auth }

// Refuses returns why a request for a host, in its normal form, is not served on this connection; "" if it is. The host is
// held to the rules that are in force now, so a connection from before a change of them is of no use after it:
// CodeMisdirected where the host asks other things of TLS than the connection went through, or where it has a certificate
// of its own which the one that the client saw does not cover (RFC 9110 section 15.5.20); CodeClientCert; or the code of
// rules that cannot be carried out. Where nothing but revocation lists changed, the certificate that was shown is looked at
// again. It does not allocate for the connection's own name.
func (s *Session) Refuses(host string) model.Code {
	x := s.store.index.Load()
	own := host == s.Name
	if c := s.checked.Load(); own && c != nil && c.index == x {
		return c.refuse
	}
	now, refuse := x.of(host), s.refuse
	switch {
	case now.reject != "":
		return now.reject
	case own && now.asks == s.rules.asks && now.digest != s.rules.digest:
		refuse, _ = now.judge(s.shown, s.now())
	case now.digest != s.rules.digest:
		return CodeMisdirected
	case !own && host != "" && !s.covers(s.store.certificate(x, host), host):
		return CodeMisdirected
	}
	if own {
		s.checked.Store(&checked{x, refuse})
	}
	return refuse
}

// covers tells whether the certificate that the client saw is that of the host, or one for it.
func (s *Session) covers(c *parsed, host string) bool {
	return c.pair == s.cert.pair || s.cert.leaf.VerifyHostname(host) == nil
}

// RefusesClear returns why a request for a host, in its normal form, is not forwarded when it came in clear text: where the
// host wants client certificates, nobody gets round that by leaving TLS out. It does not allocate.
func (s *Store) RefusesClear(host string) model.Code {
	x := s.index.Load()
	if x.policies == 0 {
		return ""
	}
	switch r := x.of(host); {
	case r.reject != "":
		return r.reject
	case r.auth == model.ClientRequired:
		return CodeTLSRequired
	}
	return ""
}
