package snapshot

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"paifang/internal/model"
)

type request struct{ method, path string }

func (r request) LookupMethod() string { return r.method }
func (r request) LookupPath() string   { return r.path }
func (r request) LookupHeader(name string) (string, bool) {
	return "v2", name == "x-version"
}
func (r request) LookupQuery(string) (string, bool) { return "", false }

func route(t testing.TB, id string, kind model.PathKind, path string) *Route {
	t.Helper()
	r, err := NewRoute(model.Route{ID: model.RouteID(id), Match: model.Match{Path: model.PathMatch{Kind: kind, Value: path}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sortedTable(host model.Host, routes ...*Route) *HostTable {
	slices.SortFunc(routes, func(a, b *Route) int { return model.CompareRoutes(&a.Route, &b.Route) })
	return NewHostTable(host, routes)
}

func TestPathPrecedence(t *testing.T) {
	table := sortedTable("shop.test",
		route(t, "root", model.PathPrefix, "/"),
		route(t, "order", model.PathPrefix, "/order"),
		route(t, "order-items", model.PathPrefix, "/order/items/"),
		route(t, "exact", model.PathExact, "/order/items"),
		route(t, "var", model.PathPattern, "/user/{id}/orders"),
		route(t, "me", model.PathPattern, "/user/me/orders"),
		route(t, "rest", model.PathPattern, "/files/{*path}"),
		route(t, "glob", model.PathPattern, "/img/*.png"),
		route(t, "middle", model.PathPattern, "/api/**/health"),
	)
	for path, want := range map[string]string{
		"/":                    "root",
		"/order":               "order",
		"/order/":              "order",
		"/orders":              "root",
		"/order/42":            "order",
		"/order/items":         "exact",
		"/order/items/":        "order-items",
		"/order/items/7":       "order-items",
		"/order/itemsandmore":  "order",
		"/user/7/orders":       "var",
		"/user/7/orders/":      "var",
		"/user/me/orders":      "me",
		"/user//orders":        "root",
		"/user/7/orders/8":     "root",
		"/files":               "rest",
		"/files/":              "rest",
		"/files/a/b":           "rest",
		"/img/a.png":           "glob",
		"/img/a.gif":           "root",
		"/img/a/b.png":         "root",
		"/api/health":          "middle",
		"/api/x/y/health":      "middle",
		"/api/x/y/health/more": "root",
	} {
		h := (&Hosts[*HostTable]{}).Edit()
		h.Set("shop.test", table)
		hosts := h.Hosts()
		f, ok := Find(&hosts, model.HostOwns, "shop.test", request{"GET", path})
		if !ok || string(f.In.Routes[f.Index].ID) != want {
			t.Errorf("%s is taken by %v %v, want %s", path, ok, f.In, want)
		}
	}
}

// TestIndexAgreesWithDefinition compares the index with the plain reading of every pattern.
func TestIndexAgreesWithDefinition(t *testing.T) {
	segs := []string{"a", "b", "ab", "order", "*", "{x}", "a*", "**"}
	rapid.Check(t, func(t *rapid.T) {
		var routes []*Route
		for i := range rapid.IntRange(1, 12).Draw(t, "routes") {
			kind := rapid.SampledFrom([]model.PathKind{model.PathAny, model.PathExact, model.PathPrefix, model.PathPattern}).Draw(t, "kind")
			pool := segs
			if kind != model.PathPattern {
				pool = segs[:4]
			}
			path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pool), 0, 4).Draw(t, "path"), "/")
			if rapid.Bool().Draw(t, "slash") && path != "/" {
				path += "/"
			}
			m := model.Match{Path: model.PathMatch{Kind: kind, Value: path}}
			if kind == model.PathAny {
				m.Path.Value = ""
			}
			if kind == model.PathPattern {
				m.Path.Strict = rapid.Bool().Draw(t, "strict")
			}
			if rapid.IntRange(0, 3).Draw(t, "method") == 0 {
				m.Methods = []string{"POST"}
			}
			r, err := NewRoute(model.Route{ID: model.RouteID(fmt.Sprint(i)), Match: m, Rank: model.Rank{Order: rapid.IntRange(0, 2).Draw(t, "rank")},
				Default: rapid.IntRange(0, 5).Draw(t, "default") == 0})
			if err != nil {
				continue
			}
			routes = append(routes, r)
		}
		table := sortedTable("", routes...)
		if len(table.Routes)+len(table.Lost) != len(routes) {
			t.Fatalf("%d routes became %d and %d lost", len(routes), len(table.Routes), len(table.Lost))
		}
		for range 20 {
			path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "order", "x", "axx"}), 0, 5).Draw(t, "request"), "/")
			if rapid.Bool().Draw(t, "trailing") && path != "/" {
				path += "/"
			}
			q := request{rapid.SampledFrom([]string{"GET", "POST"}).Draw(t, "m"), path}
			candidates := table.Candidates(q)
			i, ok := table.match(q, false)
			switch {
			case ok != (len(candidates) > 0):
				t.Fatalf("%v: index says %v, definition %v", q, ok, candidates)
			case ok && table.Routes[i] != candidates[0]:
				t.Fatalf("%v: index takes %v, definition %v", q, table.Routes[i], candidates[0])
			}
		}
	})
}

