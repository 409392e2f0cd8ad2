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

// rerouted tells whether the filters of a route have the request looked up again, and with which path.
func (x *walker) rerouted(r *snapshot.Route) (path string, again bool) {
	if !Reroutes(r) {
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
