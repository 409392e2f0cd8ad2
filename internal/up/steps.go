package up

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/model"
)

// How often the steps are looked at until both roads answer, how long the lines below the table wait for them, and after
// what time they are told as they are: somebody may have edited a road away.
const (
	stepsEvery  = 100 * time.Millisecond
	stepsFirst  = 400 * time.Millisecond
	stepsWithin = 15 * time.Second
	stepsAsked  = time.Second // bounds one look
)

// steps tells how each road of the example is set up, once both of them answer: the order in which one would set it up
// by hand, and what stands there now.
type steps struct {
	reader adminapi.Reader
	dir    string    // files are shown relative to it
	due    time.Time // after which they are told as they are
	told   bool
}

func newSteps(r adminapi.Reader, dir string) *steps {
	return &steps{reader: r, dir: dir, due: time.Now().Add(stepsWithin)}
}

// wait prints the steps as soon as both roads answer, within a time.
func (s *steps) wait(ctx context.Context, out io.Writer, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(within / 20)
	defer tick.Stop()
	for !s.tell(ctx, out) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tell prints the steps if it is time for it, and returns whether they are told.
func (s *steps) tell(ctx context.Context, out io.Writer) bool {
	if s.told {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, stepsAsked)
	defer cancel()
	v, err := s.reader.Read(ctx, adminapi.Routes, adminapi.Pods, adminapi.Endpoints, adminapi.Nodes, adminapi.Records, adminapi.Listeners)
	one, two := stepsOf(v)
	answers := err == nil && serveAll(v, one.route) && serveAll(v, two.route) && one.complete() && two.complete()
	if !answers && time.Now().Before(s.due) {
		return false
	}
	for _, r := range []roadSteps{one, two} {
		fmt.Fprintf(out, "%s:\n", r.title)
		for _, x := range r.steps {
			found := x.found
			if found == "" {
				found = "nothing yet"
			}
			fmt.Fprintf(out, " %3s %-11s %s\n", x.number, x.name, strings.ReplaceAll(found, s.dir+string(filepath.Separator), ""))
		}
	}
	fmt.Fprintln(out)
	s.told = true
	return true
}

// step is one thing that a road needs, and what is there; empty: nothing.
type step struct{ number, name, found string }

type roadSteps struct {
	title string
	route adminapi.Route // the first that leads somewhere on this road
	steps []step
}

func (r roadSteps) complete() bool {
	return !slices.ContainsFunc(r.steps, func(x step) bool { return x.found == "" })
}

// serveAll tells whether a route leads to every pod.
func serveAll(v adminapi.View, r adminapi.Route) bool {
	return !slices.ContainsFunc(v.Pods, func(p explain.Pod) bool { return !p.Ready || !serves(p, r) })
}

func serves(p explain.Pod, r adminapi.Route) bool {
	return slices.ContainsFunc(p.Reached, func(a netip.AddrPort) bool { return slices.Contains(r.Servers, a.String()) })
}

// stepsOf finds what stands at each step of both roads, from the rows that get lists.
func stepsOf(v adminapi.View) (one, two roadSteps) {
	one.title = "road 1, rules and addresses from Kubernetes objects"
	two.title = "road 2, addresses from the registry"
	for _, r := range v.Routes {
		if len(r.Servers) == 0 || r.LostTo != "" || r.Reject != "" {
			continue
		}
		switch {
		case r.Road == 1 && one.route.ID == "":
			one.route = r
		case r.Road == 2 && two.route.ID == "":
			two.route = r
		}
	}
	service, addresses, by := list(v, one.route, "Kubernetes")
	if by != "" {
		by = ", found by " + by
	}
	one.steps = []step{
		{"1.1", "pods", podsOf(v, one.route)},
		{"1.2", "service", when(service, "%s = %s%s", service, strings.Join(addresses, ", "), by)},
		{"1.3", "ingress", way(v, one.route)},
		{"1.4", "controller", serving(v, one.route)},
		{"1.5", "SLB", balancer(v)},
		{"1.6", "A record", record(v, one.route)},
	}
	name, instances, _ := list(v, two.route, "registry")
	own, at := registered(v)
	two.steps = []step{
		{"2.1", "pods", podsOf(v, two.route)},
		{"2.2", "register", when(name, "%s of %s", counted(len(instances), "instance"), name)},
		{"2.3", "mapping", when(name, "%s = %s", last(name), strings.Join(instances, ", "))},
		{"2.4", "gateway", when(own, "%s = %s", last(own), at)},
		{"", "route rule", way(v, two.route)},
	}
	return one, two
}

// when is a text, where there is something to tell.
func when(there, format string, args ...any) string {
	if there == "" {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// counted is "1 server", "2 servers".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// last is the name of a service in its registry.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// podsOf are the ready pods that a route leads to.
func podsOf(v adminapi.View, r adminapi.Route) string {
	var out []string
	for _, p := range v.Pods {
		if p.Ready && serves(p, r) {
			out = append(out, fmt.Sprintf("%s %s on %s", p.Name, p.Reached[0], p.Node))
		}
	}
	return strings.Join(out, ", ")
}

// list is where a keeper has the addresses that a route leads to.
func list(v adminapi.View, r adminapi.Route, keeper string) (name string, addresses []string, by string) {
	var found []netip.AddrPort
	for _, e := range v.Endpoints {
		if strings.HasPrefix(e.Keeper, keeper) && slices.Contains(r.Servers, e.Addr.String()) && (name == "" || name == e.List) {
			name, found, by = e.List, append(found, e.Addr), e.By
		}
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	for _, a := range found {
		addresses = append(addresses, a.String())
	}
	return name, addresses, by
}

// way is where a route leads: "shop.test/order -> order-service:80, 2 servers, bound on node-1 and node-2".
func way(v adminapi.View, r adminapi.Route) string {
	if r.ID == "" {
		return ""
	}
	host := r.Host
	for _, l := range v.Listeners {
		if host == "*" && l.Class == r.Class && len(l.Names) > 0 {
			host = l.Names[0]
		}
	}
	return fmt.Sprintf("%s%s -> %s, %s, bound on %s (%s)", host, r.Path, r.Effect, counted(len(r.Servers), "server"), strings.Join(r.BoundOn, " and "), r.Source)
}

// serving are the listeners that carry a route.
func serving(v adminapi.View, r adminapi.Route) string {
	var out []string
	for _, l := range v.Listeners {
		if l.Class == r.Class && l.Protocol == string(model.HTTP) && l.Bound {
			out = append(out, l.Node+" "+strings.Join(l.Bind, ", "))
		}
	}
	return when(strings.Join(out, ""), "listens on %s", strings.Join(out, " and "))
}

// balancer are the nodes behind the SLB for plain HTTP, all of which have to be healthy.
func balancer(v adminapi.View) string {
	var names []string
	behind := ""
	for _, n := range v.Nodes {
		isHTTP := slices.ContainsFunc(v.Listeners, func(l adminapi.Listener) bool {
			return l.Protocol == string(model.HTTP) && slices.Contains(l.Bind, n.Addr.String())
		})
		if !isHTTP {
			continue
		}
		if n.Health != "healthy" {
			return ""
		}
		behind, names = n.Behind, append(names, n.Name)
	}
	return when(behind, "%s -> %s, healthy", behind, strings.Join(names, " and "))
}

// record is the address under which a route's host is found.
func record(v adminapi.View, r adminapi.Route) string {
	for _, x := range v.Records {
		if r.ID != "" && x.Name == r.Host && len(x.Addrs) > 0 {
			return fmt.Sprintf("%s %s %s", x.Name, x.Type, x.Addrs[0])
		}
	}
	return ""
}

// registered is the service as which a listener of ours is in the registry.
func registered(v adminapi.View) (name, at string) {
	for _, e := range v.Endpoints {
		own := slices.ContainsFunc(v.Listeners, func(l adminapi.Listener) bool { return slices.Contains(l.Bind, e.Addr.String()) })
		if own && strings.HasPrefix(e.Keeper, "registry") {
			return e.List, e.Addr.String()
		}
	}
	return "", ""
}
