package builtin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authService answers as the query tells, and keeps what it was asked.
type authService struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request
	heads []string
}

func newAuthService(t *testing.T) *authService {
	t.Helper()
	s := &authService{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.asked = append(s.asked, r)
		s.heads = append(s.heads, fmt.Sprintf("%s %s %d %v", r.Method, r.Host, len(body), r.Header))
		s.mu.Unlock()
		w.Header().Set("X-User", r.Header.Get("Authorization"))
		w.Header().Add("X-Groups", "a")
		w.Header().Add("X-Groups", "b")
		w.Header().Set("Www-Authenticate", `Bearer realm="x"`)
		if r.URL.Query().Has("cookie") {
			w.Header().Set("Set-Cookie", "s=1")
		}
		if r.URL.Query().Has("hang") {
			<-r.Context().Done()
			return
		}
		if r.URL.Query().Has("flood") {
			for range 100 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
			return
		}
		status := 200
		if v := r.Header.Get("X-Want"); v != "" {
			_, _ = fmt.Sscan(v, &status)
		}
		if status == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "inside information")
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *authService) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *authService) policy(t *testing.T, config string, shared *filter.Shared) *policy {
	t.Helper()
	return newPolicy(t, shared, specOf("external-auth", strings.Replace(config, "URL", s.URL, 1)))
}

func TestExternalAuth(t *testing.T) {
	s := newAuthService(t)
	p := s.policy(t, `{"url":"URL/check?for={host}","loopback":true,"upstream":["X-User","X-Groups","X-None"],"omit":["X-Secret"],"failStatus":500,
		"headers":[{"name":"X-Original-URL","value":"{scheme}://{authority}{uri}"},{"name":"X-Original-Method","value":"{method}"},{"name":"X-Empty","value":"{header.X-Nothing}"}]}`, filter.NewShared())
	x := &filter.Exchange{Waiter: &engine{}}
	p.again(x, "192.0.2.1", "POST /a/../b?c=d", "Content-Length: 5", "Content-Type: text/plain", "Authorization: Bearer t", "X-User: forged", "X-None: forged", "X-Secret: s",
		"X-Empty: full", "X-Forwarded-Proto: https", "Connection: X-Hop", "X-Hop: 1", "Cookie: a=b")
	if x.Response.Status != 0 {
		t.Fatalf("%+v", x.Response)
	}
	var groups []string
	for v := range x.Request.Fields.Values("X-Groups") {
		groups = append(groups, v)
	}
	twice := p.ask("192.0.2.1", "GET /", "Authorization: Bearer t", "Authorization: Bearer evil")
	if twice.Response.Status != 400 || twice.Code != CodeCredentialsTwice || len(s.asked) != 1 {
		t.Errorf("two fields: %d %s, asked %d times", twice.Response.Status, twice.Code, len(s.asked))
	}
	if x.Request.Fields.Get("X-User") != "Bearer t" || fmt.Sprint(groups) != "[a b]" || x.Request.Fields.Has("X-None") {
		t.Errorf("the upstream gets %+v", x.Request.Fields)
	}
	asked := s.asked[0]
	h := asked.Header
	if asked.Method != "GET" || asked.URL.RawQuery != "for=shop.test" || h.Get("X-Original-Url") != "https://shop.test:8080/b?c=d" || h.Get("X-Original-Method") != "POST" || h.Get("Authorization") != "Bearer t" ||
		h.Get("Cookie") != "a=b" || asked.ContentLength != 0 {
		t.Errorf("asked %s", s.heads[0])
	}
	for _, name := range []string{"X-User", "X_user", "X-None", "X-Secret", "X-Empty", "X-Forwarded-Proto", "Content-Length", "Content-Type", "X-Hop", "User-Agent"} {
		if _, has := h[name]; has {
			t.Errorf("the service gets %s: %q", name, h[name])
		}
	}
	for want, status := range map[string]int{"200": 0, "204": 0, "401": 401, "403": 403, "302": 500, "404": 500, "500": 500} {
		p.again(x, "192.0.2.1", "GET /", "X-Want: "+want)
		if x.Response.Status != status {
			t.Errorf("of %s comes %d, want %d", want, x.Response.Status, status)
		}
		if strings.Contains(x.Body, "inside") {
			t.Error("what the service says is shown")
		}
		if want == "401" && x.Response.Fields.Get("WWW-Authenticate") != `Bearer realm="x"` {
			t.Errorf("%+v", x.Response.Fields)
		}
	}
}

