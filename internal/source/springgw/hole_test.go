package springgw

import (
	"slices"
	"testing"

	"paifang/internal/watch"
)

// TestHoleOfOthers: a list of the application's own is none of the gateway's business: routes come and go beside it.
func TestHoleOfOthers(t *testing.T) {
	c := Config{}.withDefaults()
	r := newReading(&c)
	routes := func(text string) (names []string) {
		r.take([]watch.File{{Path: "application.properties", Data: []byte("app.names[1]=x\n" + text), Settled: true}})
		for _, g := range translate(c, r.applications(), nil, nil).groups {
			for _, d := range g.Objects.Diagnostics {
				t.Error(d)
			}
			for _, route := range g.Objects.Routes {
				names = append(names, route.Origin.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	const a = "spring.cloud.gateway.routes[0].id=a\nspring.cloud.gateway.routes[0].uri=lb://a\nspring.cloud.gateway.routes[0].predicates[0]=Path=/a\n"
	const b = "spring.cloud.gateway.routes[1].id=b\nspring.cloud.gateway.routes[1].uri=lb://b\nspring.cloud.gateway.routes[1].predicates[0]=Path=/b\n"
	if got := routes(a + b); len(got) != 2 {
		t.Error(got)
	}
	if got := routes(a); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v are served, and b was taken away", got)
	}
}
