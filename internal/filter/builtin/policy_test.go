package builtin

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// bench is a route with filters and a clock that tests turn.
type policy struct {
	t     *testing.T
	chain *filter.Chain
	mu    sync.Mutex // of now, where others look at the clock meanwhile
	now   time.Time
}

func (p *policy) Now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// turn turns the clock while others may look at it.
func (p *policy) turn(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(by)
}

func specOf(kind, config string) model.FilterSpec {
	return model.FilterSpec{Kind: kind, Config: json.RawMessage(config)}
}

func newPolicy(t *testing.T, shared *filter.Shared, specs ...model.FilterSpec) *policy {
	t.Helper()
	return newPolicyOf(t, shared, &model.Route{ID: "r", Filters: specs})
}

func newPolicyOf(t *testing.T, shared *filter.Shared, route *model.Route) *policy {
	t.Helper()
	p := &policy{t: t, now: time.Unix(1_000_000, 0)}
	for _, s := range route.Filters {
		if code, err := Kinds().Check(s); err != nil {
			t.Fatalf("%s %s: %s: %v", s.Kind, s.Config, code, err)
		}
	}
	chain, err := Kinds().Bind(route, shared, p)
	if err != nil {
		t.Fatal(err)
	}
	p.chain = chain
	t.Cleanup(func() { chain.Close() })
	return p
}

// ask sends a request from an address; line is "METHOD /path".
func (p *policy) ask(from, line string, fields ...string) *filter.Exchange {
	p.t.Helper()
	x := &filter.Exchange{}
	p.again(x, from, line, fields...)
	return x
}

// again uses an exchange again. The status is 0 where the request passed.
func (p *policy) again(x *filter.Exchange, from, line string, fields ...string) {
	x.Reset()
	if _, err := x.Request.Parse([]byte(line+" HTTP/1.1\r\nHost: shop.test:8080\r\n"+strings.Join(append(fields, ""), "\r\n")+"\r\n"), nil); err != nil {
		p.t.Fatal(line, err)
	}
	if from != "" {
		x.Client = netip.MustParseAddr(from)
	}
	if p.chain.Request(x) == filter.Continue {
		x.Response.Status = 0
	} else {
		p.chain.Response(x)
	}
}

func TestRedirect(t *testing.T) {
	for _, c := range []struct{ config, line, proto, want string }{
		{`{"location":"https://new.test/x"}`, "GET /a?b=c", "", "302 https://new.test/x"},
		{`{"status":301,"location":"/moved"}`, "GET /a", "", "301 /moved"},
		{`{"status":308,"scheme":"https","clearOnly":true,"cutSlash":true}`, "GET /a/?b=c", "http", "308 https://shop.test/a/?b=c"},
		{`{"status":308,"scheme":"https","clearOnly":true,"cutSlash":true}`, "GET /a?b=/", "http", "308 https://shop.test/a?b="},
		{`{"status":308,"scheme":"https","clearOnly":true,"cutSlash":true}`, "GET /a/", "http", "308 https://shop.test/a"},
		{`{"status":308,"scheme":"https","clearOnly":true}`, "GET /a/", "http", "308 https://shop.test/a/"},
		{`{"status":308,"scheme":"https","clearOnly":true}`, "GET /a/", "https", ""},
		{`{"scheme":"https","port":8443}`, "GET /", "", "302 https://shop.test:8443/"},
		{`{"scheme":"https","port":443,"cutSlash":true}`, "GET /", "", "302 https://shop.test"},
		{`{"path":"/app","pathOnly":"/","dropQuery":true}`, "GET /?x", "", "302 http://shop.test:8080/app"},
		{`{"path":"/app","pathOnly":"/"}`, "GET /other", "", ""},
		{`{"host":"www.shop.test"}`, "GET //evil.test/", "", "302 http://www.shop.test/evil.test/"},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("redirect", c.config))
		var fields []string
		if c.proto != "" {
			fields = append(fields, "X-Forwarded-Proto: "+c.proto)
		}
		x := p.ask("192.0.2.1", c.line, fields...)
		got := ""
		if x.Response.Status != 0 {
			got = fmt.Sprint(x.Response.Status, " ", x.Response.Fields.Get("Location"))
		}
		if got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.config, c.line, got, c.want)
		}
	}
}

