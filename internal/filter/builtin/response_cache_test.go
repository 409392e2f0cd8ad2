package builtin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// answered has an upstream answer with these fields, and returns whether the answer was given from what is kept.
func (p *policy) answered(line, body string, request, answer []string) (x *filter.Exchange, kept bool) {
	p.t.Helper()
	x = p.ask("192.0.2.1", line, request...)
	if x.Response.Status != 0 {
		x.Finish()
		return x, true
	}
	text := "HTTP/1.1 200 OK\r\n" + strings.Join(append(answer, "Transfer-Encoding: chunked"), "\r\n") + "\r\n\r\n"
	if _, err := x.Response.Parse([]byte(text), &http1.Limits{}, x.Request.Method); err != nil {
		p.t.Fatal(err)
	}
	p.chain.Response(x)
	if x.Transformed() {
		for _, part := range []string{body[:len(body)/2], body[len(body)/2:]} {
			if got, err := x.TransformPart([]byte(part)); err != nil || string(got) != part {
				p.t.Errorf("%q becomes %q, %v", part, got, err)
			}
		}
		if _, err := x.TransformEnd(); err != nil {
			p.t.Error(err)
		}
	}
	x.Finish()
	return x, false
}

// again tells whether a second request finds the answer to the first.
func again(t *testing.T, config string, request, answer []string, after time.Duration) bool {
	t.Helper()
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", config))
	p.answered("GET /a", "text", request, answer)
	p.now = p.now.Add(after)
	x, kept := p.answered("GET /a", "other", request, answer)
	if kept && (x.Body != "text" || x.Response.Status != 200) {
		t.Errorf("%d %q", x.Response.Status, x.Body)
	}
	return kept
}

func TestCacheKeeps(t *testing.T) {
	for _, c := range []struct {
		config  string
		request string
		answer  string
		after   time.Duration
		want    bool
	}{
		{`{}`, "", "", 0, true},
		{`{}`, "", "", 5 * time.Minute, false},
		{`{"ttl":"10s"}`, "", "Cache-Control: max-age=60", 9 * time.Second, true},
		{`{"ttl":"10s"}`, "", "Cache-Control: max-age=60", 10 * time.Second, false},
		{`{}`, "", "Cache-Control: max-age=60, s-maxage=5", 5 * time.Second, false},
		{`{}`, "", "Cache-Control: max-age=60|Age: 60", 0, false},
		{`{}`, "", "Cache-Control: max-age=broken", 0, false},
		{`{}`, "", "Cache-Control: max-age = 0", 0, false},
		{`{}`, "", "Cache-Control: max-age=0, max-age=60", 0, false},
		{`{}`, "", "Cache-Control: max-age=0|Cache-Control: max-age=60", 0, false},
		{`{}`, "", "Cache-Control: no-cache =x", 0, false},
		{`{}`, "", "Expires: 0", 0, false},
		{`{"unasked":"leave"}`, "", "", 0, false},
		{`{"unasked":"leave"}`, "", "Cache-Control: max-age=60", 0, true},
		{`{}`, "", "Cache-Control: no-store", 0, false},
		{`{}`, "", "Cache-Control: PRIVATE", 0, false},
		{`{}`, "", "Cache-Control: no-cache", 0, false},
		{`{}`, "", "Vary: *", 0, false},
		{`{}`, "", "Set-Cookie: a=b", 0, false},
		{`{}`, "Authorization: Basic x", "", 0, false},
		{`{}`, "Range: bytes=0-1", "", 0, false},
		{`{}`, "Cache-Control: no-store", "", 0, false},
		{`{}`, "Cache-Control: no-cache", "", 0, false},
		{`{}`, "Pragma: no-cache", "", 0, false},
		{`{}`, "Cache-Control: max-age=5", "", 6 * time.Second, false},
		{`{}`, "Cookie: a=b", "", 0, true},
		{`{"maxBytes":3}`, "", "", 0, false},
		{`{"size":600}`, "", "", 0, false},
		{`{"statuses":[404]}`, "", "", 0, false},
		{`{"statuses":["4xx"]}`, "", "", 0, false},
		{`{"statuses":["2xx"]}`, "", "", 0, true},
	} {
		lines := func(text string) []string {
			if text == "" {
				return nil
			}
			return strings.Split(text, "|")
		}
		if got := again(t, c.config, lines(c.request), lines(c.answer), c.after); got != c.want {
			t.Errorf("%s, request %q, answer %q, after %v: kept %t", c.config, c.request, c.answer, c.after, got)
		}
	}
}

