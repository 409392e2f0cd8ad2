package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"paifang/internal/certs/certstest"
	"paifang/internal/model"
)

// responder answers questions about the certificates of an authority.
type responder struct {
	*httptest.Server
	mu     sync.Mutex
	says   func(w http.ResponseWriter, r *http.Request, serial *big.Int)
	asked  map[string]int // by serial
	most   int
	inside int
}

func newResponder(t *testing.T) *responder {
	r := &responder{asked: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		q, err := ocsp.ParseRequest(body)
		if err != nil || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/ocsp-request" {
			t.Errorf("%s %q: %v", req.Method, body, err)
			return
		}
		r.mu.Lock()
		r.asked[q.SerialNumber.String()]++
		r.inside++
		r.most = max(r.most, r.inside)
		says := r.says
		r.mu.Unlock()
		says(w, req, q.SerialNumber)
		r.mu.Lock()
		r.inside--
		r.mu.Unlock()
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *responder) say(says func(w http.ResponseWriter, r *http.Request, serial *big.Int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.says = says
}

func (r *responder) times(serial *big.Int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked[serial.String()]
}

// stapling is a world whose listener staples.
type stapling struct {
	*world
	ca      *certstest.Authority // an intermediate one: its certificate is in the chains
	at      *responder
	stapler *Stapler
	addr    string
}

func newStapling(t *testing.T) *stapling {
	s := &stapling{ca: newAuthority(t, "middle", newAuthority(t, "root", nil)), at: newResponder(t)}
	s.world = newWorld(t, nil)
	s.stapler = NewStapler(StaplerConfig{Loopback: true, Now: s.now})
	t.Cleanup(s.stapler.Close)
	s.addr, _ = terminate(t, s.store.Terminator(model.ListenerTLS{Staple: true}, s.tickets, nil))
	return s
}

// certificate names the responder, unless change says otherwise.
func (s *stapling) certificate(id string, change ...func(*x509.Certificate)) (model.Certificate, *x509.Certificate) {
	s.t.Helper()
	template := x509.Certificate{Subject: pkix.Name{CommonName: id}, DNSNames: []string{id + ".test"}, OCSPServer: []string{s.at.URL}}
	for _, c := range change {
		c(&template)
	}
	pair := s.ca.Pair(template)
	chain, key := certstest.Text(s.t, pair)
	return model.Certificate{ID: model.CertificateID(id), Hosts: []model.Host{model.Host(id + ".test")}, Attach: []model.Class{"ingress"}, Chain: chain, Key: key}, pair.Leaf
}

func (s *stapling) keep(certs ...model.Certificate) {
	s.t.Helper()
	s.certs = certs
	s.publish()
	s.stapler.Keep([]*Store{s.store})
}

// good is a response of so long from now.
func (s *stapling) good(serial *big.Int, d time.Duration) ocsp.Response {
	return ocsp.Response{Status: ocsp.Good, SerialNumber: serial, ThisUpdate: s.now().Add(-time.Minute), NextUpdate: s.now().Add(d)}
}

// sayGood has the responder say that everything is.
func (s *stapling) sayGood(d time.Duration) {
	s.at.say(func(w http.ResponseWriter, _ *http.Request, serial *big.Int) {
		_, _ = w.Write(s.ca.Response(s.good(serial, d), nil))
	})
}

// shown is what a client sees in a handshake.
func (s *stapling) shown(addr, name string, version uint16) []byte {
	s.t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true, MaxVersion: version})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().OCSPResponse
}

