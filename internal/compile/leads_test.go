package compile

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// leading is a route with a filter that has requests looked up again; path may begin with the route's host.
func leading(id, path string, to ...string) model.Route {
	host, path, _ := strings.Cut(path, "/")
	r := model.Route{ID: model.RouteID(id), Origin: model.Origin{Name: id}, Attach: []model.Class{"web"}, Action: model.Respond{Status: 200},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/" + path}}}
	if host != "" {
		r.Hosts = []model.Host{model.Host(host)}
	}
	for _, p := range to {
		r.Filters = append(r.Filters, model.FilterSpec{Kind: "leads", Config: []byte(p)})
	}
	return r
}

func asking(r model.Route, header string) model.Route {
	r.Match.Headers = []model.FieldMatch{{Name: header, Value: "1"}}
	return r
}

// TestLeads: a path that requests are looked up again with, and that no route takes or the same one, is told, and only where that
// is so for every request.
func TestLeads(t *testing.T) {
	falls := model.HostFalls
	cases := []struct {
		name   string
		rule   model.HostRule
		routes []model.Route
		want   []string // "route field: words"
	}{
		{"to another", "", []model.Route{leading("a", "/a", "/b/x"), leading("b", "/b")}, nil},
		{"to none", "", []model.Route{leading("a", "/a", "/c"), leading("b", "/b")}, []string{"a filters[0]: no route takes"}},
		{"to itself", "", []model.Route{leading("a", "/a", "/b", "/a/b"), leading("b", "/b")}, []string{"a filters[1]: this same route takes"}},
		{"to itself by another spelling", "", []model.Route{leading("a", "/a", "//x/../a")}, []string{"a filters[0]: this same route takes"}},
		{"to what a more specific one takes", "", []model.Route{leading("a", "/", "/a/b"), leading("b", "/a")}, nil},
		{"to what another may take", "", []model.Route{leading("a", "/a", "/a/b"), asking(leading("b", "/a/b"), "X-Try")}, nil},
		{"to none but what asks something", "", []model.Route{leading("a", "/a", "/b"), asking(leading("b", "/b"), "X-Try")}, nil},
		{"to itself, which asks what filters may change", "", []model.Route{asking(leading("a", "/a", "/a"), "X-Try")}, nil},
		{"to one of another host", "", []model.Route{leading("a", "a.test/a", "/b"), leading("b", "b.test/b")}, []string{"a filters[0]: host a.test go on to /b, which no route takes"}},
		{"to any host's, which this host hides", "", []model.Route{leading("a", "a.test/a", "/b"), leading("b", "/b")}, []string{"a filters[0]: no route takes"}},
		{"to any host's", falls, []model.Route{leading("a", "a.test/a", "/b"), leading("b", "/b")}, nil},
		{"to a wildcard's", falls, []model.Route{leading("a", "x.a.test/a", "/b"), leading("b", "*.a.test/b")}, nil},
		{"of a wildcard, to none", falls, []model.Route{leading("a", "*.a.test/a", "/b"), leading("b", "x.a.test/b")}, []string{"a filters[0]: host *.a.test go on"}},
		{"of several labels, to what one label has", falls, []model.Route{leading("a", "**.a.test/a", "/b"), leading("b", "*.a.test/b")}, []string{"a filters[0]: host **.a.test go on"}},
		{"of several labels, to its own", "", []model.Route{leading("a", "**.a.test/a", "/b"), leading("b", "**.a.test/b")}, nil},
		{"two for each other", "", []model.Route{leading("a", "/a", "/b"), leading("b", "/b", "/a")}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			listener := model.Listener{ID: "l", Class: "web", Protocol: model.HTTP, HostRule: c.rule, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}}
			snap := Compile(nil, input(map[string]*model.Objects{"s/g": {Routes: c.routes, Listeners: []model.Listener{listener}}}, nil), check)
			var got []string
			for _, d := range snap.Diagnostics() {
				if d.Code == model.CodeFilterDoubtful && d.Severity == model.Warning {
					got = append(got, fmt.Sprintf("%s %s: %s", d.Origin.Name, d.Field, d.Message))
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("%q, want %q", got, c.want)
			}
			for i := range got {
				at, words, _ := strings.Cut(c.want[i], ": ")
				if !strings.HasPrefix(got[i], at+": filter leads: ") || !strings.Contains(got[i], words) {
					t.Errorf("%q, want %q", got[i], c.want[i])
				}
			}
		})
	}
}

// TestLeadsClear: what is said of a path ends when a route of another source takes it, and comes back when that goes. A locator may make
// one, which is said. What hosts without a table of their own have is up to listeners.
func TestLeadsClear(t *testing.T) {
	listener := model.Listener{ID: "l", Class: "web", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}}
	groups := map[string]*model.Objects{
		"s/a": {Routes: []model.Route{leading("a", "a.test/a", "/orders/x")}},
		"s/l": {Listeners: []model.Listener{listener}},
	}
	in := input(groups, nil)
	var snap *snapshot.Snapshot
	step := func(want int, edit func(groups map[string]*model.Objects), lists ...model.EndpointsID) string {
		t.Helper()
		next := maps.Clone(groups)
		edit(next)
		groups, in = next, edited(in, next, lists)
		snap = Compile(snap, in, check)
		if whole := Compile(nil, in, check); dump(whole) != dump(snap) {
			t.Errorf("step by step:\n%s\nat once:\n%s", dump(snap), dump(whole))
		}
		var text string
		n := 0
		for _, d := range snap.Diagnostics() {
			if d.Code == model.CodeFilterDoubtful {
				text = d.Message
				n++
			}
		}
		if n != want {
			t.Errorf("%d are told, want %d: %v", n, want, snap.Diagnostics())
		}
		return text
	}
	same := func(map[string]*model.Objects) {}
	if m := step(1, same); strings.Contains(m, "not listed yet") {
		t.Errorf("a locator is named: %s", m)
	}
	if m := step(1, func(g map[string]*model.Objects) {
		g["s/loc"] = &model.Objects{Locators: []model.Locator{{ID: "loc", Attach: []model.Class{"web"}, Keeper: "registry", Prefix: "public/"}}}
	}); !strings.Contains(m, "not listed yet") {
		t.Errorf("the locator is not named: %s", m)
	}
	orders := model.EndpointsID{Keeper: "registry", Name: "public/orders"}
	step(1, same, orders) // of any host: this host has a table of its own
	step(0, func(g map[string]*model.Objects) {
		falls := listener
		falls.HostRule = model.HostFalls
		g["s/l"] = &model.Objects{Listeners: []model.Listener{falls}}
	}, orders)
	step(1, same)
	step(0, func(g map[string]*model.Objects) {
		g["t/b"] = &model.Objects{Routes: []model.Route{leading("b", "a.test/orders")}}
	})
	step(1, func(g map[string]*model.Objects) { delete(g, "t/b") })
	step(0, func(g map[string]*model.Objects) { delete(g, "s/a") })
}