func TestExternalAuthFailsClosed(t *testing.T) {
	s := newAuthService(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, c := range []string{
		`{"url":"` + gone.URL + `","loopback":true}`,           // nobody there
		`{"url":"URL/?hang","loopback":true,"timeout":"50ms"}`, // too slow
		`{"url":"URL/"}`, // an address that may not be asked
		`{"url":"http://169.254.169.254/","timeout":"1s"}`,                      // nor this
		`{"url":"http://no-such-host.invalid/","timeout":"1s"}`,                 // no such name
		`{"url":"http://{host}:1/x","loopback":true,"timeout":"500ms"}`,         // nor this
		`{"url":"https://` + s.Listener.Addr().String() + `/","loopback":true}`, // no TLS there
	} {
		p := s.policy(t, c, filter.NewShared())
		x := &filter.Exchange{Waiter: &engine{}}
		began := time.Now()
		p.again(x, "192.0.2.1", "GET /")
		if x.Response.Status != 503 || x.Code != CodeAuthFailed || time.Since(began) > 8*time.Second {
			t.Errorf("%s: %d %s after %v", c, x.Response.Status, x.Code, time.Since(began))
		}
	}
	p := s.policy(t, `{"url":"URL/?flood","loopback":true}`, filter.NewShared())
	x := &filter.Exchange{Waiter: &engine{}}
	if p.again(x, "192.0.2.1", "GET /"); x.Response.Status != 0 { // the head has said yes, and the body is nothing to us
		t.Errorf("%+v", x.Response)
	}
	over := s.policy(t, `{"url":"URL/","loopback":true}`, filter.NewShared())
	x = &filter.Exchange{Waiter: ended{}}
	if over.again(x, "192.0.2.1", "GET /"); over.chain.Request(x) != filter.Respond {
		t.Errorf("a request that is over goes on: %+v", x.Response)
	}
}

// ended is an engine whose client has left.
type ended struct{}

func (ended) Wait(_ time.Duration, f func(context.Context)) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f(ctx)
	return false
}

func TestSignIn(t *testing.T) {
	s := newAuthService(t)
	for _, c := range []struct{ config, want string }{
		{`"signIn":"https://login.test/start"`, "https://login.test/start?rd=http://shop.test:8080%2Fa%3Fb%3Dc"},
		{`"signIn":"https://login.test/start?x=y"`, "https://login.test/start?x=y&rd=http://shop.test:8080%2Fa%3Fb%3Dc"},
		{`"signIn":"https://login.test/?rd={escaped-uri}"`, "https://login.test/?rd=%2Fa%3Fb%3Dc"},
		{`"signIn":"https://{host}/in","signInParameter":"back"`, "https://shop.test/in?back=http://shop.test:8080%2Fa%3Fb%3Dc"},
	} {
		p := s.policy(t, `{"url":"URL/?cookie","loopback":true,`+c.config+`}`, filter.NewShared())
		x := &filter.Exchange{Waiter: &engine{}}
		p.again(x, "192.0.2.1", "GET /a?b=c", "X-Want: 401")
		if got := x.Response.Fields.Get("Location"); x.Response.Status != 302 || got != c.want || x.Response.Fields.Get("Set-Cookie") != "s=1" {
			t.Errorf("%s: %d %q", c.config, x.Response.Status, got)
		}
	}
}

func TestAuthCookies(t *testing.T) {
	s := newAuthService(t)
	for config, want := range map[string]map[int]bool{``: {200: true, 404: false}, `,"alwaysCookies":true`: {200: true, 404: true}} {
		p := s.policy(t, `{"url":"URL/?cookie","loopback":true`+config+`}`, filter.NewShared())
		x := &filter.Exchange{Waiter: &engine{}}
		for status, has := range want {
			p.again(x, "192.0.2.1", "GET /")
			x.Response.Reset()
			x.Response.Status = status
			p.chain.Response(x)
			if got := x.Response.Fields.Has("Set-Cookie"); got != has {
				t.Errorf("%s: %d has a cookie: %v", config, status, got)
			}
		}
		p.again(x, "192.0.2.1", "GET /", "X-Want: 401")
		if got := x.Response.Fields.Has("Set-Cookie"); got != (config != "") {
			t.Errorf("%s: 401 has a cookie: %v", config, got)
		}
	}
}

