package builtin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// TestLimitByText counts by a text of parts of the request, and does without as it is told.
func TestLimitByText(t *testing.T) {
	for _, kind := range []string{"rate-limit", "concurrency-limit"} {
		for without, want := range map[string][2]int{
			"":                    {0, 429}, // the address counts
			`,"without":"pass"`:   {0, 0},
			`,"without":"refuse"`: {403, 403},
			`,"without":"refuse","withoutStatus":401`: {401, 401},
		} {
			p := newPolicy(t, filter.NewShared(), specOf(kind, `{"requests":1,"key":{"by":"text","text":"{query.user}"`+without+`}}`))
			got := [2]int{p.ask("192.0.2.1", "GET /").Response.Status, p.ask("192.0.2.1", "GET /").Response.Status}
			if got != want {
				t.Errorf("%s %s: %v, want %v", kind, without, got, want)
			}
			for i, want := range []int{0, 429} {
				if got := p.ask("192.0.2.1", "GET /?user=ann").Response.Status; got != want {
					t.Errorf("%s: request %d of ann: %d", kind, i+1, got)
				}
			}
		}
	}
	for _, config := range []string{`{"by":"text"}`, `{"by":"text","text":"{nobody}"}`, `{"text":"{host}"}`, `{"without":"guess"}`, `{"withoutStatus":401}`, `{"without":"refuse","withoutStatus":200}`} {
		if _, err := Kinds().Check(specOf("rate-limit", `{"requests":1,"key":`+config+`}`)); err == nil {
			t.Errorf("%s is accepted", config)
		}
	}
}

// TestLimitByWhatGoesOn: a field that its client names in Connection does not go on, so that it says for nobody who this is.
func TestLimitByWhatGoesOn(t *testing.T) {
	for _, key := range []string{`{"by":"header","header":"X-Api-Key","without":"refuse"}`, `{"by":"text","text":"{header.X-Api-Key}","without":"refuse"}`} {
		p := newPolicy(t, filter.NewShared(), specOf("rate-limit", `{"requests":1,"key":`+key+`}`))
		if x := p.ask("192.0.2.1", "GET /", "X-Api-Key: a"); x.Response.Status != 0 {
			t.Errorf("%s: with a key %d", key, x.Response.Status)
		}
		if x := p.ask("192.0.2.1", "GET /", "X-Api-Key: b", "Connection: X-Api-Key"); x.Response.Status != 403 || x.Code != CodeNoKey {
			t.Errorf("%s: with a key that does not go on %d", key, x.Response.Status)
		}
	}
}

// TestLimitTells has the answers tell what is left, in tokens of which a request takes several.
func TestLimitTells(t *testing.T) {
	const limit = `{"requests":10,"burst":99,"cost":30,"tell":"`
	p := newPolicy(t, filter.NewShared(), specOf("rate-limit", limit+`spring"}`))
	for i, want := range []string{"70", "40", "10", "0"} {
		x := p.ask("192.0.2.1", "GET /")
		if refused := i == 3; refused != (x.Response.Status == 429) {
			t.Errorf("request %d: %d", i, x.Response.Status)
		}
		p.chain.Response(x)
		f := &x.Response.Fields
		if f.Get("X-RateLimit-Remaining") != want || f.Get("X-RateLimit-Requested-Tokens") != "30" || f.Get("X-RateLimit-Burst-Capacity") != "100" || f.Get("X-RateLimit-Replenish-Rate") != "10" || f.Get("RateLimit-Limit") != "" {
			t.Errorf("request %d: %+v", i, x.Response)
		}
	}
	p.now = p.now.Add(2 * time.Second)
	if x := p.ask("192.0.2.1", "GET /"); x.Response.Status != 0 {
		t.Errorf("after 2 s, with 30 tokens: %d", x.Response.Status)
	}
	p = newPolicy(t, filter.NewShared(), specOf("rate-limit", limit+`all"}`))
	x := p.ask("192.0.2.1", "GET /")
	p.chain.Response(x)
	if f := &x.Response.Fields; f.Get("RateLimit-Limit") != "10" || f.Get("RateLimit-Remaining") != "10" || // of the 70 that would pass at once
		f.Get("RateLimit-Reset") != "0" {
		t.Errorf("%+v", x.Response)
	}
	p = newPolicy(t, filter.NewShared(), specOf("rate-limit", `{"requests":2,"burst":3,"tell":"all"}`))
	for i, want := range []string{"2", "2", "1", "0", "0"} { // never more than the limit that is told beside it
		x := p.ask("192.0.2.1", "GET /")
		p.chain.Response(x)
		if f := &x.Response.Fields; f.Get("RateLimit-Limit") != "2" || f.Get("RateLimit-Remaining") != want {
			t.Errorf("request %d: limit %s, remaining %s, want %s", i, f.Get("RateLimit-Limit"), f.Get("RateLimit-Remaining"), want)
		}
	}
	for _, config := range []string{`{"requests":1,"cost":2}`, `{"requests":1,"cost":-1}`, `{"requests":1,"tell":"nobody"}`} {
		if _, err := Kinds().Check(specOf("rate-limit", config)); err == nil {
			t.Errorf("%s is accepted", config)
		}
	}
}

