package app

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/model"
	"paifang/internal/telemetry"
)

// traffic counts requests by listener and by endpoint of an upstream. Routes are counted by the HTTP plane, connections by
// the L4 plane, questions by the DNS plane.
type traffic struct {
	mu sync.RWMutex
	m  map[carrier]*tally
}

// carrier is a listener, or an endpoint as an upstream reaches it.
type carrier struct {
	listener, upstream string
	endpoint           netip.AddrPort
}

// tally is updated by every request.
type tally struct {
	count, errors, refused atomic.Uint64
	latency, last          atomic.Int64 // nanoseconds; of Unix time
}

// Bounds of what is counted. Endpoints come and go: who was idle for long is forgotten when there is no room.
const (
	maxCarriers = 20_000
	carrierIdle = 10 * time.Minute
)

func newTraffic() *traffic { return &traffic{m: map[carrier]*tally{}} }

// seen counts a request. It keeps none of its strings.
func (t *traffic) seen(a *telemetry.Access) {
	now := a.Time.Add(a.Total)
	t.of(carrier{listener: a.Listener}, now).add(a.Status, a.Total, now)
	if a.Endpoint.IsValid() {
		took := a.FirstByte
		if took == 0 {
			took = a.Total
		}
		t.of(carrier{upstream: a.Upstream, endpoint: a.Endpoint}, now).add(a.Status, took, now)
	}
}

func (c *tally) add(status int, took time.Duration, now time.Time) {
	if c == nil {
		return
	}
	switch {
	case status < 100 || status >= 500:
		c.errors.Add(1)
	case status >= 400:
		c.refused.Add(1)
	}
	c.latency.Add(int64(took))
	c.last.Store(now.UnixNano())
	c.count.Add(1)
}

// of returns the tally of a carrier, nil when there is no room for another one.
func (t *traffic) of(k carrier, now time.Time) *tally {
	t.mu.RLock()
	c := t.m[k]
	t.mu.RUnlock()
	if c != nil {
		return c
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c = t.m[k]; c != nil {
		return c
	}
	if len(t.m) >= maxCarriers && !t.forget(now) {
		return nil
	}
	k.listener, k.upstream = strings.Clone(k.listener), strings.Clone(k.upstream)
	c = &tally{}
	c.last.Store(now.UnixNano())
	t.m[k] = c
	return c
}

// forget drops what was idle for long and tells whether that made room.
func (t *traffic) forget(now time.Time) bool {
	for k, c := range t.m {
		if now.UnixNano()-c.last.Load() > int64(carrierIdle) {
			delete(t.m, k)
		}
	}
	return len(t.m) < maxCarriers
}

// read returns the tallies, which go on counting.
func (t *traffic) read() map[carrier]*tally {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.m)
}

func (c *tally) row(part adminapi.Part, name, upstream string) adminapi.Traffic {
	out := adminapi.Traffic{Part: part, Name: name, Upstream: upstream, Unit: adminapi.Requests}
	if c != nil {
		out.Count, out.Errors, out.Refused = c.count.Load(), c.errors.Load(), c.refused.Load()
		out.Latency = inMillis(time.Duration(c.latency.Load()))
	}
	return out
}

func inMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Traffic implements adminapi.Carrier: names, then listeners, then routes, then endpoints.
func (a *App) Traffic() []adminapi.Traffic {
	counted := a.traffic.read()
	out := a.nameTraffic()
	out = append(out, a.listenerTraffic(counted)...)
	for _, r := range a.http.Routes() {
		out = append(out, adminapi.Traffic{Part: adminapi.OfRoute, Name: string(r.Route), Unit: adminapi.Requests, Count: r.Requests,
			Errors: r.Class[0] + r.Class[5], Refused: r.Class[4], Latency: inMillis(r.Latency)})
	}
	return append(out, a.endpointTraffic(counted)...)
}

func (a *App) nameTraffic() []adminapi.Traffic {
	var out []adminapi.Traffic
	for _, c := range a.dns.Counts() {
		out = append(out, adminapi.Traffic{Part: adminapi.OfName, Name: string(c.Name), Unit: adminapi.Questions, Count: c.Questions, Errors: c.Failed,
			Refused: c.Denied, Latency: inMillis(c.Took)})
	}
	return out
}

func (a *App) listenerTraffic(counted map[carrier]*tally) []adminapi.Traffic {
	var out []adminapi.Traffic
	for _, l := range a.http.Listeners() {
		id := string(l.ID)
		if i := slices.IndexFunc(out, func(t adminapi.Traffic) bool { return t.Name == id }); i >= 0 { // its sockets of before still drain
			out[i].Open += l.Open
			continue
		}
		row := counted[carrier{listener: id}].row(adminapi.OfListener, id, "")
		row.Open = l.Open
		out = append(out, row)
	}
	for k, c := range counted { // one that is stopped keeps what it has counted
		if k.listener != "" && !slices.ContainsFunc(out, func(t adminapi.Traffic) bool { return t.Name == k.listener }) {
			out = append(out, c.row(adminapi.OfListener, k.listener, ""))
		}
	}
	slices.SortFunc(out, func(a, b adminapi.Traffic) int { return cmp.Compare(a.Name, b.Name) })
	for _, l := range a.l4.Status() {
		out = append(out, adminapi.Traffic{Part: adminapi.OfListener, Name: string(l.Listener), Unit: adminapi.Connections, Count: l.Total, Errors: l.Failed, Latency: inMillis(l.Connecting), Open: l.Open})
	}
	return out
}

// endpointTraffic is that of requests as it was recorded, and of connections as the table counts them.
func (a *App) endpointTraffic(counted map[carrier]*tally) []adminapi.Traffic {
	var out []adminapi.Traffic
	for k, c := range counted {
		if k.endpoint.IsValid() {
			out = append(out, c.row(adminapi.OfEndpoint, k.endpoint.String(), k.upstream))
		}
	}
	done := map[model.UpstreamID]bool{}
	for _, l := range a.l4.Status() {
		h, ok := a.table.Find(l.Upstream)
		if done[l.Upstream] || !ok {
			continue
		}
		done[l.Upstream] = true
		for _, e := range h.Snapshot().Endpoints {
			out = append(out, adminapi.Traffic{Part: adminapi.OfEndpoint, Name: e.Addr.String(), Upstream: string(l.Upstream), Unit: adminapi.Connections,
				Count: e.Requests, Errors: e.Failures, Open: int(e.InFlight)})
		}
	}
	slices.SortFunc(out, func(a, b adminapi.Traffic) int {
		return cmp.Or(cmp.Compare(a.Upstream, b.Upstream), cmp.Compare(a.Name, b.Name))
	})
	return out
}