func TestAuthCache(t *testing.T) {
	s := newAuthService(t)
	p := s.policy(t, `{"url":"URL/","loopback":true,"upstream":["X-User"],"cacheKey":"{header.Authorization}","cache":[{"statuses":["2xx"],"for":"10m"},{"statuses":["401-402"],"for":"1m"}]}`, filter.NewShared())
	e := &engine{}
	x := &filter.Exchange{Waiter: e}
	ask := func(token, want string) int {
		p.again(x, "192.0.2.1", "GET /", "Authorization: "+token, "X-Want: "+want)
		if x.Response.Status == 0 && x.Request.Fields.Get("X-User") != token {
			t.Errorf("%s gets the answer for %s", token, x.Request.Fields.Get("X-User"))
		}
		return x.Response.Status
	}
	for range 3 {
		if ask("a", "200") != 0 || ask("b", "401") != 401 || ask("c", "200") != 0 {
			t.Error("decided otherwise")
		}
	}
	if s.count() != 3 || e.waits != 3 {
		t.Errorf("asked %d times", s.count())
	}
	p.now = p.now.Add(2 * time.Minute)
	if ask("a", "403") != 0 || ask("b", "403") != 403 || s.count() != 4 {
		t.Errorf("asked %d times", s.count())
	}
	if ask("b", "200") != 0 { // 403 is not kept
		t.Error("403 is kept")
	}
	cookies := s.policy(t, `{"url":"URL/?cookie","loopback":true,"cacheKey":"{header.Authorization}","cache":[{"statuses":[200],"for":"10m"}]}`, filter.NewShared())
	before := s.count()
	for range 2 {
		cookies.again(x, "192.0.2.1", "GET /")
	}
	if s.count() != before+2 {
		t.Error("an answer with a cookie is kept")
	}
}

// TestAuthCacheTellsRequestsApart: an answer is for those of whom every part of the key says the same, and not for those whose parts are the
// same when they are written in a row.
func TestAuthCacheTellsRequestsApart(t *testing.T) {
	s := newAuthService(t)
	for _, c := range []struct{ key, line, fields, other, otherFields string }{
		{"{header.X-Key}{uri}", "GET /b/c", "X-Key: a", "GET /c", "X-Key: a/b"},
		{"{header.X-Key}{header.X-Tenant}", "GET /", "X-Key: ab|X-Tenant: c", "GET /", "X-Key: a|X-Tenant: bc"},
		{"{header.X-Key}", "GET /", "X-Key: |X-Key: good", "GET /", ""},
		{"{header.X-Key}", "GET /", "X-Key: |X-Key: good", "GET /", "X-Key: "},
		{"{header.X-Key}", "GET /", "X-Key: a|Connection: X-Key", "GET /", "X-Key: a"},
		{"{cookie.s}", "GET /", "Cookie: s=; s=good", "GET /", "Cookie: s="},
		{"{query.k}", "GET /?k=&k=good", "", "GET /?k=", ""},
	} {
		p := s.policy(t, `{"url":"URL/","loopback":true,"cacheKey":"`+c.key+`","cache":[{"statuses":[200],"for":"10m"}]}`, filter.NewShared())
		x := &filter.Exchange{Waiter: &engine{}}
		ask := func(line, fields, want string) int {
			said := []string{"X-Want: " + want}
			if fields != "" {
				said = append(said, strings.Split(fields, "|")...)
			}
			p.again(x, "192.0.2.1", line, said...)
			return x.Response.Status
		}
		if ask(c.line, c.fields, "200") != 0 || ask(c.line, c.fields, "401") != 0 {
			t.Errorf("%s: %s %s is not kept", c.key, c.line, c.fields)
		}
		if got := ask(c.other, c.otherFields, "401"); got != 401 {
			t.Errorf("%s: %s %q is let in as %s %q", c.key, c.other, c.otherFields, c.line, c.fields)
		}
	}
}

