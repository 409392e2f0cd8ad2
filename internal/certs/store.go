// Package certs is TLS towards clients: which certificate a connection gets by the server name that the client sends (SNI,
// RFC 6066 section 3), what is asked of the client, which sessions may be resumed, and whether a request may be served on
// the connection it came by.
//
// A Store is an immutable index behind one pointer, so a new set of certificates and rules takes effect for the next
// handshake and the next request and disturbs no connection. A name without a certificate gets the default one, which is
// made at start, signed by itself and never leaves memory: a client sees a certificate it does not trust in place of a
// connection that breaks without a reason. A Terminator makes the handshakes of one listener, Tickets holds the keys of
// sessions for all of them, a Stapler the OCSP responses of certificates.
package certs

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"paifang/internal/model"
)

// Store holds the certificates and TLS policies of one class. The zero value is not usable: call New.
type Store struct {
	index    atomic.Pointer[index]
	fallback *parsed
}

// index is never changed once it is published.
type index struct {
	hosts    names[*parsed]
	rules    names[*rules]
	all      []*parsed // by ID
	policies int
	lists    []policyLists
}

// parsed is a certificate ready to serve, with what tells whether it may be kept for the next set.
type parsed struct {
	source model.Certificate
	pair   *tls.Certificate
	leaf   *x509.Certificate
	digest [sha256.Size]byte      // of the whole chain
	staple atomic.Pointer[staple] // nil: no Stapler keeps it
}

// Failure is a certificate that cannot be served; its hosts get the default certificate.
type Failure struct {
	ID     model.CertificateID
	Origin model.Origin
	Err    error
}

// Info describes a certificate that is served, without its key.
type Info struct {
	ID        model.CertificateID
	Hosts     []model.Host
	Names     []string // in the certificate
	NotBefore time.Time
	NotAfter  time.Time
}

// New returns a store that serves its default certificate for every name.
func New() (*Store, error) {
	pair, err := selfSigned(time.Now())
	if err != nil {
		return nil, fmt.Errorf("certs: make default certificate: %w", err)
	}
	s := &Store{fallback: newParsed(model.Certificate{}, pair)}
	s.index.Store(&index{hosts: newNames[*parsed](), rules: newNames[*rules]()})
	return s, nil
}

func newParsed(source model.Certificate, pair *tls.Certificate) *parsed {
	h := sha256.New()
	for _, der := range pair.Certificate {
		sum := sha256.Sum256(der)
		h.Write(sum[:])
	}
	return &parsed{source: source, pair: pair, leaf: pair.Leaf, digest: [sha256.Size]byte(h.Sum(nil))}
}

// Set replaces all certificates, and takes away all policies, at once. One that is unchanged is not parsed again. Where
// two claim one host, the one whose origin comes first is served. The failures, sorted by ID, have no effect on the others.
func (s *Store) Set(certificates []model.Certificate) []Failure {
	next, failures := s.prepare(certificates, nil)
	s.index.Store(next)
	return failures
}

// Prepare parses certificates as Set does, and policies with them, but publishes only when commit is called, which cannot
// fail. It is how a plane keeps its switch-over in two steps. A policy that cannot be carried out refuses its hosts.
func (s *Store) Prepare(certificates []model.Certificate, policies []model.TLSPolicy) (commit func(), failures []Failure) {
	next, failures := s.prepare(certificates, policies)
	return func() { s.index.Store(next) }, failures
}

func (s *Store) prepare(certificates []model.Certificate, policies []model.TLSPolicy) (*index, []Failure) {
	before := map[model.CertificateID]*parsed{}
	for _, p := range s.index.Load().all {
		before[p.source.ID] = p
	}
	sorted := slices.Clone(certificates)
	slices.SortStableFunc(sorted, func(a, b model.Certificate) int {
		if c := a.Origin.Before(b.Origin); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	next := &index{hosts: newNames[*parsed](), rules: newNames[*rules](), policies: len(policies)}
	var failures []Failure
	for _, c := range sorted {
		p := before[c.ID]
		if p != nil && p.source.Chain == c.Chain && p.source.Key == c.Key {
			kept := p.staple.Load()
			p = &parsed{source: c, pair: p.pair, leaf: p.leaf, digest: p.digest}
			p.staple.Store(kept)
		} else {
			var err error
			if p, err = parse(c); err != nil {
				failures = append(failures, Failure{c.ID, c.Origin, err})
				continue
			}
		}
		for _, h := range c.Hosts {
			next.hosts.add(h, p)
		}
		next.all = append(next.all, p)
	}
	slices.SortFunc(next.all, func(a, b *parsed) int { return strings.Compare(string(a.source.ID), string(b.source.ID)) })
	slices.SortFunc(failures, func(a, b Failure) int { return strings.Compare(string(a.ID), string(b.ID)) })
	inOrder := slices.Clone(policies)
	slices.SortStableFunc(inOrder, func(a, b model.TLSPolicy) int { return model.CompareTLSPolicies(&a, &b) })
	for _, p := range inOrder {
		r := newRules(p)
		if r.lists != nil {
			next.lists = append(next.lists, policyLists{p.ID, p.Origin, r.lists})
		}
		for _, h := range p.Hosts {
			next.rules.add(h, r)
		}
	}
	return next, failures
}

// parse makes a certificate ready to serve. A key that does not fit its certificate is an error; one that has
// expired is served, as the client is told so by its own check.
func parse(c model.Certificate) (*parsed, error) {
	switch {
	case c.Chain == "":
		return nil, errors.New("certs: parse: certificate is empty")
	case c.Key.Reveal() == "":
		return nil, errors.New("certs: parse: private key is empty")
	}
	pair, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("certs: parse: %w", err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certs: parse: %w", err)
		}
	}
	return newParsed(c, &pair), nil
}

// Check tells whether a certificate could be served, for dry runs. The error never holds key material.
func Check(c model.Certificate) error {
	_, err := parse(c)
	return err
}

// For returns the ID of the certificate that a server name gets; ok is false where it is the default.
func (s *Store) For(name string) (id model.CertificateID, ok bool) {
	id = s.certificate(s.index.Load(), normal(name)).source.ID
	return id, id != ""
}

// certificate returns the certificate for a name in its normal form.
func (s *Store) certificate(x *index, name string) *parsed {
	if p, ok := x.hosts.find(name); ok {
		return p
	}
	return s.fallback
}

// List describes the certificates that are served, by ID.
func (s *Store) List() []Info {
	all := s.index.Load().all
	out := make([]Info, 0, len(all))
	for _, p := range all {
		out = append(out, Info{p.source.ID, p.source.Hosts, p.leaf.DNSNames, p.leaf.NotBefore, p.leaf.NotAfter})
	}
	return out
}

// Default returns the default certificate in DER, for those who show or check it.
func (s *Store) Default() []byte { return s.fallback.pair.Certificate[0] }
