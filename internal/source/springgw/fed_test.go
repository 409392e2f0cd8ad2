package springgw

import (
	"slices"
	"testing"

	"paifang/internal/model"
	"paifang/internal/watch"
)

// TestFedAtFirst: of a text of a feed with a slip in it, which was never read without, what it does say holds: a key that nobody knows takes no
// filter away that guards all routes, and one definition that is none does not take the others with it.
func TestFedAtFirst(t *testing.T) {
	c := Config{Feeds: []Feed{{Name: "guard.yaml"}, {Name: "routes.json"}}}.withDefaults()
	r := newReading(&c)
	r.take([]watch.File{
		{Path: "guard.yaml", Data: []byte("spring.cloud.gateway:\n  default-filters: ['AddRequestHeader=X-Guard, 1']\n  rotes: []\n"), Settled: true},
		{Path: "routes.json", Data: []byte(routesText(`[{"id": "p", "uri": "lb://p", "predicates": ["Path=/p"]}, {"id": "none"}]`)), Settled: true}})
	var served, errors []string
	for _, g := range translate(c, r.applications(), nil, nil).groups {
		for _, d := range g.Objects.Diagnostics {
			if d.Severity == model.Error {
				errors = append(errors, d.Origin.File)
			}
		}
		for _, route := range g.Objects.Routes {
			if _, ok := route.Action.(model.Forward); !ok {
				continue
			}
			served = append(served, route.Origin.Name)
			if len(route.Filters) != 1 {
				t.Errorf("route %s is served with the filters %v, without the one of all routes", route.Origin.Name, route.Filters)
			}
		}
	}
	if !slices.Equal(served, []string{"p"}) || !slices.Contains(errors, "guard.yaml") || !slices.Contains(errors, "routes.json") {
		t.Errorf("%v are served, errors in %v", served, errors)
	}
}

// TestFedSettings: a key that nobody knows holds up no settings beside it.
func TestFedSettings(t *testing.T) {
	c := Config{Feeds: []Feed{{Name: "guard.yaml"}, {Name: "routes.json"}}}.withDefaults()
	r := newReading(&c)
	for n, guard := range []string{"httpclient.pool.max-idle-time: 5s", "default-filters: ['AddRequestHeader=X-Guard, 1']"} {
		r.take([]watch.File{
			{Path: "guard.yaml", Data: []byte("spring.cloud.gateway:\n  our-own: 5\n  " + guard + "\n"), Settled: true},
			{Path: "routes.json", Data: []byte(routesText(`[{"id": "p", "uri": "lb://p", "predicates": ["Path=/p"]}]`)), Settled: true}})
		for _, g := range translate(c, r.applications(), nil, nil).groups {
			for _, d := range g.Objects.Diagnostics {
				if d.Severity == model.Error {
					t.Error(d)
				}
			}
			for _, route := range g.Objects.Routes {
				if len(route.Filters) != n {
					t.Errorf("%s: filters %v", guard, route.Filters)
				}
			}
		}
	}
}