// TestCacheNeverKeepsParts, whose class may be one that is kept.
func TestCacheNeverKeepsParts(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{"statuses":["2xx"]}`))
	for status, keeps := range map[string]bool{"203": true, "206": false} {
		x := p.ask("192.0.2.1", "GET /"+status)
		if _, err := x.Response.Parse([]byte("HTTP/1.1 "+status+" OK\r\nTransfer-Encoding: chunked\r\n\r\n"), &http1.Limits{}, "GET"); err != nil {
			t.Fatal(err)
		}
		if p.chain.Response(x); x.Transformed() != keeps {
			t.Errorf("%s is kept: %t", status, !keeps)
		}
		x.Finish()
	}
}

// TestCacheOfGuarded: what a filter lets only some have is not given to others, whichever stands first.
func TestCacheOfGuarded(t *testing.T) {
	guard := specOf("addresses", `{"allow":["192.0.2.0/24"]}`)
	cache := specOf("response-cache", `{}`)
	p := newPolicy(t, filter.NewShared(), cache, guard)
	p.answered("GET /a", "text", nil, nil)
	if x := p.ask("198.51.100.1", "GET /a"); x.Response.Status != 403 {
		t.Errorf("a client that may not ask is answered %d", x.Response.Status)
	}
	p = newPolicy(t, filter.NewShared(), guard, cache)
	p.answered("GET /a", "text", nil, nil)
	if x := p.ask("198.51.100.1", "GET /a"); x.Response.Status != 403 {
		t.Errorf("a client that may not ask is answered %d", x.Response.Status)
	}
	if _, kept := p.answered("GET /a", "", nil, nil); !kept {
		t.Error("behind the guard nothing is kept")
	}
}

// TestCacheBounds: what is kept stays within its size, the one unused for the longest time goes, and a body that breaks off is not kept.
func TestCacheBounds(t *testing.T) {
	s := newAnswerStore(10 * itemCost)
	now := time.Unix(1000, 0)
	none := func(string) string { return "" }
	for i := range 100 {
		s.keep(strings.Repeat("x", i+1), 0, nil, nil, &keptAnswer{status: 200, until: now.Add(time.Minute)})
		if s.size > s.most || len(s.items) != s.order.Len() {
			t.Fatalf("%d bytes, %d items, %d in order", s.size, len(s.items), s.order.Len())
		}
		s.find("x", none, now)
	}
	if s.find("x", none, now) == nil || s.find("xx", none, now) != nil {
		t.Error("another one went than the one unused for the longest time")
	}
	c := &capture{to: s, most: 100, subject: "y", answer: &keptAnswer{status: 200, until: now.Add(time.Minute)}}
	if _, err := c.Append(nil, make([]byte, 50)); err != nil || s.moving != 50 {
		t.Errorf("%d, %v", s.moving, err)
	}
	c.Release()
	if s.moving != 0 || s.find("y", none, now) != nil {
		t.Errorf("%d bytes are taken by an answer that broke off", s.moving)
	}
}

// TestCacheAfterChange: an answer that was asked for before its address was changed is not kept, however late it comes.
func TestCacheAfterChange(t *testing.T) {
	for _, c := range []struct {
		change string
		status int
		kept   bool
	}{
		{"POST /a", 204, false}, {"DELETE /a", 200, false}, {"PUT /a", 303, false},
		{"POST /a", 404, true}, {"POST /other", 200, true}, {"HEAD /a", 200, true},
	} {
		p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{}`))
		answer := func(x *filter.Exchange, head string) {
			if _, err := x.Response.Parse([]byte(head+"\r\n\r\n"), &http1.Limits{}, x.Request.Method); err != nil {
				t.Fatal(err)
			}
			p.chain.Response(x)
			x.Finish()
		}
		early := p.ask("192.0.2.1", "GET /a")
		answer(p.ask("192.0.2.1", c.change), fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0", c.status))
		answer(early, "HTTP/1.1 200 OK\r\nContent-Length: 0")
		if _, kept := p.answered("GET /a", "text", nil, nil); kept != c.kept {
			t.Errorf("%s, answered %d, while GET /a is on its way: kept %t", c.change, c.status, kept)
		}
		if _, kept := p.answered("GET /a", "text", nil, nil); !kept {
			t.Errorf("%s: nothing is kept after it", c.change)
		}
	}
	s := newAnswerStore(1 << 20)
	for range len(s.forgotten) + 1 {
		s.forget("x")
	}
	if s.keep("y", 0, nil, nil, &keptAnswer{}); s.size != 0 {
		t.Error("an answer is kept, and nobody knows whether it is old")
	}
	if s.keep("y", 1, nil, nil, &keptAnswer{}); s.size == 0 {
		t.Error("an answer is not kept, and it is not old")
	}
}

