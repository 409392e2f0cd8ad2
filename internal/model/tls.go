package model

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// TLSVersion is a version of TLS as people write it. Versions before 1.2 are not spoken (RFC 8996).
type TLSVersion string

// The versions. The zero value leaves the choice to the default of whoever reads it.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

// Number is the version as crypto/tls has it, or 0 for the zero value and for what is no version.
func (v TLSVersion) Number() uint16 {
	switch v {
	case TLS12:
		return tls.VersionTLS12
	case TLS13:
		return tls.VersionTLS13
	default:
		return 0
	}
}

// validateVersions reports versions that do not exist, or that leave none to choose. field is the prefix of the fields.
func validateVersions(field string, least, most TLSVersion) error {
	const neither = "%q is neither 1.2 nor 1.3"
	switch {
	case least != "" && least.Number() == 0:
		return fieldError(field+"minVersion", fmt.Sprintf(neither, least))
	case most != "" && most.Number() == 0:
		return fieldError(field+"maxVersion", fmt.Sprintf(neither, most))
	case least == TLS13 && most == TLS12:
		return fieldError(field+"minVersion", "is above maxVersion: no version is left")
	}
	return nil
}

// ListenerTLS bounds what the TLS handshakes of a listener may agree on. Renegotiation is never agreed to.
type ListenerTLS struct {
	MinVersion TLSVersion `json:"minVersion,omitempty"` // default 1.2
	MaxVersion TLSVersion `json:"maxVersion,omitempty"` // default 1.3
	// Ciphers are the suites of TLS 1.2 that may be chosen, by their names in the IANA registry or in OpenSSL; their order
	// is not kept: crypto/tls chooses what the machine does best. Default: all with forward secrecy and authenticated
	// encryption, and no others can be named. The suites of TLS 1.3 are all of that kind and cannot be chosen among.
	Ciphers []string `json:"ciphers,omitempty"`
	// SessionLife is how long after a handshake its session may be resumed. Default: as long as the keys of tickets are known.
	SessionLife time.Duration `json:"sessionLife,omitempty"`
	NoSessions  bool          `json:"noSessions,omitempty"` // sessions are not resumed
	// RejectUnknown ends the handshake for a name that no certificate stands for but the one made at start, and for no name, with
	// the alert unrecognized_name (RFC 6066 section 3). Default: that certificate is shown.
	RejectUnknown bool `json:"rejectUnknown,omitempty"`
	// Staple sends the OCSP response of a certificate that names a responder with it (RFC 6066 section 8), once there is one.
	Staple bool `json:"staple,omitempty"`
}

// Validate reports the first field that its type does not allow.
func (t ListenerTLS) Validate() error {
	if err := validateVersions("tls.", t.MinVersion, t.MaxVersion); err != nil {
		return err
	}
	if t.SessionLife < 0 {
		return fieldError("tls.sessionLife", "is negative")
	}
	for i, name := range t.Ciphers {
		if _, ok := CipherSuite(name); !ok {
			return fieldError(fmt.Sprintf("tls.ciphers[%d]", i), fmt.Sprintf("%q is no suite of TLS 1.2 that is offered here", name))
		}
	}
	return nil
}

// cipher is a suite of TLS 1.2 with its two names.
type cipher struct {
	id            uint16
	iana, openSSL string
}