func (s *stapling) problem(id string) string {
	for _, st := range s.store.Staples(true, s.now()) {
		if st.Certificate == model.CertificateID(id) {
			return st.Problem
		}
	}
	return ""
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestStapling follows the response of a certificate through its life.
func TestStapling(t *testing.T) {
	s := newStapling(t)
	s.sayGood(4 * time.Hour)
	a, leaf := s.certificate("a")
	again := a
	again.ID, again.Hosts = "again", []model.Host{"again.test"}
	s.keep(a, again)
	shown := func(name string) []byte { return s.shown(s.addr, name, 0) }
	await(t, "a response is stapled", func() bool { return shown("a.test") != nil && shown("again.test") != nil })
	first := shown("a.test")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		got := s.shown(s.addr, "a.test", version)
		if r, err := ocsp.ParseResponseForCert(got, leaf, s.ca.Certificate); err != nil || r.Status != ocsp.Good {
			t.Errorf("version %x: %v", version, err)
		}
		if got := s.shown(s.world.addr, "a.test", version); got != nil { // a listener that does not staple
			t.Errorf("version %x: stapled where nobody asked for it", version)
		}
	}
	if n := s.at.times(leaf.SerialNumber); n != 1 {
		t.Errorf("asked %d times for one certificate in two Secrets", n)
	}

	s.publish() // what is unchanged keeps its response
	if !bytes.Equal(shown("a.test"), first) {
		t.Error("another set of certificates takes the response away")
	}

	// At half of its time it is renewed. Until then it is not asked for.
	s.pass(100 * time.Minute)
	s.stapler.wake()
	s.pass(30 * time.Minute)
	s.stapler.wake()
	await(t, "it is renewed", func() bool { return !bytes.Equal(shown("a.test"), first) })
	if n := s.at.times(leaf.SerialNumber); n != 2 {
		t.Errorf("asked %d times by half of the time", n)
	}

	// The responder is away: what there was is stapled to its end, and not after it.
	s.at.say(func(w http.ResponseWriter, _ *http.Request, _ *big.Int) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.pass(150 * time.Minute)
	s.stapler.wake()
	await(t, "the failure is told", func() bool { return strings.Contains(s.problem("a"), "it answers with status 503") })
	if shown("a.test") == nil {
		t.Error("a response that counts is not stapled")
	}
	s.pass(2 * time.Hour)
	if shown("a.test") != nil {
		t.Error("a response is stapled after its end")
	}
	if s.problem("again") == "" {
		t.Error("the failure is told of one Secret alone")
	}

	// It is back, and says that the certificate is revoked only after that it was good.
	s.sayGood(4 * time.Hour)
	s.stapler.wake()
	await(t, "it is stapled again", func() bool { return shown("a.test") != nil && s.problem("a") == "" })
	s.at.say(func(w http.ResponseWriter, _ *http.Request, serial *big.Int) {
		r := s.good(serial, 4*time.Hour)
		r.Status, r.RevokedAt = ocsp.Revoked, s.now()
		_, _ = w.Write(s.ca.Response(r, nil))
	})
	s.pass(3 * time.Hour)
	s.stapler.wake()
	await(t, "it is revoked", func() bool { return strings.Contains(s.problem("a"), "its issuer has revoked it on") })
	if shown("a.test") != nil {
		t.Error("a good response is stapled of a certificate that is known to be revoked")
	}

	// A new certificate has a response of its own.
	s.sayGood(time.Hour)
	renewed, next := s.certificate("a")
	s.keep(renewed)
	await(t, "the new certificate has a response", func() bool { return shown("a.test") != nil })
	if _, err := ocsp.ParseResponseForCert(shown("a.test"), next, s.ca.Certificate); err != nil {
		t.Error(err)
	}
	s.stapler.mu.Lock()
	defer s.stapler.mu.Unlock()
	if len(s.stapler.staples) != 1 || len(s.stapler.asking) != 0 {
		t.Errorf("%d certificates are kept, %d hosts are asked", len(s.stapler.staples), len(s.stapler.asking))
	}
}

// TestResponsesThatAreNotStapled: those of somebody else, about something else, of another time, and what is none.
func TestResponsesThatAreNotStapled(t *testing.T) {
	s := newStapling(t)
	other := newAuthority(t, "middle", nil)
	signs := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} }
	allowed, leaf, old := s.ca.Client("signer", signs), s.ca.Client("another tenant"), s.ca.Client("old", signs, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	response := func(by *certstest.Authority, pair *tls.Certificate, change func(*ocsp.Response)) func(http.ResponseWriter, *http.Request, *big.Int) {
		return func(w http.ResponseWriter, _ *http.Request, serial *big.Int) {
			r := s.good(serial, time.Hour)
			if change != nil {
				change(&r)
			}
			_, _ = w.Write(by.Response(r, pair))
		}
	}
	for name, c := range map[string]struct {
		says func(http.ResponseWriter, *http.Request, *big.Int)
		want string // of the problem; "" = it is stapled
	}{
		"issuer":            {response(s.ca, nil, nil), ""},
		"one who may":       {response(s.ca, &allowed, nil), ""},
		"another authority": {response(other, nil, nil), "bad OCSP signature"},
		"one who may not":   {response(s.ca, &leaf, nil), "CN=another tenant,O=Shop\\, Inc., who may not sign responses"},
		"one out of date":   {response(s.ca, &old, nil), "is out of date"},
		"another serial":    {response(s.ca, nil, func(r *ocsp.Response) { r.SerialNumber = big.NewInt(7) }), "no response matching"},
		"unknown":           {response(s.ca, nil, func(r *ocsp.Response) { r.Status = ocsp.Unknown }), "it does not know the certificate"},
		"over":              {response(s.ca, nil, func(r *ocsp.Response) { r.NextUpdate = s.now().Add(-time.Second) }), "the response is out of date since"},
		"to come":           {response(s.ca, nil, func(r *ocsp.Response) { r.ThisUpdate = s.now().Add(time.Hour) }), "the response begins to count at"},
		"without an end":    {response(s.ca, nil, func(r *ocsp.Response) { r.NextUpdate = time.Time{} }), "does not say until when"},
		"revoked": {response(s.ca, nil, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, s.now() }),
			"its issuer has revoked it on"},
		"text": {func(w http.ResponseWriter, _ *http.Request, _ *big.Int) { _, _ = io.WriteString(w, "sorry") }, s.at.URL},
		"too long": {func(w http.ResponseWriter, _ *http.Request, _ *big.Int) {
			_, _ = w.Write(make([]byte, responderAnswer+1))
		}, "more than 65536 bytes"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request, _ *big.Int) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
			"it answers with status 307"},
		"refused": {func(w http.ResponseWriter, _ *http.Request, _ *big.Int) { _, _ = w.Write(ocsp.TryLaterErrorResponse) }, "try later"},
	} {
		s.at.say(c.says)
		cert, _ := s.certificate("a")
		s.keep(cert)
		if c.want == "" {
			await(t, name+" is stapled", func() bool { return s.shown(s.addr, "a.test", 0) != nil })
			continue
		}
		await(t, name+" has a problem", func() bool { return s.problem("a") != "" })
		if got := s.problem("a"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
		if s.shown(s.addr, "a.test", 0) != nil {
			t.Errorf("%s: it is stapled", name)
		}
	}
	if n := s.stapler.Counts(); n != (StapleCounts{Good: 2, Revoked: 1, Failed: 12}) {
		t.Errorf("%+v", n)
	}
}

