package certs

import (
	"crypto/tls"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paifang/internal/model"
)

// anyName is a session cache that offers its newest session to whatever server is dialled, as no good client does.
type anyName struct{ last *tls.ClientSessionState }

func (c *anyName) Get(string) (*tls.ClientSessionState, bool) { return c.last, c.last != nil }
func (c *anyName) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		c.last = s
	}
}

// world is two processes of one configuration and a clock.
type world struct {
	t       *testing.T
	store   *Store
	tickets *Tickets
	clock   atomic.Int64 // seconds that were added
	addr    string
	ended   <-chan *Session
	certs   []model.Certificate
	rules   []model.TLSPolicy
}

func newWorld(t *testing.T, certs []model.Certificate, rules ...model.TLSPolicy) *world {
	w := &world{t: t, store: store(t), certs: certs, rules: rules}
	w.tickets = NewTickets(TicketConfig{Now: w.now})
	w.publish()
	w.addr, w.ended = terminate(t, w.store.Terminator(model.ListenerTLS{}, w.tickets, nil))
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load()) * time.Second) }

func (w *world) pass(d time.Duration) { w.clock.Add(int64(d / time.Second)) }

func (w *world) publish() {
	w.t.Helper()
	commit, failures := w.store.Prepare(w.certs, w.rules)
	if failures != nil {
		w.t.Fatal(failures)
	}
	commit()
}

// visit makes a handshake at an address and returns what the server has of it; the error is the client's.
func (w *world) visit(c *tls.Config) (*Session, error) {
	w.t.Helper()
	_, err := shake(w.addr, c)
	return <-w.ended, err
}

// resumed makes a handshake that must succeed and tells whether it resumed a session, as both sides see it.
func (w *world) resumed(c *tls.Config) bool {
	w.t.Helper()
	state, err := shake(w.addr, c)
	s := <-w.ended
	if err != nil || s == nil {
		w.t.Fatalf("handshake at %q: %v", c.ServerName, err)
	}
	if state.DidResume != s.Resumed {
		w.t.Errorf("the client says resumed: %t, the server %t", state.DidResume, s.Resumed)
	}
	return s.Resumed
}

func versions(t *testing.T, f func(t *testing.T, version uint16)) {
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) { f(t, v) })
	}
}

func TestSessionsAreResumedAtTheirOwnHostOnly(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		ca := newAuthority(t, "ca", nil)
		w := newWorld(t, []model.Certificate{ca.For("ingress", "both", "a.test", "c.test"), ca.For("ingress", "b", "b.test")})
		at := func(name string, cache tls.ClientSessionCache) *tls.Config {
			return &tls.Config{ServerName: name, ClientSessionCache: cache, MaxVersion: version}
		}
		cache := &anyName{}
		if w.resumed(at("a.test", cache)) {
			t.Fatal("there was nothing to resume")
		}
		if !w.resumed(at("a.test", cache)) {
			t.Error("the session of a.test is not resumed at a.test")
		}
		if w.resumed(at("b.test", cache)) {
			t.Error("the session of a.test is resumed at b.test, which has another certificate")
		}
		w.resumed(at("a.test", cache))
		if w.resumed(at("c.test", cache)) {
			t.Error("the session of a.test is resumed at c.test (RFC 6066 section 3)")
		}
		// Another listener, another process with the same keys, and one with keys of its own.
		other, sessions := terminate(t, w.store.Terminator(model.ListenerTLS{}, w.tickets, nil))
		w.resumed(at("a.test", cache))
		if st, err := shake(other, at("a.test", cache)); err != nil || !st.DidResume || !(<-sessions).Resumed {
			t.Errorf("another listener does not resume: %v", err)
		}
		stranger := newWorld(t, w.certs)
		w.resumed(at("a.test", cache))
		if stranger.resumed(at("a.test", cache)) {
			t.Error("another process without the keys resumes")
		}
		one, two := newWorld(t, w.certs), newWorld(t, w.certs)
		key := [][32]byte{{1}}
		one.tickets.Use(key)
		two.tickets.Use(key)
		one.resumed(at("a.test", cache))
		if !two.resumed(at("a.test", cache)) {
			t.Error("another process with the same keys does not resume")
		}
		// A certificate that is renewed ends its sessions.
		w.resumed(at("a.test", cache))
		w.certs[0] = ca.For("ingress", "both", "a.test", "c.test")
		w.publish()
		if w.resumed(at("a.test", cache)) {
			t.Error("a session outlives its certificate")
		}
	})
}

