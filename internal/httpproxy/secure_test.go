package httpproxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"paifang/internal/certs"
	"paifang/internal/certs/certstest"
	"paifang/internal/filter"
	"paifang/internal/model"
)

// seer is a filter that tells the upstream what it sees of the client's certificate.
type seer struct{}

func (seer) Validate() error { return nil }

func (seer) Request(x *filter.Exchange) filter.Verdict {
	verify := "NONE"
	if x.TLS != nil && x.TLS.Client != nil {
		c := x.TLS.Client
		if verify = "SUCCESS"; !c.Verified {
			verify = "FAILED:" + c.Problem
		}
		x.Request.Fields.Set("ssl-client-subject-dn", c.Subject)
		x.Request.Fields.Set("ssl-client-issuer-dn", c.Issuer)
		x.Request.Fields.Set("X-Fingerprint", c.SHA256)
		x.Request.Fields.Set("X-Lines", fmt.Sprint(strings.Count(c.PEM(), "\n")))
	}
	x.Request.Fields.Set("ssl-client-verify", verify)
	return filter.Continue
}

func (seer) Response(*filter.Exchange) {}

// mutual is a stand with hosts of different TLS rules on "tls" and "front".
func mutual(t *testing.T) (*stand, *certstest.Authority, *recorder) {
	ca := certstest.New(t, "clients", nil)
	rec := newRecorder(t, echo)
	s := newStand(t, func(s *stand, c *Config) {
		withTLS(s, c)
		c.Filters = filter.Catalog{filter.Define("seer", func(seer, filter.Env) (filter.Filter, error) { return seer{}, nil })}
	})
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u", func(r *model.Route) { r.Filters = []model.FilterSpec{{Kind: "seer"}} })
	s.route("redirect", "/old", "", func(r *model.Route) { r.Action = model.Redirect{Status: 308, Location: "https://x/"} })
	s.certs = []model.Certificate{ca.For("web", "open", "open.test", "also.test"), ca.For("web", "closed", "closed.test", "*.closed.test")}
	rules := func(id string, auth model.ClientAuth, hosts ...model.Host) model.TLSPolicy {
		return model.TLSPolicy{ID: model.TLSPolicyID(id), Attach: []model.Class{"web"}, Hosts: hosts, ClientAuth: auth, ClientCAs: ca.PEM()}
	}
	answered := rules("answered", model.ClientRequired, "answered.test")
	answered.AnswerFailures = true
	broken := rules("broken", model.ClientRequired, "broken.test")
	broken.ClientCAs = "no PEM"
	s.policies = []model.TLSPolicy{rules("closed", model.ClientRequired, "closed.test", "*.closed.test"), rules("optional", model.ClientOptional, "optional.test"), answered, broken}
	s.publish()
	return s, ca, rec
}

