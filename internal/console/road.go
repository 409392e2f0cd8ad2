package console

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
)

// road is one of the two, hop by hop.
type road struct {
	N     int
	Way   string // in one line
	Hops  []hop
	Count counts // of the requests at its entry
}

// hop is a stage of a road with everything that stands there.
type hop struct {
	N     int
	ID    string // of the element
	Stage string // the same on both roads: domain, slb, entry, rules, service, pods
	Name  string
	Means string
	Items []item
	More  int // items that are not shown
	Count counts
}

// item is one thing at a hop.
type item struct {
	Name  string
	Note  string
	State state
	Count counts
}

// maxItems is how many things a hop shows; the tables below have more.
const maxItems = 6

// roadView finds what stands on a road. A listener is on the road that the routes of its class lead down. Where a class has no
// routes yet, what stands behind an SLB waits for road 1 and everything else for road 2.
type roadView struct {
	n         int
	view      adminapi.View
	sums      sums
	classes   []string
	listeners []adminapi.Listener // that speak HTTP
	away      []adminapi.Node     // behind an SLB, without a listener now
	routes    []adminapi.Route
	upstreams []adminapi.Upstream
}

func newRoad(n int, view adminapi.View, s sums) road {
	v := &roadView{n: n, view: view, sums: s}
	v.find()
	out := road{N: n, Way: "domain, SLB, ingress, service, pod"}
	entry, kept, keptBy := "Ingress", "Service", "addresses kept by Kubernetes"
	means := "listeners on the nodes"
	if n == 2 {
		out.Way, entry, kept, keptBy = "gateway, registry, pod", "Gateway", "Registry", "addresses kept by the registry"
		means = "the listener road 2 enters at"
	}
	names, count := v.names()
	out.add("domain", "Domain", "DNS answers with these addresses", names, count)
	if balancers, count := v.balancers(); len(balancers) > 0 {
		out.add("slb", "SLB", "forwards connections to a node", balancers, count)
	}
	doors, count := v.doors()
	out.Count = count
	out.add("entry", entry, means, doors, count)
	rules, count := v.rules()
	out.add("rules", "Rules", "host and path decide", rules, count)
	services, count := v.services()
	out.add("service", kept, keptBy, services, count)
	pods, count := v.pods()
	out.add("pods", "Pods", "answer the request", pods, count)
	return out
}

// Title is the road's name.
func (r road) Title() string { return fmt.Sprintf("Road %d", r.N) }

func (r *road) add(id, name, means string, items []item, count counts) {
	h := hop{N: len(r.Hops) + 1, ID: fmt.Sprintf("road-%d-%s", r.N, id), Stage: id, Name: name, Means: means, Items: items, Count: count}
	if len(items) > maxItems {
		h.Items, h.More = items[:maxItems], len(items)-maxItems
	}
	r.Hops = append(r.Hops, h)
}

func (v *roadView) find() {
	behind := map[string]bool{} // addresses that an SLB forwards to
	for _, n := range v.view.Nodes {
		behind[n.Addr.String()] = true
	}
	bound := map[string]bool{}
	for _, l := range v.view.Listeners {
		for _, b := range l.Bind {
			bound[b] = true
		}
	}
	for _, n := range v.view.Nodes {
		if v.n == 1 && !bound[n.Addr.String()] {
			v.away = append(v.away, n)
		}
	}
	roadOf := map[string][]int{}
	for _, r := range v.view.Routes {
		if r.Road > 0 {
			roadOf[r.Class] = append(roadOf[r.Class], r.Road)
		}
	}
	byClass := map[string]bool{} // an SLB stands before a listener of it
	for _, l := range v.view.Listeners {
		for _, b := range l.Bind {
			byClass[l.Class] = byClass[l.Class] || behind[b]
		}
	}
	for _, l := range v.view.Listeners {
		if l.Protocol != "HTTP" && l.Protocol != "HTTPS" {
			continue
		}
		mine := slices.Contains(roadOf[l.Class], v.n)
		if len(roadOf[l.Class]) == 0 {
			mine = byClass[l.Class] == (v.n == 1)
		}
		if mine {
			v.listeners = append(v.listeners, l)
			v.classes = append(v.classes, l.Class)
		}
	}
	ids := map[string]bool{}
	for _, r := range v.view.Routes {
		if r.Road == v.n || r.Road == 0 && slices.Contains(v.classes, r.Class) {
			v.routes = append(v.routes, r)
			for _, t := range r.Targets {
				ids[t] = true
			}
		}
	}
	for _, u := range v.view.Upstreams {
		if u.Road != v.n || !ids[u.ID] {
			continue
		}
		if i := slices.IndexFunc(v.upstreams, func(x adminapi.Upstream) bool { return x.ID == u.ID }); i < 0 {
			v.upstreams = append(v.upstreams, u)
		} else if v.tells(u) > v.tells(v.upstreams[i]) {
			v.upstreams[i] = u
		}
	}
}