// TestNamedCircuit: routes that name one breaker have one, whatever each takes for a failure.
func TestNamedCircuit(t *testing.T) {
	shared := filter.NewShared()
	const rest = `"failures":60,"window":3,"minimum":3,"name":"orders"}`
	one := newPolicy(t, shared, specOf("circuit-breaker", `{"statuses":[404],`+rest))
	two := newPolicy(t, shared, specOf("circuit-breaker", `{"statuses":[500],`+rest))
	one.sent(404, "", 0)
	if two.sent(404, "", 0) != 404 || one.sent(404, "", 0) != 404 {
		t.Error("it opened before its time")
	}
	for _, p := range []*policy{one, two} {
		if got := p.sent(200, "", 0); got != 503 {
			t.Errorf("it is closed: %d", got)
		}
	}
}

// TestLimitsOfAPart: who is not meant is not counted, and those of a group count together.
func TestLimitsOfAPart(t *testing.T) {
	for _, kind := range []string{"rate-limit", "concurrency-limit"} {
		for _, c := range []struct {
			config  string
			counted []string // requests with fields behind a blank
			others  []string
		}{
			{`"paths":["/a","/b/.*"]`, []string{"/a", "/b/", "/b/c/d"}, []string{"/", "/ab", "/b", "/a/", "/c/a", "/A"}},
			{`"paths":["/a|/b"]`, []string{"/a", "/b"}, []string{"/a/x", "/x/b"}},
			{`"key":{"by":"header","header":"X-Of","only":"ann"}`, []string{"/ X-Of: ann"}, []string{"/", "/ X-Of: anna", "/ X-Of: joann", "/ X-Of: Ann"}},
			{`"key":{"by":"text","text":"{query.of}","without":"refuse","only":".*n.*"}`, []string{"/?of=ann", "/?of=n"}, []string{"/", "/?of=", "/?of=bob"}},
			{`"key":{"by":"address","only":"192\\.0\\.2\\.[0-9]"}`, []string{"/"}, nil},
			{`"key":{"only":"192\\.0\\.3\\.[0-9]"}`, nil, []string{"/"}},
		} {
			for _, requests := range [][]string{c.counted, c.others} {
				for _, r := range requests {
					path, field, _ := strings.Cut(r, " ")
					var fields []string
					if field != "" {
						fields = append(fields, field)
					}
					p := newPolicy(t, filter.NewShared(), specOf(kind, `{"requests":1,`+c.config+`}`))
					got := [2]int{p.ask("192.0.2.1", "GET "+path, fields...).Response.Status, p.ask("192.0.2.1", "GET "+path, fields...).Response.Status}
					want := [2]int{0, 0}
					if slices.Contains(c.counted, r) {
						want[1] = 429
					}
					if got != want {
						t.Errorf("%s %s: %q is answered %v, want %v", kind, c.config, r, got, want)
					}
				}
			}
		}
		shared := filter.NewShared()
		on := func(route, config string) *policy {
			return newPolicyOf(t, shared, &model.Route{ID: model.RouteID(route), Filters: []model.FilterSpec{specOf(kind, config)}})
		}
		const config = `{"requests":1,"key":{"by":"all"},"group":"apis"}`
		one, two, other, alone := on("one", config), on("two", config), on("three", strings.Replace(config, "apis", "others", 1)), on("four", `{"requests":1,"key":{"by":"all"}}`)
		for i, want := range []int{0, 429, 0, 0} {
			if got := []*policy{one, two, other, alone}[i].ask("192.0.2.1", "GET /").Response.Status; got != want {
				t.Errorf("%s: limit %d answers %d, want %d", kind, i, got, want)
			}
		}
		for _, bad := range []string{`"paths":["("]`, `"paths":["a)(?:b"]`, `"paths":["` + strings.Repeat("a", maxPattern+1) + `"]`, `"group":"a","scope":"object"`, `"group":"` + strings.Repeat("a", maxGroup+1) + `"`,
			`"key":{"only":"["}`, `"key":{"by":"all","only":"a"}`, `"paths":[` + strings.Repeat(`"a",`, maxPaths) + `"a"]`} {
			if _, err := Kinds().Check(specOf(kind, `{"requests":1,`+bad+`}`)); err == nil {
				t.Errorf("%s: %.60s is accepted", kind, bad)
			}
		}
	}
}
