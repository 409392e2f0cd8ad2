package model_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

func TestRevocationListsAreRead(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	gone, good := ca.Client("gone"), ca.Client("good")
	next := time.Now().Add(time.Hour).Truncate(time.Second)
	lists, err := model.ParseRevocationLists("made by hand\n" + ca.Revocations(next, gone.Leaf) + ca.Revocations(next))
	if err != nil || len(lists) != 2 {
		t.Fatalf("%d: %v", len(lists), err)
	}
	l := lists[0]
	if !l.Revokes(gone.Leaf.SerialNumber) || l.Revokes(good.Leaf.SerialNumber) || lists[1].Revokes(gone.Leaf.SerialNumber) {
		t.Error("it revokes others than it says")
	}
	if !l.Next.Equal(next) || !l.Names(ca.Certificate) || l.SignedBy(ca.Certificate) != nil {
		t.Errorf("%+v", l)
	}
}

// TestRevocationListsThatAreWrong: a list that is understood in part, or that is somebody else's, is an error and no list.
func TestRevocationListsThatAreWrong(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	namesake, other := certstest.New(t, "ca", nil), certstest.New(t, "other", nil)
	next := time.Now().Add(time.Hour)
	good := ca.Revocations(next)
	partial := x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: next,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}}
	indirect := x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: next, RevokedCertificateEntries: []x509.RevocationListEntry{
		{SerialNumber: big.NewInt(7), RevocationTime: time.Now(), ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}}}}}
	for name, c := range map[string]struct{ text, want string }{
		"good":                   {good, ""},
		"of an intermediate":     {good + other.Revocations(next), ""},
		"empty":                  {"", "no revocation list in PEM"},
		"no PEM":                 {"x", "no revocation list in PEM"},
		"a certificate":          {good + ca.PEM(), `a block of type "CERTIFICATE"`},
		"cut":                    {good[:len(good)-40], "no revocation list in PEM"},
		"the second is cut":      {good + good[:len(good)-40], "a block that is no PEM"},
		"the first is cut":       {good[:len(good)-40] + "\n" + good, "a block that is no PEM"},
		"no list in it":          {"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "revocation list 1 does not parse"},
		"of some certificates":   {ca.List(&partial), "critical extension 2.5.29.28"},
		"of other authorities":   {ca.List(&indirect), "critical extension 2.5.29.29"},
		"signed by somebody":     {namesake.Revocations(next), "number 1, in the name of CN=ca, which has not signed it"},
		"one of two by somebody": {good + namesake.Revocations(next), "number 2, in the name of CN=ca, which has not signed it"},
	} {
		err := model.CheckRevocationLists(c.text, ca.PEM())
		if got := errorText(err); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if err := model.CheckRevocationLists(good, ""); err == nil {
		t.Error("lists without CAs pass")
	}
	if err := model.CheckRevocationLists(ca.Revocations(next)+namesake.Revocations(next), ca.PEM()+namesake.PEM()); err != nil {
		t.Errorf("two authorities of one name: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
