package springgw

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/watch"
)

// yamlRoutes are as many routes, some with placeholders, some to hosts, one of which is written in its own way.
func yamlRoutes(n, odd int, text string) string {
	var b strings.Builder
	b.WriteString("spring:\n  data.redis.host: redis.test\n  cloud.gateway:\n    routes:\n")
	for i := range n {
		if i == odd {
			b.WriteString(text)
			continue
		}
		fmt.Fprintf(&b, "    - id: r%d\n      uri: %s\n      predicates:\n      - Path=/%d/**\n      filters:\n      - StripPrefix=1\n      - name: AddRequestHeader\n        args: {name: X-Of, value: '${of:%d}'}\n",
			i, []string{"lb://s", fmt.Sprintf("http://127.0.0.1:%d", 1000+i)}[i%2], i, i)
	}
	b.WriteString("    default-filters:\n    - AddResponseHeader=X-By,gateway\n")
	return b.String()
}

func jsonRoutes(n, odd int, text string) string {
	var all []string
	for i := range n {
		if i != odd {
			text := fmt.Sprintf(`{"id":"r%d","uri":"lb://s","predicates":[{"name":"Path","args":{"_genkey_0":"/%d/**"}}],"filters":[]}`, i, i)
			all = append(all, text)
			continue
		}
		all = append(all, text)
	}
	return "[\n" + strings.Join(all, ",\n") + "\n]\n"
}

// follower is a run without anything around it.
func follower(t testing.TB, plain bool) (take func(text string) source.Update, r *run) {
	c := Config{Feeds: []Feed{{Name: "routes.yml", Plain: plain}}, Resolver: &names{known: map[string]string{"h.test": "192.0.2.7"}}}.withDefaults()
	out := make(chan source.Update, 1)
	r = &run{c: c, out: out, read: newReading(&c), sent: map[string]*model.Objects{}, resolved: map[string]known{}, feeds: make([]feedState, 1), listed: true}
	return func(text string) source.Update {
		if err := r.hear(t.Context(), told{content: text}); err != nil {
			t.Fatal(err)
		}
		var u source.Update
		for range 2 { // the second time with what was asked for
			select {
			case u = <-out:
			default:
			}
			if r.asking == nil {
				break
			}
			r.learn(<-r.asking)
			r.asking = nil
			if err := r.send(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return u
	}, r
}

// TestOneChangedRoute: what a change of one route among many costs does not grow with their number but by what it takes to look at the text.
func TestOneChangedRoute(t *testing.T) {
	for name, c := range map[string]struct {
		routes   func(n, odd int, text string) string
		one, two string
		plain    bool
		most     float64 // allocations for each route that did not change
	}{
		"yaml": {yamlRoutes, "    - {id: odd, uri: 'lb://s', predicates: ['Path=/one']}\n", "    - {id: odd, uri: 'lb://s', predicates: ['Path=/two']}\n", false, 20},
		"json": {jsonRoutes, `{"id":"odd","uri":"lb://s","predicates":["Path=/one"]}`, `{"id":"odd","uri":"lb://s","predicates":["Path=/two"]}`, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) float64 {
				take, r := follower(t, c.plain)
				texts := [2]string{c.routes(n, n/2, c.one), c.routes(n, n/2, c.two)}
				if u := take(texts[0]); !u.Full || len(u.Groups) < n {
					t.Fatalf("%d groups at first", len(u.Groups))
				}
				took := 0
				return testing.AllocsPerRun(4, func() {
					took++
					before := r.memory
					u := take(texts[took%2])
					if len(u.Groups) != 1 || !strings.HasSuffix(u.Groups[0].Key, "#odd") {
						t.Fatalf("%d groups are sent for one route", len(u.Groups))
					}
					again := 0
					for d, now := range r.memory.routes {
						if before.routes[d].objects != now.objects {
							again++
						}
					}
					if again != 1 || len(r.memory.routes) != n {
						t.Fatalf("%d of %d routes are translated for one", again, len(r.memory.routes))
					}
				})
			}
			few, many := cost(100), cost(2000)
			t.Logf("%.0f allocations among 100 routes, %.0f among 2000", few, many)
			if more := (many - few) / 1900; more > c.most {
				t.Errorf("each other route costs %.2f allocations: %.0f among 100, %.0f among 2000", more, few, many)
			}
		})
	}
}

// BenchmarkOneChangedRoute is one of 5,000.
func BenchmarkOneChangedRoute(b *testing.B) {
	for name, routes := range map[string]func(n, odd int, text string) string{"yaml": yamlRoutes, "json": jsonRoutes} {
		b.Run(name, func(b *testing.B) {
			take, _ := follower(b, name == "json")
			text := routes(5000, -1, "")
			texts := [2]string{strings.Replace(text, "/2500/", "/2500/other/", 1), text}
			take(text)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				if u := take(texts[n%2]); len(u.Groups) != 1 {
					b.Fatal(len(u.Groups))
				}
				n++
			}
		})
	}
}

