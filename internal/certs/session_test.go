package certs

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

func TestClientCertificates(t *testing.T) {
	ca, other := newAuthority(t, "ca", nil), newAuthority(t, "other", nil)
	middle := newAuthority(t, "middle", ca)
	deep := newAuthority(t, "deep", middle)
	past := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	alone := middle.Client("middle") // without the certificate of its issuer
	alone.Certificate = alone.Certificate[:1]
	shown := map[string]tls.Certificate{
		"alone": alone,
		"none":  {}, "good": ca.Client("good"), "stranger": other.Client("stranger"), "middle": middle.Client("middle"), "deep": deep.Client("deep"),
		"expired": ca.Client("expired", past), "old stranger": other.Client("stranger", past), "middle expired": middle.Client("middle", past),
		"later":  ca.Client("later", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
		"server": ca.Client("server", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
	}
	const (
		fails    = "handshake fails"
		refused  = "requests are refused"
		unknown  = "served, unverified"
		verified = "served, verified"
		none     = "served, none"
	)
	for name, c := range map[string]struct {
		policy model.TLSPolicy
		want   map[string]string
	}{
		"off": {model.TLSPolicy{}, map[string]string{"none": none, "good": none, "stranger": none}},
		"optional": {model.TLSPolicy{ClientAuth: model.ClientOptional}, map[string]string{
			"none": none, "good": verified, "stranger": fails, "expired": fails, "server": fails, "middle": verified, "deep": fails}},
		"required": {model.TLSPolicy{ClientAuth: model.ClientRequired}, map[string]string{
			"none": fails, "good": verified, "stranger": fails, "expired": fails, "server": fails, "middle": verified, "deep": fails}},
		"required, no intermediates":  {model.TLSPolicy{ClientAuth: model.ClientRequired, Depth: -1}, map[string]string{"good": verified, "middle": fails, "deep": fails}},
		"required, two intermediates": {model.TLSPolicy{ClientAuth: model.ClientRequired, Depth: 2}, map[string]string{"good": verified, "middle": verified, "deep": verified}},
		"optional, answered": {model.TLSPolicy{ClientAuth: model.ClientOptional, AnswerFailures: true}, map[string]string{
			"none": none, "good": verified, "stranger": refused, "expired": refused, "middle": verified, "deep": refused}},
		"required, answered": {model.TLSPolicy{ClientAuth: model.ClientRequired, AnswerFailures: true}, map[string]string{
			"none": refused, "good": verified, "stranger": refused, "expired": refused, "server": refused, "deep": refused}},
		"unverified": {model.TLSPolicy{ClientAuth: model.ClientUnverified}, map[string]string{
			"none": none, "good": verified, "middle": verified, "stranger": unknown, "deep": unknown, "alone": unknown, "expired": fails, "later": fails, "server": fails, "old stranger": fails, "middle expired": fails}},
		"unverified, answered": {model.TLSPolicy{ClientAuth: model.ClientUnverified, AnswerFailures: true}, map[string]string{
			"none": none, "good": verified, "middle": verified, "stranger": unknown, "deep": unknown, "alone": unknown, "expired": refused, "later": refused, "server": refused, "old stranger": refused, "middle expired": refused}},
		"unverified without CA": {model.TLSPolicy{ClientAuth: model.ClientUnverified, CASecret: "-"}, map[string]string{"none": none, "good": unknown, "server": unknown, "expired": fails}},
	} {
		p := c.policy
		p.ID, p.Attach, p.Hosts = "p", []model.Class{"ingress"}, []model.Host{"a.test"}
		if p.CASecret == "" && p.ClientAuth != model.ClientNone {
			p.ClientCAs = ca.PEM()
		}
		p.CASecret = ""
		w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")}, p)
		versions(t, func(t *testing.T, version uint16) {
			for who, want := range c.want {
				config := &tls.Config{ServerName: "a.test", MaxVersion: version, ClientSessionCache: &anyName{}}
				if cert := shown[who]; cert.Certificate != nil {
					// As a client does that shows what it has, whatever CAs it was asked for.
					config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
				}
				for _, how := range []string{"first", "again"} { // the second time with a session to resume
					s, _ := w.visit(config)
					got := fails
					switch {
					case s == nil:
					case s.Refuses("a.test") == CodeClientCert:
						got = refused
					case s.Refuses("a.test") != "":
						got = string(s.Refuses("a.test"))
					case s.Client == nil:
						got = none
					case s.Client.Verified:
						got = verified
					default:
						got = unknown
					}
					if got != want {
						t.Errorf("%s, client shows %s, %s: %s, want %s", name, who, how, got, want)
					}
					if s != nil && s.Client != nil && (s.Client.Problem == "") != s.Client.Verified {
						t.Errorf("%s, client shows %s: verified %t, problem %q", name, who, s.Client.Verified, s.Client.Problem)
					}
				}
			}
		})
	}
}

func TestClientIsDescribed(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")}, policy("p", ca, model.ClientRequired, "a.test"))
	mine := ca.Client("tom")
	s, err := w.visit(&tls.Config{ServerName: "a.test", Certificates: []tls.Certificate{mine}})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Client
	if c.Subject != `CN=tom,O=Shop\, Inc.` || c.Issuer != "CN=ca" || c.Serial != mine.Leaf.SerialNumber.Text(16) || len(c.SHA256) != 64 {
		t.Errorf("%+v", c)
	}
	if p, err := model.ParseCertificates(c.PEM()); err != nil || !p[0].Equal(mine.Leaf) {
		t.Errorf("%q: %v", c.PEM(), err)
	}
	if s.Name != "a.test" || s.Version != tls.VersionTLS13 || s.Cipher == 0 {
		t.Errorf("%+v", s)
	}
}

// TestRefuses: on a connection for one name, requests for other hosts.
func TestRefuses(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	broken := model.TLSPolicy{ID: "broken", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"broken.test"}, ClientAuth: model.ClientRequired, CASecret: "shop/gone", Reject: model.CodeSecretMissing}
	newer := policy("newer", nil, model.ClientNone, "new.site.test")
	newer.MinVersion = model.TLS13
	w := newWorld(t, []model.Certificate{ca.For("ingress", "site", "*.site.test", "site.test"), ca.For("ingress", "own", "own.site.test"), ca.For("ingress", "strange", "strange.test"), ca.For("ingress", "named", "named.test")},
		policy("closed", ca, model.ClientRequired, "closed.site.test", "**.deep.site.test"), policy("closed too", ca, model.ClientRequired, "also.site.test"),
		policy("open", nil, model.ClientNone, "open.deep.site.test"), broken, newer)
	mine := ca.Client("tom")
	session := func(name string) *Session {
		t.Helper()
		s, err := w.visit(&tls.Config{ServerName: name, Certificates: []tls.Certificate{mine}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name, host string
		want       model.Code
	}{
		{"site.test", "site.test", ""},
		{"SITE.test", "site.test", ""},
		{"site.test", "a.site.test", ""},                             // the same certificate
		{"a.site.test", "b.site.test", ""},                           // the same certificate
		{"a.site.test", "own.site.test", ""},                         // another certificate, and the one that was seen covers it
		{"own.site.test", "a.site.test", CodeMisdirected},            // and here it does not
		{"site.test", "strange.test", CodeMisdirected},               // another certificate
		{"site.test", "nobody.test", CodeMisdirected},                // the default certificate
		{"nobody.test", "somebody.test", ""},                         // the default certificate, both
		{"nobody.test", "site.test", CodeMisdirected},                // it would have had its own
		{"", "nobody.test", ""},                                      // no name, as when an address is dialled
		{"", "10.0.0.1", ""},                                         // an address
		{"", "[::1]", ""},                                            // an address
		{"", "site.test", CodeMisdirected},                           // no name, and the host has a certificate
		{"site.test", "", ""},                                        // HTTP/1.0
		{"a.site.test", "closed.site.test", CodeMisdirected},         // client rules
		{"a.site.test", "x.deep.site.test", CodeMisdirected},         // client rules by a wildcard
		{"a.site.test", "x.y.deep.site.test", CodeMisdirected},       // by a wildcard over more labels
		{"closed.site.test", "closed.site.test", ""},                 //
		{"closed.site.test", "also.site.test", ""},                   // other rules with the same content
		{"closed.site.test", "a.site.test", CodeMisdirected},         // a client that was asked is not one that was not
		{"a.site.test", "open.deep.site.test", CodeMisdirected},      // no client rules, and the certificate does not cover it
		{"a.site.test", "new.site.test", CodeMisdirected},            // another least version
		{"a.site.test", "broken.test", model.CodeSecretMissing},      // cannot be carried out
		{"broken.test", "broken.test", model.CodeSecretMissing},      //
		{"broken.test", "a.site.test", CodeMisdirected},              //
		{"closed.site.test", "open.deep.site.test", CodeMisdirected}, //
		{"x.deep.site.test", "open.deep.site.test", CodeMisdirected}, //
		{"open.deep.site.test", "x.deep.site.test", CodeMisdirected}, //
		{"open.deep.site.test", "open.deep.site.test", ""},           //
		{"new.site.test", "new.site.test", ""},                       //
		{"named.test", "named.test", ""},                             //
		{"named.test", "closed.site.test", CodeMisdirected},          //
		{"a.site.test", "a.site.test.evil.example", CodeMisdirected}, //
		{"closed.site.test", "x.deep.site.test.", CodeMisdirected},   // not in its normal form: nothing is opened by it
		{"closed.site.test", "evil.x.closed.site", CodeMisdirected},  //
		{"also.site.test", "closed.site.test", ""},                   //
		{"also.site.test", "broken.test", model.CodeSecretMissing},   //
		{"", "closed.site.test", CodeMisdirected},                    //
		{"", "", ""}, //
		{"strange.test", "named.test", CodeMisdirected},             //
		{"closed.site.test", "", CodeMisdirected},                   // no host has no rules
		{"x.y.deep.site.test", "z.deep.site.test", ""},              // the default certificate and the same rules
		{"x.y.deep.site.test", "closed.site.test", CodeMisdirected}, // the same rules, another certificate
		{"closed.site.test", "x.y.deep.site.test", CodeMisdirected}, //
		{"new.site.test", "a.site.test", CodeMisdirected},           //
		{"own.site.test", "own.site.test", ""},                      //
		{"own.site.test", "site.test", CodeMisdirected},             //
		{"site.test", "own.site.test", ""},                          // *.site.test is in the certificate
		{"a.site.test", "b.own.site.test", CodeMisdirected},         // and that is one label
	} {
		s := session(c.name)
		for range 2 { // the second time from what is remembered
			if got := s.Refuses(c.host); got != c.want {
				t.Errorf("a connection for %q, a request for %q: %q, want %q", c.name, c.host, got, c.want)
			}
		}
	}

	// Rules that change hold for connections from before.
	s, own := session("a.site.test"), session("closed.site.test")
	w.certs[0] = ca.For("ingress", "site", "*.site.test", "site.test")
	w.publish()
	if s.Refuses("a.site.test") != "" || own.Refuses("closed.site.test") != "" {
		t.Error("a renewed certificate ends the use of a connection")
	}
	if s.Refuses("b.site.test") != "" {
		t.Error("after the renewal the certificate that was seen covers a host no more")
	}
	w.rules = append(w.rules, policy("late", ca, model.ClientRequired, "a.site.test"))
	w.publish()
	if got := s.Refuses("a.site.test"); got != CodeMisdirected {
		t.Errorf("rules that came later: %q", got)
	}
	w.rules = nil
	w.publish()
	if got := own.Refuses("closed.site.test"); got != CodeMisdirected {
		t.Errorf("rules that went: %q", got)
	}
	s = session("a.site.test")
	for _, host := range []string{"a.site.test", "b.site.test"} {
		if n := testing.AllocsPerRun(100, func() { _ = s.Refuses(host) }); n != 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}

func TestRefusesClear(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	w := newWorld(t, nil, policy("closed", ca, model.ClientRequired, "closed.test", "*.closed.test"), policy("perhaps", ca, model.ClientOptional, "perhaps.test"),
		model.TLSPolicy{ID: "broken", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"broken.test"}, ClientAuth: "requierd"})
	for host, want := range map[string]model.Code{"closed.test": CodeTLSRequired, "a.closed.test": CodeTLSRequired, "perhaps.test": "", "open.test": "", "broken.test": model.CodeInvalid} {
		if got := w.store.RefusesClear(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = w.store.RefusesClear("a.closed.test") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPolicyThatIsWrongRefuses: whatever is wrong with it, its hosts are not open.
func TestPolicyThatIsWrongRefuses(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	for name, p := range map[string]model.TLSPolicy{
		"no CA":            {ClientAuth: model.ClientRequired},
		"CA not read":      {ClientAuth: model.ClientRequired, CASecret: "shop/ca"},
		"CA is no PEM":     {ClientAuth: model.ClientOptional, ClientCAs: "x"},
		"CA is cut":        {ClientAuth: model.ClientRequired, ClientCAs: ca.PEM()[:100]},
		"one of two is":    {ClientAuth: model.ClientRequired, ClientCAs: ca.PEM() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
		"a key among them": {ClientAuth: model.ClientRequired, ClientCAs: ca.PEM() + ca.For("ingress", "x", "x.test").Key.Reveal()},
		"unknown way":      {ClientAuth: "on"},
		"unknown version":  {MinVersion: "1.1"},
		"no version":       {MinVersion: model.TLS13, MaxVersion: model.TLS12},
		"found before":     {Reject: "secret-missing"},
	} {
		p.ID, p.Attach, p.Hosts = "p", []model.Class{"ingress"}, []model.Host{"a.test"}
		w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")}, p)
		s, err := w.visit(&tls.Config{ServerName: "a.test"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if code := s.Refuses("a.test"); code == "" || code == CodeMisdirected {
			t.Errorf("%s: %q", name, code)
		}
		if w.store.RefusesClear("a.test") == "" {
			t.Errorf("%s: it is open in clear text", name)
		}
		if name != "found before" && p.Validate() == nil {
			t.Errorf("%s: Validate says nothing", name)
		}
	}
}

func TestBoundsOfListenersAndPolicies(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	strict := policy("strict", nil, model.ClientNone, "strict.test")
	strict.MinVersion = model.TLS13
	old := policy("old", nil, model.ClientNone, "old.test")
	old.MaxVersion = model.TLS12
	w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test", "strict.test", "old.test")}, strict, old)
	for _, c := range []struct {
		listener model.ListenerTLS
		name     string
		client   *tls.Config
		want     string // version and suite; "" = refused
	}{
		{model.ListenerTLS{}, "a.test", &tls.Config{}, "TLS 1.3"},
		{model.ListenerTLS{}, "a.test", &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2"},
		{model.ListenerTLS{}, "strict.test", &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		{model.ListenerTLS{}, "strict.test", &tls.Config{}, "TLS 1.3"},
		{model.ListenerTLS{}, "old.test", &tls.Config{}, "TLS 1.2"},
		{model.ListenerTLS{}, "old.test", &tls.Config{MinVersion: tls.VersionTLS13}, ""},
		{model.ListenerTLS{MinVersion: model.TLS13}, "a.test", &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		{model.ListenerTLS{MinVersion: model.TLS13}, "old.test", &tls.Config{}, ""}, // nothing is left
		{model.ListenerTLS{MaxVersion: model.TLS12}, "a.test", &tls.Config{}, "TLS 1.2"},
		{model.ListenerTLS{MaxVersion: model.TLS12}, "strict.test", &tls.Config{}, ""},
		{model.ListenerTLS{Ciphers: []string{"ECDHE-ECDSA-CHACHA20-POLY1305"}}, "a.test", &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
		{model.ListenerTLS{Ciphers: []string{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}}, "a.test", &tls.Config{MaxVersion: tls.VersionTLS12}, "TLS 1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
		{model.ListenerTLS{Ciphers: []string{"ECDHE-RSA-AES128-GCM-SHA256"}}, "a.test", &tls.Config{MaxVersion: tls.VersionTLS12}, ""}, // the certificate is ECDSA
	} {
		addr, sessions := terminate(t, w.store.Terminator(c.listener, w.tickets, nil))
		c.client.ServerName = c.name
		_, err := shake(addr, c.client)
		got := ""
		if s := <-sessions; s != nil && err == nil {
			got = tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.Cipher)
		}
		if (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("listener %+v, %s: %q, want %q", c.listener, c.name, got, c.want)
		}
	}
	if err := (model.ListenerTLS{Ciphers: []string{"TLS_RSA_WITH_AES_128_CBC_SHA"}}).Validate(); err == nil {
		t.Error("a suite without forward secrecy can be named")
	}
}
