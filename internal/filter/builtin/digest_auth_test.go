package builtin

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// digestClient answers challenges as RFC 7616 says. A change is made to what it would say.
type digestClient struct{ user, password, realm, nonce string }

func (c digestClient) answer(method, uri string, count int, changes ...string) string {
	part := map[string]string{"username": c.user, "realm": c.realm, "nonce": c.nonce, "uri": uri, "qop": "auth", "nc": fmt.Sprintf("%08x", count), "cnonce": "0a4f113b", "algorithm": "MD5"}
	after := map[string]string{} // what is changed when all is signed
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		if late, ok := strings.CutPrefix(name, "then "); ok {
			after[late] = value
			continue
		}
		part[name] = value
	}
	ha1 := md5Hex(c.user + ":" + part["realm"] + ":" + c.password)
	ha2 := md5Hex(method + ":" + part["uri"])
	part["response"] = md5Hex(strings.Join([]string{ha1, part["nonce"], part["nc"], part["cnonce"], part["qop"], ha2}, ":"))
	for name, value := range after {
		part[name] = value
	}
	var out []string
	for name, value := range part {
		switch {
		case value == "-":
		case name == "nc" || name == "algorithm" || name == "qop":
			out = append(out, name+"="+value)
		default:
			out = append(out, name+`="`+value+`"`)
		}
	}
	return "Authorization: Digest " + strings.Join(out, ", ")
}

// nonceOf is the nonce of a challenge, and whether it says that the last one was stale.
func nonceOf(t *testing.T, x *filter.Exchange) (nonce string, stale bool) {
	t.Helper()
	challenge := x.Response.Fields.Get("WWW-Authenticate")
	if x.Response.Status != 401 || !strings.HasPrefix(challenge, `Digest realm="the shop", nonce="`) || !strings.Contains(challenge, `, qop="auth", algorithm=MD5`) {
		t.Fatalf("%d %q", x.Response.Status, challenge)
	}
	_, rest, _ := strings.Cut(challenge, `nonce="`)
	nonce, _, _ = strings.Cut(rest, `"`)
	return nonce, strings.HasSuffix(challenge, "stale=true")
}

func digest(config string, data map[string]string) model.FilterSpec {
	return model.FilterSpec{Kind: "digest-auth", Config: []byte(config), Secret: "shop/users", Data: model.NewSecretData(data)}
}

// digestUsers has ann, with the password "secret", in two realms, and a name that has to be quoted.
func digestUsers() map[string]string {
	return map[string]string{"auth": "ann:the shop:" + md5Hex("ann:the shop:secret") + "\nann:the depot:" + md5Hex("ann:the depot:secret") +
		"\na \"b\" \\c:the shop:" + md5Hex(`a "b" \c:the shop:secret`) + "\n"}
}

const shopRealm = `{"realm":"the shop"}`

