package app

import (
	"cmp"
	"slices"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/httpproxy"
	"paifang/internal/model"
)

func inMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Traffic implements adminapi.Carrier: published names, then listeners, routes and endpoints. The counters are those behind
// /metrics.
func (a *App) Traffic() []adminapi.Traffic {
	out := append(a.nameTraffic(), a.listenerTraffic()...)
	for _, r := range a.http.Routes() {
		out = append(out, adminapi.Traffic{Part: adminapi.OfRoute, Name: string(r.Route), Unit: adminapi.Requests, Count: r.Requests,
			Errors: r.Class[0] + r.Class[5], Refused: r.Class[4], Latency: inMillis(r.Latency)})
	}
	return append(out, a.endpointTraffic()...)
}

func (a *App) nameTraffic() []adminapi.Traffic {
	var out []adminapi.Traffic
	for _, c := range a.dns.NameCounts() {
		out = append(out, adminapi.Traffic{Part: adminapi.OfName, Name: string(c.Name), Unit: adminapi.Questions, Count: c.Questions, Errors: c.Failed,
			Refused: c.Denied, Latency: inMillis(c.Took)})
	}
	return out
}

func (a *App) listenerTraffic() []adminapi.Traffic {
	counted := map[model.ListenerID]httpproxy.ListenerCount{}
	for _, l := range a.http.ListenerCounts() {
		counted[l.Listener] = l
	}
	var out []adminapi.Traffic
	for _, l := range a.http.Listeners() {
		id := string(l.ID)
		if i := slices.IndexFunc(out, func(t adminapi.Traffic) bool { return t.Name == id }); i >= 0 { // its sockets of before still drain
			out[i].Open += l.Open
			continue
		}
		out = append(out, listenerRow(counted[l.ID], id, l.Open))
	}
	for id, n := range counted { // one that is stopped keeps what it has counted
		if !slices.ContainsFunc(out, func(t adminapi.Traffic) bool { return t.Name == string(id) }) {
			out = append(out, listenerRow(n, string(id), 0))
		}
	}
	slices.SortFunc(out, func(a, b adminapi.Traffic) int { return cmp.Compare(a.Name, b.Name) })
	for _, l := range a.l4.Status() {
		if i := slices.IndexFunc(out, func(t adminapi.Traffic) bool { return l.Passed && t.Name == string(l.Listener) }); i >= 0 {
			out[i].Open += l.Open
			continue
		}
		out = append(out, adminapi.Traffic{Part: adminapi.OfListener, Name: string(l.Listener), Unit: adminapi.Connections, Count: l.Total, Errors: l.Failed, Latency: inMillis(l.Connecting), Open: l.Open})
	}
	return out
}

func listenerRow(n httpproxy.ListenerCount, name string, open int) adminapi.Traffic {
	return adminapi.Traffic{Part: adminapi.OfListener, Name: name, Unit: adminapi.Requests, Count: n.Requests(),
		Errors: n.Class[0] + n.Class[5], Refused: n.Class[4], Latency: inMillis(n.Latency.Sum), Open: open}
}

// endpointTraffic is that of requests, and of connections where the L4 plane uses an upstream.
func (a *App) endpointTraffic() []adminapi.Traffic {
	l4 := map[model.UpstreamID]bool{}
	for _, l := range a.l4.Status() {
		l4[l.Upstream] = true
	}
	var out []adminapi.Traffic
	var last model.UpstreamID
	for _, u := range a.table.Upstreams() {
		if u.ID == last {
			continue // what it was before, and still drains
		}
		last = u.ID
		for _, e := range u.Endpoints {
			row := adminapi.Traffic{Part: adminapi.OfEndpoint, Name: e.Addr.String(), Upstream: string(u.ID)}
			switch {
			case l4[u.ID]:
				row.Unit, row.Count, row.Errors, row.Open = adminapi.Connections, e.Requests, e.Failures, int(e.InFlight)
			case e.Answers.Count > 0:
				row.Unit, row.Count, row.Errors, row.Refused = adminapi.Requests, e.Answers.Count, e.Answers.Errors, e.Answers.Refused
				row.Latency = inMillis(e.Answers.Latency)
			default:
				continue
			}
			out = append(out, row)
		}
	}
	slices.SortStableFunc(out, func(a, b adminapi.Traffic) int {
		return cmp.Or(cmp.Compare(a.Upstream, b.Upstream), cmp.Compare(a.Name, b.Name))
	})
	return out
}