func TestRespond(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("respond", `{"status":451,"body":"{}","contentType":"application/json","code":"closed","headers":[{"name":"X-A","value":"b"}]}`))
	x := p.ask("192.0.2.1", "GET /")
	if x.Response.Status != 451 || x.Body != "{}" || x.Response.Fields.Get("Content-Type") != "application/json" || x.Response.Fields.Get("X-A") != "b" || x.Code != "closed" {
		t.Errorf("%+v %q", x.Response, x.Body)
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ config, from string }{
		{`{"allow":["10.0.0.0/8"]}`, "+10.1.2.3 -11.0.0.1 -2001:db8::1 -"},
		{`{"allow":["10.1.2.3/8","2001:db8::/32"]}`, "+10.9.9.9 +2001:db8:1::1 -2001:db9::1"},
		{`{"deny":["192.0.2.7"]}`, "-192.0.2.7 +192.0.2.8 -"},
		{`{"allow":["10.0.0.0/8"],"deny":["10.1.0.0/16"]}`, "-10.1.2.3 +10.2.0.1"},
		{`{"allow":["::ffff:10.0.0.0/104"]}`, "+10.1.2.3 -11.0.0.1"},
		{`{"allow":["0.0.0.0/0"]}`, "+10.1.2.3 -2001:db8::1"},
		{`{"deny":["fe80::/10"]}`, "-fe80::1 -fe80::1%eth0 +2001:db8::1"},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("addresses", c.config))
		for _, one := range strings.Fields(c.from) {
			x := p.ask(one[1:], "GET /")
			want := map[byte]int{'+': 0, '-': 403}[one[0]]
			if x.Response.Status != want || want != 0 && x.Code != CodeAddress {
				t.Errorf("%s: %s is answered %d, want %d", c.config, one[1:], x.Response.Status, want)
			}
		}
	}
}

// TestCORSOwnPages: what is refused to others is not to the host's own pages, which those in clear text are not over TLS.
func TestCORSOwnPages(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("cors", `{"origins":["https://a.test"],"refuse":true}`))
	for _, c := range []struct {
		origin, proto string
		want          int
	}{
		{"https://shop.test:8080", "https", 0}, {"http://shop.test:8080", "http", 0}, {"https://shop.test:8080", "http", 0},
		{"http://shop.test:8080", "https", 403}, {"https://shop.test", "https", 403}, {"ftp://shop.test:8080", "https", 403},
	} {
		if x := p.ask("192.0.2.1", "GET /", "Origin: "+c.origin, "X-Forwarded-Proto: "+c.proto); x.Response.Status != c.want {
			t.Errorf("%s over %s: %d", c.origin, c.proto, x.Response.Status)
		}
	}
}

