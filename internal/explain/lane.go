package explain

import (
	"fmt"
	"slices"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// lane says which lane of a route takes the request, and the index of its target; -1 where none is known to. It asks the
// lanes that serve.
func (x *walker) lane(r *snapshot.Route, action model.Forward) (text string, target int) {
	if len(action.Lanes) == 0 {
		return "", -1
	}
	bound := x.boundBy(r, action)
	if bound != "" && action.LaneOrder == model.CookieFirst {
		return fmt.Sprintf(", unless the cookie %s binds its client to another", bound), -1
	}
	i, ok, sure := x.decide(r)
	if !ok {
		return ", since no rule sends it elsewhere", -1
	}
	l := action.Lanes[i]
	to := slices.IndexFunc(action.Targets, func(t model.Target) bool { return t.Upstream == l.Target })
	if !sure {
		text := fmt.Sprintf(", by %s: chance takes %d of %d to %s", l.Name, l.Share, l.Of, x.upstreamName(r, l.Target))
		if bound != "" && action.LaneOrder == model.CookieAsDraws {
			text += fmt.Sprintf(", unless the cookie %s binds its client", bound)
		}
		return text, -1
	}
	return ", by " + l.Name, to
}

// decide asks the lanes, which see the request as the route's filters have left it.
func (x *walker) decide(r *snapshot.Route) (i int, ok, sure bool) {
	edited, _ := x.edit(r)
	if edited != nil {
		x.a.seen = &edited.Request
		defer func() { x.a.seen = nil }()
	}
	return r.Lanes.DecideSure(x.a)
}

// rerouted tells whether the filters of a route have the request looked up again, and with which path.
func (x *walker) rerouted(r *snapshot.Route) (path string, again bool) {
	if !slices.ContainsFunc(r.Filters, func(f model.FilterSpec) bool { return f.Kind == "reroute" }) {
		return "", false
	}
	edited, again := x.edit(r)
	if !again {
		return "", false
	}
	return edited.Rerouted(), true
}

// edit runs the filters of a route that edit requests by what stands in the route alone, until one has the request looked up again; nil where
// there are none, or none is known.
func (x *walker) edit(r *snapshot.Route) (edited *filter.Exchange, again bool) {
	kinds := []string{"request-headers", "request-query", "set-path", "strip-prefix", "prefix-path", "rewrite-path", "reroute"}
	for _, spec := range r.Filters {
		if !slices.Contains(kinds, spec.Kind) {
			continue
		}
		k, known := x.w.Filters.Kind(spec.Kind)
		if !known {
			continue
		}
		f, err := k.Build(spec.Config, filter.Env{Route: r.ID})
		if err != nil {
			continue // the route would not be served
		}
		if edited == nil {
			edited = &filter.Exchange{Secure: x.a.scheme == "https"}
			if _, err := edited.Request.Parse(x.a.head, &x.a.limits); err != nil || edited.Request.SetPath(x.a.http.Path) != nil {
				return nil, false
			}
			edited.Bind(r)
		}
		if f.Request(edited) == filter.Reroute {
			return edited, true
		}
	}
	return edited, false
}

// boundBy is the name of the cookie in the request that binds clients to one of the targets, if there is one.
func (x *walker) boundBy(r *snapshot.Route, action model.Forward) string {
	for i := range action.Targets {
		if i >= len(r.Upstreams) || r.Upstreams[i].Affinity.Mode == model.NoAffinity {
			continue
		}
		if name := r.Upstreams[i].Affinity.Cookie; name != "" {
			if _, has := x.a.LookupValue(snapshot.InCookies, name, 0); has {
				return name
			}
		}
	}
	return ""
}

// inPlace turns to the upstream that has the requests of a target while nobody of it is up, and says so.
func (x *walker) inPlace(r *snapshot.Route, t model.Target) string {
	if t.Else == "" || x.done != nil {
		return ""
	}
	state, running := x.w.upstream(t.Upstream, x.serving.Node)
	if !running || !state.Known || slices.ContainsFunc(state.Endpoints, Endpoint.up) {
		return ""
	}
	x.target, x.r.Upstream = t.Else, t.Else
	return fmt.Sprintf("; nobody of it is up, so %s has its requests", x.upstreamName(r, t.Else))
}
