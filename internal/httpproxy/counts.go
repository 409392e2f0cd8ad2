package httpproxy

import (
	"cmp"
	"slices"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// RouteCount is what became of the requests of one route since the process began to serve it.
type RouteCount struct {
	Route    model.RouteID `json:"route"`
	Requests uint64        `json:"requests"`
	Class    [6]uint64     `json:"class"`    // by the first digit of the status; 0: nothing was sent
	Failures uint64        `json:"failures"` // that have a reason code
	Latency  time.Duration `json:"latency"`  // sum, from head to last byte
}

// RequestCount is the requests that a route took from a listener to an upstream.
type RequestCount struct {
	Listener model.ListenerID
	Route    model.RouteID    // empty: no route took them
	Upstream model.UpstreamID // empty: they came to none
	Class    [6]uint64        // by the first digit of the status; 0: nothing was sent
}

// UpstreamCount is what went to an upstream.
type UpstreamCount struct {
	Upstream model.UpstreamID
	Totals
	Retries map[model.Code]uint64 // further tries, by what the one before failed with
}

// ListenerCount is what came in by a listener.
type ListenerCount struct {
	Listener          model.ListenerID
	Totals                      // of all requests that have ended
	InFlight          int64     // requests
	Handshakes        [2]uint64 // of TLS: full, resumed
	HandshakeFailures map[HandshakeFailure]uint64
	Streams, Resets   uint64 // of HTTP/2
	Calmed            uint64 // HTTP/2 connections that were ended because what they sent only cost
}

// Counts is everything that is counted, with bounded names: routes and upstreams that there is no room for (see
// Config.Series) are together in one row named "other".
type Counts struct {
	Requests  []RequestCount
	Routes    []Totals // each with the ID in RouteIDs; the empty one is of requests that no route took
	RouteIDs  []model.RouteID
	Upstreams []UpstreamCount
	Own       map[model.Code]uint64 // answers of our own
	Broken    map[model.Code]uint64 // requests that failed without one
	// FoldedRoutes and FoldedUpstreams are how many of those that are bound have no row of their own.
	FoldedRoutes, FoldedUpstreams int
}

// Copies returns what became of copies of requests that filters made, by target, in order.
func (p *Plane) Copies() []filter.CopyCount { return p.shared.Copies() }

// Dependencies returns how everybody stands whom filters ask, by kind and address.
func (p *Plane) Dependencies() []filter.DependencyState { return p.shared.Dependencies() }

// routeList returns the counters of every route, sorted, and last those of requests that no route took.
func (s *counterSet) routeList() []*routeCounters {
	out := make([]*routeCounters, 0, len(s.routes)+1)
	for _, r := range s.routes {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *routeCounters) int { return cmp.Compare(a.id, b.id) })
	return append(out, &s.none)
}

// list returns what became of the requests of every route.
func (s *counterSet) list() []RouteCount {
	s.mu.Lock()
	all := s.routeList()
	s.mu.Unlock()
	out := make([]RouteCount, 0, len(all))
	for _, r := range all {
		t := r.read()
		out = append(out, RouteCount{Route: r.id, Requests: t.Requests(), Class: t.Class, Failures: t.Failures, Latency: t.Latency.Sum})
	}
	return out
}

func (r *routeCounters) read() Totals {
	var t Totals
	for _, x := range *r.series.Load() {
		one := x.read()
		t.Add(&one)
	}
	return t
}

// state is who counts, and what those who went had counted, at one moment: read under the lock, added up without it.
type state struct {
	routes    []*routeCounters
	upstreams map[*upstreamCounters]*UpstreamCount
	listeners map[*listenerCounters]*ListenerCount
	gone      gone
}

func (s *counterSet) state() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := state{routes: s.routeList(), upstreams: map[*upstreamCounters]*UpstreamCount{}, listeners: map[*listenerCounters]*ListenerCount{}}
	for id, u := range s.upstreams {
		st.upstreams[u] = &UpstreamCount{Upstream: id, Totals: u.gone()}
	}
	for id, l := range s.listeners {
		st.listeners[l] = &ListenerCount{Listener: id, Totals: l.past}
	}
	st.gone = gone{requests: map[*listenerCounters]*[6]uint64{}, routes: s.gone.routes, upstreams: s.gone.upstreams, retries: map[model.Code]uint64{}}
	for l, class := range s.gone.requests {
		c := *class
		st.gone.requests[l] = &c
	}
	for code, n := range s.gone.retries {
		st.gone.retries[code] = n
	}
	return st
}

