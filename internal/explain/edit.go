package explain

import (
	"slices"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Reroutes tells whether a route has requests looked up again: another one answers them.
func Reroutes(r *snapshot.Route) bool {
	return slices.ContainsFunc(r.Filters, func(f model.FilterSpec) bool { return f.Kind == "reroute" })
}

// edited is a request as the filters of a route have left it, and what they said at the end.
type edited struct {
	*filter.Exchange
	chain   *filter.Chain
	verdict filter.Verdict
}

// edit runs the filters of a route that go by what stands in the route and in the request alone, until one answers or has the request looked
// up again; nil where there are none, or none is known.
func (x *walker) edit(r *snapshot.Route) *edited {
	kinds := []string{"request-headers", "request-query", "set-path", "strip-prefix", "prefix-path", "rewrite-path", "reroute", "respond", "redirect", "status"}
	known := model.Route{ID: r.ID}
	for _, spec := range r.Filters {
		if _, is := x.w.Filters.Kind(spec.Kind); is && slices.Contains(kinds, spec.Kind) {
			known.Filters = append(known.Filters, spec)
		}
	}
	chain, err := x.w.Filters.Bind(&known, nil, nil)
	if err != nil || chain == nil {
		return nil // with an error the route would not be served
	}
	out := &edited{Exchange: &filter.Exchange{Secure: x.a.scheme == "https"}, chain: chain}
	if _, err := out.Request.Parse(x.a.head, &x.a.limits); err != nil || out.Request.SetPath(x.a.http.Path) != nil {
		return nil
	}
	out.Request.Fields.Del("X-Forwarded-Proto") // which is believed of proxies that are trusted alone
	out.Bind(r)
	out.verdict = chain.Request(out.Exchange)
	return out
}

// rerouted tells whether the filters of a route have the request looked up again, and with which path.
func (x *walker) rerouted(r *snapshot.Route) (path string, again bool) {
	if !Reroutes(r) {
		return "", false
	}
	e := x.edit(r)
	if e == nil || e.verdict != filter.Reroute {
		return "", false
	}
	return e.Rerouted(), true
}

// answered is what the route answers by itself, as its filters leave it: its own answer, or that of a filter in its place; ok is false where it
// has the request sent on.
func (x *walker) answered(r *snapshot.Route) (status int, location string, ok bool) {
	switch a := r.Action.(type) {
	case model.Redirect:
		status, location, ok = a.Status, a.Location, true
	case model.Respond:
		status, ok = a.Status, a.Code == "" && r.Reject == ""
		if !ok {
			return status, "", false // it was rejected: no filter changes that
		}
	}
	e := x.edit(r)
	switch {
	case e == nil:
		return status, location, ok
	case e.verdict == filter.Respond:
	case ok:
		e.Respond(status, "", "")
	default:
		return 0, "", false
	}
	e.chain.Response(e.Exchange)
	if to := e.Exchange.Response.Fields.Get("Location"); to != "" {
		location = to
	}
	return e.Exchange.Response.Status, location, true
}
