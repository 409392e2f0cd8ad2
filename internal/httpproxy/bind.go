package httpproxy

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

// boundRoute is a route ready to serve: filters built, upstreams acquired. It lives from the first table that has it to
// the last request that uses it.
type boundRoute struct {
	route    *snapshot.Route
	chain    *filter.Chain
	forward  *model.Forward // without targets and lanes, which are below; never nil
	host     hostRule       // of forward
	targets  []boundTarget
	fallback *upstream.Handle   // nil = none
	asked    []*upstream.Handle // that filters send requests of their own to
	shares   int                // of all targets
	refuse   model.Code
	further  int            // tries after the first
	sticky   bool           // a client may be bound to one of several targets
	lanes    []*boundTarget // where each lane of the route leads
	named    []*boundTarget // where each target leads that requests may name; nil = they may name none
	counters *routeCounters

	users   atomic.Int64 // requests, and one while a table has it
	retired atomic.Int64 // when the last table that had it went, in nanoseconds; 0 = it has not
	tables  int          // guarded by the binder's lock
}

type boundTarget struct {
	id     model.UpstreamID
	handle *upstream.Handle
	until  int  // shares of this target and those before it
	shared bool // it has a share
	counts *upstreamCounters
	carry  model.Tag        // a header that requests are sent on with
	other  *upstream.Handle // which has them while nobody of the target is up; may be nil
	host   *hostRule        // of requests that have named it; nil = that of the route
}

// hostRule says which host requests are sent on with.
type hostRule struct {
	mode model.HostMode
	text string // of HostLiteral
	name string // the same in its normal form
}

func newHostRule(mode model.HostMode, text string) hostRule {
	h := hostRule{mode: mode, text: text}
	if mode == model.HostLiteral {
		var r http1.Request
		if r.SetAuthority(text) == nil {
			h.name = r.Host
		}
	}
	return h
}