// TestCertificatesWithoutResponse: what is told of them. Of one that names no responder, as most do by now, nothing is.
func TestCertificatesWithoutResponse(t *testing.T) {
	s := newStapling(t)
	s.sayGood(time.Hour)
	features, err := asn1.Marshal([]int{17, 5})
	if err != nil {
		t.Fatal(err)
	}
	must := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: features})
	}
	at := func(all ...string) func(*x509.Certificate) { return func(c *x509.Certificate) { c.OCSPServer = all } }
	silent, _ := s.certificate("silent", at())
	needy, _ := s.certificate("needy", at(), must)
	file, _ := s.certificate("file", at("file:///etc/passwd"))
	second, _ := s.certificate("second", must, at("ldap://127.0.0.1/", "http://127.0.0.1:1/", s.at.URL))
	short, _ := s.certificate("short")
	short.Chain = short.Chain[:strings.Index(short.Chain, "-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
	s.keep(silent, needy, file, second, short)
	await(t, "the first address does not answer", func() bool { return strings.HasPrefix(s.problem("second"), "http://127.0.0.1:1/: ") })
	s.pass(2 * time.Minute)
	s.stapler.wake()
	await(t, "the second address is asked", func() bool { return s.shown(s.addr, "second.test", 0) != nil })
	await(t, "no issuer is found", func() bool { return s.problem("short") != "" })
	got := map[model.CertificateID]Staple{}
	for _, st := range s.store.Staples(true, s.now()) {
		got[st.Certificate] = st
	}
	if len(got) != 4 || !got["needy"].Needed || got["needy"].Problem != "it names no responder" || got["file"].Problem != `"file:///etc/passwd" is no address of a responder` ||
		!strings.Contains(got["short"].Problem, "does not have the certificate of its issuer") || got["second"].Until.IsZero() || got["second"].Problem != "" {
		t.Errorf("%+v", got)
	}
	off := s.store.Staples(false, s.now())
	if len(off) != 2 || off[0].Certificate != "needy" || off[1].Certificate != "second" || !strings.Contains(off[0].Problem, "set staple") {
		t.Errorf("where nobody staples: %+v", off)
	}
}

// TestRespondersThatAreNotAsked: a certificate leads nobody to what only this process can reach.
func TestRespondersThatAreNotAsked(t *testing.T) {
	s := newStapling(t)
	s.at.say(func(http.ResponseWriter, *http.Request, *big.Int) { t.Error("it is asked") })
	wary := NewStapler(StaplerConfig{})
	defer wary.Close()
	c, _ := s.certificate("a")
	s.certs = []model.Certificate{c}
	s.publish()
	wary.Keep([]*Store{s.store})
	await(t, "the address is refused", func() bool { return strings.Contains(s.problem("a"), "the address may not be asked") })
}

// TestRespondersThatHang take two questions at a time, hold up nobody else, and end with the process.
func TestRespondersThatHang(t *testing.T) {
	s := newStapling(t)
	hangs := newResponder(t)
	hangs.say(func(_ http.ResponseWriter, r *http.Request, _ *big.Int) { <-r.Context().Done() })
	s.sayGood(time.Hour)
	var all []model.Certificate
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		c, _ := s.certificate(id, func(c *x509.Certificate) { c.OCSPServer = []string{hangs.URL} })
		all = append(all, c)
	}
	inside := func() int { hangs.mu.Lock(); defer hangs.mu.Unlock(); return hangs.inside }
	s.keep(all...)
	await(t, "two are asked", func() bool { return inside() == 2 })
	fine, _ := s.certificate("fine")
	s.keep(append(all, fine)...)
	await(t, "another responder is asked", func() bool { return s.shown(s.addr, "fine.test", 0) != nil })
	var closed atomic.Bool
	go func() { s.stapler.Close(); closed.Store(true) }()
	await(t, "it ends", closed.Load)
	if hangs.most != 2 {
		t.Errorf("%d are asked at one time", hangs.most)
	}
}