// TestSessionsDoNotPassClientCertificates is the case that the identity in the ticket is for.
func TestSessionsDoNotPassClientCertificates(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		ca, clients, others := newAuthority(t, "ca", nil), newAuthority(t, "clients", nil), newAuthority(t, "others", nil)
		// One certificate for both hosts, so that the certificate does not tell them apart.
		w := newWorld(t, []model.Certificate{ca.For("ingress", "both", "open.test", "closed.test")}, policy("p", clients, model.ClientRequired, "closed.test"))
		good := clients.Client("good")
		cache := &anyName{}
		at := func(name string, shown ...tls.Certificate) *tls.Config {
			return &tls.Config{ServerName: name, ClientSessionCache: cache, MaxVersion: version, Certificates: shown}
		}
		w.resumed(at("open.test"))
		if !w.resumed(at("open.test")) {
			t.Fatal("open.test does not resume")
		}
		if s, err := w.visit(at("closed.test")); err == nil || s != nil {
			t.Error("a session of open.test opens closed.test without a certificate")
		}
		w.resumed(at("open.test"))
		if w.resumed(at("closed.test", good)) {
			t.Error("a session of open.test is resumed at closed.test")
		}
		if !w.resumed(at("closed.test")) {
			t.Error("a session of closed.test is not resumed there")
		}
		// Other CAs, other depth, other way: none of them takes sessions from before.
		for what, change := range map[string]func(*model.TLSPolicy){
			"CA":    func(p *model.TLSPolicy) { p.ClientCAs += others.PEM() },
			"depth": func(p *model.TLSPolicy) { p.Depth = 3 },
			"mode":  func(p *model.TLSPolicy) { p.ClientAuth = model.ClientOptional },
		} {
			w.rules[0] = policy("p", clients, model.ClientRequired, "closed.test")
			w.publish()
			w.resumed(at("closed.test", good))
			change(&w.rules[0])
			w.publish()
			if w.resumed(at("closed.test", good)) {
				t.Errorf("a session outlives a change of the %s", what)
			}
		}
		// The proof is good for a day, however often it is resumed.
		w.rules[0] = policy("p", clients, model.ClientRequired, "closed.test")
		w.publish()
		w.tickets.Use([][32]byte{{7}}) // keys that stay
		w.resumed(at("closed.test", good))
		for hour := 10; hour < 24; hour += 10 {
			w.pass(10 * time.Hour)
			if !w.resumed(at("closed.test", good)) {
				t.Errorf("not resumed after %d hours", hour)
			}
		}
		w.pass(5 * time.Hour)
		if w.resumed(at("closed.test", good)) {
			t.Error("a client's proof lasts for more than a day")
		}
	})
}