// tells is how much the state of an upstream in one of several processes says: most where the road's own listeners pick from
// it, something where its addresses are known at all.
func (v *roadView) tells(u adminapi.Upstream) int {
	own := slices.ContainsFunc(v.listeners, func(l adminapi.Listener) bool { return l.Node == u.SeenBy && u.SeenBy != "" })
	switch {
	case own && u.State.Known:
		return 3
	case len(u.State.Endpoints) > 0:
		return 2
	case u.State.Known:
		return 1
	default:
		return 0
	}
}

func (v *roadView) names() ([]item, counts) {
	var out []item
	var keys []string
	for _, r := range v.view.Records {
		if !slices.Contains(v.classes, r.Class) {
			continue
		}
		k := key(adminapi.OfName, "", r.Name)
		if !slices.Contains(keys, k) { // a name has a record per type
			keys = append(keys, k)
		}
		out = append(out, item{Name: r.Name, Note: r.Type + " " + joined(r.Addrs), Count: v.sums.of(adminapi.Questions, k)})
	}
	return out, v.sums.of(adminapi.Questions, keys...)
}

func (v *roadView) balancers() ([]item, counts) {
	fronts := map[string]bool{}
	for _, n := range v.view.Nodes {
		for _, l := range v.listeners {
			if slices.Contains(l.Bind, n.Addr.String()) {
				fronts[n.Behind] = true
			}
		}
	}
	for _, n := range v.away {
		fronts[n.Behind] = true
	}
	var out []item
	var keys []string
	for _, l := range v.view.Listeners {
		at := strings.Join(l.Bind, ",")
		if !fronts[at] {
			continue
		}
		k := key(adminapi.OfListener, "", l.ID)
		keys = append(keys, k)
		out = append(out, item{Name: cmp.Or(l.Node, l.ID), Note: strings.Join(l.Bind, ", "), State: listenerState(l), Count: v.sums.of(adminapi.Connections, k)})
	}
	return out, v.sums.of(adminapi.Connections, keys...)
}

func (v *roadView) doors() ([]item, counts) {
	var out []item
	var keys []string
	for _, l := range v.listeners {
		k := key(adminapi.OfListener, "", l.ID)
		keys = append(keys, k)
		s := listenerState(l)
		for _, n := range v.view.Nodes {
			if seen := nodeState(n); slices.Contains(l.Bind, n.Addr.String()) && (s.Tone == good || seen.Tone == bad) {
				s = seen
			}
		}
		out = append(out, item{Name: cmp.Or(l.Node, l.ID), Note: strings.Join(l.Bind, ", ") + " " + l.Protocol, State: s, Count: v.sums.of(adminapi.Requests, k)})
	}
	for _, n := range v.away {
		out = append(out, item{Name: n.Name, Note: n.Addr.String(), State: nodeState(n)})
		for _, t := range v.view.Traffic { // what it has carried before
			k := key(t.Part, t.Upstream, t.Name)
			if t.Part == adminapi.OfListener && strings.HasPrefix(t.Name, n.Name+"/") && !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(a.Name, b.Name) }) // one that is away stays in its place
	return out, v.sums.of(adminapi.Requests, keys...)
}

