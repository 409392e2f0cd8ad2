package explain

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// balance is where the addresses come from, the endpoint and its pod.
func (x *walker) balance() bool {
	u, ok := x.w.Snapshot.Upstream(x.target)
	if !ok || len(u.Endpoints) == 0 {
		return x.endStatus("upstream", fmt.Sprintf("there is no upstream %s", x.target), "", 503, string(model.CodeUpstreamMissing))
	}
	state, running := x.w.upstream(x.target, x.serving.Node)
	next := state.Next
	if e := x.done.happenedAt(); e != nil {
		next = e.Endpoint
	}
	list := x.listOf(u, next)
	x.r.Road = list.Road()
	source := x.w.at(u.Origin)
	if x.r.Road == 2 {
		return x.registryHops(u, list, state, running, next)
	}
	name := UpstreamName(u, false)
	hop := "upstream"
	if x.r.Road == 0 {
		hop = "endpoint"
	}
	if !running {
		x.hop(hop, fmt.Sprintf("%s%s; its addresses are known while it runs", name, x.label(u)), source)
		return false
	}
	if !next.IsValid() && !state.Chance {
		return x.nobody(hop, name, u, state, source)
	}
	cs, equal := candidates(state.Endpoints, next, address)
	text := fmt.Sprintf("%s, %s, %s%s", name, x.readiness(u, state), state.balanceText(equal), x.choice(next.String(), cs, equal, x.done.exchangeTry()))
	h := x.hop(hop, text+x.redSource(list), source)
	h.Candidates, h.MS = cs, x.done.exchangeMS()
	x.podOf(state, next)
	return true
}

// podOf is who is at the address that is chosen, or at those that one is chosen from.
func (x *walker) podOf(state Upstream, next netip.AddrPort) {
	if next.IsValid() {
		x.pod(endpointAt(state.Endpoints, next))
		return
	}
	var names []string
	for _, e := range state.Endpoints {
		if e.Share > 0 {
			names = append(names, cmp.Or(e.Name, e.Addr.String()))
		}
	}
	x.hop("pod", "one of "+some(names, 4), "")
}

func address(e Endpoint) string { return e.Addr.String() }

// readiness is "2 of 2 ready (by label app=order)", with those that are not and why.
func (x *walker) readiness(u *model.Upstream, state Upstream) string {
	ready := 0
	var not []string
	for _, e := range state.Endpoints {
		if e.Ready() {
			ready++
		} else {
			not = append(not, because(e.Addr.String(), e))
		}
	}
	text := fmt.Sprintf("%d of %d ready%s", ready, len(state.Endpoints), x.label(u)+x.shares(u, state))
	if len(not) > 0 {
		text += " [" + some(not, 3) + "]"
	}
	return text
}

// label says how the keeper finds the addresses.
func (x *walker) label(u *model.Upstream) string {
	if len(u.Selector) == 0 {
		return ""
	}
	var out []string
	for _, t := range u.Selector {
		out = append(out, t.Name+"="+t.Value)
	}
	return " (by label " + strings.Join(out, ",") + ")"
}

// listOf is the list that the chosen address comes from; the first where that cannot be told.
func (x *walker) listOf(u *model.Upstream, next netip.AddrPort) model.EndpointsID {
	for _, id := range u.Endpoints {
		if l, ok := x.w.list(id); ok && slices.ContainsFunc(l.Endpoints, func(e model.Endpoint) bool { return e.Addr == next }) {
			return id
		}
	}
	return u.Endpoints[0]
}

// registryHops are the two lines of a list that a registry keeps, and the pod.
func (x *walker) registryHops(u *model.Upstream, id model.EndpointsID, state Upstream, running bool, next netip.AddrPort) bool {
	list, known := x.w.list(id)
	source := x.w.at(list.Origin)
	if !running || !known {
		x.hop("registry", id.Name+": its instances are known while it runs", source)
		return false
	}
	if !list.Known {
		return x.endStatus("registry", fmt.Sprintf("%s: unknown, the registry has not delivered it yet%s", id.Name, redWhy(list)), source, 503, string(upstream.CodeEndpointsUnknown))
	}
	healthy := 0
	for _, e := range list.Endpoints {
		if e.State == model.Ready {
			healthy++
		}
	}
	text := fmt.Sprintf("%s: %s, %d healthy", id.Name, count(len(list.Endpoints), "instance"), healthy)
	if from := offered(list.Endpoints); from != "" {
		text += ", " + from
	}
	if list.Revision > 0 {
		text += fmt.Sprintf(", revision %d", list.Revision)
	}
	text += " (" + x.copyOf(list) + ")"
	if n := len(u.Endpoints); n > 1 {
		text += fmt.Sprintf("; kept by %s, one of %d registries that are asked for the service", id.Keeper, n)
	}
	x.hop("registry", text, source).Problem = list.Failed
	if !next.IsValid() && !state.Chance {
		return x.nobody("endpoint", UpstreamName(u, true), u, state, "")
	}
	cs, equal := candidates(state.Endpoints, next, address)
	h := x.hop("endpoint", state.balanceText(equal)+x.choice(next.String(), cs, equal, x.done.exchangeTry()), "")
	h.Candidates, h.MS = cs, x.done.exchangeMS()
	x.podOf(state, next)
	return true
}

