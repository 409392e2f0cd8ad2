package model

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// RevocationList says which certificates an authority has taken back (RFC 5280 section 5).
type RevocationList struct {
	This time.Time // from when on it counts
	Next time.Time // until when, since a newer one is there by then; zero: for ever

	list    *x509.RevocationList
	serials map[string]struct{}
}

// ParseRevocationLists reads the lists of a PEM text. One that does not parse, one with a critical extension, and a text
// without any, is an error: a list that is understood in part would let pass what it was to stop. Critical extensions mark
// lists of some certificates only, lists of changes, and those that speak for other authorities (sections 5.2.4 and 5.2.5).
func ParseRevocationLists(text string) ([]*RevocationList, error) {
	var out []*RevocationList
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			return nil, fmt.Errorf("has a block of type %q among the revocation lists", block.Type)
		}
		l, err := newRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("revocation list %d %w", len(out)+1, err)
		}
		out = append(out, l)
	}
	switch {
	case len(out) == 0:
		return nil, errors.New("has no revocation list in PEM")
	case strings.Count(text, "-----BEGIN") != len(out): // pem.Decode steps over what is broken
		return nil, errors.New("has a block that is no PEM")
	}
	return out, nil
}

func newRevocationList(der []byte) (*RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("does not parse: %w", err)
	}
	if err := uncritical(list.Extensions); err != nil {
		return nil, err
	}
	l := &RevocationList{This: list.ThisUpdate, Next: list.NextUpdate, list: list, serials: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	for i := range list.RevokedCertificateEntries {
		e := &list.RevokedCertificateEntries[i]
		if err := uncritical(e.Extensions); err != nil {
			return nil, err
		}
		l.serials[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	list.RevokedCertificateEntries = nil // they are in serials, and lists are large
	return l, nil
}

func uncritical(all []pkix.Extension) error {
	for _, e := range all {
		if e.Critical {
			return fmt.Errorf("has the critical extension %s: lists of a part of the certificates, of changes and of other authorities are not read", e.Id)
		}
	}
	return nil
}

// Names tells whether the list is in the name of an authority.
func (l *RevocationList) Names(ca *x509.Certificate) bool {
	return bytes.Equal(l.list.RawIssuer, ca.RawSubject)
}

// Issuer is the authority in whose name the list is, as in RFC 2253.
func (l *RevocationList) Issuer() string { return l.list.Issuer.String() }

// SignedBy reports why the list is not an authority's, nil if it is.
func (l *RevocationList) SignedBy(ca *x509.Certificate) error { return l.list.CheckSignatureFrom(ca) }

// Revokes tells whether the certificate with a serial number is taken back.
func (l *RevocationList) Revokes(serial *big.Int) bool {
	_, ok := l.serials[string(serial.Bytes())]
	return ok
}

// CheckRevocationLists reports lists that cannot be read, or that one of the CAs of the same clients is said to have made and has
// not. A list in the name of none of them may be that of an intermediate certificate, which clients bring along.
func CheckRevocationLists(text, cas string) error {
	lists, err := ParseRevocationLists(text)
	if err != nil {
		return err
	}
	known, err := ParseCertificates(cas)
	if err != nil {
		return errors.New("has revocation lists, and no CA is given whose they could be")
	}
	for i, l := range lists {
		var wrong error
		for _, ca := range known {
			if !l.Names(ca) {
				continue
			}
			if wrong = l.SignedBy(ca); wrong == nil {
				break
			}
		}
		if wrong != nil {
			return fmt.Errorf("has a revocation list, number %d, in the name of %s, which has not signed it: %w", i+1, l.list.Issuer, wrong)
		}
	}
	return nil
}