func TestKeysRotate(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")})
	visit := func(cache *anyName) bool {
		return w.resumed(&tls.Config{ServerName: "a.test", ClientSessionCache: cache})
	}
	old := &anyName{}
	visit(old)
	first := w.tickets.keys[0].bytes
	w.pass(13 * time.Hour)
	visit(&anyName{}) // makes the new key
	if second := w.tickets.keys; second[0].bytes == first || len(second) != 2 || second[1].bytes != first {
		t.Fatal("after 12 hours there is no new key beside the old one")
	}
	kept := *old
	if !visit(old) {
		t.Error("the key before is not known any more")
	}
	w.pass(12 * time.Hour)
	if visit(&kept) {
		t.Error("a ticket is taken after its key's time")
	}
	if len(w.tickets.keys) != 2 || slices.ContainsFunc(w.tickets.keys, func(k ticketKey) bool { return k.bytes == first }) {
		t.Error("the first key is still there")
	}
	// A process that nobody asked for days has no old key to take.
	last := &anyName{}
	visit(last)
	w.pass(100 * time.Hour)
	if visit(last) || len(w.tickets.keys) != 1 {
		t.Errorf("after 100 hours %d keys are known", len(w.tickets.keys))
	}
	// Keys from outside stay until there are others.
	w.tickets.Use([][32]byte{{1}, {2}})
	visit(last)
	w.pass(100 * time.Hour)
	if !visit(last) || w.tickets.keys[0].bytes != [32]byte{1} {
		t.Error("a key that was given is rotated")
	}
	w.tickets.Use([][32]byte{{3}, {1}})
	if !visit(last) {
		t.Error("the key that was first and is second now is not taken")
	}
	w.tickets.Use([][32]byte{{4}})
	if visit(last) {
		t.Error("a key that is gone is taken")
	}
}

func TestParseTicketKeys(t *testing.T) {
	const b64, hex = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	got, err := ParseTicketKeys([]byte("# the first encrypts\r\n" + b64 + "\r\n\n  " + strings.ToUpper(hex) + "  \n"))
	if err != nil || len(got) != 2 || got[0] != got[1] || got[0][31] != 0x1f {
		t.Errorf("%v %v", got, err)
	}
	for text, want := range map[string]string{
		"":                        "there is no key",
		"# nothing\n":             "there is no key",
		b64 + "\nsecret material": "line 2 is not 32 bytes",
		b64[:43]:                  "line 1 is not 32 bytes",
		hex[2:]:                   "line 1 is not 32 bytes",
		strings.Repeat(b64+"\n", maxTicketKeys+1): "at most 16",
	} {
		if _, err := ParseTicketKeys([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret material") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTicketsOfOthers: what is no ticket of ours is a full handshake and nothing worse.
func TestTicketsOfOthers(t *testing.T) {
	ca := newAuthority(t, "ca", nil)
	w := newWorld(t, []model.Certificate{ca.For("ingress", "a", "a.test")})
	cache := &anyName{}
	at := &tls.Config{ServerName: "a.test", ClientSessionCache: cache}
	w.resumed(at)
	ticket, state, err := cache.last.ResumptionState()
	if err != nil {
		t.Fatal(err)
	}
	// A ticket of the same keys without a stamp, as another program would make it.
	state.Extra = nil
	bare, err := w.tickets.vault.EncryptTicket(tls.ConnectionState{}, state)
	if err != nil {
		t.Fatal(err)
	}
	for what, changed := range map[string][]byte{"bare": bare, "short": ticket[:40], "flipped": append([]byte{ticket[0] ^ 1}, ticket[1:]...)} {
		if cache.last, err = tls.NewResumptionState(changed, state); err != nil {
			t.Fatal(err)
		}
		if w.resumed(at) {
			t.Errorf("%s: resumed", what)
		}
	}
	ss, stamped := w.tickets.unwrap([]byte("x"), tls.ConnectionState{})
	if ss != nil || stamped != (stamp{}) {
		t.Error("a text is taken for a ticket")
	}
	for _, extra := range [][][]byte{nil, {[]byte(stampMark)}, {[]byte("other"), nil}} {
		if _, ok := readStamp(extra); ok {
			t.Errorf("a stamp in %q", extra)
		}
	}
	s := stamp{identity: [32]byte{1, 2}, proven: 12345678901}
	if got, ok := readStamp([][]byte{[]byte("theirs"), s.bytes()}); !ok || got != s {
		t.Errorf("%v %v", got, ok)
	}
}