// TestAddressesOfTexts: what a client says in a part of an address is one value of it, and leads to no other path.
func TestAddressesOfTexts(t *testing.T) {
	s := newAuthService(t)
	p := s.policy(t, `{"url":"URL/of/{header.X-Tenant}/check?t={query.t}&m={method}&u={cookie.u}","loopback":true,"signIn":"https://login.test/in?back={query.t}&rd="}`, filter.NewShared())
	x := &filter.Exchange{Waiter: &engine{}}
	for _, c := range []struct {
		line, tenant, cookie string
		status               int
		asked                string
	}{
		{"GET /?t=a%26role%3Dadmin", "one", "b&role=admin", 0, "/of/one/check?t=a%26role%3Dadmin&m=GET&u=b%26role%3Dadmin"},
		{"GET# /?t=a+b", "one", "", 0, "/of/one/check?t=a%20b&m=GET%23&u="},
		{"GET /", "a/b?c#d", "", 0, "/of/a%2Fb%3Fc%23d/check?t=&m=GET&u="},
		{"GET /", "../../open?", "", 503, ""}, // escaped it is one segment, and some servers take it for several
		{"GET /", "a/../..", "", 503, ""},
		{"GET /", "..", "", 503, ""},
		{"GET /", ".", "", 503, ""},
	} {
		before := s.count()
		p.again(x, "192.0.2.1", c.line, "X-Tenant: "+c.tenant, "Cookie: u="+c.cookie)
		if x.Response.Status != c.status {
			t.Errorf("%s of %s: %d", c.line, c.tenant, x.Response.Status)
		}
		switch asked := s.count() - before; {
		case c.status == 0 && (asked != 1 || s.asked[before].URL.RequestURI() != c.asked):
			t.Errorf("%s of %s: asked %q", c.line, c.tenant, s.asked[before].URL.RequestURI())
		case c.status != 0 && asked != 0:
			t.Errorf("%s of %s: asked %q", c.line, c.tenant, s.asked[before].URL.RequestURI())
		}
	}
	p.again(x, "192.0.2.1", "GET /?t=a%26redirect%3Dhttps://evil.test", "X-Tenant: one", "X-Want: 401")
	if got := x.Response.Fields.Get("Location"); got != "https://login.test/in?back=a%26redirect%3Dhttps%3A%2F%2Fevil.test&rd=" {
		t.Errorf("sent to %s", got)
	}
}

// TestQuestionHasNoTwins: what the question says in a field the client does not say in another spelling of it, which services take for the same.
func TestQuestionHasNoTwins(t *testing.T) {
	s := newAuthService(t)
	p := s.policy(t, `{"url":"URL/","loopback":true,"headers":[{"name":"X-Original-URL","value":"{uri}"}]}`, filter.NewShared())
	x := &filter.Exchange{Waiter: &engine{}}
	x.Reset()
	if _, err := x.Request.Parse([]byte("GET /secret HTTP/1.1\r\nHost: a\r\nX_Original_URL: /open\r\nX_Other: 1\r\n\r\n"), &http1.Limits{Underscores: http1.KeepUnderscores}); err != nil {
		t.Fatal(err)
	}
	p.chain.Request(x)
	if asked := s.heads[0]; strings.Contains(asked, "/open") || !strings.Contains(asked, "/secret") || !strings.Contains(strings.ToLower(asked), "x_other") {
		t.Errorf("asked %s", asked)
	}
}

func TestRefusedExternalAuth(t *testing.T) {
	for config, says := range map[string]string{
		`{}`:                                 "begins with neither",
		`{"url":"ftp://a.test"}`:             "begins with neither",
		`{"url":"http://{header.X}/"}`:       "for clients to choose",
		`{"url":"http://a.{query.h}.test/"}`: "for clients to choose",
		`{"url":"http://u@a.test/"}`:         "has a user",
		`{"url":"http:///x"}`:                "is empty",
		`{"url":"http://a.test/{nothing}"}`:  "no part of a request",
		`{"url":"http://a.test/{host"}`:      "not closed",
		`{"url":"http://a.test/","cache":[{"statuses":[200],"for":"1m"}]}`:           "cacheKey",
		`{"url":"http://a.test/","headers":[{"name":"Content-Length","value":"1"}]}`: "cannot be set",
		`{"url":"http://a.test/","upstream":["Transfer-Encoding"]}`:                  "managed",
		`{"url":"http://a.test/","signIn":"//evil.test"}`:                            "signIn",
		`{"url":"http://a.test/","timeout":"2h"}`:                                    "timeout",
		`{"url":"http://a.test/","failStatus":200}`:                                  "500 to 599",
		`{"url":"http://a.test/","method":"CONNECT"}`:                                "method",
	} {
		code, err := Kinds().Check(specOf("external-auth", config))
		if code != model.CodeInvalidFilter || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", config, code, err)
		}
	}
}