// TestChangesAreWhole: after any change the groups are those of a source that begins with the text.
func TestChangesAreWhole(t *testing.T) {
	head := "spring.data.redis.host: redis.test\n"
	other := "    - {id: odd, uri: 'http://h.test', predicates: ['Path=/x'], filters: ['RequestRateLimiter=1,2,1,#{@addressKeyResolver}']}\n"
	weight := func(n int) string {
		return fmt.Sprintf("    - {id: odd, uri: 'lb://s', predicates: ['Path=/x', 'Weight=g,%d']}\n    - {id: even, uri: 'lb://s', predicates: ['Path=/x', 'Weight=g,1']}\n", n)
	}
	take, r := follower(t, false)
	for i, text := range []string{
		yamlRoutes(40, -1, ""), yamlRoutes(41, -1, ""), yamlRoutes(40, 3, other), yamlRoutes(40, 30, other), yamlRoutes(40, 0, ""), yamlRoutes(40, -1, ""),
		"of: one\n" + yamlRoutes(40, -1, ""), "of: two\n" + yamlRoutes(40, -1, ""), yamlRoutes(40, 5, weight(1)), yamlRoutes(40, 5, weight(3)), yamlRoutes(40, 5, weight(0)),
		yamlRoutes(40, 20, "    - {id: r1, uri: 'lb://t', predicates: ['Path=/again']}\n"), yamlRoutes(40, 20, "    - {id: r20, enabled: false, uri: 'lb://t', predicates: ['Path=/again']}\n"),
		strings.ReplaceAll(yamlRoutes(40, 7, other), "redis.test", "other.test"), strings.ReplaceAll(yamlRoutes(40, 7, other), "X-By", "X-From"), strings.ReplaceAll(yamlRoutes(40, 7, other), "AddResponseHeader", "None"),
		yamlRoutes(40, 7, other) + "    httpclient.response-timeout: 3s\n", yamlRoutes(40, 7, other) + "    globalcors.cors-configurations:\n      '[/1/**]': {allowedOrigins: 'https://a.test'}\n",
		head + "---\n" + yamlRoutes(40, -1, ""), yamlRoutes(40, -1, "") + "---\nspring.cloud.gateway.routes:\n- {id: only, uri: 'lb://s', predicates: ['Path=/']}\n", yamlRoutes(15, -1, ""), yamlRoutes(40, -1, ""),
		yamlRoutes(40, -1, "") + "    routes[3].uri: lb://other\n", yamlRoutes(40, -1, ""), jsonRoutes(40, 3, `{"id":"odd","uri":"http://h.test","predicates":["Path=/one"]}`), jsonRoutes(39, 3, `{"id":"odd","uri":"http://h.test","predicates":["Path=/one"]}`),
	} {
		take(text)
		fresh, f := follower(t, false)
		fresh(text)
		if len(r.sent) != len(f.sent) {
			t.Errorf("%d: %d groups, want %d", i, len(r.sent), len(f.sent))
		}
		for key, want := range f.sent {
			if got := r.sent[key]; !reflect.DeepEqual(got, want) {
				t.Errorf("%d: group %s is\n%+v, want\n%+v", i, key, got, want)
			}
		}
	}
}

// TestHostsAreWhole: a host has the addresses that it has now, whichever route leads to it.
func TestHostsAreWhole(t *testing.T) {
	c := Config{}.withDefaults()
	to := func(id string) *definition {
		r := newReading(&c)
		r.take([]watch.File{{Path: "r.yml", Settled: true, Data: []byte("spring.cloud.gateway.routes: [{id: " + id + ", uri: 'http://h.test', predicates: ['Path=/" + id + "']}]")}})
		return r.applications()[0].config.routes[0]
	}
	app := &application{path: "r.yml", ours: true, config: gatewayConfig{routes: []*definition{to("a"), to("b")}}}
	addr := func(text string) map[string]known {
		return map[string]known{"h.test:80": {addrs: []netip.Addr{netip.MustParseAddr(text)}}}
	}
	var m *memory
	check := func(what, want string, again bool) {
		t.Helper()
		before := m
		got := translate(c, []*application{app}, addr(want), m)
		m = got.memory
		for _, g := range got.groups {
			if g.Key != "static/h.test:80" {
				continue
			}
			if at := g.Objects.Endpoints[0]; at.Endpoints[0].Addr.Addr().String() != want || at.Origin.Name != app.config.routes[0].id {
				t.Errorf("%s: %v of %s", what, at.Endpoints, at.Origin.Name)
			}
			if before != nil && (before.hosts[g.Key].objects == g.Objects) == again {
				t.Errorf("%s: made again is %v, want %v", what, !again, again)
			}
		}
	}
	check("at first", "192.0.2.1", true)
	check("as before", "192.0.2.1", false)
	check("another address", "192.0.2.2", true)
	app.config.routes = app.config.routes[1:]
	check("the first route gone", "192.0.2.2", true)
}
