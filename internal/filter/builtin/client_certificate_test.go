package builtin

import (
	"strings"
	"testing"

	"paifang/internal/certs"
	"paifang/internal/certs/certstest"
	"paifang/internal/filter"
)

func TestClientCertificate(t *testing.T) {
	pair := certstest.New(t, "clients", nil).Client("ann")
	shown := func(verified bool, problem string) *certs.Session {
		return &certs.Session{Client: &certs.Client{Verified: verified, Problem: problem, Subject: "CN=ann", Issuer: "CN=clients", Certificate: pair.Leaf}}
	}
	for _, c := range []struct {
		session *certs.Session
		verify  string
	}{
		{nil, "NONE"}, {&certs.Session{}, "NONE"}, {shown(true, ""), "SUCCESS"}, {shown(false, "signed by\nnobody"), "FAILED:signed by nobody"},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("client-certificate", `{"verify":"ssl-client-verify","subject":"ssl-client-subject-dn","issuer":"ssl-client-issuer-dn","certificate":"ssl-client-cert"}`))
		x := &filter.Exchange{}
		if _, err := x.Request.Parse([]byte("GET / HTTP/1.1\r\nHost: a.test\r\nssl-client-subject-dn: CN=forged\r\nssl-client-cert: forged\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		x.TLS = c.session
		if p.chain.Request(x) != filter.Continue || x.Request.Fields.Get("ssl-client-verify") != c.verify {
			t.Errorf("%q, want %q", x.Request.Fields.Get("ssl-client-verify"), c.verify)
		}
		subject, text := x.Request.Fields.Get("ssl-client-subject-dn"), x.Request.Fields.Get("ssl-client-cert")
		if c.verify == "NONE" && subject+text != "" || c.verify != "NONE" && (subject != "CN=ann" || !strings.HasPrefix(text, "-----BEGIN%20CERTIFICATE-----%0A")) {
			t.Errorf("%s: %q %q", c.verify, subject, text)
		}
	}
	p := newPolicy(t, filter.NewShared(), specOf("client-certificate", `{"match":"CN=an+$"}`))
	for subject, want := range map[string]int{"CN=ann": 0, "CN=bob": 403} {
		x := &filter.Exchange{}
		x.TLS = &certs.Session{Client: &certs.Client{Subject: subject}}
		if p.chain.Request(x); x.Response.Status != want {
			t.Errorf("%s: %d, want %d", subject, x.Response.Status, want)
		}
	}
}