// ciphers have forward secrecy and authenticated encryption (RFC 9325, section 4.2).
func ciphers() [6]cipher {
	return [...]cipher{
		{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
		{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
		{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
		{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
		{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
		{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	}
}

// CipherSuite returns the number of a suite of TLS 1.2 by either of its names.
func CipherSuite(name string) (id uint16, ok bool) {
	for _, c := range ciphers() {
		if name == c.iana || name == c.openSSL {
			return c.id, true
		}
	}
	return 0, false
}

// CipherSuites returns the numbers of named suites, or of all there are where none is named. Names that are none are
// left out: Validate has reported them.
func CipherSuites(names []string) []uint16 {
	var out []uint16
	for _, n := range names {
		if id, ok := CipherSuite(n); ok {
			out = append(out, id)
		}
	}
	if len(names) == 0 {
		for _, c := range ciphers() {
			out = append(out, c.id)
		}
	}
	return out
}

// ClientAuth says whether clients show a certificate.
type ClientAuth string

// The ways. What is asked for is verified against TLSPolicy.ClientCAs, except with ClientUnverified.
const (
	ClientNone       ClientAuth = ""           // it is not asked for
	ClientOptional   ClientAuth = "optional"   // it is asked for; one that is shown must be good, none is good too
	ClientRequired   ClientAuth = "required"   // it is asked for, and without a good one nothing is served
	ClientUnverified ClientAuth = "unverified" // it is asked for and passed on whoever has signed it, unless it is out of date: whoever reads it has to check it
)

// TLSPolicyID names TLS rules of hosts: "ingress/shop/web".
type TLSPolicyID string

// TLSPolicy is what hosts of a class ask of TLS beyond what their listener does. The most specific host that has a policy
// decides alone. A policy that cannot be carried out is kept and refuses what it would have protected: it never leaves
// its hosts open.
type TLSPolicy struct {
	ID         TLSPolicyID `json:"id"`
	Origin     Origin      `json:"origin"`
	Attach     []Class     `json:"attach"`
	Hosts      []Host      `json:"hosts"`
	ClientAuth ClientAuth  `json:"clientAuth,omitempty"`
	CASecret   string      `json:"caSecret,omitempty"`  // the Secret whose ca.crt ClientCAs is read from: "shop/clients-ca"
	ClientCAs  string      `json:"clientCAs,omitempty"` // PEM: who may have signed clients' certificates
	// ClientCRLs are revocation lists in PEM; with CASecret they come from its ca.crl. Where there is one, each certificate
	// between a client's and that of a CA has to be on no list, and its authority has to have one that is not out of date.
	ClientCRLs string `json:"clientCRLs,omitempty"`
	// Depth bounds the intermediate certificates between a client's and that of a CA: 0 = 1, negative = none.
	Depth int `json:"depth,omitempty"`
	// AnswerFailures lets the handshake succeed where a certificate is missing or not good, and answers every request with
	// 400, as nginx does. Otherwise the handshake fails.
	AnswerFailures bool `json:"answerFailures,omitempty"`
	// MinVersion and MaxVersion count beside those of the listener: the narrower range is spoken.
	MinVersion TLSVersion `json:"minVersion,omitempty"`
	MaxVersion TLSVersion `json:"maxVersion,omitempty"`
	// Reject is why the policy cannot be carried out, where that is known before: requests for its hosts are answered with
	// 503 and this code.
	Reject Code `json:"reject,omitempty"`
}

// MaxIntermediates is Depth as a number of certificates.
func (p TLSPolicy) MaxIntermediates() int {
	switch {
	case p.Depth == 0:
		return 1
	case p.Depth < 0:
		return 0
	default:
		return p.Depth
	}
}

// CompareTLSPolicies is the total order of policies that claim one host of one class: the first has it.
func CompareTLSPolicies(a, b *TLSPolicy) int {
	return cmp.Or(a.Origin.Before(b.Origin), strings.Compare(string(a.ID), string(b.ID)), strings.Compare(a.Origin.Source, b.Origin.Source))
}

// Validate reports the first field that its type does not allow.
func (p TLSPolicy) Validate() error {
	switch {
	case p.ID == "":
		return fieldError("id", "is empty")
	case len(p.Attach) == 0:
		return fieldError("attach", "is empty")
	case len(p.Hosts) == 0:
		return fieldError("hosts", "is empty")
	}
	for i, h := range p.Hosts {
		if err := h.Validate(); err != nil {
			return fieldError(fmt.Sprintf("hosts[%d]", i), err.Error())
		}
	}
	switch p.ClientAuth {
	case ClientNone, ClientUnverified:
		// No CA is needed; one that is given must be good all the same.
	case ClientOptional, ClientRequired:
		if p.ClientCAs == "" && p.CASecret == "" {
			return fieldError("clientCAs", "is empty: nobody could be verified; name the CAs, or a Secret with them in caSecret")
		}
	default:
		return fieldError("clientAuth", fmt.Sprintf("%q is none of optional, required, unverified", p.ClientAuth))
	}
	if err := validateCAs("clientCAs", "caSecret", p.CASecret, p.ClientCAs); err != nil && p.Reject == "" {
		return err
	}
	if p.ClientCRLs != "" && p.Reject == "" {
		if err := CheckRevocationLists(p.ClientCRLs, p.ClientCAs); err != nil {
			return fieldError("clientCRLs", err.Error())
		}
	}
	return validateVersions("", p.MinVersion, p.MaxVersion)
}

// validateCAs checks CAs and the Secret that they come from.
func validateCAs(field, secretField, secret, text string) error {
	if secret != "" && text == "" {
		return fieldError(secretField, fmt.Sprintf("Secret %s has not been read: it is missing, or has no ca.crt", secret))
	}
	if text == "" {
		return nil
	}
	if _, err := ParseCertificates(text); err != nil {
		return fieldError(field, err.Error())
	}
	return nil
}

// ParseCertificates reads the certificates of a PEM text. One that does not parse, and a text without any, is an error:
// a bundle is whole or it is none.
func ParseCertificates(text string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("has a block of type %q among the certificates", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d does not parse: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("has no certificate in PEM")
	}
	return out, nil
}

// UpstreamTLSMode says which endpoints of an upstream are spoken to over TLS.
type UpstreamTLSMode string

// The modes.
const (
	TLSAsListed UpstreamTLSMode = ""       // those that their list calls secure
	TLSAlways   UpstreamTLSMode = "always" // all
	TLSNever    UpstreamTLSMode = "never"  // none, whatever their list says
	// TLSAsAsked: all for a request that came over TLS itself, none for one in clear text. Probes are in clear text and over TLS,
	// since both ways are observed apart.
	TLSAsAsked UpstreamTLSMode = "as-asked"
)

// UpstreamTLS says how TLS to endpoints is spoken. The zero value verifies against the roots of the system.
type UpstreamTLS struct {
	Mode UpstreamTLSMode `json:"mode,omitempty"`
	// Name is sent as server name (SNI) and must be in the certificate. Default: the literal Host that the route sends; else
	// the endpoint's name where it is one with a dot; else its address.
	Name string `json:"name,omitempty"`
	// HideName leaves the server name out of the handshake; the certificate must have it all the same.
	HideName   bool   `json:"hideName,omitempty"`
	SkipVerify bool   `json:"skipVerify,omitempty"` // takes any certificate of anybody: for tests, and where the network is trusted
	CASecret   string `json:"caSecret,omitempty"`   // the Secret whose ca.crt CA is read from: "shop/backend-ca"
	CA         string `json:"ca,omitempty"`         // PEM: who may have signed; default: the roots of the process
	// ClientSecret is the TLS Secret that the certificate shown to endpoints, Chain and Key, is read from.
	ClientSecret string     `json:"clientSecret,omitempty"`
	Chain        string     `json:"chain,omitempty"` // PEM, the leaf first
	Key          Secret     `json:"key,omitzero"`    // PEM
	MinVersion   TLSVersion `json:"minVersion,omitempty"`
	MaxVersion   TLSVersion `json:"maxVersion,omitempty"`
}

// Validate reports the first field that its type does not allow, that keys do not fit their certificates included.
func (t UpstreamTLS) Validate() error {
	switch t.Mode {
	case TLSAsListed, TLSAlways, TLSNever, TLSAsAsked:
	default:
		return fieldError("tls.mode", fmt.Sprintf("%q is none of always, never, as-asked: leave it out for what the list says", t.Mode))
	}
	if _, err := netip.ParseAddr(t.Name); t.Name != "" && err != nil {
		if shape, _ := Host(t.Name).Split(); shape != HostExact || Host(t.Name).Validate() != nil {
			return fieldError("tls.name", fmt.Sprintf("%q is neither a host name in lower case nor an address", t.Name))
		}
	}
	if err := validateCAs("tls.ca", "tls.caSecret", t.CASecret, t.CA); err != nil {
		return err
	}
	switch key := t.Key.Reveal(); {
	case t.ClientSecret != "" && (t.Chain == "" || key == ""):
		return fieldError("tls.clientSecret", fmt.Sprintf("Secret %s has not been read: it is missing, or has no key pair", t.ClientSecret))
	case (t.Chain == "") != (key == ""):
		return fieldError("tls.chain", "certificate and key are given together or not at all")
	case t.Chain != "":
		if _, err := tls.X509KeyPair([]byte(t.Chain), []byte(key)); err != nil {
			return fieldError("tls.chain", "certificate and key do not load: "+strings.TrimPrefix(err.Error(), "tls: "))
		}
	}
	return validateVersions("tls.", t.MinVersion, t.MaxVersion)
}