// read adds up what is counted under bounded names.
func (s *counterSet) read() Counts {
	st := s.state()
	out := Counts{Own: s.own.Read(), Broken: s.broken.Read()}
	folded := st.gone.requests // by listener
	otherRoutes := st.gone.routes
	for _, r := range st.routes {
		var sum Totals
		for _, x := range *r.series.Load() {
			t := x.read()
			sum.Add(&t)
			if u := st.upstreams[x.upstream]; u != nil {
				u.Totals.Add(&t)
			}
			if x.named {
				out.Requests = append(out.Requests, RequestCount{x.listener.id, r.id, x.to, t.Class})
				continue
			}
			if folded[x.listener] == nil {
				folded[x.listener] = &[6]uint64{}
			}
			for i, n := range t.Class {
				folded[x.listener][i] += n
			}
		}
		if r.named {
			out.Routes, out.RouteIDs = append(out.Routes, sum), append(out.RouteIDs, r.id)
			continue
		}
		out.FoldedRoutes++
		otherRoutes.Add(&sum)
	}
	for l, class := range folded {
		out.Requests = append(out.Requests, RequestCount{l.id, otherName, otherName, *class})
	}
	if out.FoldedRoutes > 0 || otherRoutes.Requests() > 0 {
		out.Routes, out.RouteIDs = append(out.Routes, otherRoutes), append(out.RouteIDs, otherName)
	}
	slices.SortFunc(out.Requests, func(a, b RequestCount) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Upstream, b.Upstream))
	})
	out.readUpstreams(&st)
	return out
}

func (out *Counts) readUpstreams(st *state) {
	rest := UpstreamCount{Upstream: otherName, Totals: st.gone.upstreams, Retries: st.gone.retries}
	for u, c := range st.upstreams {
		c.Retries = u.retries.Read()
		if u.named {
			out.Upstreams = append(out.Upstreams, *c)
			continue
		}
		out.FoldedUpstreams++
		rest.Totals.Add(&c.Totals)
		for code, n := range c.Retries {
			rest.Retries[code] += n
		}
	}
	if out.FoldedUpstreams > 0 || rest.Requests() > 0 {
		out.Upstreams = append(out.Upstreams, rest)
	}
	slices.SortFunc(out.Upstreams, func(a, b UpstreamCount) int { return cmp.Compare(a.Upstream, b.Upstream) })
}

// readListeners adds up what is counted by listener, by ID.
func (s *counterSet) readListeners() []ListenerCount {
	st := s.state()
	for _, r := range st.routes {
		for _, x := range *r.series.Load() {
			if c := st.listeners[x.listener]; c != nil {
				t := x.read()
				c.Totals.Add(&t)
			}
		}
	}
	out := make([]ListenerCount, 0, len(st.listeners))
	for l, c := range st.listeners {
		c.Handshakes = [2]uint64{l.handshakes[0].Load(), l.handshakes[1].Load()}
		c.HandshakeFailures = l.failures.Read()
		c.Calmed = l.calmed.Load()
		var begun uint64 // read last: a request that ends meanwhile must not make it less than nothing
		for f := range l.flow.All() {
			begun += f.begun.Load()
			c.Streams, c.Resets = c.Streams+f.streams.Load(), c.Resets+f.resets.Load()
		}
		c.InFlight = max(int64(begun)-int64(c.Totals.Requests()), 0)
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b ListenerCount) int { return cmp.Compare(a.Listener, b.Listener) })
	return out
}

// Routes returns the counters of all routes by ID, and last, without an ID, those of requests that no route took.
func (p *Plane) Routes() []RouteCount { return p.counters.list() }

// Counts returns everything that is counted, by names that are bounded.
func (p *Plane) Counts() Counts { return p.counters.read() }

// ListenerCounts returns what came in by each listener, by ID; those that drain are among them.
func (p *Plane) ListenerCounts() []ListenerCount { return p.counters.readListeners() }

// Folded is how many routes and upstreams there is no room for under their own names.
func (p *Plane) Folded() (routes, upstreams int) {
	s := &p.counters
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.routes {
		if !r.named {
			routes++
		}
	}
	for _, u := range s.upstreams {
		if !u.named {
			upstreams++
		}
	}
	return routes, upstreams
}
