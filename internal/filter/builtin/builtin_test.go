package builtin

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/compile"
	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

var _ compile.CheckFilters = Kinds().CheckRoute

type clock struct{}

func (clock) Now() time.Time { return time.Time{} }

// pass sends a request for path through one filter of a route with this pattern.
func pass(t *testing.T, kind, config, pattern, path string, fields ...string) (*filter.Exchange, *filter.Chain, filter.Verdict) {
	t.Helper()
	spec := model.FilterSpec{Kind: kind, Config: json.RawMessage(config)}
	if code, err := Kinds().Check(spec); err != nil {
		t.Fatalf("%s %s: %s: %v", kind, config, code, err)
	}
	chain, err := Kinds().Bind(&model.Route{Filters: []model.FilterSpec{spec}}, filter.NewShared(), clock{})
	if err != nil {
		t.Fatal(err)
	}
	match := model.PathMatch{}
	if pattern != "" {
		match = model.PathMatch{Kind: model.PathPattern, Value: pattern}
	}
	r, err := snapshot.NewRoute(&model.Route{ID: "r", Match: model.Match{Path: match}})
	if err != nil {
		t.Fatal(err)
	}
	x := &filter.Exchange{}
	x.Reset()
	head := "GET " + path + " HTTP/1.1\r\nHost: shop.test\r\n" + strings.Join(fields, "\r\n")
	if len(fields) > 0 {
		head += "\r\n"
	}
	if _, err := x.Request.Parse([]byte(head+"\r\n"), nil); err != nil {
		t.Fatal(path, err)
	}
	x.Bind(r)
	return x, chain, chain.Request(x)
}

func TestPaths(t *testing.T) {
	for _, c := range []struct{ kind, config, pattern, path, want string }{
		{"strip-prefix", `{"parts":1}`, "", "/order/42", "/42"},
		{"strip-prefix", `{"parts":1}`, "", "/order/", "/"},
		{"strip-prefix", `{"parts":1}`, "", "/order", "/"},
		{"strip-prefix", `{"parts":1}`, "", "/", "/"},
		{"strip-prefix", `{"parts":2}`, "", "/a/b/c/d/", "/c/d/"},
		{"strip-prefix", `{"parts":9}`, "", "/a/b/c", "/"},
		{"prefix-path", `{"prefix":"/v 2/"}`, "", "/a", "/v%202/a"},
		{"prefix-path", `{"prefix":"/"}`, "", "/a", "/a"},
		{"prefix-path", `{"prefix":"/v2/{id}/"}`, "/of/{id}", "/of/7", "/v2/7/of/7"},
		{"prefix-path", `{"prefix":"/{id}"}`, "/of/{other}", "/of/7", "/%7Bid%7D/of/7"},
		{"rewrite-path", `{"regexp":"^/red/?(?P<rest>.*)","replacement":"/${rest}"}`, "", "/red/blue", "/blue"},
		{"rewrite-path", `{"regexp":"^/red/?(?P<rest>.*)","replacement":"/${rest}"}`, "", "/red", "/"},
		{"rewrite-path", `{"regexp":"^/red/?(.*)","replacement":"/$1"}`, "", "/green", "/green"},
		{"rewrite-path", `{"regexp":"/a","replacement":"/b"}`, "", "/a/a", "/b/b"},
		{"rewrite-path", `{"regexp":".*","replacement":""}`, "", "/a", "/"},
		{"rewrite-path", `{"regexp":"x","replacement":"/../.."}`, "", "/a/x/b", "/b"},
		{"rewrite-path", `{"regexp":"x","replacement":"?y#z"}`, "", "/x", "/%3Fy%23z"},
		{"set-path", `{"template":"/v2/{id}"}`, "/u/{id}/**", "/u/7%20/x", "/v2/7%20"},
		{"set-path", `{"template":"{x}/{none}"}`, "", "/x", ""},
		{"set-path", `{"template":"/x{rest}"}`, "/u/{*rest}", "/u/a/b", "/x/a/b"},
	} {
		if c.want == "" {
			if _, err := Kinds().Check(model.FilterSpec{Kind: c.kind, Config: json.RawMessage(c.config)}); err == nil {
				t.Errorf("%s %s is taken", c.kind, c.config)
			}
			continue
		}
		x, _, v := pass(t, c.kind, c.config, c.pattern, c.path)
		if v != filter.Continue || x.Request.Path != c.want {
			t.Errorf("%s %s on %s: %q, want %q", c.kind, c.config, c.path, x.Request.Path, c.want)
		}
		if again, err := http1.NormalPath(x.Request.Path); err != nil || again != x.Request.Path {
			t.Errorf("%s %s on %s: %q is not normal", c.kind, c.config, c.path, x.Request.Path)
		}
	}
}