func TestDigestAuth(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), digest(shopRealm, digestUsers()))
	nonce, stale := nonceOf(t, p.ask("192.0.2.1", "GET /a?b=c"))
	if stale {
		t.Error("the first challenge says that one before it was stale")
	}
	ann := digestClient{"ann", "secret", "the shop", nonce}
	if x := p.ask("192.0.2.1", "GET /a?b=c", ann.answer("GET", "/a?b=c", 1), "Authorization: Basic eA=="); x.Response.Status != 400 || x.Code != CodeCredentialsTwice {
		t.Errorf("two fields: %d %s", x.Response.Status, x.Code)
	}
	x := p.ask("192.0.2.1", "GET /a?b=c", ann.answer("GET", "/a?b=c", 1))
	if x.Response.Status != 0 || x.User != "ann" || x.Request.Fields.Has("Authorization") || !x.Identified() {
		t.Fatalf("%d %s, user %q", x.Response.Status, x.Code, x.User)
	}
	p.chain.Response(x)
	proof := md5Hex(strings.Join([]string{md5Hex("ann:the shop:secret"), nonce, "00000001", "0a4f113b", "auth", md5Hex(":/a?b=c")}, ":"))
	if got, want := x.Response.Fields.Get("Authentication-Info"), `qop=auth, rspauth="`+proof+`", cnonce="0a4f113b", nc=00000001`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for i, good := range []string{ // of one nonce, with counts that rise
		ann.answer("GET", "/a?b=c", 2),
		ann.answer("GET", "/a?b=c", 3, "algorithm=-"),
		strings.Replace(ann.answer("GET", "/a?b=c", 4), "qop=auth", `qop="auth"`, 1),
		strings.Replace(ann.answer("GET", "/a?b=c", 5), "Digest ", "DIGEST  ,", 1),
		strings.Replace(ann.answer("GET", "/a?b=c", 6), "Digest ", `Digest opaque="x,y=\"z", `, 1),
	} {
		if x := p.ask("192.0.2.9", "GET /a?b=c", good); x.Response.Status != 0 {
			t.Errorf("%d: %q: %d %s", i, good, x.Response.Status, x.Code)
		}
	}
	if x := p.ask("192.0.2.1", "GET http://shop.test:8080/x", ann.answer("GET", "/x", 7)); x.Response.Status != 0 {
		t.Errorf("absolute form, signed by its path: %d", x.Response.Status)
	}
	quoted := digestClient{`a "b" \c`, "secret", "the shop", nonce}
	if x := p.ask("192.0.2.1", "GET /x", quoted.answer("GET", "/x", 8, `then username=a \"b\" \\c`)); x.Response.Status != 0 || x.User != quoted.user {
		t.Errorf("a name in quotes: %d, %q", x.Response.Status, x.User)
	}
	kept := newPolicy(t, filter.NewShared(), digest(`{"realm":"the shop","keep":true,"format":"map"}`, map[string]string{"ann": "the shop:" + md5Hex("ann:the shop:secret") + "\n"}))
	ann.nonce, _ = nonceOf(t, kept.ask("192.0.2.1", "GET /"))
	if x := kept.ask("192.0.2.1", "GET /", ann.answer("GET", "/", 1)); x.Response.Status != 0 || !x.Request.Fields.Has("Authorization") {
		t.Errorf("kept, of a map: %d", x.Response.Status)
	}
}

// TestDigestAuthRefuses: what shows nothing of a password gets a new challenge, which does not say stale.
func TestDigestAuthRefuses(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), digest(shopRealm, digestUsers()))
	nonce, _ := nonceOf(t, p.ask("192.0.2.1", "GET /"))
	ann := digestClient{"ann", "secret", "the shop", nonce}
	other := func(user, password string) digestClient { return digestClient{user, password, "the shop", nonce} }
	for name, field := range map[string]string{
		"a wrong password":                 other("ann", "wrong").answer("GET", "/a", 1),
		"an unknown user":                  other("eve", "secret").answer("GET", "/a", 1),
		"an unknown user without password": other("eve", "").answer("GET", "/a", 1),
		"a foreign uri":                    ann.answer("GET", "/b", 1),
		"a uri without its query":          ann.answer("GET", "/a", 1, "uri=/"),
		"a uri that was changed":           ann.answer("GET", "/b", 1, "then uri=/a"),
		"another method":                   ann.answer("POST", "/a", 1),
		"a wrong realm":                    ann.answer("GET", "/a", 1, "realm=the depot"),
		"a realm that was changed":         ann.answer("GET", "/a", 1, "realm=the depot", "then realm=the shop"),
		"another count":                    ann.answer("GET", "/a", 1, "then nc=00000002"),
		"another nonce of its own":         ann.answer("GET", "/a", 1, "then cnonce=x"),
		"no qop":                           ann.answer("GET", "/a", 1, "qop=-"),
		"auth-int":                         ann.answer("GET", "/a", 1, "qop=auth-int"),
		"no count":                         ann.answer("GET", "/a", 1, "nc=-"),
		"a short count":                    ann.answer("GET", "/a", 1, "nc=1"),
		"no user":                          ann.answer("GET", "/a", 1, "username=-"),
		"no response":                      ann.answer("GET", "/a", 1, "then response=-"),
		"half a response":                  ann.answer("GET", "/a", 1, "then response=0123"),
		"SHA-256":                          ann.answer("GET", "/a", 1, "algorithm=SHA-256"),
		"MD5-sess":                         ann.answer("GET", "/a", 1, "algorithm=MD5-sess"),
		"a name that is said twice":        ann.answer("GET", "/a", 1) + `, username="ann"`,
		"an end that is missing":           ann.answer("GET", "/a", 1) + `, opaque="x`,
		"something between":                strings.Replace(ann.answer("GET", "/a", 1), `", `, `"x, `, 1),
		"a nonce that is too long":         ann.answer("GET", "/a", 1, "nonce="+strings.Repeat("x", maxNonce+1)),
		"a name that is too long":          other(strings.Repeat("x", 2000)+`\"`, "secret").answer("GET", "/a", 1),
		"nothing":                          "Authorization: Digest",
		"basic":                            as("ann", "secret"),
	} {
		x := p.ask("192.0.2.1", "GET /a", field)
		if _, stale := nonceOf(t, x); stale || x.Code != CodeUnauthorized || x.User != "" {
			t.Errorf("%s: stale %v, code %s, user %q", name, stale, x.Code, x.User)
		}
	}
	if x := p.ask("192.0.2.1", "GET /a?b=c", ann.answer("GET", "/a", 1)); x.Response.Status != 401 {
		t.Error("a query that was not signed passes")
	}
	if x := p.ask("192.0.2.1", "GET /a", ann.answer("GET", "/a", 1)); x.Response.Status != 0 {
		t.Errorf("none of these was to cost the nonce its count: %d %s", x.Response.Status, x.Code)
	}
}