func TestHosts(t *testing.T) {
	e := (&Hosts[*HostTable]{}).Edit()
	def := route(t, "default", model.PathAny, "")
	def.Default = true
	for host, routes := range map[model.Host][]*Route{
		"shop.test":      {route(t, "shop", model.PathPrefix, "/a")},
		"*.shop.test":    {route(t, "one", model.PathPrefix, "/")},
		"**.shop.test":   {route(t, "more", model.PathPrefix, "/")},
		"**.w.shop.test": {route(t, "w", model.PathPrefix, "/")},
		"":               {route(t, "any", model.PathPrefix, "/b"), def},
	} {
		e.Set(host, sortedTable(host, routes...))
	}
	hosts := e.Hosts()
	for _, c := range []struct {
		rule       model.HostRule
		host, path string
		want       string
	}{
		{model.HostOwns, "shop.test", "/a", "shop"},
		{model.HostOwns, "shop.test", "/b", "default"}, // the host owns, so only a default backend takes it
		{model.HostFalls, "shop.test", "/b", "any"},
		{model.HostOwns, "x.shop.test", "/", "one"},
		{model.HostOwns, "y.x.shop.test", "/", "more"},
		{model.HostOwns, "y.w.shop.test", "/", "w"},
		{model.HostOwns, "other.test", "/b", "any"},
		{model.HostOwns, "other.test", "/c", "default"},
	} {
		f, ok := Find(&hosts, c.rule, c.host, request{"GET", c.path})
		if !ok || string(f.In.Routes[f.Index].ID) != c.want {
			t.Errorf("%s%s (rule %q) is taken by %v %v, want %s", c.host, c.path, c.rule, ok, f, c.want)
		}
	}
}

func TestCaptures(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          []Capture
	}{
		{"/user/{id}/orders/{order}", "/user/7/orders/42", []Capture{{"id", "7"}, {"order", "42"}}},
		{"/user/{id}/", "/user/7/", []Capture{{"id", "7"}}},
		{"/user/{id}", "/user/7/", []Capture{{"id", "7"}}},
		{"/files/{*rest}", "/files/a/b", []Capture{{"rest", "/a/b"}}},
		{"/files/{*rest}", "/files", []Capture{{"rest", ""}}},
		{"/{a}/{*rest}", "/x/y", []Capture{{"a", "x"}, {"rest", "/y"}}},
	} {
		r := route(t, c.pattern, model.PathPattern, c.pattern)
		if !r.pattern.matches(c.path) {
			t.Errorf("%s does not match %s", c.pattern, c.path)
			continue
		}
		var got [MaxCaptures]Capture
		n := r.Captures(c.path, &got)
		if !slices.Equal(got[:n], c.want) {
			t.Errorf("%s in %s captures %v, want %v", c.pattern, c.path, got[:n], c.want)
		}
	}
	for _, bad := range []string{"/a{x}", "/{x", "/{}", "/{a:[0-9]+}", "/**/{x}"} {
		if _, err := NewRoute(model.Route{Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: bad}}}); err == nil {
			t.Errorf("pattern %s is accepted", bad)
		}
	}
}

func TestNames(t *testing.T) {
	var n Names
	e := n.Edit()
	e.Set("shop.test", &Name{Host: "shop.test"})
	e.Set("a.b.test", &Name{Host: "a.b.test"})
	e.Set("*.wild.test", &Name{Host: "*.wild.test"})
	n = e.Names()
	for name, want := range map[string]string{
		"shop.test": "shop.test", "b.test": "exists", "a.b.test": "a.b.test", "x.b.test": "",
		"wild.test": "exists", "x.wild.test": "*.wild.test", "y.x.wild.test": "", "test": "exists", "none.test": "",
	} {
		found, exists := n.Lookup(name)
		got := ""
		switch {
		case found != nil:
			got = string(found.Host)
		case exists:
			got = "exists"
		}
		if got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	e = n.Edit()
	e.Set("a.b.test", nil)
	n = e.Names()
	if _, exists := n.Lookup("b.test"); exists {
		t.Error("b.test exists after the only name below it went")
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		e := (&Hosts[*HostTable]{}).Edit()
		for i := range n {
			host := model.Host(fmt.Sprintf("shop-%d.test", i))
			e.Set(host, sortedTable(host, route(b, "a", model.PathPrefix, "/"), route(b, "b", model.PathPrefix, "/order"), route(b, "c", model.PathPattern, "/user/{id}")))
		}
		hosts := e.Hosts()
		var q Request = request{"GET", "/order/42"}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := Find(&hosts, model.HostOwns, "shop-7.test", q); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	e := (&Hosts[*HostTable]{}).Edit()
	e.Set("**.shop.test", sortedTable("", route(t, "b", model.PathPrefix, "/order"), route(t, "c", model.PathPattern, "/user/{id}")))
	hosts := e.Hosts()
	var q Request = request{"GET", "/user/42"}
	var captures [MaxCaptures]Capture
	if n := testing.AllocsPerRun(100, func() {
		f, ok := Find(&hosts, model.HostFalls, "a.b.shop.test", q)
		if !ok || f.In.Routes[f.Index].Captures("/user/42", &captures) != 1 {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("a lookup takes %v allocations", n)
	}
}
