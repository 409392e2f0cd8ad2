package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type pair struct {
	id, alg string
	private crypto.Signer
}

func made(t testing.TB, id, alg string) pair {
	t.Helper()
	var k crypto.Signer
	var err error
	switch alg {
	case "ES256":
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		k, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pair{id, alg, k}
}

func (p pair) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: p.private.Public(), KeyID: p.id, Use: "sig"}
}

func (p pair) sign(t testing.TB, payload string) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(p.alg), Key: jose.JSONWebKey{Key: p.private, KeyID: p.id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func published(t testing.TB, pairs ...pair) []byte {
	t.Helper()
	var keys []jose.JSONWebKey
	for _, p := range pairs {
		keys = append(keys, p.jwk())
	}
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func verify(t testing.TB, s *Set, token string, algorithms ...string) (string, error) {
	t.Helper()
	if len(algorithms) == 0 {
		algorithms = Algorithms()
	}
	read, err := Read(token, algorithms)
	if err != nil {
		return "", err
	}
	b, err := s.Verify(read)
	return string(b), err
}

func TestVerify(t *testing.T) {
	pairs := []pair{made(t, "r", "RS256"), made(t, "p", "PS384"), made(t, "e", "ES256"), made(t, "f", "ES384"), made(t, "d", "EdDSA")}
	set, err := Parse(published(t, pairs...))
	if err != nil || set.Len() != len(pairs) {
		t.Fatal(err)
	}
	for _, p := range pairs {
		token := p.sign(t, `{"n":1}`)
		if got, err := verify(t, set, token); err != nil || got != `{"n":1}` {
			t.Errorf("%s: %q %v", p.alg, got, err)
		}
		nameless := pair{"", p.alg, p.private}.sign(t, `{}`)
		if _, err := verify(t, set, nameless); err != nil {
			t.Errorf("%s without a name: %v", p.alg, err)
		}
		other := made(t, p.id, p.alg)
		if _, err := verify(t, set, other.sign(t, `{}`)); !errors.Is(err, ErrForged) {
			t.Errorf("%s of another key: %v", p.alg, err)
		}
		other.id = "new"
		if _, err := verify(t, set, other.sign(t, `{}`)); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s of an unknown key: %v", p.alg, err)
		}
		head, rest, _ := strings.Cut(token, ".")
		_, signature, _ := strings.Cut(rest, ".")
		for _, bad := range []string{"", ".", "..", token + ".", head + ".e30." + signature, head + "." + rest[:len(rest)-4], token + "=", strings.Repeat("a", MaxToken+1)} {
			if _, err := verify(t, set, bad); err == nil {
				t.Errorf("%s: %q passes", p.alg, bad)
			}
		}
		if _, err := verify(t, set, token, "RS512"); !errors.Is(err, ErrToken) {
			t.Errorf("%s passes where RS512 alone is taken: %v", p.alg, err)
		}
	}
}

// TestSecretsNeverVerify: a public key that is used as a secret, no signature, and keys that are not for publishing.
func TestSecretsNeverVerify(t *testing.T) {
	p := made(t, "r", "RS256")
	set, err := Parse(published(t, p))
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(p.jwk())
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, nil)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{token, "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJub25lIn0.e30"} {
		if _, err := verify(t, set, bad); err == nil {
			t.Errorf("%s passes", bad)
		}
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.private, KeyID: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // that it is refused is what is tested
	if err != nil {
		t.Fatal(err)
	}
	weak, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: short.Public(), KeyID: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	encrypt := strings.ReplaceAll(string(published(t, p)), `"sig"`, `"enc"`)
	for _, bad := range []string{
		string(private), string(weak), encrypt, `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, `{}`, `[]`, `x`, `{"keys":[]}`, `{"keys":[1]}`,
		`{"keys":[` + strings.Repeat(`{},`, MaxKeys) + `{}]}`,
	} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%.80s is taken", bad)
		}
	}
	mixed := strings.Replace(string(published(t, p)), `[`, `[{"kty":"XYZ"},`, 1)
	if s, err := Parse([]byte(mixed)); err != nil || s.Len() != 1 {
		t.Errorf("a key of an unknown kind spoils the others: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	p := made(f, "e", "ES256")
	set, err := Parse(published(f, p))
	if err != nil {
		f.Fatal(err)
	}
	good := p.sign(f, `{"sub":"x"}`)
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if payload, err := verify(t, set, token); err == nil && payload != `{"sub":"x"}` {
			t.Errorf("%q passes", token)
		}
	})
}

// publisher is what keys are asked of.
type publisher struct {
	*httptest.Server
	body  atomic.Pointer[[]byte]        // nil: 500
	gate  atomic.Pointer[chan struct{}] // nothing is answered before it is closed; nil: at once
	asked atomic.Int32
}

func newPublisher(t *testing.T, body []byte) *publisher {
	p := &publisher{}
	p.body.Store(&body)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		if gate := p.gate.Load(); gate != nil {
			<-*gate
		}
		b := p.body.Load()
		if b == nil {
			w.WriteHeader(500)
			return
		}
		_, _ = w.Write(*b)
	}))
	t.Cleanup(p.Close)
	return p
}

func TestFollower(t *testing.T) {
	one, two := made(t, "1", "ES256"), made(t, "2", "ES256")
	p := newPublisher(t, published(t, one))
	var now atomic.Int64
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	f := Follow(Config{URL: p.URL, Transport: tr, Refresh: time.Hour, Stale: time.Minute, Timeout: 5 * time.Second, Now: func() time.Time { return time.Unix(1e9+now.Load(), 0) }})
	defer f.Close()
	if asked := f.Ask(); asked != nil { // nil: it has been asked already
		<-asked
	}
	set, version, err := f.Keys()
	if err != nil || version != 1 {
		t.Fatal(err, version)
	}
	if _, err := verify(t, set, one.sign(t, `{}`)); err != nil {
		t.Error(err)
	}
	if f.Ask() != nil {
		t.Error("it is asked again at once")
	}
	b := published(t, one, two)
	p.body.Store(&b)
	now.Add(11)
	gate := make(chan struct{})
	p.gate.Store(&gate)
	asked, again := f.Ask(), f.Ask()
	if asked == nil || asked != again {
		t.Error("who asks together does not wait together")
	}
	close(gate)
	<-asked
	if set, version, err = f.Keys(); err != nil || version != 2 || set.Len() != 2 {
		t.Errorf("%v %d", err, version)
	}
	p.body.Store(nil)
	now.Add(50)
	if asked := f.Ask(); asked != nil {
		<-asked
	}
	if _, version, err = f.Keys(); err != nil || version != 2 {
		t.Errorf("a failure takes the keys away: %v", err)
	}
	now.Add(11) // 61 s since they were read
	if _, _, err = f.Keys(); !errors.Is(err, ErrAway) {
		t.Errorf("keys that are too old hold: %v", err)
	}
	p.body.Store(&b)
	now.Add(11)
	if asked := f.Ask(); asked != nil {
		<-asked
	}
	if _, version, err = f.Keys(); err != nil || version != 2 {
		t.Errorf("the same keys are others: %v %d", err, version)
	}
	if n := p.asked.Load(); n != 4 {
		t.Errorf("asked %d times", n)
	}
}

// TestFollowerEnds while a question runs that nobody answers.
func TestFollowerEnds(t *testing.T) {
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer srv.Close()
	defer close(hang)
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	f := Follow(Config{URL: srv.URL, Transport: tr, Refresh: time.Hour, Stale: time.Hour, Timeout: time.Minute, Now: time.Now})
	if _, _, err := f.Keys(); !errors.Is(err, ErrAway) {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		p := made(b, "k", alg)
		set, err := Parse(published(b, p))
		if err != nil {
			b.Fatal(err)
		}
		token := p.sign(b, fmt.Sprintf(`{"iss":"https://login.test","sub":"1234567890","aud":"shop","exp":%d,"scope":"read write"}`, time.Now().Add(time.Hour).Unix()))
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verify(b, set, token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
