package certs

import (
	"crypto/x509"
	"fmt"
	"time"

	"paifang/internal/model"
)

// lists are the revocation lists of clients' certificates. They are never changed.
type lists struct {
	all []*model.RevocationList
	of  map[string][]*model.RevocationList // those of the CAs of a policy, by the CA's DER: their signatures are checked
}

// newLists reads the lists that CAs, and those whom they let sign, have made.
func newLists(text string, cas []*x509.Certificate) (*lists, error) {
	all, err := model.ParseRevocationLists(text)
	if err != nil {
		return nil, err
	}
	l := &lists{all: all, of: map[string][]*model.RevocationList{}}
	for _, ca := range cas {
		l.of[string(ca.Raw)] = l.signed(ca)
	}
	return l, nil
}

// signed are the lists of an authority.
func (l *lists) signed(ca *x509.Certificate) (out []*model.RevocationList) {
	for _, list := range l.all {
		if list.Names(ca) && list.SignedBy(ca) == nil {
			out = append(out, list)
		}
	}
	return out
}

// listError is why revocation lists, or the want of one, do not let a certificate pass. Such a certificate passes under no
// policy, not even under one that takes those of unknown authorities: it is the authority's own word.
type listError struct{ text string }

func (e *listError) Error() string { return "certs: verify client: " + e.text }

// check goes along a chain, from a client's certificate to that of a CA.
func (l *lists) check(chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain[:len(chain)-1] {
		by := chain[i+1]
		found, known := l.of[string(by.Raw)]
		if !known {
			found = l.signed(by) // an intermediate one, which the client has brought along
		}
		list := newest(found, now)
		switch {
		case list == nil:
			return &listError{fmt.Sprintf("there is no revocation list of %s", by.Subject)}
		case !list.Next.IsZero() && now.After(list.Next):
			return &listError{fmt.Sprintf("the revocation list of %s is out of date since %s", by.Subject, list.Next.UTC().Format(time.RFC3339))}
		case list.Revokes(c.SerialNumber):
			return &listError{fmt.Sprintf("%s has revoked the certificate with the serial number %s", by.Subject, c.SerialNumber.Text(16))}
		}
	}
	return nil
}

// newest is the last of an authority's lists that counts by now: a certificate may come off a list.
func newest(all []*model.RevocationList, now time.Time) (best *model.RevocationList) {
	for _, l := range all {
		if !l.This.After(now) && (best == nil || l.This.After(best.This)) {
			best = l
		}
	}
	return best
}
