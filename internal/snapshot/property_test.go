package snapshot

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paifang/internal/model"
)

// drawPath draws what a route may ask of a path.
func drawPath(t *rapid.T) model.PathMatch {
	kind := rapid.SampledFrom([]model.PathKind{model.PathAny, model.PathExact, model.PathExact, model.PathPrefix, model.PathPrefix,
		model.PathPattern, model.PathPattern, model.PathRegex}).Draw(t, "kind")
	m := model.PathMatch{Kind: kind}
	pool := []string{"a", "b", "ab", "order", ""}
	switch kind {
	case model.PathAny:
		return m
	case model.PathPattern:
		pool = append(pool, "*", "{x}", "a*", "?", "**", "{x:[ab]+}", `{x:\w{5}}`, "a{x}", "{x:a*}b")
		m.Strict = rapid.Bool().Draw(t, "strict")
	case model.PathRegex:
		pool = []string{"a", "ab?", "(b|order)", "[a-c]+", "B", "order$", "a|/b"}
		m.IgnoreCase = rapid.Bool().Draw(t, "any case")
	}
	segs := rapid.SliceOfN(rapid.SampledFrom(pool), 0, 4).Draw(t, "path")
	if kind == model.PathPattern && rapid.IntRange(0, 3).Draw(t, "rest") == 0 {
		segs = append(segs, rapid.SampledFrom([]string{"**", "{*rest}"}).Draw(t, "rest as"))
	}
	m.Value = "/" + strings.Join(segs, "/")
	if rapid.IntRange(0, 3).Draw(t, "slash") == 0 && m.Value != "/" {
		m.Value += "/"
	}
	return m
}

func drawFields(t *rapid.T, what string) []model.FieldMatch {
	var out []model.FieldMatch
	for range max(rapid.IntRange(-3, 2).Draw(t, what), 0) {
		out = append(out, model.FieldMatch{
			Name:    rapid.SampledFrom([]string{"p", "q"}).Draw(t, "name"),
			Value:   rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "value"),
			Present: rapid.IntRange(0, 3).Draw(t, "present") == 0,
		})
		if last := &out[len(out)-1]; !last.Present && rapid.IntRange(0, 3).Draw(t, "expression") == 0 {
			last.Regex, last.Value = true, rapid.SampledFrom([]string{"1|2", "[23]", "1.*", "12?", "12.*", "(?i:1)2", ""}).Draw(t, "of")
		}
		if last := &out[len(out)-1]; !last.Present {
			last.OrAbsent = rapid.IntRange(0, 3).Draw(t, "or absent") == 0
		}
	}
	return out
}

