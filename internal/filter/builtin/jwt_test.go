package builtin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// issuer signs tokens and publishes its keys.
type issuer struct {
	t     testing.TB
	alg   jose.SignatureAlgorithm
	keys  []jose.JSONWebKey // private; the last one signs
	away  atomic.Bool
	asked atomic.Int32
	set   atomic.Pointer[[]byte]
}

func newIssuer(t testing.TB, alg jose.SignatureAlgorithm) *issuer {
	i := &issuer{t: t, alg: alg}
	i.rotate("one")
	return i
}

// rotate adds a key, and publishes it.
func (i *issuer) rotate(id string) {
	i.t.Helper()
	var k any
	var err error
	if i.alg == jose.RS256 {
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		i.t.Fatal(err)
	}
	i.keys = append(i.keys, jose.JSONWebKey{Key: k, KeyID: id})
	i.publish(i.keys...)
}

func (i *issuer) publish(keys ...jose.JSONWebKey) {
	i.t.Helper()
	var set jose.JSONWebKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.Public())
	}
	b, err := json.Marshal(set)
	if err != nil {
		i.t.Fatal(err)
	}
	i.set.Store(&b)
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.asked.Add(1)
	if i.away.Load() {
		w.WriteHeader(503)
		return
	}
	_, _ = w.Write(*i.set.Load())
}

// token is one that is good until an hour after a time, with changes: nil takes a claim away.
func (i *issuer) token(now time.Time, changes map[string]any) string {
	i.t.Helper()
	c := map[string]any{"iss": "https://login.test", "sub": "ann", "aud": []string{"shop", "other"}, "exp": now.Add(time.Hour).Unix(), "scope": "read write",
		"realm_access": map[string]any{"roles": []string{"admin", "buyer"}}, "age": 42, "https://shop.test/level": true}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: i.alg, Key: i.keys[len(i.keys)-1]}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		i.t.Fatal(err)
	}
	jws, err := s.Sign(b)
	if err != nil {
		i.t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return out
}

func (p *policy) bearing(token string, fields ...string) *filter.Exchange {
	p.t.Helper()
	x := &filter.Exchange{Waiter: &engine{}}
	if token != "" {
		fields = append(fields, "Authorization: Bearer "+token)
	}
	p.again(x, "192.0.2.1", "GET /", fields...)
	return x
}