// TestCORSAnswersItsGuests: a preflight that the methods of the route keep out goes nowhere else, whoever asks.
func TestCORSAnswersItsGuests(t *testing.T) {
	m := &model.Route{ID: "r", Match: model.Match{Methods: []string{"POST"}}, Filters: []model.FilterSpec{specOf("cors", `{"origins":["https://a.test"]}`)}}
	p := newPolicyOf(t, filter.NewShared(), m)
	for origin, want := range map[string]int{"https://a.test": 204, "https://evil.test": 403} {
		x := &filter.Exchange{}
		if _, err := x.Request.Parse([]byte("OPTIONS / HTTP/1.1\r\nHost: shop.test\r\nOrigin: "+origin+"\r\nAccess-Control-Request-Method: POST\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		x.Route = &snapshot.Route{Route: m}
		if v := p.chain.Request(x); v != filter.Respond || x.Response.Status != want {
			t.Errorf("%s: %d", origin, x.Response.Status)
		}
	}
}

func TestCORS(t *testing.T) {
	field := func(x *filter.Exchange, name string) string { return x.Response.Fields.Get(name) }
	like := newPolicy(t, filter.NewShared(), specOf("cors", `{"origins":["https://a.test","http://*.b.test:8080","null"],"methods":["GET"],"headers":["X-A","X-B"],"expose":["X-C"],"credentials":true,"maxAge":600,"everything":true}`))
	for origin, want := range map[string]bool{
		"https://a.test": true, "HTTPS://A.test": true, "http://a.test": false, "https://a.test.evil": false, "https://evila.test": false, "https://a.test:443": false,
		"http://x.b.test:8080": true, "http://x.y.b.test:8080": false, "http://.b.test:8080": false, "http://b.test:8080": false, "http://x.b.test": false,
		"http://evil/.b.test:8080": false, "null": true, "": false, "*": false,
	} {
		x := like.ask("192.0.2.1", "OPTIONS /", "Origin: "+origin)
		if got := x.Response.Status == 204; got != want {
			t.Errorf("OPTIONS of %q: %d", origin, x.Response.Status)
		}
		if want && (field(x, "Access-Control-Allow-Origin") != origin || field(x, "Access-Control-Allow-Methods") != "GET" || field(x, "Access-Control-Allow-Headers") != "X-A,X-B" ||
			field(x, "Access-Control-Allow-Credentials") != "true" || field(x, "Access-Control-Max-Age") != "600" || field(x, "Access-Control-Expose-Headers") != "X-C" || field(x, "Vary") != "Origin") {
			t.Errorf("%q: %v", origin, x.Response.Fields)
		}
	}
	answer := func(p *policy, origin string) *filter.Exchange {
		x := p.ask("192.0.2.1", "GET /", "Origin: "+origin)
		if x.Response.Status != 0 {
			t.Fatalf("GET is answered %d", x.Response.Status)
		}
		x.Response.Reset()
		x.Response.Fields.Add("Access-Control-Allow-Origin", "https://upstream.test")
		x.Response.Fields.Add("Vary", "Accept, origin")
		p.chain.Response(x)
		return x
	}
	if x := answer(like, "https://a.test"); field(x, "Access-Control-Allow-Origin") != "https://a.test" || field(x, "Access-Control-Max-Age") != "600" || field(x, "Vary") != "Accept, origin" {
		t.Errorf("%v", x.Response.Fields)
	}
	if x := answer(like, "https://evil.test"); field(x, "Access-Control-Allow-Origin") != "https://upstream.test" {
		t.Errorf("%v", x.Response.Fields)
	}
	all := newPolicy(t, filter.NewShared(), specOf("cors", `{"origins":["*"],"everything":true}`))
	if x := all.ask("192.0.2.1", "OPTIONS /"); x.Response.Status != 204 || field(x, "Access-Control-Allow-Origin") != "*" {
		t.Errorf("%+v", x.Response)
	}
	all = newPolicy(t, filter.NewShared(), specOf("cors", `{"origins":["*"]}`))
	for _, fields := range [][]string{nil, {"Origin: https://a.test"}} { // the same to all, since caches are told nothing else
		x := all.ask("192.0.2.1", "GET /", fields...)
		x.Response.Reset()
		if all.chain.Response(x); field(x, "Access-Control-Allow-Origin") != "*" || x.Response.Fields.Has("Vary") {
			t.Errorf("%v: %v", fields, x.Response.Fields)
		}
	}
	standard := newPolicy(t, filter.NewShared(), specOf("cors", `{"origins":["https://a.test"],"refuse":true}`))
	if x := standard.ask("192.0.2.1", "OPTIONS /", "Origin: https://a.test"); x.Response.Status != 0 {
		t.Errorf("OPTIONS that is no preflight is answered %d", x.Response.Status)
	}
	if x := answer(newPolicy(t, filter.NewShared(), specOf("cors", `{"origins":["https://a.test"]}`)), "https://evil.test"); x.Response.Fields.Has("Access-Control-Allow-Origin") || !x.Response.Fields.Has("Vary") {
		t.Errorf("what the upstream says lets an origin in that is not accepted: %q", field(x, "Access-Control-Allow-Origin"))
	}
	if x := standard.ask("192.0.2.1", "OPTIONS /", "Origin: https://a.test", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-y"); x.Response.Status != 204 || field(x, "Access-Control-Allow-Headers") != "x-y" {
		t.Errorf("%+v", x.Response)
	}
	for origin, want := range map[string]bool{
		"https://a.shop.test": true, "https://A.b.SHOP.test": true, "https://.shop.test": true, "https://shop.test": false, "http://a.shop.test": false, "https://a.shop.test.evil": false,
		"https://evil/.shop.test": false, "https://x.port.test:8080": true, "https://x.port.test:8081": true, "https://x.port.test:80": false, "https://x.port.test": false,
		"http://mid-12.test": true, "http://mid-.tes": false, "http://any.test:1": true, "http://any.test": true, "http://any.test:x": false, "": false,
	} {
		p := newPolicy(t, filter.NewShared(), specOf("cors", `{"patterns":["https://*.shop.test","https://*.port.test:[8080, 8081]","http://m*d-*.t*t","http://any.test:[*]"],"credentials":true,"refuse":true}`))
		x := p.ask("192.0.2.1", "OPTIONS /", "Origin: "+origin, "Access-Control-Request-Method: GET")
		if got := x.Response.Status == 204; got != want || want && field(x, "Access-Control-Allow-Origin") != origin {
			t.Errorf("pattern, %q: %d %v", origin, x.Response.Status, x.Response.Fields)
		}
	}
	if x := newPolicy(t, filter.NewShared(), specOf("cors", `{"patterns":["*"]}`)).ask("192.0.2.1", "OPTIONS /", "Origin: https://b.test", "Access-Control-Request-Method: GET"); field(x, "Access-Control-Allow-Origin") != "https://b.test" {
		t.Errorf("%v", x.Response.Fields)
	}
	if x := standard.ask("192.0.2.1", "GET /", "Origin: https://b.test"); x.Response.Status != 403 || x.Code != CodeOrigin {
		t.Errorf("%+v", x.Response)
	}
}

func TestRateLimit(t *testing.T) {
	shared := filter.NewShared()
	p := newPolicy(t, shared, specOf("rate-limit", `{"requests":5,"burst":25,"status":503,"exempt":["192.0.2.9"]}`))
	burst := func(from string, n int) (passed int) {
		for range n {
			if p.ask(from, "GET /").Response.Status == 0 {
				passed++
			}
		}
		return passed
	}
	if n := burst("192.0.2.1", 40); n != 26 { // the first, and the burst
		t.Errorf("%d pass at once", n)
	}
	if n := burst("192.0.2.2", 40); n != 26 {
		t.Errorf("another client: %d", n)
	}
	if n := burst("192.0.2.9", 100); n != 100 {
		t.Errorf("an exempt client: %d", n)
	}
	x := p.ask("192.0.2.1", "GET /")
	if x.Response.Status != 503 || x.Code != CodeRateLimit || x.Response.Fields.Get("Retry-After") != "1" {
		t.Errorf("%+v", x.Response)
	}
	if x := p.ask("", "GET /"); x.Response.Status != 503 {
		t.Error("an unknown client passes")
	}
	p.now = p.now.Add(time.Second)
	if n := burst("192.0.2.1", 40); n != 5 {
		t.Errorf("%d pass after a second", n)
	}
	p.now = p.now.Add(-time.Hour) // a clock that goes back gives nothing
	if n := burst("192.0.2.1", 40); n != 0 {
		t.Errorf("%d pass when the clock goes back", n)
	}
	next := newPolicy(t, shared, specOf("rate-limit", `{"requests":5,"burst":25,"status":503}`), specOf("respond", `{"status":200}`))
	next.now = p.now
	if x := next.ask("192.0.2.1", "GET /"); x.Response.Status != 503 {
		t.Errorf("the next generation has forgotten: %d", x.Response.Status)
	}
}

func TestRateLimitKeys(t *testing.T) {
	for _, c := range []struct {
		key  string
		asks []string // address, X-User
		pass int
	}{
		{`{"by":"header","header":"X-User"}`, []string{"192.0.2.1 a", "192.0.2.2 a", "192.0.2.1 b", "192.0.2.3", "192.0.2.3"}, 3},
		{`{"by":"all"}`, []string{"192.0.2.1", "192.0.2.2"}, 1},
		{`{}`, []string{"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}, 2},
		{`{"ipv6":128}`, []string{"2001:db8::1", "2001:db8::2"}, 2},
		{`{"by":"user"}`, []string{"192.0.2.1", "192.0.2.1"}, 1},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("rate-limit", `{"requests":1,"per":"1m","key":`+c.key+`}`))
		n := 0
		for _, a := range c.asks {
			from, user, _ := strings.Cut(a, " ")
			if p.ask(from, "GET /", "X-User: "+user).Response.Status == 0 {
				n++
			}
		}
		if n != c.pass {
			t.Errorf("%s: %d pass, want %d", c.key, n, c.pass)
		}
	}
}

func TestConcurrencyLimit(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("concurrency-limit", `{"requests":2}`))
	a, b := p.ask("192.0.2.1", "GET /"), p.ask("192.0.2.1", "GET /")
	if c := p.ask("192.0.2.1", "GET /"); a.Response.Status != 0 || b.Response.Status != 0 || c.Response.Status != 429 || c.Code != CodeConcurrency {
		t.Errorf("%d %d %d", a.Response.Status, b.Response.Status, c.Response.Status)
	}
	if x := p.ask("192.0.2.2", "GET /"); x.Response.Status != 0 {
		t.Error("another client is refused")
	}
	a.Finish()
	a.Finish() // nothing is given back twice
	if c, d := p.ask("192.0.2.1", "GET /"), p.ask("192.0.2.1", "GET /"); c.Response.Status != 0 || d.Response.Status != 429 {
		t.Errorf("%d %d", c.Response.Status, d.Response.Status)
	}
}

// TestKeyedIsBounded: what floods a table with keys takes no more memory than it may, and does not free who is in use.
func TestKeyedIsBounded(t *testing.T) {
	k := newKeyed[int32](64)
	put := func(i int, pins bool) bool {
		id := key{1, [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}}
		s, _ := k.lock(id)
		defer s.Unlock()
		at, _ := s.take(id)
		if at == noEntry {
			return false
		}
		if pins {
			s.pin(at)
		}
		return true
	}
	for i := range 10_000 {
		put(i, false)
	}
	if n := k.len(); n > 64 {
		t.Errorf("%d keys", n)
	}
	refused := 0
	for i := range 10_000 {
		if !put(i, true) {
			refused++
		}
	}
	if refused != 10_000-64 {
		t.Errorf("%d keys found no room, where 64 are in use", refused)
	}
}

// TestLongRequestsLeaveRoom: keys whose requests last are not in the way of new ones, as long as there are others that may be forgotten.
func TestLongRequestsLeaveRoom(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("concurrency-limit", `{"requests":1,"keys":3200}`))
	from := func(i int) string { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String() }
	var lasting []*filter.Exchange
	for i := range 640 {
		lasting = append(lasting, p.ask(from(i), "GET /"))
	}
	for i := 640; i < 16_000; i++ {
		x := p.ask(from(i), "GET /")
		if x.Response.Status != 0 {
			t.Fatalf("client %d is answered %d, while 640 of 3,200 keys are in use", i, x.Response.Status)
		}
		x.Finish()
	}
	for i, x := range lasting {
		if again := p.ask(from(i), "GET /"); again.Response.Status != 429 {
			t.Errorf("client %d has a second request at the same time", i)
		}
		x.Finish()
		again := p.ask(from(i), "GET /")
		if again.Response.Status != 0 {
			t.Errorf("client %d is refused when it has no other request", i)
		}
		again.Finish()
	}
}

func TestBodyLimit(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("body-limit", `{"bytes":10}`), specOf("body-limit", `{"bytes":20}`))
	if x := p.ask("192.0.2.1", "POST /", "Content-Length: 11"); x.Response.Status != 413 {
		t.Errorf("%+v", x.Response)
	}
	if x := p.ask("192.0.2.1", "POST /", "Content-Length: 10"); x.Response.Status != 0 || x.MaxBody != 10 {
		t.Errorf("%+v %d", x.Response, x.MaxBody)
	}
}