// TestWaitsAfterFailures double, up to an hour.
func TestWaitsAfterFailures(t *testing.T) {
	now := time.Now()
	s := &Stapler{cfg: StaplerConfig{Now: func() time.Time { return now }}, ctx: t.Context(), asking: map[string]int{}, woken: make(chan struct{}, 1), staples: map[[sha256.Size]byte]*staple{}}
	s.cfg.Log = slog.New(slog.DiscardHandler)
	w := newStapling(t)
	c, _ := w.certificate("a")
	p, err := parse(c)
	if err != nil {
		t.Fatal(err)
	}
	st := newStaple(p, now)
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		s.take(st, st.urls[0], nil, io.ErrUnexpectedEOF)
		if got := st.due.Sub(now); got != want*time.Minute {
			t.Errorf("%v, want %d minutes", got, want)
		}
	}
	for _, c := range []struct{ since, left, want time.Duration }{
		{0, 10 * time.Hour, 5 * time.Hour}, {time.Hour, 9 * time.Hour, 4 * time.Hour}, {9 * time.Hour, time.Hour, 30 * time.Minute}, {90 * time.Hour, 10 * time.Hour, time.Hour}, {time.Hour, 10 * time.Second, time.Minute},
	} {
		if got := renewal(&ocsp.Response{ThisUpdate: now.Add(-c.since), NextUpdate: now.Add(c.left)}, now).Sub(now); got != c.want {
			t.Errorf("since %v, %v left: %v, want %v", c.since, c.left, got, c.want)
		}
	}
}