// TestDigestAuthReplays: whoever has the password and an old nonce is told so, and whoever only has seen a request go by gets nothing.
func TestDigestAuthReplays(t *testing.T) {
	shared := filter.NewShared()
	p := newPolicy(t, shared, digest(`{"realm":"the shop","lifetime":"1m"}`, digestUsers()))
	nonce, _ := nonceOf(t, p.ask("192.0.2.1", "GET /"))
	ann := digestClient{"ann", "secret", "the shop", nonce}
	try := func(field string) (passed, stale bool) {
		t.Helper()
		x := p.ask("192.0.2.1", "GET /", field)
		if x.Response.Status == 0 {
			return true, false
		}
		_, stale = nonceOf(t, x)
		if stale != (x.Code == CodeStaleNonce) {
			t.Errorf("stale %v, and code %s", stale, x.Code)
		}
		return false, stale
	}
	want := func(what, field string, wantPassed bool) {
		t.Helper()
		if passed, stale := try(field); passed != wantPassed || !passed && !stale {
			t.Errorf("%s: passed %v, stale %v", what, passed, stale)
		}
	}
	first := ann.answer("GET", "/", 1)
	want("the first", first, true)
	want("the same again", first, false)
	want("a count ahead", ann.answer("GET", "/", 70), true)
	want("that again", ann.answer("GET", "/", 70), false)
	want("one that was left out, in sight", ann.answer("GET", "/", 7), true)
	want("that again", ann.answer("GET", "/", 7), false)
	want("one that is out of sight", ann.answer("GET", "/", 6), false)
	want("a count of none", ann.answer("GET", "/", 0), false)
	want("a count that is no number", ann.answer("GET", "/", 1, "nc=0000000x"), false)
	want("the highest there is", ann.answer("GET", "/", 0xffffffff), true)
	want("that again", ann.answer("GET", "/", 0xffffffff), false)

	for name, forged := range map[string]string{
		"another server's":     "dcd98b7102dd2f0e8b11d0f600bfb0c093",
		"another process'":     issued(t, p.now),
		"one that was changed": nonce[1:] + nonce[:1],
		"one of the future":    issuedBy(t, shared, p.now.Add(time.Hour)),
	} {
		want(name, ann.answer("GET", "/", 1, "nonce="+forged), false)
	}
	// Another route of the process knows what was used.
	beside := newPolicy(t, shared, digest(shopRealm, digestUsers()))
	if x := beside.ask("192.0.2.1", "GET /", ann.answer("GET", "/", 70)); x.Code != CodeStaleNonce {
		t.Errorf("what one route has seen passes at another: %d %s", x.Response.Status, x.Code)
	}
	ann.nonce, _ = nonceOf(t, p.ask("192.0.2.1", "GET /"))
	p.now = p.now.Add(time.Minute)
	want("at the end of its time", ann.answer("GET", "/", 1), true)
	p.now = p.now.Add(time.Millisecond)
	want("after it", ann.answer("GET", "/", 2), false)
}