// readBody is a body that a filter in front has asked for.
type readBody struct{ *strings.Reader }

func (b readBody) Size() int64 { return b.Reader.Size() }

// TestBodyLimitOfWhatWasRead: a body that is there already is as long as it is, whatever its framing is to be.
func TestBodyLimitOfWhatWasRead(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("body-limit", `{"bytes":10,"error":"X-Too-Large"}`))
	for n, want := range map[int]int{10: 0, 11: 413} {
		x := &filter.Exchange{}
		x.Reset()
		if _, err := x.Request.Parse([]byte("POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		x.RequestBody = readBody{strings.NewReader(strings.Repeat("x", n))}
		p.chain.Request(x)
		if got := x.Response.Fields.Get("X-Too-Large"); x.Response.Status != want || (want != 0) != (got == "The body has 11 bytes: at most 10") {
			t.Errorf("%d bytes: %d %q", n, x.Response.Status, got)
		}
	}
}

func TestPoliciesDoNotAllocate(t *testing.T) {
	p := newPolicy(t, filter.NewShared(),
		specOf("cors", `{"origins":["https://a.test"],"everything":true}`),
		specOf("redirect", `{"scheme":"https","clearOnly":true}`),
		specOf("concurrency-limit", `{"requests":100}`),
		specOf("rate-limit", `{"requests":1000000,"burst":1000000}`),
		specOf("rate-limit", `{"requests":1000000,"burst":1000000,"key":{"by":"header","header":"X-User"}}`),
		specOf("addresses", `{"allow":["10.0.0.0/8","192.0.2.0/24"],"deny":["192.0.2.9"]}`),
		specOf("body-limit", `{"bytes":1000}`),
		specOf("api-version", `{"in":[{"query":"v"},{"mediaType":"text/html","parameter":"v"},{"header":"X-User"},{"segment":1}]}`))
	x := &filter.Exchange{}
	head := []byte("GET / HTTP/1.1\r\nHost: shop.test\r\nX-User: v1\r\nAccept: text/plain, text/html\r\nOrigin: https://a.test\r\nX-Forwarded-Proto: https\r\n\r\n")
	client := netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(200, func() {
		x.Reset()
		if _, err := x.Request.Parse(head, nil); err != nil {
			t.Fatal(err)
		}
		x.Client = client
		if p.chain.Request(x) != filter.Continue {
			t.Fatal("refused", x.Code)
		}
		x.Response.Reset()
		p.chain.Response(x)
		x.Finish()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRefusedPolicies(t *testing.T) {
	for _, c := range []struct{ kind, config, says string }{
		{"redirect", `{}`, "none of location"},
		{"redirect", `{"location":"//evil.test"}`, "another host"},
		{"redirect", `{"location":"javascript:alert(1)"}`, "begins with none"},
		{"redirect", `{"location":"/a\r\nX: y"}`, "a byte that no address has"},
		{"redirect", `{"status":304,"path":"/a"}`, "not 304"},
		{"redirect", `{"host":"a.test:80"}`, "no name"},
		{"redirect", `{"scheme":"ftp"}`, "neither"},
		{"redirect", `{"path":"a"}`, "begin with /"},
		{"respond", `{"status":100}`, "want 200"},
		{"respond", `{"status":200,"headers":[{"name":"Content-Length","value":"1"}]}`, "managed"},
		{"addresses", `{}`, "neither"},
		{"addresses", `{"allow":["10.0.0.0/33"]}`, "allow[0]"},
		{"addresses", `{"deny":["x"]}`, "deny[0]"},
		{"addresses", `{"deny":["10.0.0.1"],"status":200}`, "400 to 599"},
		{"cors", `{}`, "origins"},
		{"cors", `{"origins":["*","https://a.test"]}`, "alone"},
		{"cors", `{"origins":["https://a.test/"]}`, "no origin"},
		{"cors", `{"origins":["a.test"]}`, "no origin"},
		{"cors", `{"origins":["https://x.*.test"]}`, "wildcard"},
		{"cors", `{"patterns":["*.test"]}`, "no pattern"},
		{"cors", `{"patterns":["https://a.test/*"]}`, "no pattern"},
		{"cors", `{"patterns":["https://a.test:[80"]}`, "closed by"},
		{"cors", `{"patterns":["https://a.test:[x]"]}`, "no port"},
		{"cors", `{"origins":["*"],"methods":["GET\r\n"]}`, "no name"},
		{"rate-limit", `{}`, "1 or more"},
		{"rate-limit", `{"requests":1,"per":"1"}`, "no time"},
		{"rate-limit", `{"requests":1,"key":{"by":"x"}}`, "none of"},
		{"rate-limit", `{"requests":1,"keys":9999999}`, "keys"},
		{"rate-limit", `{"requests":1,"names":{"burst":"X-B"}}`, "want spring or remaining"},
		{"rate-limit", `{"requests":1,"per":"0s"}`, "no time above 0"},
		{"response-cache", `{"ttl":"0s"}`, "no time above 0"},
		{"cors", `{"origins":["*"],"credentials":true}`, "browsers refuse"},
		{"cors", `{"origins":["*"],"privateNetwork":true}`, "into a private network"},
		{"rate-limit", `{"requests":1,"tell":"spring","names":{"burst":"Content-Length"}}`, "names.burst: Content-Length is managed"},
		{"rate-limit", `{"requests":1,"tell":"remaining","names":{"remaining":"X Left"}}`, "names.remaining"},
		{"rate-limit", `{"requests":1,"tell":"remaining","names":{"remaining":"location"}}`, "says something else"},
		{"rate-limit", `{"requests":1,"tell":"spring","names":{"cost":"x-paifang-reason"}}`, "says something else"},
		{"concurrency-limit", `{"requests":0}`, "1 or more"},
		{"concurrency-limit", `{"requests":1,"scope":"world"}`, "scope"},
		{"body-limit", `{}`, "1 or more"},
		{"api-version", `{}`, "1 to 16"},
		{"api-version", `{"in":[{"header":"a","query":"b"}]}`, "in[0]: want one of"},
	} {
		code, err := Kinds().Check(specOf(c.kind, c.config))
		if code != model.CodeInvalidFilter || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %q, %v", c.kind, c.config, code, err)
		}
	}
}