func (v *roadView) rules() ([]item, counts) {
	var out []item
	var keys []string
	for _, r := range v.routes {
		k := key(adminapi.OfRoute, "", r.ID)
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
		s := routeState(r)
		if s.Tone == good { // that it serves is what one expects
			s = state{}
		}
		if strings.Contains(r.Effect, s.Why) {
			s.Why = ""
		}
		out = append(out, item{Name: wayIn(r), Note: "→ " + r.Effect, State: s, Count: v.sums.of(adminapi.Requests, k)})
	}
	return out, v.sums.of(adminapi.Requests, keys...)
}

func wayIn(r adminapi.Route) string {
	if r.Host == "*" {
		return r.Path
	}
	return r.Host + r.Path
}

func (v *roadView) services() ([]item, counts) {
	var out []item
	var keys []string
	for _, u := range v.upstreams {
		k := key("upstream", "", u.ID)
		keys = append(keys, k)
		ready := 0
		for _, e := range u.State.Endpoints {
			if e.Ready() {
				ready++
			}
		}
		stands := ratio(ready, len(u.State.Endpoints), u.State.Known)
		if why, away := v.lastHeard(u); away {
			stands.Why = why
			if stands.Tone == good {
				stands.Tone = warn
			}
		}
		out = append(out, item{Name: u.Name, Note: u.Balance, State: stands, Count: v.sums.of(adminapi.Requests, k)})
	}
	return out, v.sums.of(adminapi.Requests, keys...)
}

// lastHeard tells whether a source of an upstream's addresses does not answer: what is served is what it said last.
func (v *roadView) lastHeard(u adminapi.Upstream) (why string, away bool) {
	for _, s := range v.view.Sources {
		for _, k := range s.Keepers {
			if s.Failed && slices.ContainsFunc(u.Lists, func(list string) bool { return strings.HasPrefix(list, k+":") }) {
				return "as last heard, " + s.Error, true
			}
		}
	}
	return "", false
}

// pods are the endpoints, each address once.
func (v *roadView) pods() ([]item, counts) {
	type standing struct {
		explain.Endpoint
		keys []string
	}
	var all []standing
	var keys []string
	for _, u := range v.upstreams {
		for _, e := range u.State.Endpoints {
			k := key(adminapi.OfEndpoint, u.ID, e.Addr.String())
			keys = append(keys, k)
			if i := slices.IndexFunc(all, func(s standing) bool { return s.Addr == e.Addr }); i >= 0 {
				all[i].keys = append(all[i].keys, k)
				continue
			}
			all = append(all, standing{e, []string{k}})
		}
	}
	var out []item
	for _, s := range all {
		stands := endpointState(s.Endpoint)
		if p, ok := podAt(v.view.Pods, s.Addr); ok && stands.Tone != good && !p.Ready {
			stands.Why = cmp.Or(stands.Why, p.Reason, p.Phase)
		}
		out = append(out, item{Name: podName(v.view.Pods, s.Endpoint), Note: s.Addr.String(), State: stands, Count: v.sums.of(adminapi.Requests, s.keys...)})
	}
	slices.SortStableFunc(out, func(a, b item) int { return cmp.Compare(a.Name, b.Name) })
	return out, v.sums.of(adminapi.Requests, keys...)
}

// podAt is the pod that is reached at an address.
func podAt(all []explain.Pod, at netip.AddrPort) (explain.Pod, bool) {
	i := slices.IndexFunc(all, func(p explain.Pod) bool { return slices.Contains(p.Reached, at) })
	if i < 0 {
		return explain.Pod{}, false
	}
	return all[i], true
}

// podName is the name of the pod behind an endpoint. A registry knows addresses only.
func podName(all []explain.Pod, e explain.Endpoint) string {
	p, _ := podAt(all, e.Addr)
	return cmp.Or(e.Name, p.Name, e.Addr.String())
}

func joined(addrs []netip.Addr) string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}
