package meter

import (
	"maps"
	"slices"

	"paifang/internal/counter"
	"paifang/internal/exposition"
	"paifang/internal/filter"
)

var (
	requestsTotal = exposition.Family{Name: "paifang_requests_total", Type: exposition.Counter, Labels: []string{"listener", "route", "upstream", "code"},
		Help: "Requests that have ended. code is the class of the status, 2xx, or none where nothing was sent; route is empty where none took the request, upstream where it came to none."}
	requestDuration = exposition.Family{Name: "paifang_request_duration_seconds", Type: exposition.Histogram, Labels: []string{"route"},
		Help: "From the head of the request to the last byte of the answer."}
	requestBytes = exposition.Family{Name: "paifang_request_bytes_total", Type: exposition.Counter, Labels: []string{"route"},
		Help: "Bytes of request bodies."}
	responseBytes = exposition.Family{Name: "paifang_response_bytes_total", Type: exposition.Counter, Labels: []string{"route"},
		Help: "Bytes of the bodies of answers, as clients were sent them."}
	ownAnswers = exposition.Family{Name: "paifang_own_answers_total", Type: exposition.Counter, Labels: []string{"code"},
		Help: "Answers that no upstream gave, by their reason, which is in the header X-Paifang-Reason and in the access log too; route: the route says so itself, a redirect for one."}
	brokenRequests = exposition.Family{Name: "paifang_broken_requests_total", Type: exposition.Counter, Labels: []string{"code"},
		Help: "Requests that failed once their answer had begun, or whose client went away, by reason."}
	copiesTotal = exposition.Family{Name: "paifang_mirrored_requests_total", Type: exposition.Counter, Labels: []string{"target", "result"},
		Help: "Copies of requests that the filter mirror made, by what became of them: answered, whatever was said; failed, late; dropped for queue-full, memory-full, body-too-large; unsent: the request itself was not sent on whole; ended: with its route or the process."}
	copiesHeld = exposition.Family{Name: "paifang_mirror_copies", Type: exposition.Gauge, Labels: []string{"target"},
		Help: "Copies of requests that wait to be sent, or are under way."}
	dependencyAway = exposition.Family{Name: "paifang_filter_dependency_away", Type: exposition.Gauge, Labels: []string{"filter", "address"},
		Help: "1 while somebody whom a filter asks is away or refuses: the Redis of rate-limit, the key set of jwt, the service of external-auth."}
	dependencyFailures = exposition.Family{Name: "paifang_filter_dependency_failures_total", Type: exposition.Counter, Labels: []string{"filter", "address"},
		Help: "Questions of filters to those whom they ask that were not answered, or refused; those that were not asked because the one before had just failed count too."}
	foldedNames = exposition.Family{Name: "paifang_metrics_folded", Type: exposition.Gauge, Labels: []string{"kind"},
		Help: "Routes and upstreams that metrics.series leaves no room for: they are counted together under the name other."}
)

func requestFamilies() []*exposition.Family {
	return []*exposition.Family{&requestsTotal, &requestDuration, &requestBytes, &responseBytes, &ownAnswers, &brokenRequests, &copiesTotal, &copiesHeld, &dependencyAway, &dependencyFailures, &foldedNames}
}

// classes are the values of the label code, by the first digit of the status.
var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (p *page) requests() {
	n := &p.counts
	p.Begin(&requestsTotal)
	for _, r := range n.Requests {
		for class, count := range r.Class {
			if count > 0 {
				p.Count(count, string(r.Listener), string(r.Route), string(r.Upstream), classes[class])
			}
		}
	}
	bounds := bounds()
	p.Begin(&requestDuration)
	for i, id := range n.RouteIDs {
		durations(p, bounds, &n.Routes[i].Latency, string(id))
	}
	p.Begin(&requestBytes)
	for i, id := range n.RouteIDs {
		p.Count(n.Routes[i].In, string(id))
	}
	p.Begin(&responseBytes)
	for i, id := range n.RouteIDs {
		p.Count(n.Routes[i].Out, string(id))
	}
	p.Begin(&ownAnswers)
	byKey(p, n.Own)
	p.Begin(&brokenRequests)
	byKey(p, n.Broken)
	p.copies()
	p.dependencies()
	p.Begin(&foldedNames)
	p.Count(uint64(n.FoldedRoutes), "route")
	p.Count(uint64(n.FoldedUpstreams), "upstream")
}

// mostTargets bounds the targets of mirrors that are shown: those behind them are added up.
const mostTargets = 200

func (p *page) copies() {
	all := p.HTTP.Copies()
	if len(all) > mostTargets {
		other := &all[mostTargets-1]
		other.Target = otherName
		for _, c := range all[mostTargets:] {
			other.Held += c.Held
			for i, n := range c.Results {
				other.Results[i] += n
			}
		}
		all = all[:mostTargets]
	}
	p.Begin(&copiesTotal)
	for i := range all {
		for r, n := range all[i].Results {
			if n > 0 {
				p.Count(n, all[i].Target, filter.CopyResult(r).String())
			}
		}
	}
	p.Begin(&copiesHeld)
	for i := range all {
		p.Value(float64(all[i].Held), all[i].Target)
	}
}

// dependencies shows those that filters ask. There is one for each address that is written in a configuration: behind so many they are
// added up.
func (p *page) dependencies() {
	all := p.HTTP.Dependencies()
	if len(all) > mostTargets {
		other := &all[mostTargets-1]
		other.Kind, other.Address = otherName, otherName
		for _, d := range all[mostTargets:] {
			other.Away = other.Away || d.Away
			other.Failures += d.Failures
		}
		all = all[:mostTargets]
	}
	p.Begin(&dependencyAway)
	for _, d := range all {
		p.Bool(d.Away, d.Kind, d.Address)
	}
	p.Begin(&dependencyFailures)
	for _, d := range all {
		p.Count(d.Failures, d.Kind, d.Address)
	}
}

// bounds are those of the histograms in seconds.
func bounds() []float64 {
	var out []float64
	for i := range counter.Buckets {
		if b, ok := counter.Bound(i); ok {
			out = append(out, b.Seconds())
		}
	}
	return out
}

func durations(p *page, bounds []float64, d *counter.Durations, labels ...string) {
	p.Buckets(bounds, d.Counts[:], d.Sum.Seconds(), labels...)
}

// byKey adds a series for each key, in order, behind the given labels.
func byKey[K ~string](p *page, counts map[K]uint64, labels ...string) {
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		p.Count(counts[k], append(slices.Clone(labels), string(k))...)
	}
}