func ask(host string, fields ...string) string {
	return "GET /who HTTP/1.1\r\nHost: " + host + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func TestClientCertificateAndMisdirected(t *testing.T) {
	s, ca, rec := mutual(t)
	tom := ca.Client("tom")
	for _, c := range []struct {
		sni    string
		cert   bool
		host   string
		status int
		reason string
	}{
		{"open.test", false, "open.test", 200, ""},
		{"open.test", false, "also.test:8443", 200, ""},
		{"open.test", false, "closed.test", 421, "misdirected"},
		{"open.test", false, "CLOSED.Test.", 421, "misdirected"}, // one form for TLS options and for routes
		{"open.test", false, "a.closed.test:443", 421, "misdirected"},
		{"open.test", true, "closed.test", 421, "misdirected"},
		{"open.test", false, "optional.test", 421, "misdirected"},
		{"open.test", false, "other.test", 421, "misdirected"},
		{"other.test", false, "another.test", 200, ""},
		{"", false, "closed.test", 421, "misdirected"},
		{"", false, "10.0.0.1", 200, ""},
		{"closed.test", true, "closed.test", 200, ""},
		{"closed.test", true, "a.closed.test", 200, ""},
		{"closed.test", true, "open.test", 421, "misdirected"},
		{"a.closed.test", true, "b.closed.test", 200, ""},
		{"optional.test", true, "optional.test", 200, ""},
		{"optional.test", false, "optional.test", 200, ""},
		{"answered.test", false, "answered.test", 400, "client-certificate"},
		{"answered.test", true, "answered.test", 200, ""},
		{"broken.test", true, "broken.test", 503, "invalid"},
		{"open.test", false, "broken.test", 503, "invalid"},
	} {
		t.Run(c.sni+" "+c.host, func(t *testing.T) {
			var shown []tls.Certificate
			if c.cert {
				shown = append(shown, tom)
			}
			before := len(rec.requests())
			r := s.secure(c.sni, shown...).send(ask(c.host)).receive("GET")
			if !strings.HasPrefix(r.status, fmt.Sprintf("HTTP/1.1 %d ", c.status)) || r.head["x-paifang-reason"] != c.reason {
				t.Errorf("%s %q, want %d %q", r.status, r.head["x-paifang-reason"], c.status, c.reason)
			}
			if c.status != 200 && (r.head["connection"] != "close" || len(rec.requests()) != before) {
				t.Errorf("connection %q; the upstream has seen %d requests, %d before", r.head["connection"], len(rec.requests()), before)
			}
		})
	}
	// Without the certificate there is no connection at all.
	for _, name := range []string{"closed.test", "x.closed.test"} {
		c, err := tls.Dial("tcp", s.addr("tls"), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil { // TLS 1.3: the server's refusal comes after the client's end of the handshake
			_, err = c.Write([]byte(ask(name)))
			if err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			c.Close()
		}
		if err == nil {
			t.Errorf("%s is served without a certificate", name)
		}
	}
}

// TestMisdirectedIsDecidedPerRequest: a good request before, and pipelined ones, open nothing.
func TestMisdirectedIsDecidedPerRequest(t *testing.T) {
	s, _, rec := mutual(t)
	c := s.secure("open.test").send(ask("open.test") + ask("closed.test") + ask("open.test"))
	if r := c.receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 200") {
		t.Errorf("%+v", r)
	}
	if r := c.receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 421 Misdirected Request") {
		t.Errorf("%+v", r)
	}
	c.closed()
	absolute := s.secure("open.test").send("GET https://closed.test/who HTTP/1.1\r\nHost: closed.test\r\n\r\n").receive("GET")
	if !strings.HasPrefix(absolute.status, "HTTP/1.1 421") {
		t.Errorf("%+v", absolute)
	}
	if n := len(rec.requests()); n != 1 {
		t.Errorf("the upstream has seen %d requests", n)
	}
	// Rules that come while the connection is open hold for its next request.
	c = s.secure("open.test").send(ask("open.test"))
	c.receive("GET")
	s.policies[0].Hosts = append(s.policies[0].Hosts, "open.test")
	s.publish()
	if r := c.send(ask("open.test")).receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 421") {
		t.Errorf("%+v", r)
	}
}

// TestClearTextDoesNotGetRoundClientCertificates: the clear listener of the class redirects and does not forward.
func TestClearTextDoesNotGetRoundClientCertificates(t *testing.T) {
	s, _, rec := mutual(t)
	for host, want := range map[string]string{"open.test": "200 ", "closed.test": "403 tls-required", "A.closed.test.": "403 tls-required", "optional.test": "200 ", "broken.test": "503 invalid"} {
		r := s.dial().send(ask(host)).receive("GET")
		if got := strings.Fields(r.status)[1] + " " + r.head["x-paifang-reason"]; got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
	if r := s.dial().send("GET /old HTTP/1.1\r\nHost: closed.test\r\n\r\n").receive("GET"); !strings.HasPrefix(r.status, "HTTP/1.1 308") {
		t.Errorf("%+v", r)
	}
	if n := len(rec.requests()); n != 2 {
		t.Errorf("the upstream has seen %d requests", n)
	}
}

func TestFiltersSeeTheClientAndWhatItClaimsIsGone(t *testing.T) {
	s, ca, _ := mutual(t)
	claims := []string{"ssl-client-verify: SUCCESS", "SSL-Client-Subject-DN: CN=root", "ssl-client-cert: x", "Client-Cert: :AAAA:", "Client-Cert-Chain: :AAAA:",
		"X-SSL-Client-Verify: 0", "X-Client-Cert: x", "X-Forwarded-Client-Cert: x", "X-Forwarded-Tls-Client-Cert: x", "ssl-client-verify: twice"}
	e := s.secure("closed.test", ca.Client("tom")).send(ask("closed.test", claims...)).receive("GET").echoed(t)
	want := map[string]string{"ssl-client-verify": "SUCCESS", "ssl-client-subject-dn": `CN=tom,O=Shop\, Inc.`, "ssl-client-issuer-dn": "CN=clients"}
	for name, value := range e.Head {
		if strings.Contains(name, "client") && want[name] != value {
			t.Errorf("%s: %q", name, value)
		}
	}
	if len(e.Head["x-fingerprint"]) != 64 || e.Head["x-lines"] == "0" || e.Head["ssl-client-verify"] != "SUCCESS" {
		t.Errorf("%v", e.Head)
	}
	for _, c := range []*client{s.secure("open.test", ca.Client("tom")), s.dial()} {
		e := c.send(ask("open.test", claims...)).receive("GET").echoed(t)
		if e.Head["ssl-client-verify"] != "NONE" || e.Head["ssl-client-subject-dn"] != "" || e.Head["client-cert"] != "" {
			t.Errorf("%v", e.Head)
		}
	}
	// The certificate belongs to its connection: the next one of the pool of works has none.
	if e := s.secure("optional.test").send(ask("optional.test")).receive("GET").echoed(t); e.Head["ssl-client-verify"] != "NONE" {
		t.Errorf("%v", e.Head)
	}
}

// sessions is a cache that offers its newest session everywhere.
type sessions struct{ last *tls.ClientSessionState }

func (c *sessions) Get(string) (*tls.ClientSessionState, bool) { return c.last, c.last != nil }
func (c *sessions) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.last = s
	}
}