// acquire takes a reference for a request. It fails for a route that has been retired for good.
func (b *boundRoute) acquire() bool {
	for {
		n := b.users.Load()
		if n == 0 {
			return false
		}
		if b.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (b *boundRoute) release() {
	if b.users.Add(-1) > 0 {
		return
	}
	_ = b.chain.Close() // filters report what they cannot do when they do it
	for _, t := range b.targets {
		t.handle.Release()
		b.counters.set.giveUpstream(t.counts)
	}
	if b.fallback != nil {
		b.fallback.Release()
	}
	for _, h := range b.asked {
		h.Release()
	}
	b.counters.release()
}

// choose returns the target of a request: by chance, in proportion to the shares. nil if there is none.
func (b *boundRoute) choose() *boundTarget {
	switch {
	case len(b.targets) == 0:
		return nil
	case len(b.targets) == 1:
		return &b.targets[0]
	}
	n := rand.IntN(b.shares)
	for i := range b.targets {
		if t := &b.targets[i]; n < t.until { // a target without a share ends where the one before it does
			return t
		}
	}
	return nil
}

// boundSite is what the listeners of a class serve, with what its routes are bound to. It is immutable.
type boundSite struct {
	site   *snapshot.Site
	routes shard.Index[*snapshot.Route, served]
}

// served is a bound route and how many hosts of the site have it.
type served struct {
	bound *boundRoute
	hosts int
}

// binder binds the routes of tables. A route is bound once, however many hosts and classes it serves.
type binder struct {
	plane *Plane

	mu     sync.Mutex
	routes map[*snapshot.Route]*boundRoute
	failed map[*snapshot.Route]error // those of them whose filters could not be built
	none   model.Forward             // of routes that have another effect
	latest *model.Forward            // what the last route forwards by: most of the next do so by the same
}

// effect is how a route forwards, apart from where to. Routes that do so alike share it. The lock is held.
func (b *binder) effect(f model.Forward) *model.Forward {
	f.Targets, f.Lanes = nil, nil
	if b.latest == nil || !reflect.DeepEqual(*b.latest, f) {
		b.latest = &f
	}
	return b.latest
}

// bind binds a route for a host of a class; drop must follow.
func (b *binder) bind(r *snapshot.Route) *boundRoute {
	b.mu.Lock()
	defer b.mu.Unlock()
	br := b.routes[r]
	if br == nil {
		br = b.route(r)
		b.routes[r] = br
	}
	br.tables++
	return br
}

// route binds one route. What cannot be bound is served as 503: compile has checked what can be checked before.
func (b *binder) route(r *snapshot.Route) *boundRoute {
	out := &boundRoute{route: r, refuse: r.Reject, forward: &b.none, counters: b.plane.counters.acquire(r.ID)}
	out.users.Store(1)
	if r.Reject != "" {
		return out
	}
	for _, u := range r.Asked {
		out.asked = append(out.asked, b.plane.cfg.Upstreams.Acquire(u))
	}
	chain, err := b.plane.cfg.Filters.Bind(r.Route, b.plane.shared, systemClock{}, out.asked...)
	if err != nil {
		b.plane.cfg.Log.Error("route cannot be bound", "route", string(r.ID), "error", err)
		out.refuse = model.CodeInvalidFilter
		b.failed[r] = err
		return out
	}
	out.chain = chain
	forward, ok := r.Forward()
	if !ok {
		return out
	}
	out.forward = b.effect(forward)
	out.host = newHostRule(forward.Host, forward.HostName)
	out.further = furtherOf(&forward.Retry)
	b.plane.hurry(min(timeLimit(r.Timeouts.Response), timeLimit(r.Timeouts.Idle), timeLimit(r.Timeouts.Request), timeLimit(r.Timeouts.Send), timeLimit(r.Timeouts.Upgraded), timeLimit(forward.Retry.Within), timeLimit(forward.Retry.PerTry)))
	equal := true
	for _, t := range forward.Targets {
		equal = equal && t.Weight == 0
	}
	for i, t := range forward.Targets {
		none := !equal && t.Weight == 0
		if i >= len(r.Upstreams) || r.Upstreams[i] == nil || none && !reachable(&forward, t.Upstream) {
			continue
		}
		if !none {
			out.shares += max(t.Weight, 1)
		}
		out.targets = append(out.targets, boundTarget{
			id: t.Upstream, shared: !none, handle: b.plane.cfg.Upstreams.Acquire(r.Upstreams[i]), until: out.shares,
			counts: b.plane.counters.upstream(r.Upstreams[i].ID), carry: t.Carry,
		})
		if t.Host != model.HostKeep {
			h := newHostRule(t.Host, t.HostName)
			out.targets[len(out.targets)-1].host = &h
		}
		out.sticky = out.sticky || r.Upstreams[i].Affinity.Mode != model.NoAffinity
	}
	out.sticky = out.sticky && len(out.targets) > 1
	if r.Fallback != nil {
		out.fallback = b.plane.cfg.Upstreams.Acquire(r.Fallback)
	}
	for _, l := range forward.Lanes {
		out.lanes = append(out.lanes, out.target(l.Target))
	}
	if r.Naming != nil {
		for _, t := range forward.Targets {
			out.named = append(out.named, out.target(t.Upstream))
		}
	}
	for _, t := range forward.Targets {
		if from, to := out.target(t.Upstream), out.target(t.Else); from != nil && to != nil {
			from.other = to.handle
		}
	}
	if len(out.targets) == 0 {
		out.refuse = CodeNoTarget
	}
	return out
}

// reachable tells whether a target without a share has requests all the same: by a lane, by its name, or in place of another.
func reachable(f *model.Forward, id model.UpstreamID) bool {
	return slices.ContainsFunc(f.Lanes, func(l model.Lane) bool { return l.Target == id }) ||
		slices.ContainsFunc(f.Targets, func(t model.Target) bool { return t.Else == id || t.Upstream == id && len(t.URIs) > 0 })
}

// target is the target that leads to an upstream; nil where there is none.
func (b *boundRoute) target(id model.UpstreamID) *boundTarget {
	for i := range b.targets {
		if b.targets[i].handle.ID() == id {
			return &b.targets[i]
		}
	}
	return nil
}

// drop gives a route back.
func (b *binder) drop(br *boundRoute) {
	b.mu.Lock()
	br.tables--
	last := br.tables == 0
	if last {
		delete(b.routes, br.route)
		delete(b.failed, br.route)
	}
	b.mu.Unlock()
	if last {
		br.retired.Store(time.Now().UnixNano())
		br.release()
	}
}

type systemClock struct{}

// Now is time.Now.
func (systemClock) Now() time.Time { return time.Now() }
