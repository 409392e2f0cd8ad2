package snapshot

import (
	"slices"
	"testing"

	"paifang/internal/model"
)

type request struct {
	Request      // nothing else may be asked of it
	method, path string
}

func (r request) LookupMethod() string { return r.method }
func (r request) LookupPath() string   { return r.path }
func (r request) LookupValue(_ Place, name string, i int) (string, bool) {
	return "v2", name == "x-version" && i == 0
}

func route(t testing.TB, id string, kind model.PathKind, path string) *Route {
	t.Helper()
	r, err := NewRoute(&model.Route{ID: model.RouteID(id), Match: model.Match{Path: model.PathMatch{Kind: kind, Value: path}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func table(host model.Host, routes ...*Route) *HostTable {
	return NewHostTable(host, routes)
}

func TestPathPrecedence(t *testing.T) {
	shop := table("shop.test",
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
		h.Set("shop.test", shop)
		hosts := h.Hosts()
		f, ok := Find(&hosts, model.HostOwns, "shop.test", request{nil, "GET", path})
		if !ok || string(f.Route.ID) != want {
			t.Errorf("%s is taken by %v, want %s", path, f.Route, want)
		}
	}
}

// preflight is one that asks for a method.
type preflight struct {
	request
	asks   string
	nobody bool // says whose page it is for
}

func (p preflight) LookupValue(_ Place, name string, i int) (string, bool) {
	if name == "Origin" {
		return "https://page.test", i == 0 && !p.nobody
	}
	return p.asks, name == "Access-Control-Request-Method" && i == 0 && p.asks != ""
}

// TestPreflights: a route that answers preflights takes those of its methods, and no other OPTIONS request.
func TestPreflights(t *testing.T) {
	of := func(id string, methods []string, filters ...model.FilterSpec) *Route {
		r, err := NewRoute(&model.Route{ID: model.RouteID(id), Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}, Methods: methods}, Filters: filters})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	cors := model.FilterSpec{Kind: model.FilterCORS}
	h := (&Hosts[*HostTable]{}).Edit()
	h.Set("shop.test", table("shop.test", of("read", []string{"GET", "HEAD"}, cors), of("write", []string{"POST"}, model.FilterSpec{Kind: "respond"}, cors), of("remove", []string{"DELETE"})))
	hosts := h.Hosts()
	for _, c := range []struct {
		method, asks, want string
		nobody             bool
	}{
		{"OPTIONS", "GET", "read", false}, {"OPTIONS", "POST", "write", false}, {"OPTIONS", "DELETE", "", false}, {"OPTIONS", "PUT", "", false}, {"OPTIONS", "", "", false},
		{"PUT", "POST", "", false}, {"POST", "", "write", false}, {"OPTIONS", "GET", "", true},
	} {
		got := ""
		if f, ok := Find(&hosts, model.HostOwns, "shop.test", preflight{request{nil, c.method, "/"}, c.asks, c.nobody}); ok {
			got = string(f.Route.ID)
		}
		if got != c.want {
			t.Errorf("%s for %q is taken by %q, want %q", c.method, c.asks, got, c.want)
		}
	}
}

func TestHosts(t *testing.T) {
	e := (&Hosts[*HostTable]{}).Edit()
	def, err := NewRoute(&model.Route{ID: "default", Default: true})
	if err != nil {
		t.Fatal(err)
	}
	for host, routes := range map[model.Host][]*Route{
		"shop.test":      {route(t, "shop", model.PathPrefix, "/a")},
		"*.shop.test":    {route(t, "one", model.PathPrefix, "/")},
		"**.shop.test":   {route(t, "more", model.PathPrefix, "/")},
		"**.w.shop.test": {route(t, "w", model.PathPrefix, "/")},
		"":               {route(t, "any", model.PathPrefix, "/b"), def},
	} {
		e.Set(host, table(host, routes...))
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
		f, ok := Find(&hosts, c.rule, c.host, request{nil, "GET", c.path})
		if !ok || string(f.Route.ID) != c.want {
			t.Errorf("%s%s (rule %q) is taken by %v, want %s", c.host, c.path, c.rule, f.Route, c.want)
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
		{"/a{x}/{n:[0-9]+}", "/ab/1", []Capture{{"x", "b"}, {"n", "1"}}},
		{"/{a}/{*rest}", "/x/y", []Capture{{"a", "x"}, {"rest", "/y"}}},
	} {
		r := route(t, c.pattern, model.PathPattern, c.pattern)
		if !r.Fits(c.path) {
			t.Errorf("%s does not match %s", c.pattern, c.path)
			continue
		}
		var got [MaxCaptures]Capture
		n := r.Captures(c.path, "", &got)
		if !slices.Equal(got[:n], c.want) {
			t.Errorf("%s in %s captures %v, want %v", c.pattern, c.path, got[:n], c.want)
		}
	}
	for _, bad := range []string{"/{x", "/{}", "/**/{x}"} {
		if _, err := NewRoute(&model.Route{Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: bad}}}); err == nil {
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

func TestVariablesOfHosts(t *testing.T) {
	r := model.Route{Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/{a}"}}, HostVariables: []string{`(?P<sub>[a-z]+)\.(shop)\.test`, `(?P<sub>x1)\.(?P<rest>.*)`}}
	c, err := NewRoute(&r)
	if err != nil || !c.HasVariables() {
		t.Fatal(err)
	}
	var got [MaxCaptures]Capture
	for host, want := range map[string][]Capture{
		"one.shop.test": {{"a", "7"}, {"sub", "one"}},
		"x1.else.test":  {{"a", "7"}, {"sub", "x1"}, {"rest", "else.test"}},
		"shop.test":     {{"a", "7"}},
	} {
		if n := c.Captures("/7", host, &got); !slices.Equal(got[:n], want) {
			t.Errorf("%s: %v, want %v", host, got[:n], want)
		}
	}
	for _, bad := range [][]string{{"("}, {"(a)(b)(c)(d)(e)(f)(g)(h)"}} {
		r.HostVariables = bad
		if _, err := NewRoute(&r); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// TestVariables: what filters may name is known of a route by itself.
func TestVariables(t *testing.T) {
	for _, c := range []struct {
		kind       model.PathKind
		path, host string
		want       []string
	}{
		{model.PathPattern, "/a/{id}/{*rest}", "", []string{"id", "rest"}},
		{model.PathRegex, "/(?P<year>[0-9]+)/([a-z]+)", "", []string{"year", "2"}},
		{model.PathPrefix, "/a", `(?P<sub>[^.]+)\.shop\.test`, []string{"sub"}},
		{model.PathPrefix, "/a", "", nil},
	} {
		m := &model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: c.kind, Value: c.path}}}
		if c.host != "" {
			m.HostVariables = []string{c.host}
		}
		r, err := NewRoute(m)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Variables()
		for _, name := range c.want {
			if !slices.Contains(got, name) {
				t.Errorf("%s: %q, want %q among them", c.path, got, name)
			}
		}
	}
}