// TestCacheNotModified: what says that nothing has changed says no length, which would be taken for that of what the client has.
func TestCacheNotModified(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{}`))
	p.answered("GET /a", "text", nil, []string{`ETag: "x"`})
	x := p.ask("192.0.2.1", "GET /a", `If-None-Match: W/"x"`)
	if head := string(http1.AppendResponse(nil, &x.Response, http1.Persist)); x.Response.Status != 304 || strings.Contains(head, "Content-") || !strings.Contains(head, `ETag: "x"`) {
		t.Errorf("%q", head)
	}
}

// TestCacheOfChangedPaths: paths that filters make the same are told apart, since the upstream may be told of what they were.
func TestCacheOfChangedPaths(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("request-headers", `{"set":[{"name":"X-Tenant","value":"{tenant}"}]}`), specOf("set-path", `{"template":"/render"}`), specOf("response-cache", `{}`))
	route, err := snapshot.NewRoute(&model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/{tenant}/page"}}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) *filter.Exchange {
		x := &filter.Exchange{}
		x.Reset()
		if _, err := x.Request.Parse([]byte("GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		x.Bind(route)
		p.chain.Request(x)
		return x
	}
	x := ask("/one/page")
	if _, err := x.Response.Parse([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), &http1.Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	p.chain.Response(x)
	x.Finish()
	for path, want := range map[string]bool{"/one/page": true, "/two/page": false} {
		x := ask(path)
		if x.Stored != want {
			t.Errorf("%s is given what is kept: %t", path, x.Stored)
		}
		x.Finish()
	}
}

// TestCacheOnly: who wants an answer out of the cache alone has it, or none.
func TestCacheOnly(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{}`))
	only := "Cache-Control: only-if-cached"
	if x := p.ask("192.0.2.1", "GET /a", only); x.Response.Status != 504 || x.Code != CodeNotKept {
		t.Errorf("%d %s", x.Response.Status, x.Code)
	}
	p.answered("GET /a", "text", nil, nil)
	if x := p.ask("192.0.2.1", "GET /a", only); x.Response.Status != 200 || x.Body != "text" {
		t.Errorf("%d %q", x.Response.Status, x.Body)
	}
	if x := p.ask("192.0.2.1", "GET /a", only, "Authorization: Bearer x"); x.Response.Status != 504 {
		t.Errorf("what is not kept for this client: %d", x.Response.Status)
	}
}

func TestBadCaches(t *testing.T) {
	for _, config := range []string{`{"ttl":"25h"}`, `{"size":-1}`, `{"size":10,"maxBytes":11}`, `{"statuses":[206]}`, `{"unasked":"maybe"}`, `{"noCache":"maybe"}`, `{"wait":"61s"}`, `{"wait":"-1s"}`} {
		if _, err := Kinds().Check(specOf("response-cache", config)); err == nil {
			t.Errorf("%s is accepted", config)
		}
	}
}

// What a proxy in front says of the host is part of what is asked for, and who names his target has his own answer.
func TestCacheOfOthers(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("response-cache", `{}`))
	p.answered("GET /a", "text", []string{"X-Forwarded-Host: evil.test"}, nil)
	if _, kept := p.answered("GET /a", "other", nil, nil); kept {
		t.Error("what was answered for another host is given")
	}
	if _, kept := p.answered("GET /a", "text", []string{"X-Forwarded-Host: evil.test"}, nil); !kept {
		t.Error("nothing is kept")
	}
	if isShareable(&filter.Exchange{Route: &snapshot.Route{Naming: &snapshot.Naming{}}}) {
		t.Error("whose target a request names is shared")
	}
}
