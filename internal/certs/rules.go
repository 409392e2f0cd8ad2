package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"paifang/internal/model"
)

// rules is a TLS policy ready to be carried out.
type rules struct {
	// digest is of everything that decides, so that hosts with equal rules share connections and none with others does.
	// The zero digest is that of hosts that ask nothing.
	digest [sha256.Size]byte
	// asks is of the same but for revocation lists, which come anew every few hours: connections stay, and what they were
	// let in with is looked at again.
	asks   [sha256.Size]byte
	auth   model.ClientAuth
	answer bool // failures are answered, and the handshake goes on
	cas    *x509.CertPool
	known  []*x509.Certificate // those in cas
	lists  *lists              // of revoked certificates; nil: none are given
	depth  int                 // intermediate certificates
	least  uint16
	most   uint16
	reject model.Code // why nothing is served under them
}

// newRules never fails: a policy that cannot be carried out becomes rules that refuse.
func newRules(p model.TLSPolicy) *rules {
	r := &rules{auth: p.ClientAuth, answer: p.AnswerFailures, depth: p.MaxIntermediates(), least: p.MinVersion.Number(), most: p.MaxVersion.Number(), reject: p.Reject}
	if r.reject == "" && p.Validate() != nil {
		r.reject = model.CodeInvalid
	}
	if r.reject != "" {
		r = &rules{reject: r.reject}
	}
	if r.auth != model.ClientNone && p.ClientCAs != "" {
		cas, err := model.ParseCertificates(p.ClientCAs)
		if err != nil { // checked above
			return &rules{reject: model.CodeInvalid, digest: sha256.Sum256([]byte(model.CodeInvalid))}
		}
		r.cas, r.known = x509.NewCertPool(), cas
		for _, c := range cas {
			r.cas.AddCert(c)
		}
		if p.ClientCRLs != "" {
			if r.lists, err = newLists(p.ClientCRLs, cas); err != nil { // checked above
				return &rules{reject: model.CodeInvalid, digest: sha256.Sum256([]byte(model.CodeInvalid))}
			}
		}
	}
	if r.auth == model.ClientNone && !r.answer && r.least == 0 && r.most == 0 && r.reject == "" {
		return r
	}
	text := fmt.Appendf(nil, "%q %t %q %d %d %d %q", r.auth, r.answer, p.ClientCAs, r.depth, r.least, r.most, r.reject)
	r.asks = sha256.Sum256(text)
	r.digest = r.asks
	if r.lists != nil {
		r.digest = sha256.Sum256(fmt.Appendf(text, " %q", p.ClientCRLs))
	}
	return r
}

// of returns the rules for a name in its normal form.
func (x *index) of(name string) *rules {
	if r, ok := x.rules.find(name); ok {
		return r
	}
	return &noRules
}

// noRules are those of hosts without a policy. Nobody changes them.
var noRules rules

// verifies tells whether the handshake itself ends where a certificate is not good.
func (r *rules) verifies() bool {
	return !r.answer && (r.auth == model.ClientOptional || r.auth == model.ClientRequired)
}

// apply sets what a handshake asks of the client. A session that is resumed is held to it too.
func (r *rules) apply(c *tls.Config, now func() time.Time) {
	if r.least > c.MinVersion {
		c.MinVersion = r.least
	}
	if r.most != 0 && (c.MaxVersion == 0 || r.most < c.MaxVersion) {
		c.MaxVersion = r.most
	}
	if r.auth == model.ClientNone {
		return
	}
	c.ClientCAs = r.cas // their names are sent, so that clients choose well
	switch {
	case !r.verifies():
		c.ClientAuth = tls.RequestClientCert
	case r.auth == model.ClientRequired:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	default:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	switch {
	case r.verifies():
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return nil
			}
			return r.passes(cs.VerifiedChains, now())
		}
	case !r.answer:
		c.VerifyConnection = func(cs tls.ConnectionState) error {
			refuse, err := r.judge(cs.PeerCertificates, now())
			if refuse == "" {
				return nil
			}
			return err
		}
	}
}

var errDepth = errors.New("certs: verify client: the chain has more intermediate certificates than the policy allows")

// passes tells whether one of the chains that were found is short enough, and has no certificate in it that is revoked.
func (r *rules) passes(chains [][]*x509.Certificate, now time.Time) error {
	err := errDepth
	for _, chain := range chains {
		if len(chain)-2 > r.depth {
			continue
		}
		if r.lists == nil {
			return nil
		}
		if err = r.lists.check(chain, now); err == nil {
			return nil
		}
	}
	return err
}

var errNoCertificate = errors.New("certs: verify client: no certificate was shown")

// verify checks what a client has shown, where the handshake did not.
func (r *rules) verify(shown []*x509.Certificate, now time.Time) error {
	if len(shown) == 0 {
		return errNoCertificate
	}
	if r.cas == nil {
		return errors.New("certs: verify client: there is no CA to verify against")
	}
	others := x509.NewCertPool()
	for _, c := range shown[1:] {
		others.AddCert(c)
	}
	chains, err := shown[0].Verify(x509.VerifyOptions{Roots: r.cas, Intermediates: others, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return fmt.Errorf("certs: verify client: %w", err)
	}
	return r.passes(chains, now)
}

// judge is verify, with what it means for requests: "" where they are served.
func (r *rules) judge(shown []*x509.Certificate, now time.Time) (refuse model.Code, problem error) {
	problem = r.verify(shown, now)
	var listed *listError
	switch {
	case problem == nil:
	case r.auth == model.ClientRequired, r.auth == model.ClientOptional && len(shown) > 0, errors.As(problem, &listed),
		r.auth == model.ClientUnverified && len(shown) > 0 && !r.stranger(shown, now):
		refuse = CodeClientCert
	}
	return refuse, problem
}

// stranger tells whether there is nothing against a certificate but that no CA is known which has signed it: this alone is what a client
// is let in with whose certificate is not verified. As in nginx, one that is out of date is not, whoever has signed it, nor one of a known
// CA that is not good in another way. A chain with too many certificates is one whose CA is not found.
func (r *rules) stranger(shown []*x509.Certificate, now time.Time) bool {
	at := shown[0]
	for range r.depth + 1 {
		if now.Before(at.NotBefore) || now.After(at.NotAfter) {
			return false
		}
		if issuer(at, r.known) != nil {
			return false
		}
		by := issuer(at, shown[1:])
		if by == nil || by == at {
			return true
		}
		at = by
	}
	return true
}

// issuer is the one among certificates that has signed another; nil: none has.
func issuer(of *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	for _, c := range among {
		if bytes.Equal(c.RawSubject, of.RawIssuer) && of.CheckSignatureFrom(c) == nil {
			return c
		}
	}
	return nil
}