func TestJWT(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	p := newPolicy(t, filter.NewShared(), specOf("jwt", fmt.Sprintf(`{"issuer":"https://login.test","audiences":["shop"],"keys":%s,"realm":"the shop",
		"claims":[{"claim":"sub","header":"X-User"},{"claim":"realm_access.roles","header":"X-Roles"},{"claim":"age","header":"X-Age"},{"claim":"https://shop.test/level","header":"X-Level"},{"claim":"none","header":"X-None"}],
		"require":[{"claim":"scope","values":["write","own"]}]}`, *i.set.Load())))
	x := p.bearing(i.token(p.now, nil), "X-User: root", "X-Roles: root", "X-None: root")
	got := ""
	for n := range x.Request.Fields.Len() {
		f := x.Request.Fields.At(n)
		got += f.Name + "=" + f.Value + " "
	}
	if x.Response.Status != 0 || x.User != "ann" || got != "Host=shop.test:8080 X-User=ann X-Roles=admin,buyer X-Age=42 X-Level=true " {
		t.Errorf("%d %q %s", x.Response.Status, x.User, got)
	}
	other := newIssuer(t, jose.ES256)
	for _, c := range []struct {
		token  string
		status int
		says   string
	}{
		{i.token(p.now, map[string]any{"exp": p.now.Add(-29 * time.Second).Unix()}), 0, ""}, // clocks differ
		{i.token(p.now, map[string]any{"exp": p.now.Add(-30 * time.Second).Unix()}), 401, "expired"},
		{i.token(p.now, map[string]any{"nbf": p.now.Add(30 * time.Second).Unix()}), 0, ""},
		{i.token(p.now, map[string]any{"nbf": p.now.Add(31 * time.Second).Unix()}), 401, "not valid yet"},
		{i.token(p.now, map[string]any{"nbf": "soon"}), 401, "cannot be read"},
		{i.token(p.now, map[string]any{"nbf": json.RawMessage("null")}), 0, ""},
		{i.token(p.now, map[string]any{"nbf": true}), 401, "cannot be read"},
		{i.token(p.now, map[string]any{"nbf": -1}), 401, "cannot be read"},
		{i.token(p.now, map[string]any{"nbf": json.RawMessage("1.5e3")}), 0, ""},
		{i.token(p.now, map[string]any{"exp": nil}), 401, "no end"},
		{i.token(p.now, map[string]any{"exp": "never"}), 401, "no end"},
		{i.token(p.now, map[string]any{"exp": json.RawMessage("null")}), 401, "no end"},
		{i.token(p.now, map[string]any{"exp": json.RawMessage("1e999")}), 401, "no end"},
		{i.token(p.now, map[string]any{"iss": "https://evil.test"}), 401, "issuer"},
		{i.token(p.now, map[string]any{"iss": nil}), 401, "issuer"},
		{i.token(p.now, map[string]any{"aud": "shop"}), 0, ""},
		{i.token(p.now, map[string]any{"aud": "bank"}), 401, "audience"},
		{i.token(p.now, map[string]any{"aud": nil}), 401, "audience"},
		{i.token(p.now, map[string]any{"scope": "read writer"}), 403, "insufficient_scope"},
		{i.token(p.now, map[string]any{"scope": []string{"own"}}), 0, ""},
		{i.token(p.now, map[string]any{"scope": []string{"not own"}}), 403, "insufficient_scope"},
		{i.token(p.now, map[string]any{"scope": []string{"not own", "other"}}), 403, "insufficient_scope"},
		{i.token(p.now, map[string]any{"sub": strings.Repeat("x", maxClaimBytes+1)}), 401, "too long"},
		{other.token(p.now, nil), 401, "cannot be verified"},
		{"x", 401, "cannot be verified"},
		{strings.Repeat("x", 10_000), 401, "too long"},
		{"", 401, ""},
	} {
		for range 2 { // the second time from what is remembered
			x := p.bearing(c.token)
			challenge := x.Response.Fields.Get("WWW-Authenticate")
			if x.Response.Status != c.status || c.status != 0 && (!strings.Contains(challenge, c.says) || !strings.HasPrefix(challenge, `Bearer realm="the shop"`)) {
				t.Errorf("%.60s (%s): %d %s", c.token, c.says, x.Response.Status, challenge)
			}
		}
	}
	// A token whose end comes while it is remembered.
	token := i.token(p.now, nil)
	p.bearing(token)
	p.now = p.now.Add(2 * time.Hour)
	if x := p.bearing(token); x.Response.Status != 401 {
		t.Errorf("a token that has expired is remembered: %d", x.Response.Status)
	}
}

