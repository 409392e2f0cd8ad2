package filter

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

type clock struct{}

func (clock) Now() time.Time { return time.Unix(1, 0) }

// mark is a configuration of a test filter: it writes its name when it runs.
type mark struct {
	Name   string `json:"name"`
	Answer bool   `json:"answer,omitempty"`
	Share  string `json:"share,omitempty"`
	Fail   bool   `json:"fail,omitempty"`
}

func (m mark) Validate() error {
	if m.Name == "" {
		return errors.New("name is empty")
	}
	return nil
}

type bucket struct{ closed *int }

func (b *bucket) Close() error { *b.closed++; return nil }

type marker struct {
	mark
	log    *[]string
	closed *int
}

func (m *marker) Request(x *Exchange) Verdict {
	*m.log = append(*m.log, "+"+m.Name)
	if m.Answer {
		return x.Respond(403, "refused", "No.\n")
	}
	return Continue
}

func (m *marker) Response(*Exchange) { *m.log = append(*m.log, "-"+m.Name) }
func (m *marker) Close() error       { *m.closed++; return nil }

func catalog(log *[]string, closed *int) Catalog {
	return Catalog{Define("mark", func(m mark, env Env) (Filter, error) {
		if env.Clock.Now() != time.Unix(1, 0) {
			return nil, errors.New("no clock")
		}
		if m.Share != "" {
			if _, err := Use(env, m.Share, func() (*bucket, error) { return &bucket{closed}, nil }); err != nil {
				return nil, err
			}
		}
		if m.Fail {
			return nil, errors.New("cannot be built")
		}
		return &marker{m, log, closed}, nil
	})}
}

func spec(config string) model.FilterSpec {
	return model.FilterSpec{Kind: "mark", Config: json.RawMessage(config)}
}

func TestCheck(t *testing.T) {
	c := catalog(nil, nil)
	for config, want := range map[string]model.Code{
		`{"name":"a"}`:             "",
		`{"name":""}`:              model.CodeInvalidFilter,
		``:                         model.CodeInvalidFilter,
		`{"name":"a","other":1}`:   model.CodeInvalidFilter,
		`{"name":1}`:               model.CodeInvalidFilter,
		`{"name":"a"} {}`:          model.CodeInvalidFilter,
		`{"name":"a"`:              model.CodeInvalidFilter,
		`{"name":"a","fail":true}`: "", // Check is pure: it does not build
	} {
		code, err := c.Check(spec(config))
		if code != want || (err == nil) != (want == "") {
			t.Errorf("%s: %q, %v", config, code, err)
		}
	}
	sends := spec(`{"name":"a"}`)
	sends.Upstreams = []model.UpstreamID{"u"}
	if code, err := c.Check(sends); code != model.CodeInvalidFilter || !strings.Contains(err.Error(), "upstreams") {
		t.Errorf("%q, %v", code, err)
	}
	if _, err := c.Bind(&model.Route{Filters: []model.FilterSpec{sends}}, NewShared(), clock{}); err == nil || !strings.Contains(err.Error(), "no upstream u") {
		t.Errorf("bound without its upstream: %v", err)
	}
	if code, err := c.Check(model.FilterSpec{Kind: "other"}); code != model.CodeUnknownFilter || !strings.Contains(err.Error(), "mark") {
		t.Errorf("%q, %v", code, err)
	}
}

func TestChainOrder(t *testing.T) {
	var log []string
	closed := 0
	c := catalog(&log, &closed)
	chain, err := c.Bind(&model.Route{Filters: []model.FilterSpec{spec(`{"name":"a"}`), spec(`{"name":"b"}`)}}, NewShared(), clock{})
	if err != nil {
		t.Fatal(err)
	}
	var x Exchange
	if chain.Request(&x) != Continue {
		t.Error("stopped")
	}
	chain.Response(&x)
	if got := strings.Join(log, ""); got != "+a+b-b-a" {
		t.Error(got)
	}
	log = nil
	chain, _ = c.Bind(&model.Route{Filters: []model.FilterSpec{spec(`{"name":"a"}`), spec(`{"name":"b","answer":true}`), spec(`{"name":"c"}`)}}, NewShared(), clock{})
	x.Reset()
	if chain.Request(&x) != Respond || x.Response.Status != 403 || x.Code != "refused" || x.Body != "No.\n" || x.Response.ContentLength != 4 {
		t.Errorf("%+v", x.Response)
	}
	chain.Response(&x)
	if got := strings.Join(log, ""); got != "+a+b-a" {
		t.Error(got)
	}
	var none *Chain
	if none.Request(&x) != Continue || none.Close() != nil {
		t.Error("no filters do something")
	}
	none.Response(&x)
}

