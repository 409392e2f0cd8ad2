package snapshot

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

// ask is a request with its host and one header.
type ask struct {
	Request                           // nothing else may be asked of it
	host, method, path, header, value string
}

func (a *ask) LookupMethod() string { return a.method }
func (a *ask) LookupPath() string   { return a.path }
func (a *ask) LookupValue(in Place, name string, i int) (string, bool) {
	return a.value, in == InHeaders && name == a.header && i == 0
}

// A spread is a way in which n routes lie over hosts and paths, with a request for each of them.
type spread struct {
	name string
	make func(n int) (map[model.Host][]*Route, []ask)
}

func spreads() []spread {
	paths := func(kind model.PathKind, pattern, path string) func(int) (map[model.Host][]*Route, []ask) {
		return func(n int) (map[model.Host][]*Route, []ask) {
			routes, requests := make([]*Route, n), make([]ask, n)
			for i := range n {
				routes[i] = compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)), Match: model.Match{Path: model.PathMatch{Kind: kind, Value: fmt.Sprintf(pattern, i)}}})
				requests[i] = ask{host: "shop.test", method: "GET", path: fmt.Sprintf(path, i)}
			}
			return map[model.Host][]*Route{"shop.test": routes}, requests
		}
	}
	return []spread{
		{"hosts", func(n int) (map[model.Host][]*Route, []ask) {
			hosts, requests := map[model.Host][]*Route{}, make([]ask, n)
			for i := range n {
				hosts[model.Host(hostOf(i))] = []*Route{compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)),
					Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/order"}}})}
				requests[i] = ask{host: hostOf(i), method: "GET", path: "/order/42"}
			}
			return hosts, requests
		}},
		{"exact", paths(model.PathExact, "/api/service-%d/items", "/api/service-%d/items")},
		{"prefix", paths(model.PathPrefix, "/api/service-%d", "/api/service-%d/items/42")},
		{"variables", paths(model.PathPattern, "/api/{version}/service-%d/{id}", "/api/v1/service-%d/42")},
		{"conditions", func(n int) (map[model.Host][]*Route, []ask) { // four routes a path, by method and header
			routes, requests := make([]*Route, n), make([]ask, n)
			for i := range n {
				m := model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: fmt.Sprintf("/api/service-%d", i/4)}}
				q := ask{host: "shop.test", method: []string{"GET", "POST"}[i%2], path: fmt.Sprintf("/api/service-%d/42", i/4)}
				m.Methods = []string{q.method}
				if i%4 > 1 {
					m.Headers = []model.FieldMatch{{Name: "x-version", Value: "2"}}
					q.header, q.value = "x-version", "2"
				}
				routes[i], requests[i] = compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)), Match: m}), q
			}
			return map[model.Host][]*Route{"shop.test": routes}, requests
		}},
		{"tenants", func(n int) (map[model.Host][]*Route, []ask) { // one path, told apart by a header
			routes, requests := make([]*Route, n), make([]ask, n)
			for i := range n {
				tenant := fmt.Sprint("tenant-", i)
				routes[i] = compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)), Match: model.Match{
					Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}, Headers: []model.FieldMatch{{Name: "x-tenant", Value: tenant}}}})
				requests[i] = ask{host: "shop.test", method: "GET", path: "/order/42", header: "x-tenant", value: tenant}
			}
			return map[model.Host][]*Route{"shop.test": routes}, requests
		}},
		{"tenants by expression", func(n int) (map[model.Host][]*Route, []ask) {
			routes, requests := make([]*Route, n), make([]ask, n)
			for i := range n {
				routes[i] = compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)), Match: model.Match{
					Path:    model.PathMatch{Kind: model.PathPrefix, Value: "/"},
					Headers: []model.FieldMatch{{Name: "x-tenant", Value: fmt.Sprintf("tenant-%06d-[a-z]+", i), Regex: true}}}})
				requests[i] = ask{host: "shop.test", method: "GET", path: "/order/42", header: "x-tenant", value: fmt.Sprintf("tenant-%06d-north", i)}
			}
			return map[model.Host][]*Route{"shop.test": routes}, requests
		}},
	}
}

func hostOf(i int) string { return fmt.Sprintf("shop-%d.test", i) }

func compiled(m model.Route) *Route {
	r, err := NewRoute(&m)
	if err != nil {
		panic(err)
	}
	return r
}

// prepared makes a site and its requests in an order of chance. The texts of requests lie one behind the other, as
// those of a server lie in a buffer that is at hand.
func prepared(s spread, n int) (*Site, []ask) {
	hosts, requests := s.make(n)
	asks := make([]ask, n)
	var texts strings.Builder
	for i, j := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		asks[i] = requests[j]
		texts.WriteString(asks[i].host + asks[i].path + asks[i].value)
	}
	all := texts.String()
	take := func(text *string) { *text, all = all[:len(*text)], all[len(*text):] }
	for i := range asks {
		take(&asks[i].host)
		take(&asks[i].path)
		take(&asks[i].value)
	}
	return site(hosts), asks
}

func BenchmarkFind(b *testing.B) {
	for _, s := range spreads() {
		for _, n := range []int{10, 100_000} {
			at, asks := prepared(s, n)
			run := func(asks []ask) func(*testing.B) {
				return func(b *testing.B) {
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						a := &asks[i]
						if i++; i == len(asks) {
							i = 0
						}
						if _, ok := Find(at, model.HostOwns, a.host, a); !ok {
							b.Fatalf("%+v is not found", a)
						}
					}
				}
			}
			b.Run(fmt.Sprintf("%s/%d/one", s.name, n), run(asks[:1]))
			b.Run(fmt.Sprintf("%s/%d/all", s.name, n), run(asks))
		}
	}
}