// drawRare draws the conditions that few routes have.
func drawRare(t *rapid.T, m *model.Match) {
	switch rapid.IntRange(0, 9).Draw(t, "rare") {
	case 0:
		m.Addresses = []model.AddressMatch{{Ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Forwarded: rapid.IntRange(0, 2).Draw(t, "forwarded")}}
	case 1:
		m.Time = model.Window{From: time.Unix(int64(rapid.IntRange(1, 3).Draw(t, "from")), 0)}
	case 2:
		m.Time = model.Window{Until: time.Unix(int64(rapid.IntRange(1, 3).Draw(t, "until")), 0)}
	case 3:
		m.Shares = []model.Share{{Group: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group"), From: 0, Until: model.ShareWhole / 2}}
	case 4:
		m.Shares = []model.Share{{Group: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group"), From: model.ShareWhole / 2, Until: model.ShareWhole}}
	case 5:
		m.Versions = []model.VersionMatch{{In: []model.VersionPlace{{Header: "p"}, {Query: "q"}},
			Is: rapid.SampledFrom([]string{"1", "2+", "3"}).Draw(t, "version"), Default: rapid.SampledFrom([]string{"", "2"}).Draw(t, "default version")}}
	}
}

// drawRoute draws a route, or nil where the path is none.
func drawRoute(t *rapid.T, id string, path func(*rapid.T) model.PathMatch) *Route {
	r := model.Route{ID: model.RouteID(id), Match: model.Match{Path: path(t)}}
	if rapid.IntRange(0, 3).Draw(t, "methods") == 0 {
		r.Match.Methods = rapid.SampledFrom([][]string{{"GET"}, {"POST"}, {"GET", "POST"}}).Draw(t, "method")
	}
	r.Match.Headers = drawFields(t, "headers")
	r.Match.Query = drawFields(t, "query")
	r.Match.Cookies = drawFields(t, "cookies")
	drawRare(t, &r.Match)
	r.Rank.Order = max(rapid.IntRange(-4, 2).Draw(t, "order"), 0)
	r.Default = rapid.IntRange(0, 7).Draw(t, "default") == 0
	out, err := NewRoute(&r)
	if err != nil {
		return nil
	}
	return out
}

func drawRequest(t *rapid.T) asked {
	q := asked{method: rapid.SampledFrom([]string{"GET", "POST", "PUT"}).Draw(t, "as"), values: [3]map[string][]string{{}, {}, {}}}
	segs := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "order", "x", "axx", "B", "", "a;b", "order;", ";x"}), 0, 5).Draw(t, "request")
	q.path = "/" + strings.Join(segs, "/")
	if rapid.IntRange(0, 3).Draw(t, "trailing") == 0 && q.path != "/" {
		q.path += "/"
	}
	for _, name := range []string{"p", "q"} {
		for in := range q.values {
			for range max(rapid.IntRange(-1, 2).Draw(t, "values of "+name), 0) {
				q.values[in][name] = append(q.values[in][name], rapid.SampledFrom([]string{"1", "2", "3", "4", "12", "123"}).Draw(t, "value"))
			}
		}
	}
	for range max(rapid.IntRange(-2, 2).Draw(t, "hops"), 0) {
		q.values[InHeaders]["X-Forwarded-For"] = append(q.values[InHeaders]["X-Forwarded-For"],
			rapid.SampledFrom([]string{"10.1.1.1", "10.1.1.1, 192.0.2.1", "192.0.2.1,10.1.1.1 ,192.0.2.2", "nobody"}).Draw(t, "forwarded for"))
	}
	q.peer = netip.MustParseAddr(rapid.SampledFrom([]string{"10.0.0.1", "::ffff:10.0.0.1", "192.0.2.9"}).Draw(t, "peer"))
	q.now = time.Unix(int64(rapid.IntRange(0, 4).Draw(t, "now")), 0)
	q.draw = rapid.IntRange(0, model.ShareWhole-1).Draw(t, "draw")
	return q
}

func site(hosts map[model.Host][]*Route) *Site {
	e := (&Site{}).Edit()
	for h, routes := range hosts {
		e.Set(h, NewHostTable(h, routes))
	}
	s := e.Hosts()
	return &s
}

// sameShape is a path of few, so that many routes have one and differ in conditions.
func sameShape(t *rapid.T) model.PathMatch {
	return model.PathMatch{Kind: model.PathPrefix, Value: rapid.SampledFrom([]string{"/", "/a", "/a/"}).Draw(t, "path")}
}

// TestFindIsTheLinearSearch compares the lookup with the naive one, over all hosts.
func TestFindIsTheLinearSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := map[model.Host][]*Route{}
		path := drawPath
		if rapid.IntRange(0, 3).Draw(t, "few paths") == 0 {
			path = sameShape
		}
		pool := []model.Host{"", "shop.test", "*.shop.test", "**.shop.test", "a.shop.test", "**.test"}
		pool = pool[:rapid.IntRange(1, len(pool)).Draw(t, "hosts")]
		for i := range rapid.IntRange(1, 60).Draw(t, "routes") {
			if r := drawRoute(t, fmt.Sprint(i), path); r != nil {
				h := rapid.SampledFrom(pool).Draw(t, "host")
				hosts[h] = append(hosts[h], r)
			}
		}
		s := site(hosts)
		for range 25 {
			q := drawRequest(t)
			rule := rapid.SampledFrom([]model.HostRule{model.HostOwns, model.HostFalls}).Draw(t, "rule")
			name := rapid.SampledFrom([]string{"shop.test", "a.shop.test", "b.a.shop.test", "other.test", "else"}).Draw(t, "name")
			want := naiveFind(hosts, rule, name, q)
			f, ok := Find(s, rule, name, q)
			if f.Route != want || ok != (want != nil) {
				t.Fatalf("%s (rule %q) %+v is taken by\n%v, want\n%v", name, rule, q, f.Route, want)
			}
			if !ok {
				continue
			}
			if first := f.Table.Candidates(q)[0]; rule == model.HostFalls && first != want {
				t.Fatalf("the first candidate for %+v is %v, want %v", q, first, want)
			}
		}
	})
}

