package httpproxy

import (
	"slices"
	"sync"
	"sync/atomic"

	"paifang/internal/counter"
	"paifang/internal/model"
)

// otherName is the name under which routes and upstreams are shown together that there is no room for.
const otherName = "other"

// Time series that metrics show, each at most: of one series of requests, of one route, of one upstream. Config.Series is
// divided by them.
const (
	seriesOfRequests = 6
	seriesOfRoute    = counter.Buckets + 2 + 2 + free*seriesOfRequests // the histogram of latency; bytes in and out
	seriesOfUpstream = counter.Buckets + 2 + 7                         // the histogram of first bytes; connections and endpoints
)

// free is how many series of requests a route with a name has room for in any case: by a listener in clear text and by one
// with TLS.
const free = 2

// maxCodes bounds the codes that are told apart; routes may bring their own.
const maxCodes = 500

// counterSet owns what is counted. Who counts never locks it: a route keeps its series, and a request finds the one of its
// listener and upstream among them. Routes, upstreams and listeners are known by ID, so that no change of one begins its
// counters anew.
type counterSet struct {
	shards int
	turn   atomic.Uint32              // of who asks for a shard
	own    *counter.Keyed[model.Code] // answers of our own
	broken *counter.Keyed[model.Code] // requests that failed without one
	none   routeCounters              // requests that no route took

	mu        sync.Mutex
	routes    map[model.RouteID]*routeCounters
	upstreams map[model.UpstreamID]*upstreamCounters
	listeners map[model.ListenerID]*listenerCounters
	room      [2]int // time series that routes and upstreams may yet have
	gone      gone
}

// Indexes into room.
const (
	ofRoutes = iota
	ofUpstreams
)

// gone is what was shown as other and belonged to who has gone: a counter must not go back.
type gone struct {
	requests  map[*listenerCounters]*[6]uint64
	routes    Totals
	upstreams Totals
	retries   map[model.Code]uint64
}

// routeCounters live as long as a route of that ID is bound, in all generations.
type routeCounters struct {
	set    *counterSet
	id     model.RouteID
	named  bool // it is shown under its name
	refs   int  // under the set's lock
	series atomic.Pointer[[]*series]
}

// series is a route with a listener and an upstream, which may be none.
type series struct {
	route    *routeCounters
	listener *listenerCounters
	upstream *upstreamCounters // nil: the request came to none
	to       model.UpstreamID
	named    bool
	counts   *counter.Sharded[tally]
}

// upstreamCounters live as long as a route that leads to the upstream.
type upstreamCounters struct {
	id      model.UpstreamID
	named   bool
	refs    int     // under the set's lock
	past    *Totals // of series that went, nil while none did, under the set's lock
	retries *counter.Keyed[model.Code]
}

// gone is what counted for the upstream and went. The set's lock is held.
func (u *upstreamCounters) gone() Totals {
	if u.past == nil {
		return Totals{}
	}
	return *u.past
}

func (s *counterSet) begin(limit int) {
	s.shards = counter.Shards()
	s.own = counter.NewKeyed[model.Code](s.shards, maxCodes, otherName)
	s.broken = counter.NewKeyed[model.Code](s.shards, maxCodes, otherName)
	s.none = routeCounters{set: s, named: true, refs: 1}
	s.none.series.Store(&[]*series{})
	s.routes = map[model.RouteID]*routeCounters{}
	s.upstreams = map[model.UpstreamID]*upstreamCounters{}
	s.listeners = map[model.ListenerID]*listenerCounters{}
	s.room = [2]int{limit, limit}
	s.gone = gone{requests: map[*listenerCounters]*[6]uint64{}, retries: map[model.Code]uint64{}}
}

// shard is one for somebody who counts much.
func (s *counterSet) shard() uint32 { return s.turn.Add(1) }

// take takes room for a name and returns whether there is any. The lock is held.
func (s *counterSet) take(of, n int, name string) bool {
	if name == otherName || s.room[of] < n {
		return false
	}
	s.room[of] -= n
	return true
}