func TestSessionsAcrossListenersAndHosts(t *testing.T) {
	ca := certstest.New(t, "ca", nil)
	s, _ := simple(t, echo, func(s *stand, c *Config) {
		withTLS(s, c)
		c.Tickets = certs.NewTickets(certs.TicketConfig{})
		s.listeners = append(s.listeners,
			model.Listener{ID: "tls-2", Class: "web", Protocol: model.HTTPS, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	})
	s.certs = []model.Certificate{ca.For("web", "all", "a.test", "b.test")}
	s.policies = []model.TLSPolicy{{ID: "b", Attach: []model.Class{"web"}, Hosts: []model.Host{"b.test"}, ClientAuth: model.ClientRequired, ClientCAs: ca.PEM()}}
	s.publish()
	cache := &sessions{}
	resumed := func(id model.ListenerID, name string, shown ...tls.Certificate) bool {
		c := s.secureBy(id, &tls.Config{ServerName: name, ClientSessionCache: cache, Certificates: shown})
		r := c.send(ask(name)).receive("GET")
		if !strings.HasPrefix(r.status, "HTTP/1.1 200") {
			t.Errorf("%s: %s", name, r.status)
		}
		return c.Conn.(*tls.Conn).ConnectionState().DidResume
	}
	if resumed("tls", "a.test") || !resumed("tls", "a.test") || !resumed("tls-2", "a.test") {
		t.Error("a session is not resumed on the other listener of the class")
	}
	// Host A's session at the mutual-TLS host B: the certificate is asked for.
	asked := false
	c, err := tls.Dial("tcp", s.addr("tls"), &tls.Config{ServerName: "b.test", ClientSessionCache: cache, InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		}})
	if err == nil {
		if _, err = c.Write([]byte(ask("b.test"))); err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		c.Close()
	}
	if err == nil || !asked {
		t.Errorf("b.test does not ask for the certificate (%t), or serves without: %v", asked, err)
	}
	if resumed("tls", "b.test", ca.Client("tom")) {
		t.Error("a session of a.test is resumed at b.test")
	}
}

// TestSettingsOfAListenerChangeInPlace: the socket stays, and the next handshake keeps to the new bounds.
func TestSettingsOfAListenerChangeInPlace(t *testing.T) {
	s, _ := simple(t, echo, withTLS)
	addr := s.addr("tls")
	open := s.secureBy("tls", &tls.Config{MaxVersion: tls.VersionTLS12})
	open.send(get("/")).receive("GET")
	i := len(s.listeners) - 1
	s.listeners[i].TLS.MinVersion = model.TLS13
	s.publish()
	if s.addr("tls") != addr {
		t.Fatal("the socket was bound anew")
	}
	if c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		c.Close()
		t.Error("TLS 1.2 is still spoken")
	}
	s.secureBy("tls", &tls.Config{}).send(get("/")).receive("GET")
	open.send(get("/")).receive("GET") // it was agreed before
}

// TestClearTextOnATLSPort and garbage end without an answer and without harm.
func TestClearTextOnATLSPort(t *testing.T) {
	s, rec := simple(t, echo, withTLS)
	for _, text := range []string{get("/"), "\x16\x03\x01\xff\xff" + strings.Repeat("x", 100), "\x80\x2e\x01\x03\x01"} {
		nc, err := net.DialTimeout("tcp", s.addr("tls"), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := nc.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if b := make([]byte, 64); true {
			n, _ := nc.Read(b)
			if strings.Contains(string(b[:n]), "200") {
				t.Errorf("%q is answered %q", text, b[:n])
			}
		}
		nc.Close()
	}
	if rec.connections() != 0 {
		t.Error("the upstream was asked")
	}
}
