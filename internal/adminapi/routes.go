package adminapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/explain"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// routes lists every route at each host of each class, in the order in which they are tried.
func (g *gatherer) routes() []Route {
	var out []Route
	for _, class := range g.snap.Classes() {
		boundOn := g.boundOn(class)
		for _, t := range g.snap.Tables(class) {
			for _, r := range t.Routes() {
				row := g.route(class, t, r)
				row.BoundOn = boundOn
				out = append(out, row)
			}
			for _, l := range t.Lost() {
				row := g.route(class, t, l.Route)
				row.BoundOn, row.LostTo = nil, string(l.To.ID)
				out = append(out, row)
			}
		}
	}
	return out
}

func (g *gatherer) route(class model.Class, t *snapshot.HostTable, r *snapshot.Route) Route {
	row := Route{ID: string(r.ID), Class: string(class), Host: snapshot.HostText(t.Host), Path: r.Match.Path.Value, Match: explain.Condition(r),
		Source: g.at(r.Origin), Reject: string(r.Reject), Origin: r.Origin, Rule: *r.Route}
	if r.Match.Path.Kind == model.PathAny {
		row.Path = "/"
	}
	for _, f := range r.Filters {
		row.Filters = append(row.Filters, strings.TrimSpace(f.Kind+" "+string(f.Config)))
	}
	for _, id := range r.Targets {
		row.Targets = append(row.Targets, string(id))
	}
	switch a := r.Action.(type) {
	case model.Redirect:
		row.Effect = fmt.Sprintf("%d to %s", a.Status, a.Location)
	case model.Respond:
		if r.Reject == "" && explain.Reroutes(r) {
			row.Effect = "another route"
			break
		}
		row.Effect = strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, a.Code))
		if row.Reject == "" {
			row.Reject = string(a.Code)
		}
	case model.Forward:
		row.Effect = g.forward(&row, r, a)
	}
	return row
}

func (g *gatherer) forward(row *Route, r *snapshot.Route, a model.Forward) string {
	total := 0
	for _, t := range a.Targets {
		total += t.Weight
	}
	var names []string
	for i, t := range a.Targets {
		u, ok := g.snap.Upstream(t.Upstream)
		if !ok {
			names = append(names, string(t.Upstream))
			continue
		}
		if i == 0 {
			row.Road = u.Endpoints[0].Road()
		}
		name := explain.UpstreamName(u, explain.SpringStyle(r))
		switch {
		case len(a.Targets) == 1 || total == 0:
		case a.OfLanes(t):
			name += " by lanes"
		case len(a.Lanes) > 0 && t.Weight == total:
			name += " the rest"
		case len(a.Lanes) > 0:
			name += fmt.Sprintf(" %d%% of the rest", t.Weight*100/total)
		default:
			name += fmt.Sprintf(" %d%%", t.Weight*100/total)
		}
		names = append(names, name)
		for _, e := range g.state(t.Upstream, "").Endpoints {
			if s := e.Addr.String(); !slices.Contains(row.Servers, s) {
				row.Servers = append(row.Servers, s)
			}
		}
	}
	return strings.Join(names, ", ")
}

// boundOn names the nodes on which listeners of a class stand.
func (g *gatherer) boundOn(class model.Class) []string {
	var out []string
	for l := range g.snap.Listeners() {
		if l.EffectiveClass() != class {
			continue
		}
		if g.local.Listeners != nil {
			if s, ok := g.local.Listeners.ListenerState(l.ID); !ok || !s.Bound {
				continue
			}
		}
		name := l.Node
		if name == "" {
			name = string(l.ID)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (r Route) key() string { return r.Class + " " + r.Host + " " + r.ID }

// mergeRoutes keeps the order in which routes are tried, and tells of each all the nodes that serve it.
func mergeRoutes(into *View, from View) {
	at := map[string]int{}
	for i, r := range into.Routes {
		at[r.key()] = i
	}
	for _, r := range from.Routes {
		i, there := at[r.key()]
		if !there {
			into.Routes = append(into.Routes, r)
			continue
		}
		nodes := slices.Concat(into.Routes[i].BoundOn, r.BoundOn)
		slices.Sort(nodes)
		into.Routes[i].BoundOn = slices.Compact(nodes)
	}
	slices.SortStableFunc(into.Routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Host, b.Host), cmp.Compare(min(len(a.LostTo), 1), min(len(b.LostTo), 1)),
			model.CompareRoutes(&a.Rule, &b.Rule))
	})
}