func TestJWTPlaces(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	keys := string(*i.set.Load())
	optional := newPolicy(t, filter.NewShared(), specOf("jwt", `{"issuer":"https://login.test","optional":true,"keep":true,"keys":`+keys+`}`))
	token := i.token(optional.now, nil)
	if x := optional.bearing(token); x.Response.Status != 0 || x.Request.Fields.Get("Authorization") != "Bearer "+token || x.User != "ann" {
		t.Errorf("%d %v", x.Response.Status, x.Request.Fields)
	}
	if x := optional.bearing(""); x.Response.Status != 0 || x.User != "" {
		t.Errorf("without a token: %d", x.Response.Status)
	}
	if x := optional.bearing("bad"); x.Response.Status != 401 {
		t.Errorf("with a bad one: %d", x.Response.Status)
	}
	placed := newPolicy(t, filter.NewShared(), specOf("jwt", `{"issuer":"https://login.test","header":"X-Token","cookie":"t","keys":`+keys+`}`))
	for _, field := range []string{"X-Token: " + token, "X-Token: bearer " + token, "Cookie: a=b; t=" + token} {
		if x := placed.bearing("", field); x.Response.Status != 0 || x.Request.Fields.Has("X-Token") {
			t.Errorf("%.20s: %d", field, x.Response.Status)
		}
	}
	if x := placed.bearing(token); x.Response.Status != 401 {
		t.Errorf("a token elsewhere passes: %d", x.Response.Status)
	}
	secret := model.FilterSpec{Kind: "jwt", Config: json.RawMessage(`{"issuer":"https://login.test"}`), Secret: "shop/keys", Data: model.NewSecretData(map[string]string{"jwks": keys})}
	if x := newPolicy(t, filter.NewShared(), secret).bearing(token); x.Response.Status != 0 {
		t.Errorf("with keys of a Secret: %d", x.Response.Status)
	}
	for _, bad := range []string{
		`{}`, `{"issuer":"x","url":"ftp://x"}`, `{"issuer":"x","url":"http://u@x/"}`, `{"issuer":"x","url":"http://x/","keys":{"keys":[]}}`, `{"issuer":"x","keys":{"keys":[]}}`,
		`{"issuer":"x","url":"http://x/","algorithms":["HS256"]}`, `{"issuer":"x","url":"http://x/","algorithms":["none"]}`, `{"issuer":"x","url":"http://x/","skew":"6m"}`,
		`{"issuer":"x","url":"http://x/","refresh":"1s"}`, `{"issuer":"x","url":"http://x/","stale":"200h"}`, `{"issuer":"x","url":"http://x/","claims":[{"claim":"a","header":"Host"}]}`,
		`{"issuer":"x","url":"http://x/","claims":[{"header":"X-A"}]}`, `{"issuer":"x","url":"http://x/","require":[{"claim":"a"}]}`, `{"issuer":"x","url":"http://x/","secretKey":"a"}`,
	} {
		if _, err := Kinds().Check(specOf("jwt", bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if _, err := Kinds().Bind(&model.Route{ID: "r", Filters: []model.FilterSpec{specOf("jwt", `{"issuer":"x"}`)}}, filter.NewShared(), optional); err == nil {
		t.Error("without any keys it is built")
	}
}

// TestJWTSendsOnWhatItHasVerified: an upstream never gets another token than the one that was verified.
func TestJWTSendsOnWhatItHasVerified(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	for _, keep := range []bool{false, true} {
		p := newPolicy(t, filter.NewShared(), specOf("jwt", fmt.Sprintf(`{"issuer":"https://login.test","cookie":"tok","keep":%v,"keys":%s}`, keep, *i.set.Load())))
		good := i.token(p.now, nil)
		for _, second := range []string{"Authorization: Bearer evil", "authorization: Basic eA=="} {
			x := p.bearing(good, second)
			if x.Response.Status != 400 || x.Code != CodeCredentialsTwice || !strings.Contains(x.Response.Fields.Get("WWW-Authenticate"), "invalid_request") {
				t.Errorf("keep %v, %s: %d %s", keep, second, x.Response.Status, x.Code)
			}
		}
		rest := "a=1; b=2"
		if keep {
			rest = "a=1; tok=" + good + "; b=2"
		}
		if x := p.bearing("", "Cookie: a=1; tok="+good+"; b=2; tok=evil"); x.Response.Status != 0 || x.Request.Fields.Get("Cookie") != rest {
			t.Errorf("keep %v: %d %s", keep, x.Response.Status, x.Request.Fields.Get("Cookie"))
		}
		if x := p.bearing(good, "Cookie: a=1; tok=evil"); x.Response.Status != 0 || x.Request.Fields.Get("Cookie") != "a=1" || x.Request.Fields.Has("Authorization") != keep {
			t.Errorf("keep %v, in both places: %d %v", keep, x.Response.Status, x.Request.Fields)
		}
	}
}

// TestJWTOptionalSendsOnNoToken: what an upstream may take for a token does not pass for none.
func TestJWTOptionalSendsOnNoToken(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	p := newPolicy(t, filter.NewShared(), specOf("jwt", fmt.Sprintf(`{"issuer":"https://login.test","cookie":"tok","optional":true,"keys":%s}`, *i.set.Load())))
	for _, c := range []struct {
		field  string
		status int
		cookie string
	}{
		{"Cookie: a=1; tok=evil", 401, ""}, {"Cookie: a=1; tok=; tok=evil", 0, "a=1"}, {"Cookie: a=1; tok =evil", 0, "a=1"}, {"Cookie: a=1", 0, "a=1"},
		{"Authorization: Bearer evil", 401, ""}, {"Authorization: bearer\tevil", 401, ""}, {"Authorization: Basic eDp5", 0, ""},
	} {
		x := p.bearing("", c.field)
		if x.Response.Status != c.status || c.status == 0 && x.Request.Fields.Get("Cookie") != c.cookie {
			t.Errorf("%q: %d, cookie %q", c.field, x.Response.Status, x.Request.Fields.Get("Cookie"))
		}
	}
	if x := p.bearing("", "Authorization: Bearer \t"+i.token(p.now, nil)); x.Response.Status != 0 || x.User != "ann" {
		t.Errorf("%d %q", x.Response.Status, x.User)
	}
}

// TestJWTClaimsAsFields: items of lists cannot be taken for several, and a claim that no field can have lets nobody pass without it.
func TestJWTClaimsAsFields(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	p := newPolicy(t, filter.NewShared(), specOf("jwt", fmt.Sprintf(`{"issuer":"https://login.test","keys":%s,"claims":[{"claim":"sub","header":"X-User"},{"claim":"roles","header":"X-Roles"}]}`, *i.set.Load())))
	for _, c := range []struct {
		claims      map[string]any
		status      int
		user, roles string
	}{
		{map[string]any{"roles": []string{"a,admin", "b"}}, 0, "ann", "a%2Cadmin,b"},
		{map[string]any{"roles": []string{"a%2Cadmin", "b"}}, 0, "ann", "a%252Cadmin,b"},
		{map[string]any{"roles": []string{"a,b"}}, 0, "ann", "a%2Cb"},
		{map[string]any{"roles": "a,b", "sub": "ann, %"}, 0, "ann, %", "a,b"},
		{map[string]any{"sub": "a\r\nX-Evil: 1"}, 401, "", ""},
		{map[string]any{"roles": []string{"a", "b\x00"}}, 401, "", ""},
		{map[string]any{"sub": " root"}, 401, "", ""},
		{map[string]any{"sub": "root\t"}, 401, "", ""},
		{map[string]any{"roles": []string{"a", " admin"}}, 401, "", ""},
		{map[string]any{"roles": []string{"a", "my admin"}}, 0, "ann", "a,my admin"},
		{map[string]any{"sub": nil}, 0, "", ""},
	} {
		x := p.bearing(i.token(p.now, c.claims), "X-User: root")
		if x.Response.Status != c.status {
			t.Errorf("%q: %d", c.claims, x.Response.Status)
		}
		if c.status == 401 && !strings.Contains(x.Response.Fields.Get("WWW-Authenticate"), "no header can have") { // which both reasons say
			t.Errorf("%q: %s", c.claims, x.Response.Fields.Get("WWW-Authenticate"))
		}
		if user, roles := x.Request.Fields.Get("X-User"), x.Request.Fields.Get("X-Roles"); c.status == 0 && (user != c.user || roles != c.roles) {
			t.Errorf("%q: user %q, roles %q", c.claims, user, roles)
		}
	}
}

// TestJWTFollowsKeys: a new key is asked for when it is first seen, one that is gone is not good any more, and without keys nobody passes.
func TestJWTFollowsKeys(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	i.away.Store(true)
	srv := httptest.NewServer(i)
	defer srv.Close()
	shared := filter.NewShared()
	p := newPolicy(t, shared, specOf("jwt", `{"issuer":"https://login.test","loopback":true,"stale":"10m","url":"`+srv.URL+`"}`))
	old := i.token(p.now, nil)
	if x := p.bearing(old); x.Response.Status != 503 || x.Code != CodeAuthFailed {
		t.Errorf("without keys: %d %s", x.Response.Status, x.Code)
	}
	i.away.Store(false)
	p.turn(2 * time.Second)
	if x := p.bearing(old); x.Response.Status != 0 {
		t.Errorf("with keys: %d %s", x.Response.Status, x.Response.Fields.Get("WWW-Authenticate"))
	}
	i.rotate("two")
	next := i.token(p.now, nil)
	if x := p.bearing(next); x.Response.Status != 401 {
		t.Errorf("it was asked a moment ago: %d", x.Response.Status)
	}
	p.turn(11 * time.Second)
	asked := i.asked.Load()
	for range 5 {
		if x := p.bearing(next); x.Response.Status != 0 {
			t.Errorf("of the new key: %d", x.Response.Status)
		}
	}
	if n := i.asked.Load() - asked; n != 1 {
		t.Errorf("asked %d times for it", n)
	}
	if x := p.bearing(old); x.Response.Status != 0 {
		t.Errorf("of the old key: %d", x.Response.Status)
	}
	i.publish(i.keys[1]) // the old one is withdrawn
	p.turn(11 * time.Second)
	other := newIssuer(t, jose.ES256)
	other.rotate("three")
	p.bearing(other.token(p.now, nil)) // whose key is unknown
	if x := p.bearing(old); x.Response.Status != 401 {
		t.Errorf("a remembered token of a key that is gone: %d", x.Response.Status)
	}
	i.away.Store(true)
	p.turn(9 * time.Minute)
	if x := p.bearing(next); x.Response.Status != 0 {
		t.Errorf("while the keys hold: %d", x.Response.Status)
	}
	p.turn(2 * time.Minute)
	if x := p.bearing(next); x.Response.Status != 503 {
		t.Errorf("when they are stale: %d", x.Response.Status)
	}
}

func TestJWTKeepsToPublicAddresses(t *testing.T) {
	i := newIssuer(t, jose.ES256)
	srv := httptest.NewServer(i)
	defer srv.Close()
	p := newPolicy(t, filter.NewShared(), specOf("jwt", `{"issuer":"https://login.test","url":"`+srv.URL+`"}`))
	if x := p.bearing(i.token(p.now, nil)); x.Response.Status != 503 || i.asked.Load() != 0 {
		t.Errorf("this machine is asked: %d, %d times", x.Response.Status, i.asked.Load())
	}
}

// BenchmarkJWT is what a token costs: seen for the first time, and again.
func BenchmarkJWT(b *testing.B) {
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256} {
		i := newIssuer(b, alg)
		p := &policy{now: time.Unix(1_000_000, 0)}
		f, err := jwtKind().Build(json.RawMessage(fmt.Sprintf(`{"issuer":"https://login.test","audiences":["shop"],"claims":[{"claim":"sub","header":"X-User"}],"keys":%s}`, *i.set.Load())),
			filter.Env{Clock: p, Route: "r"})
		if err != nil {
			b.Fatal(err)
		}
		head := []byte("GET / HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Bearer " + i.token(p.now, nil) + "\r\n\r\n")
		x := &filter.Exchange{}
		ask := func() {
			x.Reset()
			if _, err := x.Request.Parse(head, nil); err != nil || f.Request(x) != filter.Continue {
				b.Fatal(err, x.Response.Status)
			}
		}
		b.Run(string(alg)+"/cached", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
		n := uint64(0)
		b.Run(string(alg)+"/cold", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				binary.LittleEndian.PutUint64(f.(*jwt).pepper[:], n) // nothing is remembered
				n++
				ask()
			}
		})
	}
}

func TestClaimTexts(t *testing.T) {
	var c claims
	if err := json.Unmarshal([]byte("{\"a\": \"x\" , \"b\":\"\\u0078\\\"\", \"c\":\"\",\"d\":\"\xff\",\"e\":[\"x\",1, true ,null,[2],{\"f\":3},\"\"],\"f\":{\"g\":\"y\"},\"h\":null,\"i\":1.50,\"j\":\"\\\"\"}"), &c); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{"a": {"x"}, "b": {"x\""}, "c": {""}, "d": {"\ufffd"}, "e": {"x", "1", "true", ""}, "f": nil, "f.g": {"y"}, "h": nil, "i": {"1.50"}, "j": {"\""}, "none": nil} {
		if got := c.texts(path); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