// issued is a nonce of somebody else's.
func issued(t *testing.T, at time.Time) string {
	t.Helper()
	n, err := newNonces()
	if err != nil {
		t.Fatal(err)
	}
	var room [nonceText]byte
	return string(n.issue(at, &room))
}

// issuedBy is a nonce of the shared table, of another time.
func issuedBy(t *testing.T, shared *filter.Shared, at time.Time) string {
	t.Helper()
	p := newPolicy(t, shared, digest(shopRealm, digestUsers()))
	p.now = at
	nonce, _ := nonceOf(t, p.ask("192.0.2.1", "GET /"))
	return nonce
}

// TestForgottenNonces: where there are more than are remembered, none that was forgotten may be used again.
func TestForgottenNonces(t *testing.T) {
	n, err := newNonces()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	var room [nonceText]byte
	var all []string
	for range 3 * spentNonces {
		now = now.Add(time.Millisecond)
		all = append(all, string(n.issue(now, &room)))
		if !n.spend(all[len(all)-1], 1, now, time.Hour) {
			t.Fatal("a new nonce is of no use")
		}
	}
	if kept := n.spent.len(); kept > spentNonces {
		t.Errorf("%d are kept", kept)
	}
	again := 0
	for i, nonce := range all {
		if n.spend(nonce, 1, now, time.Hour) {
			t.Fatalf("nonce %d is used again with the same count", i)
		}
		if n.spend(nonce, 2, now, time.Hour) {
			again++
		}
	}
	if again == 0 || again > spentNonces {
		t.Errorf("%d can be used on", again)
	}
}

func TestDigestAuthFailsClosed(t *testing.T) {
	for _, config := range []string{`{}`, `{"realm":"a\"b"}`, `{"realm":"a:b"}`, `{"realm":"a","format":"htpasswd"}`, `{"realm":"a","lifetime":"25h"}`, `{"realm":"a","lifetime":"1"}`} {
		if code, err := Kinds().Check(digest(config, digestUsers())); code != model.CodeInvalidFilter {
			t.Errorf("%s: %q %v", config, code, err)
		}
	}
	spec := digest(shopRealm, nil)
	if code, err := Kinds().Check(spec); code != model.CodeSecretMissing {
		t.Errorf("%q %v", code, err)
	}
	for _, s := range []model.FilterSpec{spec, digest(shopRealm, map[string]string{"other": "a:b"})} {
		if _, err := Kinds().Bind(&model.Route{ID: "r", Filters: []model.FilterSpec{s}}, filter.NewShared(), clock{}); err == nil {
			t.Errorf("%+v is bound", s)
		}
	}
}

// TestDigestAuthRFC: the example of RFC 2617, section 3.5: the password is right, and the nonce is not ours.
func TestDigestAuthRFC(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), digest(`{"realm":"testrealm@host.com"}`, map[string]string{"auth": "Mufasa:testrealm@host.com:" + md5Hex("Mufasa:testrealm@host.com:Circle Of Life")}))
	x := p.ask("192.0.2.1", "GET /dir/index.html", `Authorization: Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"`)
	if x.Response.Status != 401 || x.Code != CodeStaleNonce {
		t.Errorf("%d %s", x.Response.Status, x.Code)
	}
}

func FuzzDigestAnswer(f *testing.F) {
	f.Add(`Digest username="a\"b", realm="r", nonce="n", uri="/", qop=auth, nc=00000001, cnonce="c", response="r"`)
	f.Add(`Digest username=a,,realm="" nc=`)
	f.Fuzz(func(t *testing.T, field string) {
		var a digestAnswer
		var room [maxCredentials]byte
		if !a.parse(field, &room) {
			return
		}
		for _, part := range []string{a.user, a.realm, a.nonce, a.uri, a.response, a.cnonce, a.count} {
			if part == "" || len(part) > len(field) {
				t.Errorf("%q: %+v", field, a)
			}
		}
		if _, ok := parseCount(a.count); ok && len(a.count) != countDigits {
			t.Errorf("%q: count %q", field, a.count)
		}
	})
}