// acquire returns the counters of a route; release must follow.
func (s *counterSet) acquire(id model.RouteID) *routeCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.routes[id]
	if r == nil {
		r = &routeCounters{set: s, id: id, named: s.take(ofRoutes, seriesOfRoute, string(id))}
		r.series.Store(&[]*series{})
		s.routes[id] = r
	}
	r.refs++
	return r
}

// release gives the counters of a route back, the last time for good.
func (r *routeCounters) release() {
	s := r.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.refs--; r.refs > 0 {
		return
	}
	delete(s.routes, r.id)
	var sum Totals
	for i, x := range *r.series.Load() {
		t := x.read()
		sum.Add(&t)
		x.listener.past.Add(&t)
		switch {
		case !x.named:
			s.goneRequests(x.listener, &t)
		case i >= free:
			s.room[ofRoutes] += seriesOfRequests
		}
		if x.upstream != nil {
			if x.upstream.past == nil {
				x.upstream.past = &Totals{}
			}
			x.upstream.past.Add(&t)
			s.releaseUpstream(x.upstream)
		}
		s.releaseListener(x.listener)
	}
	if r.named {
		s.room[ofRoutes] += seriesOfRoute
	} else {
		s.gone.routes.Add(&sum)
	}
}

// goneRequests keeps the requests of a series that was shown as other. The lock is held.
func (s *counterSet) goneRequests(l *listenerCounters, t *Totals) {
	g := s.gone.requests[l]
	if g == nil {
		g = &[6]uint64{}
		s.gone.requests[l] = g
	}
	for i, n := range t.Class {
		g[i] += n
	}
}

// acquireUpstream counts one more user of the counters of an upstream. The lock is held.
func (s *counterSet) acquireUpstream(id model.UpstreamID) *upstreamCounters {
	u := s.upstreams[id]
	if u == nil {
		u = &upstreamCounters{id: id, named: s.take(ofUpstreams, seriesOfUpstream, string(id)), retries: counter.NewKeyed[model.Code](1, maxCodes, otherName)}
		s.upstreams[id] = u
	}
	u.refs++
	return u
}

// releaseUpstream is the opposite. The lock is held.
func (s *counterSet) releaseUpstream(u *upstreamCounters) {
	if u.refs--; u.refs > 0 {
		return
	}
	delete(s.upstreams, u.id)
	if u.named {
		s.room[ofUpstreams] += seriesOfUpstream
		return
	}
	t := u.gone()
	s.gone.upstreams.Add(&t)
	for code, n := range u.retries.Read() {
		s.gone.retries[code] += n
	}
}

// upstream is acquireUpstream for routes that are being bound, which release it with giveUpstream: an upstream is known,
// and has its place, before anybody asks for it.
func (s *counterSet) upstream(id model.UpstreamID) *upstreamCounters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acquireUpstream(id)
}

func (s *counterSet) giveUpstream(u *upstreamCounters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseUpstream(u)
}

// of returns the series of a request. Only the first request of a series locks and allocates.
func (r *routeCounters) of(l *listenerCounters, to model.UpstreamID) *series {
	if x := r.find(l, to); x != nil {
		return x
	}
	return r.open(l, to)
}

func (r *routeCounters) find(l *listenerCounters, to model.UpstreamID) *series {
	for _, x := range *r.series.Load() {
		if x.listener == l && x.to == to {
			return x
		}
	}
	return nil
}

func (r *routeCounters) open(l *listenerCounters, to model.UpstreamID) *series {
	s := r.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := r.find(l, to); x != nil {
		return x
	}
	x := &series{route: r, listener: l, to: to}
	if to != "" {
		x.upstream = s.acquireUpstream(to)
	}
	if r != &s.none {
		l.refs++
	}
	have := len(*r.series.Load())
	x.named = r == &s.none || r.named && (have < free || s.take(ofRoutes, seriesOfRequests, string(r.id)))
	shards := s.shards
	if !x.named {
		shards = 1 // these are many
	}
	x.counts = counter.New[tally](shards)
	next := append(slices.Clone(*r.series.Load()), x)
	r.series.Store(&next)
	return x
}

// read adds the shards up.
func (x *series) read() Totals {
	var t Totals
	for c := range x.counts.All() {
		t.read(c)
	}
	return t
}
