// Package certs chooses the certificate of a TLS connection by the server name that the client sends (SNI, RFC 6066
// section 3).
//
// A Store is an immutable index behind one pointer, so a new set of certificates takes effect for the next handshake and
// disturbs none. A name without a certificate gets the default one, which is made at start, signed by itself and never
// leaves memory: a client sees a certificate it does not trust in place of a connection that breaks without a reason.
package certs

import (
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

// Store chooses certificates. The zero value is not usable: call New.
type Store struct {
	index    atomic.Pointer[index]
	fallback *tls.Certificate
}

// index is never changed once it is published.
type index struct {
	exact map[string]*parsed
	one   map[string]*parsed // "*.shop.test" under "shop.test"
	more  map[string]*parsed // "**.shop.test" under "shop.test"
	any   *parsed
	all   []*parsed // by ID
}

// parsed is a certificate ready to serve, with what tells whether it may be kept for the next set.
type parsed struct {
	source model.Certificate
	pair   *tls.Certificate
	leaf   *x509.Certificate
}

// Failure is a certificate that cannot be served. Its hosts get the default certificate.
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
	fallback, err := selfSigned(time.Now())
	if err != nil {
		return nil, fmt.Errorf("certs: make default certificate: %w", err)
	}
	s := &Store{fallback: fallback}
	s.index.Store(&index{})
	return s, nil
}

// Set replaces all certificates at once. One that is unchanged is not parsed again. Where two claim one host, the one
// whose origin comes first is served. The failures, sorted by ID, have no effect on the others.
func (s *Store) Set(certificates []model.Certificate) []Failure {
	next, failures := s.prepare(certificates)
	s.index.Store(next)
	return failures
}

// Prepare parses as Set does, but publishes only when commit is called, which cannot fail. It is how a plane keeps
// its switch-over in two steps.
func (s *Store) Prepare(certificates []model.Certificate) (commit func(), failures []Failure) {
	next, failures := s.prepare(certificates)
	return func() { s.index.Store(next) }, failures
}

func (s *Store) prepare(certificates []model.Certificate) (*index, []Failure) {
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
	next := &index{exact: map[string]*parsed{}, one: map[string]*parsed{}, more: map[string]*parsed{}}
	var failures []Failure
	for _, c := range sorted {
		p := before[c.ID]
		if p != nil && p.source.Chain == c.Chain && p.source.Key == c.Key {
			p = &parsed{c, p.pair, p.leaf}
		} else {
			var err error
			if p, err = parse(c); err != nil {
				failures = append(failures, Failure{c.ID, c.Origin, err})
				continue
			}
		}
		next.add(p)
	}
	slices.SortFunc(next.all, func(a, b *parsed) int { return strings.Compare(string(a.source.ID), string(b.source.ID)) })
	slices.SortFunc(failures, func(a, b Failure) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return next, failures
}

func (x *index) add(p *parsed) {
	put := func(m map[string]*parsed, name string) {
		if m[name] == nil {
			m[name] = p
		}
	}
	for _, h := range p.source.Hosts {
		switch shape, fixed := h.Split(); shape {
		case model.HostExact:
			put(x.exact, fixed)
		case model.HostOneMore:
			put(x.one, fixed)
		case model.HostAnyMore:
			put(x.more, fixed)
		default:
			if x.any == nil {
				x.any = p
			}
		}
	}
	x.all = append(x.all, p)
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
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("certs: parse: %w", err)
		}
		pair.Leaf = leaf
	}
	return &parsed{c, &pair, leaf}, nil
}

// Check tells whether a certificate could be served, for dry runs. The error never holds key material.
func Check(c model.Certificate) error {
	_, err := parse(c)
	return err
}

// GetCertificate returns the certificate for the server name of a ClientHello: an exact host first, then "*.", which
// stands for one label, then the longest "**.". It never fails: the default certificate serves the rest, and clients
// that send no name or one that is no name.
func (s *Store) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, _ := s.lookup(hello.ServerName)
	return pair, nil
}

// For returns the ID of the certificate that a server name gets; ok is false where it is the default.
func (s *Store) For(name string) (id model.CertificateID, ok bool) {
	_, id = s.lookup(name)
	return id, id != ""
}

func (s *Store) lookup(name string) (*tls.Certificate, model.CertificateID) {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	x := s.index.Load()
	if p := x.find(name); p != nil {
		return p.pair, p.source.ID
	}
	return s.fallback, ""
}

func (x *index) find(name string) *parsed {
	if name == "" {
		return x.any
	}
	if p := x.exact[name]; p != nil {
		return p
	}
	label, rest, _ := strings.Cut(name, ".")
	if p := x.one[rest]; p != nil && label != "" {
		return p
	}
	for rest != "" {
		if p := x.more[rest]; p != nil && label != "" {
			return p
		}
		_, rest, _ = strings.Cut(rest, ".")
	}
	return x.any
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
func (s *Store) Default() []byte { return s.fallback.Certificate[0] }
