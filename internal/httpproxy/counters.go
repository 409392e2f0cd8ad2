package httpproxy

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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

// routeCounters are updated by every request of a route, in all generations.
type routeCounters struct {
	requests, failures atomic.Uint64
	class              [6]atomic.Uint64
	latency            atomic.Int64
}

func (c *routeCounters) count(status int, failed bool, took time.Duration) {
	c.requests.Add(1)
	if i := status / 100; i >= 0 && i < len(c.class) {
		c.class[i].Add(1)
	}
	if failed {
		c.failures.Add(1)
	}
	c.latency.Add(int64(took))
}

// counterSet keeps the counters of routes by their ID, so that a change of a route does not begin them anew.
type counterSet struct {
	mu sync.Mutex
	m  map[model.RouteID]*routeCounters
	no routeCounters // requests that no route took
}

func (s *counterSet) of(id model.RouteID) *routeCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.m[id]
	if c == nil {
		if s.m == nil {
			s.m = map[model.RouteID]*routeCounters{}
		}
		c = &routeCounters{}
		s.m[id] = c
	}
	return c
}

// forget drops the counters of a route that went.
func (s *counterSet) forget(id model.RouteID) {
	s.mu.Lock()
	delete(s.m, id)
	s.mu.Unlock()
}

func (s *counterSet) list() []RouteCount {
	s.mu.Lock()
	out := make([]RouteCount, 0, len(s.m)+1)
	for id, c := range s.m {
		out = append(out, c.read(id))
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b RouteCount) int { return cmp.Compare(a.Route, b.Route) })
	return append(out, s.no.read(""))
}

func (c *routeCounters) read(id model.RouteID) RouteCount {
	out := RouteCount{Route: id, Requests: c.requests.Load(), Failures: c.failures.Load(), Latency: time.Duration(c.latency.Load())}
	for i := range c.class {
		out.Class[i] = c.class[i].Load()
	}
	return out
}