// patience is how long a moment is waited for in which the machine has little else to do.
const patience = 20 * time.Second

// TestFindIsFlat looks for one request among 10 routes and among 100,000. Other work on the machine may slow either, so
// the fastest of many short runs counts, and any attempt that is flat will do: what grew with the routes would never be.
func TestFindIsFlat(t *testing.T) {
	const most = 1.5
	for _, s := range spreads() {
		t.Run(s.name, func(t *testing.T) {
			few, asksFew := prepared(s, 10)
			many, asksMany := prepared(s, 100_000)
			best := 0.0
			for end := time.Now().Add(patience); time.Now().Before(end); {
				a, b := fastest(t, few, &asksFew[0]), fastest(t, many, &asksMany[0])
				if ratio := float64(b) / float64(a); best == 0 || ratio < best {
					best = ratio
				}
				if best <= most {
					return
				}
			}
			t.Errorf("a lookup among 100,000 routes takes %.1f times as long as among 10, want %.1f at most", best, most)
		})
	}
}

func fastest(t *testing.T, at *Site, a *ask) time.Duration {
	const lookups = 500
	least := time.Hour
	for range 30 {
		began := time.Now()
		for range lookups {
			if _, ok := Find(at, model.HostOwns, a.host, a); !ok {
				t.Fatalf("%+v is not found", a)
			}
		}
		least = min(least, time.Since(began))
	}
	return least
}

// TestTableIsMadeInNoTime makes the table of a host whose routes no segment and no value tells apart: among four times as many it takes
// four times as long, and not sixteen. As above, any attempt that shows it will do.
func TestTableIsMadeInNoTime(t *testing.T) {
	const few, times, most = 2000, 4, 8.0
	routes := make([]*Route, few*times)
	for i := range routes {
		routes[i] = compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)), Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"},
			Headers: []model.FieldMatch{{Name: "x-tenant", Value: fmt.Sprintf(".*-%d", i), Regex: true}}}})
	}
	made := func(routes []*Route) time.Duration {
		began := time.Now()
		if n := NewHostTable("shop.test", routes).Len(); n != len(routes) {
			t.Fatalf("%d of %d routes can be reached", n, len(routes))
		}
		return time.Since(began)
	}
	best := 0.0
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if ratio := float64(made(routes)) / float64(made(routes[:few])); best == 0 || ratio < best {
			best = ratio
		}
		if best <= most {
			return
		}
	}
	t.Errorf("the table of %d routes takes %.1f times as long as that of %d, want %.1f at most", len(routes), best, few, most)
}

// Every route is found by its request, and no lookup allocates.
func TestFindDoesNotAllocate(t *testing.T) {
	for _, s := range append(spreads(), hostile()...) {
		t.Run(s.name, func(t *testing.T) {
			at, asks := prepared(s, 30)
			i := 0
			if n := testing.AllocsPerRun(len(asks), func() {
				a := &asks[i%len(asks)]
				i++
				for _, rule := range []model.HostRule{model.HostOwns, model.HostFalls} {
					if f, ok := Find(at, rule, a.host, a); ok != (a.method == "GET" || a.method == "POST") || ok && !f.Route.takes(a.path, a) {
						t.Fatalf("%+v is taken by %v", a, f.Route)
					}
				}
			}); n > 0 && !(raceEnabled && strings.Contains(s.name, "expression")) {
				t.Errorf("a lookup takes %v allocations", n)
			}
		})
	}
}

// hostile are spreads in which everything is as slow as it gets. Requests of method MISS are taken by no route.
func hostile() []spread {
	paths := func(name string, kind model.PathKind, pattern func(int) string, path string) spread {
		return spread{name, func(n int) (map[model.Host][]*Route, []ask) {
			var routes []*Route
			for i := range n {
				routes = append(routes, compiled(model.Route{ID: model.RouteID(fmt.Sprint(i)),
					Match: model.Match{Path: model.PathMatch{Kind: kind, Value: pattern(i), IgnoreCase: kind == model.PathRegex}}}))
			}
			asks := make([]ask, n)
			for i := range asks {
				asks[i] = ask{host: strings.Repeat("a.", 100) + "shop.test", method: "MISS", path: path}
			}
			return map[model.Host][]*Route{"**.shop.test": routes, "*.example.test": routes[:1]}, asks
		}}
	}
	long := strings.Repeat("/a", 4000)
	return []spread{
		paths("many slashes", model.PathPrefix, func(i int) string { return fmt.Sprintf("/a/a/a/b%d", i) }, strings.Repeat("/", 8000)),
		paths("many segments", model.PathPattern, func(i int) string { return fmt.Sprintf("/{a}/*/{b}/b%d/**", i) }, long),
		paths("any number of segments", model.PathPattern, func(i int) string { return fmt.Sprintf("/**/a/**/a/**/a/**/a/b%d", i) }, long),
		paths("wild segments", model.PathPattern, func(i int) string { return fmt.Sprintf("/*a*a*a*a*a*b%d", i) }, "/"+strings.Repeat("a", 8000)),
		paths("expressions", model.PathRegex, func(i int) string { return fmt.Sprintf("/a(a|a)*(/a*)*b%d", i) }, long),
		paths("expressions told apart", model.PathRegex, func(i int) string { return fmt.Sprintf("/b%d(a|a)*(/a*)*b", i) }, long),
	}
}

// BenchmarkHostile has 100 routes and a path of 8 KB: no request is longer.
func BenchmarkHostile(b *testing.B) {
	for _, s := range hostile() {
		at, asks := prepared(s, 100)
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := Find(at, model.HostFalls, asks[0].host, &asks[0]); ok {
					b.Fatal("it is found")
				}
			}
		})
	}
}