// offered says which instances did not register themselves: "2 offered by kubernetes".
func offered(list []model.Endpoint) string {
	by := map[string]int{}
	for _, e := range list {
		if from, is := e.Tags.Get(model.TagFrom); is {
			by[from]++
		}
	}
	var out []string
	for _, from := range slices.Sorted(maps.Keys(by)) {
		out = append(out, fmt.Sprintf("%d offered by %s", by[from], from))
	}
	return strings.Join(out, ", ")
}

// shares says how many of the addresses of an upstream of several lists each list has, an address counted at the first.
func (x *walker) shares(u *model.Upstream, state Upstream) string {
	if len(u.Endpoints) < 2 {
		return ""
	}
	at := map[model.EndpointsID]int{}
	for _, e := range state.Endpoints {
		at[x.listOf(u, e.Addr)]++
	}
	var out []string
	for _, id := range u.Endpoints {
		out = append(out, fmt.Sprintf("%d of %s", at[id], id))
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// copyOf says whose copy of a list it is, how old, and whether the registry still answers.
func (x *walker) copyOf(l List) string {
	text := "the " + nodeOf(*x.serving) + "'s copy"
	if x.viaSLB {
		text = nodeOf(*x.serving) + "'s copy"
	}
	if !l.Heard.IsZero() {
		text += ", " + age(x.w.Now.Sub(l.Heard)) + " old"
	}
	return text + redWhy(l)
}

func redWhy(l List) string {
	if !l.Failed {
		return ""
	}
	if l.Error == "" {
		return "; the registry is away"
	}
	return "; the registry is away: " + l.Error
}

// redSource says that a list is the last good one.
func (x *walker) redSource(id model.EndpointsID) string {
	l, ok := x.w.list(id)
	if !ok || !l.Failed {
		return ""
	}
	text := "; its source is away, this is its last good list"
	if !l.Heard.IsZero() {
		text += ", " + age(x.w.Now.Sub(l.Heard)) + " old"
	}
	return text
}

// nobody explains why not one address can be chosen.
func (x *walker) nobody(hop, name string, u *model.Upstream, state Upstream, source string) bool {
	switch {
	case !state.Known:
		return x.endStatus(hop, name+": addresses unknown, its source has not delivered them yet; a request waits for them, 1 s at most",
			source, 503, string(upstream.CodeEndpointsUnknown))
	case len(state.Endpoints) == 0:
		return x.endStatus(hop, fmt.Sprintf("%s has no address%s%s", name, x.label(u), x.whyEmpty(u)), source, u.StatusWhenEmpty(), string(upstream.CodeNoEndpoints))
	default:
		return x.endStatus(hop, fmt.Sprintf("%s, %s", name, x.readiness(u, state)), source, u.StatusWhenEmpty(), string(upstream.CodeAllUnhealthy))
	}
}

// whyEmpty looks at the pods that should be on the lists of an upstream.
func (x *walker) whyEmpty(u *model.Upstream) string {
	var whys []string
	serves := 0
	for w := range x.w.Snapshot.Workloads() {
		if !slices.ContainsFunc(w.Serves, func(s model.Serves) bool { return slices.Contains(u.Endpoints, s.List) }) {
			continue
		}
		serves++
		if w.Replicas == 0 {
			whys = append(whys, fmt.Sprintf("%s has 0 replicas", w.ID))
			continue
		}
		whys = append(whys, x.podsOf(w.ID)...)
	}
	switch {
	case len(whys) > 0:
		return ": " + some(whys, 4)
	case serves > 0 || u.Endpoints[0].Road() != 1:
		return ""
	default:
		return ": no pod carries its label"
	}
}

func (x *walker) podsOf(id model.WorkloadID) []string {
	if x.w.Pods == nil {
		return nil
	}
	var out []string
	for _, p := range x.w.Pods.Pods() {
		if p.Workload != id || p.Ready {
			continue
		}
		text := "pod " + p.Name + " is not ready"
		if p.Phase != "" && p.Phase != "Running" {
			text = "pod " + p.Name + " is " + p.Phase
		}
		if p.Reason != "" {
			text += " (" + p.Reason + ")"
		}
		out = append(out, text)
	}
	return out
}

// pod is who is at the address.
func (x *walker) pod(e Endpoint) {
	x.r.Endpoint = e.Addr.String()
	name, node := e.Name, e.Node
	p, ok := x.w.podAt(e.Addr)
	if ok {
		name, node = p.Name, p.Node
	}
	if name == "" {
		x.hop("pod", fmt.Sprintf("%s is no pod that runs here", e.Addr), "")
		return
	}
	text := name
	if node != "" {
		text += " on " + node
		if x.viaSLB && x.serving.Node != "" && node != x.serving.Node {
			text += ", reached from " + x.serving.Node + " over the pod network"
		}
	}
	switch {
	case ok && p.PID > 0:
		text += fmt.Sprintf("; port %d is process %d", e.Addr.Port(), p.PID)
	case ok && p.Attached:
		text += fmt.Sprintf("; port %d is an attached process, which somebody else started", e.Addr.Port())
	case ok:
		text += "; no process of it runs now"
	}
	h := x.hop("pod", text, x.w.at(p.Origin))
	h.Problem = ok && p.PID == 0 && !p.Attached
}
