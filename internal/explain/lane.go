package explain

import (
	"fmt"
	"slices"
	"strings"

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
	chances, i, ok := x.decide(r)
	var rules []string
	for _, c := range chances {
		l := action.Lanes[c]
		rules = append(rules, fmt.Sprintf("by %s: chance takes %d of %d to %s", l.Name, l.Share, l.Of, x.upstreamName(r, l.Target)))
	}
	to := -1
	if ok {
		l := action.Lanes[i]
		to = slices.IndexFunc(action.Targets, func(t model.Target) bool { return t.Upstream == l.Target })
		rules = append(rules, "by "+l.Name)
	}
	if len(rules) == 0 {
		return ", since no rule sends it elsewhere", -1
	}
	text = ", " + strings.Join(rules, ", and ")
	if len(chances) > 0 && bound != "" && action.LaneOrder == model.CookieAsDraws {
		text += fmt.Sprintf(", unless the cookie %s binds its client", bound)
	}
	return text, to
}

// decide asks the lanes, which see the request as the route's filters have left it.
func (x *walker) decide(r *snapshot.Route) (chances []int, i int, ok bool) {
	if e := x.edit(r); e != nil {
		x.a.seen = &e.Request
		defer func() { x.a.seen = nil }()
	}
	return r.Lanes.DecideSure(x.a)
}

// boundBy is the name of the cookie in the request that binds clients to one of the targets, if there is one.
func (x *walker) boundBy(r *snapshot.Route, action model.Forward) string {
	for i := range action.Targets {
		if i >= len(r.Upstreams) {
			continue
		}
		if name := r.Upstreams[i].AffinityCookie(); name != "" {
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