func TestSharedLivesAsLongAsItsUsers(t *testing.T) {
	var log []string
	closed := 0
	c, shared := catalog(&log, &closed), NewShared()
	bind := func(configs ...string) (*Chain, error) {
		var specs []model.FilterSpec
		for _, s := range configs {
			specs = append(specs, spec(s))
		}
		return c.Bind(&model.Route{Filters: specs}, shared, clock{})
	}
	one, err1 := bind(`{"name":"a","share":"k"}`, `{"name":"b","share":"k"}`)
	two, err2 := bind(`{"name":"a","share":"k"}`)
	if err1 != nil || err2 != nil || shared.Len() != 1 {
		t.Fatal(err1, err2, shared.Len())
	}
	one.Close()
	if closed != 2 || shared.Len() != 1 { // the two filters, not the bucket
		t.Errorf("%d closed, %d shared", closed, shared.Len())
	}
	two.Close()
	if closed != 4 || shared.Len() != 0 {
		t.Errorf("%d closed, %d shared", closed, shared.Len())
	}
	if _, err := bind(`{"name":"a","share":"k"}`, `{"name":"b","fail":true}`); err == nil || shared.Len() != 0 {
		t.Errorf("a failed bind leaves %d shared: %v", shared.Len(), err)
	}
	if _, err := Use(Env{lease: &lease{table: shared}}, "k", func() (*bucket, error) { return nil, errors.New("no") }); err == nil || shared.Len() != 0 {
		t.Error("a value that cannot be opened is kept")
	}
	l := &lease{table: shared}
	if _, err := Use(Env{lease: l}, "k", func() (*bucket, error) { return &bucket{&closed}, nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := Use(Env{lease: l}, "k", func() (*marker, error) { return nil, nil }); err == nil {
		t.Error("a value of another type is handed out")
	}
	if _, err := Use(Env{}, "k", func() (*bucket, error) { return nil, nil }); err == nil {
		t.Error("no table is no error")
	}
}

func TestTemplate(t *testing.T) {
	r, err := snapshot.NewRoute(&model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/u/{id}/{*rest}"}}})
	if err != nil {
		t.Fatal(err)
	}
	var x Exchange
	x.Request.Path = "/u/7%20/a/b"
	x.Bind(r)
	for in, want := range map[string]string{
		"": "", "plain": "plain", "{id}": "7%20", "/x/{id}{rest}": "/x/7%20/a/b", "{none}-{id}": "{none}-7%20",
		`{"a":"{id}"}`: `{"a":"7%20"}`, "{}{id": "{}{id", "{{id}}": "{7%20}",
		`\{id}/{id}/\{none}`: "{id}/7%20/{none}", `\\{id}`: `\{id}`, `\{}\{id`: `\{}\{id`,
	} {
		tp, err := ParseTemplate(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := tp.Expand(&x, &x.Request.Mem); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string][3]string{ // as a path, a text and a field
		"q%26z%20+":     {"q%26z%20+", "q&z +", "q&z +"},
		"%E5%BC%A0":     {"%E5%BC%A0", "张", "张"},
		"a%0D%0AX:%20b": {"a%0D%0AX:%20b", "a\r\nX: b", "a%0D%0AX:%20b"}, // would be a line of the head
		"a%00":          {"a%00", "a\x00", "a%00"},
		"a%09":          {"a%09", "a\t", "a%09"},
		"%C2%85%25":     {"%C2%85%25", "\u0085%", "%C2%85%25"},
		"%FF":           {"%FF", "\xff", "%FF"},
		"100%25":        {"100%25", "100%", "100%"},
	} {
		tp, _ := ParseTemplate("v-{id}")
		x.Request.Path = "/u/" + in + "/a"
		x.Bind(r)
		for i, got := range [3]string{tp.Expand(&x, &x.Request.Mem), tp.ExpandText(&x, &x.Request.Mem), tp.ExpandField(&x, &x.Request.Mem)} {
			if got != "v-"+want[i] {
				t.Errorf("%q: form %d is %q, want %q", in, i, got, want[i])
			}
		}
	}
	if _, err := ParseTemplate(strings.Repeat("a{b}", 40)); err == nil {
		t.Error("no bound")
	}
	tp, _ := ParseTemplate("a{id}b")
	if n := testing.AllocsPerRun(100, func() { x.Request.Mem.Reset(); tp.Expand(&x, &x.Request.Mem); tp.ExpandField(&x, &x.Request.Mem) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	x.Reset()
	if _, ok := x.Capture("id"); ok {
		t.Error("captures survive a reset")
	}
}

func TestKeepLocation(t *testing.T) {
	for in, want := range map[string]string{
		"/a": "/a", "/": "/", "https://a.test//b": "https://a.test//b", "//evil.test/a": "/evil.test/a", "///evil.test": "/evil.test", `/\evil.test`: "/evil.test",
		`/\/evil.test`: "/evil.test", "//": "/", "/a//b": "/a//b", "a//b": "a//b",
	} {
		var x Exchange
		x.Respond(302, "", "")
		x.Response.Fields.Add("Location", in)
		KeepLocation(&x.Response)
		if got := x.Response.Fields.Get("Location"); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
