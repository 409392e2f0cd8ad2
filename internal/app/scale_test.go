package app

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/upstream"
)

// TestChangeCostsWhatChanged has one route of 100,000 change, and one of 100, from the hub to the planes, until nothing of
// the generation before is left. It compares what the whole process allocates.
func TestChangeCostsWhatChanged(t *testing.T) {
	const few, many = 100, 100_000
	for _, s := range spreads() {
		t.Run(s.name, func(t *testing.T) {
			small, large := changeCosts(t, s, few), changeCosts(t, s, many)
			for kind, a := range small {
				b := large[kind]
				t.Logf("%s: of %d routes %d allocations, %d B; of %d routes %d, %d B", kind, few, a.count, a.size, many, b.count, b.size)
				if b.count > 3*a.count || b.size > 3*a.size {
					t.Errorf("%s: that is more than three times as much", kind)
				}
			}
		})
	}
}

type cost struct{ count, size uint64 }

// changeCosts measures each kind of change among n routes, on average.
func changeCosts(t *testing.T, s spread, n int) map[string]cost {
	c := newChain(t, s.all(t, n))
	out := map[string]cost{}
	measure := func(kind string, change func(i int)) {
		const runs = 40
		at := func(i int) int { return i * 7919 % n }
		change(at(0)) // what the first one alone has to do
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range runs {
			change(at(i + 1))
		}
		runtime.ReadMemStats(&after)
		out[kind] = cost{(after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs}
	}
	measure("another target", func(i int) { c.change(s.route(i, forward(1))) })
	measure("another match", func(i int) {
		g := s.route(i, forward(2))
		g.Objects.Routes[0].Match.Path = model.PathMatch{Kind: model.PathExact, Value: fmt.Sprintf("/other/%d", i)}
		c.change(g)
	})
	measure("another host", func(i int) {
		g := s.route(i, forward(3))
		g.Objects.Routes[0].Hosts = []model.Host{model.Host(fmt.Sprintf("other-%d.test", i))}
		c.change(g)
	})
	measure("gone and back", func(i int) {
		c.bound--
		c.change(source.Group{Key: s.route(i, nil).Key})
		c.bound++
		c.change(s.route(i, forward(0)))
	})
	measure("rejected and back", func(i int) {
		c.change(s.route(i, forward(99)))
		c.change(s.route(i, forward(0)))
	})
	return out
}

// p99 is the time that all but one of a hundred stay within.
func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

// routeChanges measures how long it takes from the update of a source to the first answer by the changed route.
func routeChanges(t testing.TB, s spread, n, runs int) []time.Duration {
	c := newChain(t, s.all(t, n))
	ask := dial(t, c.address())
	var took []time.Duration
	for i := range runs {
		at := i * 7919 % n / 4 * 4
		host, _, path := s.at(at)
		body := fmt.Sprint("version ", i)
		g := s.route(at, model.Respond{Status: 200, Body: body})
		began := time.Now()
		c.say <- source.Update{Groups: []source.Group{g}}
		ask.until(host, path, body)
		took = append(took, time.Since(began))
		c.published()
	}
	return took
}

// endpointChanges measures how long it takes from the update of a source to the picker, with n routes to n upstreams.
func endpointChanges(t testing.TB, n, runs int) []time.Duration {
	list := func(i int) model.EndpointsID {
		return model.EndpointsID{Keeper: "static", Name: fmt.Sprint("service-", i)}
	}
	endpoints := func(i int, port uint16) source.Group {
		return source.Group{Key: "endpoints/" + list(i).Name, Objects: &model.Objects{Endpoints: []model.EndpointSet{{List: list(i),
			Endpoints: []model.Endpoint{{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(10 + i>>16), byte(i >> 8), byte(i)}), port)}}}}}}
	}
	groups := ground(t, 0)
	ups := make([]model.Upstream, n)
	for i := range n {
		up := model.Upstream{ID: model.UpstreamID(list(i).Name), Endpoints: []model.EndpointsID{list(i)}}
		ups[i] = up
		groups = append(groups, endpoints(i, 1), source.Group{Key: "service/" + list(i).Name, Objects: &model.Objects{Upstreams: []model.Upstream{up}}},
			spreads()[0].route(i, model.Forward{Targets: []model.Target{{Upstream: up.ID}}}))
	}
	c := newChain(t, groups)
	handles := make([]*upstream.Handle, runs) // those that the routes hold, too
	for run := range runs {
		handles[run] = c.table.Acquire(&ups[run*7919%n])
		defer handles[run].Release()
	}
	var took []time.Duration
	for run, h := range handles {
		i, port := run*7919%n, uint16(run+2)
		began := time.Now()
		c.say <- source.Update{Groups: []source.Group{endpoints(i, port)}}
		for {
			if next, err := h.Peek(1); err == nil && next[0].Addr.Port() == port {
				break
			}
			if time.Since(began) > 10*time.Second {
				t.Fatalf("service-%d does not get its endpoint", i)
			}
			runtime.Gosched()
		}
		took = append(took, time.Since(began))
	}
	return took
}

// TestChangesArriveInTime holds the bars of both rates of change with 5,000 routes, for the median: the rest belongs to
// whatever else the machine does. The benchmarks print the figures that count.
func TestChangesArriveInTime(t *testing.T) {
	const routes, runs = 5_000, 200
	within := func(what string, bar time.Duration, measure func() []time.Duration) {
		var got time.Duration
		for range 3 { // other work on the machine must not be held against it
			took := measure()
			worst := p99(took) // sorts
			t.Logf("%s: median %v, p99 %v", what, took[len(took)/2], worst)
			if got = took[len(took)/2]; got <= bar {
				return
			}
		}
		t.Errorf("%s: the median is %v, want %v at most", what, got, bar)
	}
	for _, s := range spreads() {
		within("a route of "+s.name, 50*time.Millisecond, func() []time.Duration { return routeChanges(t, s, routes, runs) })
	}
	within("an endpoint", 5*time.Millisecond, func() []time.Duration { return endpointChanges(t, routes, runs) })
}

func report(b *testing.B, took []time.Duration) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(p99(took)), "p99-ms")
	b.ReportMetric(ms(took[len(took)/2]), "median-ms")
}

// BenchmarkRouteChange measures 1,000 changes, however often it is told to run.
func BenchmarkRouteChange(b *testing.B) {
	for _, s := range spreads() {
		for _, n := range []int{100, 5_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) { report(b, routeChanges(b, s, n, 1000)) })
		}
	}
}

// BenchmarkEndpointChange is the same for addresses.
func BenchmarkEndpointChange(b *testing.B) {
	for _, n := range []int{100, 5_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { report(b, endpointChanges(b, n, 1000)) })
	}
}
