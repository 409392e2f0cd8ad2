package adminapi

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/explain"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// way is one rule that leads to a list.
type way struct{ in, rule string }

// roads finds the applications: lists are one where an address, or a workload that serves them, is common to them. What
// road each is on is read from origins and keepers alone.
func roads(snap *snapshot.Snapshot, lists []explain.List, at func(model.Origin) string) []Road {
	f := &roadFinder{snap: snap, at: at, ways: map[model.EndpointsID][]way{}, state: map[model.EndpointsID]explain.List{}}
	f.findWays()
	f.findLists(lists)
	var out []Road
	for _, ids := range f.applications() {
		out = append(out, f.road(ids))
	}
	slices.SortFunc(out, func(a, b Road) int { return cmp.Compare(a.Application, b.Application) })
	return out
}

type roadFinder struct {
	snap  *snapshot.Snapshot
	at    func(model.Origin) string
	ways  map[model.EndpointsID][]way // that HTTP routes lead to, in the order of the routes
	ids   []model.EndpointsID
	state map[model.EndpointsID]explain.List
}

func (f *roadFinder) findWays() {
	for _, class := range f.snap.Classes() {
		for _, t := range f.snap.Tables(class) {
			for _, r := range t.Routes() {
				for _, u := range r.Upstreams {
					for _, id := range u.Endpoints {
						w := way{f.wayIn(class, t.Host, r), f.ruleKeptIn(r.Origin)}
						f.ways[id] = append(f.ways[id], w)
					}
				}
			}
		}
	}
}

// wayIn is host and path of a route. A route for any host is reached by the names of its listeners.
func (f *roadFinder) wayIn(class model.Class, host model.Host, r *snapshot.Route) string {
	name := snapshot.HostText(host)
	if host == "" {
		for l := range f.snap.Listeners() {
			if l.EffectiveClass() == class && len(l.Names) > 0 {
				name = string(l.Names[0])
				break
			}
		}
	}
	switch p := r.Match.Path; {
	case r.Default:
		return name + " (default)"
	case p.Kind == model.PathAny:
		return name + "/"
	case r.Origin.Kind == "locator":
		return name + strings.TrimSuffix(p.Value, "/") + "/**"
	default:
		return name + p.Value
	}
}

func (f *roadFinder) ruleKeptIn(o model.Origin) string {
	text := strings.TrimSpace(o.Source + " " + o.Kind)
	switch o.Kind {
	case "Ingress", "HTTPRoute":
		text = "Kubernetes " + o.Kind
	case "route":
		text = "route file"
	case "locator":
		text = "discovery locator"
	}
	o.Line = 0
	if file := f.at(o); file != "" {
		text += " (" + file + ")"
	}
	return text
}

// findLists collects the lists of applications: what routes lead to and what keepers of a road offer, but not what
// stands behind the SLB, not our own listeners, which register themselves, and not what is but a name in a registry.
func (f *roadFinder) findLists(lists []explain.List) {
	own := map[netip.AddrPort]bool{}
	for l := range f.snap.Listeners() {
		for _, b := range l.Bind {
			own[b] = true
		}
	}
	seen := map[model.EndpointsID]bool{}
	for _, l := range lists {
		notOwn := slices.ContainsFunc(l.Endpoints, func(e model.Endpoint) bool { return !own[e.Addr] })
		bare := len(l.Endpoints) == 0 && l.ID.Road() == 2
		if f.ways[l.ID] == nil && (l.ID.Road() == 0 || bare || len(l.Endpoints) > 0 && !notOwn) {
			continue
		}
		f.ids, f.state[l.ID], seen[l.ID] = append(f.ids, l.ID), l, true
	}
	for id := range f.ways {
		if !seen[id] {
			f.ids = append(f.ids, id)
		}
	}
	slices.SortFunc(f.ids, func(a, b model.EndpointsID) int { return cmp.Or(order(a)-order(b), a.Compare(b)) })
}

// order puts road 1 before road 2 before none.
func order(id model.EndpointsID) int {
	if id.Road() == 0 {
		return 3
	}
	return id.Road()
}

// applications groups the lists, each group and the groups in the order of the lists.
func (f *roadFinder) applications() [][]model.EndpointsID {
	group := make([]int, len(f.ids)) // by list: the first list of its group
	first := map[string]int{}
	root := func(i int) int {
		for group[i] != i {
			i = group[i]
		}
		return i
	}
	for i, id := range f.ids {
		group[i] = i
		for _, mark := range f.marks(id) {
			j, ok := first[mark]
			if !ok {
				first[mark] = i
				continue
			}
			a, b := root(i), root(j)
			group[max(a, b)] = min(a, b)
		}
	}
	var out [][]model.EndpointsID
	place := map[int]int{}
	for i, id := range f.ids {
		r := root(i)
		if _, ok := place[r]; !ok {
			place[r] = len(out)
			out = append(out, nil)
		}
		out[place[r]] = append(out[place[r]], id)
	}
	return out
}

// marks are what two lists of one application have in common.
func (f *roadFinder) marks(id model.EndpointsID) []string {
	var out []string
	for _, e := range f.state[id].Endpoints {
		out = append(out, e.Addr.String())
	}
	for w := range f.snap.Workloads() {
		if slices.ContainsFunc(w.Serves, func(s model.Serves) bool { return s.List == id }) {
			out = append(out, string(w.ID))
		}
	}
	return out
}

func (f *roadFinder) road(ids []model.EndpointsID) Road {
	out := Road{Application: serviceOf(ids[0]).Name}
	ready := map[netip.AddrPort]bool{}
	on := map[int]bool{}
	reached := slices.ContainsFunc(ids, func(id model.EndpointsID) bool { return f.ways[id] != nil })
	for _, id := range ids {
		out.Lists = append(out.Lists, id.String())
		l := f.state[id]
		out.Known = out.Known || l.Known
		for _, e := range l.Endpoints {
			ready[e.Addr] = ready[e.Addr] || e.State == model.Ready
		}
		for _, w := range f.ways[id] {
			on[id.Road()] = true
			out.WayIn, out.RuleKeptIn = once(out.WayIn, w.in), once(out.RuleKeptIn, w.rule)
		}
		if !reached || f.ways[id] != nil {
			out.AddressesFrom = once(out.AddressesFrom, keptBy(id.Keeper))
		}
	}
	out.Total = len(ready)
	for _, is := range ready {
		if is {
			out.Ready++
		}
	}
	switch {
	case on[1] && on[2]:
		out.Road = "both"
	case on[1]:
		out.Road = "1"
	case on[2]:
		out.Road = "2"
	default:
		out.Road = "none"
	}
	return out
}

func once(all []string, s string) []string {
	if slices.Contains(all, s) {
		return all
	}
	return append(all, s)
}
