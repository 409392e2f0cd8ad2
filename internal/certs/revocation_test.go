package certs

import (
	"crypto/tls"
	"testing"
	"time"

	"paifang/internal/model"
)

// TestRevokedCertificates: what lists say holds in every mode, as nginx has it with ssl_crl.
func TestRevokedCertificates(t *testing.T) {
	ca, other := newAuthority(t, "ca", nil), newAuthority(t, "other", nil)
	middle := newAuthority(t, "middle", ca)
	shown := map[string]tls.Certificate{
		"none": {}, "good": ca.Client("good"), "gone": ca.Client("gone"), "stranger": other.Client("stranger"), "middle": middle.Client("middle"), "gone from middle": middle.Client("gone"),
	}
	later, gone := time.Now().Add(time.Hour), shown["gone"].Leaf
	list := ca.Revocations(later, gone)
	both := list + middle.Revocations(later, shown["gone from middle"].Leaf)
	expired := ca.Revocations(time.Now().Add(-time.Minute))
	const (
		refused  = "refused"
		unknown  = "served, unverified"
		verified = "served, verified"
		none     = "served, none"
	)
	for name, c := range map[string]struct {
		lists string
		auth  model.ClientAuth
		want  map[string]string
	}{
		"required":                  {list, model.ClientRequired, map[string]string{"none": refused, "good": verified, "gone": refused, "stranger": refused, "middle": refused}},
		"optional":                  {list, model.ClientOptional, map[string]string{"none": none, "good": verified, "gone": refused, "stranger": refused}},
		"unverified":                {list, model.ClientUnverified, map[string]string{"none": none, "good": verified, "gone": refused, "stranger": unknown}},
		"of intermediates too":      {both, model.ClientRequired, map[string]string{"good": verified, "gone": refused, "middle": verified, "gone from middle": refused}},
		"the intermediate is gone":  {ca.Revocations(later, middle.Certificate) + middle.Revocations(later), model.ClientRequired, map[string]string{"good": verified, "middle": refused}},
		"out of date":               {expired, model.ClientRequired, map[string]string{"good": refused, "gone": refused}},
		"out of date, optional":     {expired, model.ClientOptional, map[string]string{"none": none, "good": refused}},
		"out of date, unverified":   {expired, model.ClientUnverified, map[string]string{"none": none, "good": refused, "stranger": unknown}},
		"out of date and a new one": {expired + list, model.ClientRequired, map[string]string{"good": verified, "gone": refused}},
		"of somebody else":          {other.Revocations(later), model.ClientRequired, map[string]string{"good": refused}},
	} {
		for _, answered := range []bool{false, true} {
			p := policy("p", ca, c.auth, "a.test")
			p.ClientCRLs, p.AnswerFailures = c.lists, answered
			w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")}, p)
			versions(t, func(t *testing.T, version uint16) {
				for who, want := range c.want {
					s, _ := w.visit(showing(shown[who], version))
					got := none
					switch {
					case s == nil || s.Refuses("a.test") == CodeClientCert:
						got = refused
						if (s == nil) == answered {
							t.Errorf("%s, answered %t, client shows %s: the handshake went through: %t", name, answered, who, s != nil)
						}
					case s.Client != nil && s.Client.Verified:
						got = verified
					case s.Client != nil:
						got = unknown
					}
					if got != want {
						t.Errorf("%s, answered %t, client shows %s: %s, want %s", name, answered, who, got, want)
					}
				}
			})
		}
	}
}

// showing is a client that shows a certificate, whatever CAs it is asked for, and resumes what it can.
func showing(cert tls.Certificate, version uint16) *tls.Config {
	c := &tls.Config{ServerName: "a.test", MaxVersion: version, ClientSessionCache: &anyName{}}
	if cert.Certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}

// TestRevokedSince: a certificate that is revoked later is of no use with a session, nor on a connection, from before.
func TestRevokedSince(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	tom, ann := ca.Client("tom"), ca.Client("ann")
	for _, answered := range []bool{false, true} {
		versions(t, func(t *testing.T, version uint16) {
			p := policy("p", ca, model.ClientRequired, "a.test")
			p.ClientCRLs, p.AnswerFailures = ca.Revocations(time.Now().Add(time.Hour)), answered
			w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")}, p)
			asTom, asAnn := showing(tom, version), showing(ann, version)
			open := map[string]*Session{}
			for who, c := range map[string]*tls.Config{"tom": asTom, "ann": asAnn} {
				w.resumed(c)
				if !w.resumed(c) {
					t.Fatalf("%s resumes nothing", who)
				}
				s, err := w.visit(c)
				if err != nil || s.Refuses("a.test") != "" {
					t.Fatal(who, err)
				}
				open[who] = s
			}
			w.rules[0].ClientCRLs = ca.Revocations(time.Now().Add(time.Hour), tom.Leaf)
			w.publish()
			for range 2 { // the second time from what is remembered
				if got := open["tom"].Refuses("a.test"); got != CodeClientCert {
					t.Errorf("a connection of the revoked one: %q", got)
				}
				if got := open["ann"].Refuses("a.test"); got != "" {
					t.Errorf("a connection of another: %q", got)
				}
			}
			if n := testing.AllocsPerRun(100, func() { _ = open["ann"].Refuses("a.test") }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			if s, err := w.visit(asTom); err == nil && s != nil && s.Refuses("a.test") == "" {
				t.Errorf("the revoked one is served, resumed: %t", s.Resumed)
			}
			if w.resumed(asAnn) {
				t.Error("a session from before a new list is resumed")
			}
			// Without lists, and with the same again, connections stay what they were.
			w.rules[0].ClientCRLs = ""
			w.publish()
			if got := open["tom"].Refuses("a.test"); got != "" {
				t.Errorf("lists are gone, and the connection is refused: %q", got)
			}
		})
	}
}

// TestListThatGoesOutOfDate: a session from before is not resumed past it.
func TestListThatGoesOutOfDate(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	good := ca.Client("good")
	for _, answered := range []bool{false, true} {
		versions(t, func(t *testing.T, version uint16) {
			p := policy("p", ca, model.ClientRequired, "a.test")
			p.ClientCRLs, p.AnswerFailures = ca.Revocations(time.Now().Add(10*time.Minute)), answered
			w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")}, p)
			c := showing(good, version)
			w.resumed(c)
			if !w.resumed(c) {
				t.Fatal("nothing is resumed")
			}
			w.pass(11 * time.Minute)
			if s, err := w.visit(c); err == nil && s != nil && s.Refuses("a.test") == "" {
				t.Errorf("it is served, resumed: %t", s.Resumed)
			}
		})
	}
}