func TestRewriteIsCheckedAgain(t *testing.T) {
	for _, c := range []struct{ config, path string }{
		{`{"regexp":"_","replacement":"%"}`, "/_00"},      // would make %00
		{`{"regexp":"^/x","replacement":""}`, "/xevil"},   // would lose the slash
		{`{"regexp":"-","replacement":"."}`, "/a/.-;x/b"}, // would make ..;
		{`{"regexp":"s","replacement":"\\\\"}`, "/s"},     // would make a backslash
		{`{"regexp":"n","replacement":"\r\nX: y"}`, "/n"}, // would split the head
	} {
		x, _, v := pass(t, "rewrite-path", c.config, "", c.path)
		if v != filter.Respond || x.Response.Status != 400 || x.Code != CodeBadRewrite {
			t.Errorf("%s on %s: %v, path %q", c.config, c.path, v, x.Request.Path)
		}
	}
}

func TestHeaders(t *testing.T) {
	config := `{"set":[{"name":"X-Id","value":"user-{id}"}],"add":[{"name":"X-Tag","value":"a"},{"name":"X-Tag","value":"b"}],"remove":["x-gone"]}`
	x, _, v := pass(t, "request-headers", config, "/u/{id}", "/u/7", "x-id: forged", "X-ID: forged too", "X-Gone: 1", "X-Tag: 0")
	if v != filter.Continue {
		t.Fatal(v)
	}
	want := "GET /u/7 HTTP/1.1\r\nHost: shop.test\r\nX-Id: user-7\r\nX-Tag: 0\r\nX-Tag: a\r\nX-Tag: b\r\n\r\n"
	if got := string(http1.AppendRequest(nil, &x.Request, http1.Persist)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	x, chain, _ := pass(t, "response-headers", config, "/u/{id}", "/u/7")
	x.Respond(200, "", "")
	x.Response.Fields.Add("X-Gone", "1")
	chain.Response(x)
	want = "HTTP/1.1 200 OK\r\nX-Id: user-7\r\nX-Tag: a\r\nX-Tag: b\r\nContent-Length: 0\r\n\r\n"
	if got := string(http1.AppendResponse(nil, &x.Response, http1.Persist)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestDefaultsHold: a default is no less added because the client names the field in Connection, so that its own does not go on.
func TestDefaultsHold(t *testing.T) {
	for config, want := range map[string]string{
		`{"default":[{"name":"X-Tenant","value":"public"}]}`:                  "X-Tenant: public\r\n",
		`{"default":[{"name":"X-Tenant","value":"public"}],"overBlank":true}`: "X-Tenant: public\r\n",
		`{"default":[{"name":"X-Other","value":"1"}]}`:                        "X-Other: 1\r\n",
	} {
		x, _, _ := pass(t, "request-headers", config, "", "/", "X-Tenant: mine", "Connection: X-Tenant")
		if got := string(http1.AppendRequest(nil, &x.Request, http1.Persist)); got != "GET / HTTP/1.1\r\nHost: shop.test\r\n"+want+"\r\n" {
			t.Errorf("%s: %q", config, got)
		}
	}
}

func TestRefusedConfigurations(t *testing.T) {
	for _, c := range []struct{ kind, config, says string }{
		{"strip-prefix", `{}`, "1 or more"},
		{"strip-prefix", `{"parts":"1"}`, "parts"},
		{"strip-prefix", `{"part":1}`, "unknown field"},
		{"prefix-path", `{"prefix":"a"}`, "no path"},
		{"prefix-path", `{"prefix":"/a\\b"}`, "no path"},
		{"rewrite-path", `{"regexp":"("}`, "regexp"},
		{"rewrite-path", `{}`, "empty"},
		{"set-path", `{"template":"a"}`, "begin with /"},
		{"request-headers", `{}`, "none of"},
		{"request-headers", `{"set":[{"name":"a b","value":"x"}]}`, "no header name"},
		{"request-headers", `{"set":[{"name":"a","value":"x\r\nHost: y"}]}`, "control byte"},
		{"request-headers", `{"add":[{"name":"Content-Length","value":"1"}]}`, "managed"},
		{"request-headers", `{"set":[{"name":"host","value":"x"}]}`, "managed"},
		{"buffer-request", `{"limit":-1}`, "want 1 to"},
		{"response-headers", `{"remove":["Transfer-Encoding"]}`, "managed"},
		{"response-headers", `{"add":[{"name":"Connection","value":"close"}]}`, "managed"},
	} {
		code, err := Kinds().Check(model.FilterSpec{Kind: c.kind, Config: json.RawMessage(c.config)})
		if code != model.CodeInvalidFilter || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %q, %v", c.kind, c.config, code, err)
		}
	}
}

// gatherer is an engine that notes how much it is asked for, and what body is sent on.
type gatherer struct {
	asked int64
	body  []byte
}

func (g *gatherer) Replace(body []byte) { g.body = slices.Clone(body) }

func (g *gatherer) Gather(limit int64) filter.Verdict { g.asked = limit; return filter.Continue }

func TestBufferRequest(t *testing.T) {
	if x, _, v := pass(t, "buffer-request", `{"limit":5}`, "", "/"); v != filter.Respond || x.Response.Status != 500 || x.Code != filter.CodeNoGathering {
		t.Errorf("where no body can be read the request passes: %v %+v", v, x.Response)
	}
	for config, want := range map[string]int64{`{"limit":5}`: 5, `{}`: 1 << 20} {
		chain, err := Kinds().Bind(&model.Route{Filters: []model.FilterSpec{{Kind: "buffer-request", Config: json.RawMessage(config)}}}, filter.NewShared(), clock{})
		if err != nil {
			t.Fatal(err)
		}
		var g gatherer
		x := filter.Exchange{Gatherer: &g}
		x.Reset()
		if v := chain.Request(&x); v != filter.Continue || g.asked != want {
			t.Errorf("%s: %v, asked for %d, want %d", config, v, g.asked, want)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name()] {
			t.Errorf("%s twice", k.Name())
		}
		seen[k.Name()] = true
	}
}

// TestLocationWithoutForwardedHost: that a filter has taken X-Forwarded-Host out sends no client past the gateway.
func TestLocationWithoutForwardedHost(t *testing.T) {
	for said, want := range map[string]string{"": "http://shop.test/a", "X-Forwarded-Host: www.shop.test": "http://www.shop.test/a"} {
		var fields []string
		if said != "" {
			fields = append(fields, said)
		}
		x, chain, _ := pass(t, "rewrite-location", `{}`, "", "/", fields...)
		if err := x.Request.SetAuthority("10.0.0.1:8080"); err != nil {
			t.Fatal(err)
		}
		x.Respond(302, "", "")
		x.Response.Fields.Set("Location", "http://10.0.0.1:8080/a")
		chain.Response(x)
		if got := x.Response.Fields.Get("Location"); got != want {
			t.Errorf("%q: sent to %s, want %s", said, got, want)
		}
	}
}

// TestLocationOfParts: a Location made of a captured path stays on its host: what is captured of the rest begins with a slash.
func TestLocationOfParts(t *testing.T) {
	for _, c := range []struct{ kind, want string }{{"set", "/evil.test"}, {"add", "/evil.test"}} {
		x, chain, _ := pass(t, "response-headers", `{"`+c.kind+`":[{"name":"location","value":"/{rest}"}]}`, "/go/{*rest}", "/go/evil.test")
		x.Respond(302, "", "")
		chain.Response(x)
		if got := x.Response.Fields.Get("Location"); got != c.want {
			t.Errorf("%s: sent to %q, want %q", c.kind, got, c.want)
		}
	}
}

// What no upstream's answer may become, and what changes nothing, is refused before it is bound.
func TestRefusedEdits(t *testing.T) {
	for kind, configs := range map[string][]string{
		"request-headers":         {`{"copy":[{"from":"a b","to":"X"}]}`, `{"copy":[{"from":"X","to":"Content-Length"}]}`, `{"default":[{"name":"X","value":"\n"}]}`},
		"request-query":           {`{}`, `{"add":[{"name":"","value":"x"}]}`, `{"remove":[""]}`},
		"dedupe-response-headers": {`{}`, `{"names":["Connection"]}`, `{"names":["X"],"keep":"some"}`},
		"rewrite-response-header": {`{"name":"X"}`, `{"name":"X","regexp":"("}`, `{"name":"Transfer-Encoding","regexp":"x"}`},
		"rewrite-location":        {`{"host":"a b"}`, `{"version":"maybe"}`, `{"schemes":["h ttp"]}`, `{"header":"Connection"}`},
		"status":                  {`{}`, `{"status":999}`, `{"status":101}`, `{"status":200,"original":"Content-Length"}`},
		"retry":                   {`{}`, `{"attempts":21}`, `{"statuses":[200]}`, `{"on":["sometimes"]}`, `{"methods":["get"]}`, `{"perTry":"0s"}`, `{"backoff":{"most":"11s"}}`, `{"tries":2}`},
		"timeout":                 {`{}`, `{"response":"0s"}`, `{"response":"-1s"}`, `{"connect":"1us"}`, `{"read":"1s"}`},
		"header-limit":            {`{}`, `{"bytes":1,"error":"a b"}`},
		"body-limit":              {`{"bytes":1,"error":"Content-Length"}`},
	} {
		for _, c := range configs {
			if _, err := Kinds().Check(model.FilterSpec{Kind: kind, Config: json.RawMessage(c)}); err == nil {
				t.Errorf("%s %s is taken", kind, c)
			}
		}
	}
}

// TestSecureOnly: who came over TLS is who did so here, or did so according to a trusted proxy, whose word the engine has written down.
func TestSecureOnly(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-headers", `{"secureOnly":true,"set":[{"name":"Strict-Transport-Security","value":"max-age=1"}]}`))
	for _, c := range []struct {
		secure bool
		proto  string
		want   bool
	}{{true, "", true}, {false, "", false}, {false, "https", true}, {true, "http", false}, {false, "http", false}} {
		var fields []string
		if c.proto != "" {
			fields = append(fields, "X-Forwarded-Proto: "+c.proto)
		}
		x := p.ask("192.0.2.1", "GET /", fields...)
		x.Secure = c.secure
		p.chain.Response(x)
		if got := x.Response.Fields.Has("Strict-Transport-Security"); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