// TestEditsMakeWhatIsMadeAtOnce changes a table step by step. Every version must be what is made of its routes at once, and
// what is told to differ must be what does.
func TestEditsMakeWhatIsMadeAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := drawPath
		if rapid.Bool().Draw(t, "few paths") {
			path = sameShape
		}
		var table *HostTable
		var routes []*Route
		next := 0
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			var add []*Route
			for range rapid.IntRange(0, 12).Draw(t, "add") {
				next++
				if r := drawRoute(t, fmt.Sprint(next), path); r != nil {
					add = append(add, r)
				}
			}
			drop := map[*Route]bool{}
			for range rapid.IntRange(0, min(9, len(routes))).Draw(t, "remove") {
				drop[routes[rapid.IntRange(0, len(routes)-1).Draw(t, "which")]] = true
			}
			var remove []*Route
			for _, r := range routes {
				if !drop[r] {
					continue
				}
				remove = append(remove, r)
				if rapid.Bool().Draw(t, "only changed") {
					again, err := NewRoute(r.Route)
					if err != nil {
						t.Fatal(err)
					}
					add = append(add, again)
				}
			}
			routes = append(slices.DeleteFunc(routes, func(r *Route) bool { return drop[r] }), add...)
			before := table
			if table == nil {
				table = &HostTable{}
			}
			table = table.With(remove, add)
			if (table == nil) != (len(routes) == 0) {
				t.Fatalf("%d routes are in no table", len(routes))
			}
			if table == nil {
				table = &HostTable{}
			}
			compareTables(t, table, NewHostTable("", routes))
			compareDifferences(t, before, table)
			for range 5 {
				q := drawRequest(t)
				f := newFinder(q)
				f.table(table)
				if want := naiveTable(routes, q, false); f.found != want {
					t.Fatalf("%+v is taken by %v, want %v", q, f.found, want)
				}
			}
		}
	})
}

func compareTables(t *rapid.T, table, whole *HostTable) {
	if got, want := table.Routes(), whole.Routes(); !slices.Equal(got, want) || table.Len() != len(want) {
		t.Fatalf("routes are\n%v (%d), want\n%v", got, table.Len(), want)
	}
	if got, want := table.Lost(), whole.Lost(); !slices.Equal(got, want) {
		t.Fatalf("lost are\n%v, want\n%v", got, want)
	}
	if table.Len() > 0 && table.First() != whole.Routes()[0] {
		t.Fatalf("the first is %v, want %v", table.First(), whole.Routes()[0])
	}
	for _, l := range whole.Lost() {
		if rivals := table.Rivals(l.Route); rivals[0] != l.To || !slices.Contains(rivals, l.Route) {
			t.Fatalf("the rivals of %v are %v, want the first to be %v", l.Route, rivals, l.To)
		}
	}
}

func compareDifferences(t *rapid.T, before, now *HostTable) {
	count := map[*Route]int{}
	now.Differences(before, func(r *Route) { count[r]-- }, func(r *Route) { count[r]++ })
	want := map[*Route]int{}
	for _, r := range now.Routes() {
		want[r]++
	}
	if before != nil {
		for _, r := range before.Routes() {
			want[r]--
		}
	}
	for r, n := range want {
		if count[r] != n {
			t.Fatalf("%v is told %+d times, want %+d", r, count[r], n)
		}
		delete(count, r)
	}
	for r, n := range count {
		if n != 0 {
			t.Fatalf("%v is told, and is in neither", r)
		}
	}
}
