package meter

import (
	"cmp"
	"maps"
	"slices"

	"paifang/internal/exposition"
	"paifang/internal/httpproxy"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

var (
	firstByte = exposition.Family{Name: "paifang_upstream_first_byte_seconds", Type: exposition.Histogram, Labels: []string{"upstream"},
		Help: "From the head of the request to the head of the upstream's answer, all tries and connecting included."}
	retries = exposition.Family{Name: "paifang_upstream_retries_total", Type: exposition.Counter, Labels: []string{"upstream", "cause"},
		Help: "Further tries of requests, by what the try before failed with; kept-connection-lost: a connection that was kept had died, and the request was sent again on a new one."}
	poolHits = exposition.Family{Name: "paifang_upstream_pool_hits_total", Type: exposition.Counter, Labels: []string{"upstream"},
		Help: "Tries on a connection that was kept."}
	poolMisses = exposition.Family{Name: "paifang_upstream_pool_misses_total", Type: exposition.Counter, Labels: []string{"upstream"},
		Help: "Tries that had to connect first, or failed to."}
	upstreamConnections = exposition.Family{Name: "paifang_upstream_connections", Type: exposition.Gauge, Labels: []string{"upstream", "state"},
		Help: "Connections to endpoints: idle ones are kept for the next request, busy ones have one. An address that several upstreams dial alike has one pool, which counts for each of them."}
	endpoints = exposition.Family{Name: "paifang_upstream_endpoints", Type: exposition.Gauge, Labels: []string{"upstream"},
		Help: "Addresses that sources list."}
	endpointsServing = exposition.Family{Name: "paifang_upstream_endpoints_serving", Type: exposition.Gauge, Labels: []string{"upstream"},
		Help: "Addresses that are sent requests now."}
	endpointsDown = exposition.Family{Name: "paifang_upstream_endpoints_down", Type: exposition.Gauge, Labels: []string{"upstream"},
		Help: "Addresses that a probe or a request of this process found to be down."}
	transitions = exposition.Family{Name: "paifang_upstream_endpoint_transitions_total", Type: exposition.Counter, Labels: []string{"upstream", "to", "reason"},
		Help: "Endpoints that went down by own observation, by reason (probe-failed: health check; others: taken out by what befell requests), or came back up."}
)

func upstreamFamilies() []*exposition.Family {
	return []*exposition.Family{&firstByte, &retries, &poolHits, &poolMisses, &upstreamConnections, &endpoints, &endpointsServing, &endpointsDown, &transitions}
}

// otherName is the name for what has no room for its own.
const otherName = "other"

func (p *page) upstreams() {
	counts := p.counts.Upstreams
	bounds := bounds()
	p.Begin(&firstByte)
	for i := range counts {
		durations(p, bounds, &counts[i].FirstByte, string(counts[i].Upstream))
	}
	p.Begin(&retries)
	for _, c := range counts {
		byKey(p, c.Retries, string(c.Upstream))
	}
	p.Begin(&poolHits)
	for _, c := range counts {
		p.Count(c.Kept, string(c.Upstream))
	}
	p.Begin(&poolMisses)
	for _, c := range counts {
		p.Count(c.Dialled, string(c.Upstream))
	}
	name := p.naming(counts)
	usage := folded(p.Upstreams.Usage(), name)
	gauge := func(f *exposition.Family, n func(upstream.Usage) int) {
		p.Begin(f)
		for _, u := range usage {
			p.Value(float64(n(u)), string(u.Upstream))
		}
	}
	p.Begin(&upstreamConnections)
	for _, u := range usage {
		p.Value(float64(u.Idle), string(u.Upstream), "idle")
		p.Value(float64(u.Busy), string(u.Upstream), "busy")
	}
	gauge(&endpoints, func(u upstream.Usage) int { return u.Endpoints })
	gauge(&endpointsServing, func(u upstream.Usage) int { return u.Serving })
	gauge(&endpointsDown, func(u upstream.Usage) int { return u.Down })
	p.transitions(name)
}

// naming returns under which name an upstream is shown: its own where the HTTP plane has room for it, and for those of
// the L4 plane, which are fep.
func (p *page) naming(counts []httpproxy.UpstreamCount) func(model.UpstreamID) model.UpstreamID {
	own := map[model.UpstreamID]bool{}
	for _, c := range counts {
		own[c.Upstream] = true
	}
	for _, l := range summed(p.L4.Status()) {
		own[l.Upstream] = true
	}
	return func(id model.UpstreamID) model.UpstreamID {
		if own[id] {
			return id
		}
		return otherName
	}
}

// folded adds those up that are shown under one name.
func folded(all []upstream.Usage, name func(model.UpstreamID) model.UpstreamID) []upstream.Usage {
	var out []upstream.Usage
	for _, u := range all {
		u.Upstream = name(u.Upstream)
		i, found := slices.BinarySearchFunc(out, u.Upstream, func(o upstream.Usage, id model.UpstreamID) int { return cmp.Compare(o.Upstream, id) })
		if !found {
			out = slices.Insert(out, i, u)
			continue
		}
		o := &out[i]
		o.Endpoints, o.Serving, o.Down = o.Endpoints+u.Endpoints, o.Serving+u.Serving, o.Down+u.Down
		o.Idle, o.Busy = o.Idle+u.Idle, o.Busy+u.Busy
	}
	return out
}

// transition is an upstream with a kind of transition.
type transition struct{ upstream, to, reason string }

// pastTransitions is what upstreams without a name of their own had counted before they went: a counter must not go back.
type pastTransitions struct{ last, gone map[transition]uint64 }

func (p *page) transitions(name func(model.UpstreamID) model.UpstreamID) {
	sums, folded := map[transition]uint64{}, map[transition]uint64{}
	for _, t := range p.Upstreams.Transitions() {
		to := "up"
		if t.Down {
			to = "down"
		}
		k := transition{string(t.Upstream), to, string(t.Reason)}
		if name(t.Upstream) == t.Upstream {
			sums[k] += t.Times
		} else {
			folded[k] = t.Times
		}
	}
	p.past.follow(folded)
	for _, of := range []map[transition]uint64{folded, p.past.gone} {
		for k, n := range of {
			k.upstream = otherName
			sums[k] += n
		}
	}
	p.Begin(&transitions)
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b transition) int {
		return cmp.Or(cmp.Compare(a.upstream, b.upstream), cmp.Compare(a.to, b.to), cmp.Compare(a.reason, b.reason))
	})
	for _, k := range keys {
		p.Count(sums[k], k.upstream, k.to, k.reason)
	}
}

// follow notes what there is now, and keeps what there was and is no more.
func (t *pastTransitions) follow(now map[transition]uint64) {
	for k, n := range t.last {
		if now[k] >= n {
			continue
		}
		if t.gone == nil {
			t.gone = map[transition]uint64{}
		}
		t.gone[transition{to: k.to, reason: k.reason}] += n
	}
	t.last = now
}
