// Package explaintest is a small world with both roads in it, for the tests of those who explain and list: one
// application, order, whose two pods are endpoints of a Kubernetes Service and instances of a registry service.
package explaintest

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"paifang/internal/compile"
	"paifang/internal/explain"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
)

// Now is the time in the world.
var Now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// The lists of the application.
var (
	Service  = model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/order-service:80"}
	Registry = model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/nacos-order-service"}
	Nodes    = model.EndpointsID{Keeper: model.KeeperStatic, Name: "nodes/http"}
)

// The upstreams.
const (
	OrderService model.UpstreamID = "kubernetes/shop/order-service:80"
	LBOrder      model.UpstreamID = "lb/nacos-order-service"
	SLBNodes     model.UpstreamID = "slb/nodes:http"
)

// State is what changes while the world runs. A test edits it before it asks.
type State struct {
	Snapshot *snapshot.Snapshot
	ByID     map[model.UpstreamID]explain.Upstream
	ByList   map[model.EndpointsID]explain.List
	Running  []explain.Pod
	SawNodes []string // that upstream states were asked for
}

// Upstream implements explain.Upstreams.
func (s *State) Upstream(id model.UpstreamID, node string) (explain.Upstream, bool) {
	s.SawNodes = append(s.SawNodes, node)
	u, ok := s.ByID[id]
	return u, ok
}

// List implements explain.Lists.
func (s *State) List(id model.EndpointsID) (explain.List, bool) {
	l, ok := s.ByList[id]
	return l, ok
}

// Lists returns all lists by ID, as adminapi wants them.
func (s *State) Lists() []explain.List {
	var out []explain.List
	for _, l := range s.ByList {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b explain.List) int { return a.ID.Compare(b.ID) })
	return out
}

// Pods implements explain.Pods.
func (s *State) Pods() []explain.Pod { return s.Running }

// Load returns the snapshot, as a store does.
func (s *State) Load() *snapshot.Snapshot { return s.Snapshot }

// World is the state as explain takes it.
func (s *State) World() explain.World {
	return explain.World{Snapshot: s.Snapshot, Upstreams: s, Lists: s, Pods: s, Now: Now, Dir: "/example"}
}

// New returns the world of the two samples in the documentation, with further routes added to it.
func New(more ...model.Objects) *State {
	s := &State{
		ByID: map[model.UpstreamID]explain.Upstream{
			SLBNodes: {Known: true, Next: addr("127.0.0.11:8080"), Endpoints: []explain.Endpoint{
				endpoint("127.0.0.11:8080", "", ""), endpoint("127.0.0.12:8080", "", "")}},
			OrderService: {Known: true, Next: addr("127.1.2.2:8080"), Endpoints: pods()},
			LBOrder:      {Known: true, Next: addr("127.1.1.2:8080"), Endpoints: registered()},
		},
		ByList: map[model.EndpointsID]explain.List{
			Service:  {ID: Service, Known: true, Heard: Now, Endpoints: instances()},
			Registry: {ID: Registry, Known: true, Revision: 7, Heard: Now.Add(-3200 * time.Millisecond), Endpoints: []model.Endpoint{{Addr: addr("127.1.1.2:8080")}, {Addr: addr("127.1.2.2:8080")}}},
			Nodes: {ID: Nodes, Known: true, Endpoints: []model.Endpoint{
				{Addr: addr("127.0.0.11:8080"), Node: "node-1"}, {Addr: addr("127.0.0.12:8080"), Node: "node-2"}}},
		},
		Running: []explain.Pod{pod("order-a", "node-1", "127.1.1.2", 41230), pod("order-b", "node-2", "127.1.2.2", 41233)},
	}
	s.Snapshot = Compile(append([]model.Objects{Bootstrap(), Ingress(), Gateway()}, more...)...)
	return s
}

// Compile makes a snapshot of groups. The name of a host stands where its rule does, some lines before its paths.
func Compile(groups ...model.Objects) *snapshot.Snapshot {
	e := shard.Map[*model.Objects]{}.Edit()
	for i := range groups {
		e.Set(fmt.Sprintf("test/%d", i), &groups[i])
	}
	snap := compile.Compile(nil, compile.Input{Groups: e.Map(), Lists: compile.Lists(Service, Registry)}, func([]model.FilterSpec, []string) ([]model.FilterFault, []model.FilterPath, []model.FilterSetting) {
		return nil, nil, nil
	})
	c := snap.Contents()
	names := c.Names.Edit()
	for n := range c.Names.All() {
		if n.Origin.Line == 12 {
			at := *n
			at.Origin.Line = 9
			names.Set(n.Host, &at)
		}
	}
	c.Names = names.Names()
	return snapshot.New(c)
}

// Bootstrap is the listeners, the SLB and the zone.
func Bootstrap() model.Objects {
	from := model.Origin{Source: "bootstrap"}
	node := func(name, ip string) []model.Listener {
		advertise := []netip.Addr{netip.MustParseAddr("127.0.0.10")}
		return []model.Listener{
			{ID: model.ListenerID(name + "/http"), Origin: from, Class: "ingress", Protocol: model.HTTP, Node: name, Advertise: advertise, Bind: binds(ip + ":8080")},
			{ID: model.ListenerID(name + "/https"), Origin: from, Class: "ingress", Protocol: model.HTTPS, Node: name, Advertise: advertise, Bind: binds(ip + ":8443")},
		}
	}
	o := model.Objects{
		Listeners: []model.Listener{
			{ID: "slb/http", Origin: from, Class: "slb/http", Protocol: model.TCP, Node: "slb", Bind: binds("127.0.0.10:8080")},
			{ID: "slb/https", Origin: from, Class: "slb/https", Protocol: model.TCP, Node: "slb", Bind: binds("127.0.0.10:8443")},
			{ID: "gateway/http", Origin: from, Class: "gateway", Protocol: model.HTTP, Node: "gateway", HostRule: model.HostFalls,
				Names: []model.Host{"gateway.test"}, Bind: binds("127.0.0.20:8080")},
			{ID: "dns", Origin: from, Protocol: model.DNS, Node: "dns", Bind: binds("127.0.0.1:8053")},
		},
		L4Routes: []model.L4Route{
			{ID: "slb/http", Origin: from, Attach: []model.Class{"slb/http"}, Upstream: SLBNodes},
			{ID: "slb/https", Origin: from, Attach: []model.Class{"slb/https"}, Upstream: "slb/nodes:https"},
		},
		Upstreams: []model.Upstream{
			{ID: SLBNodes, Origin: from, Endpoints: []model.EndpointsID{Nodes}, Health: model.HealthCheck{Kind: model.HealthTCP}},
			{ID: "slb/nodes:https", Origin: from, Endpoints: []model.EndpointsID{{Keeper: model.KeeperStatic, Name: "nodes/https"}}},
		},
		Zones: []model.Zone{{Name: "test", Origin: from, Server: "ns.test", Address: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Mail: "hostmaster.test"}},
	}
	o.Listeners = append(append(o.Listeners, node("node-1", "127.0.0.11")...), node("node-2", "127.0.0.12")...)
	return o
}

// Ingress is what road 1 needs: rules, a Service, pods.
func Ingress() model.Objects {
	at := func(line int) model.Origin {
		return model.Origin{Source: "manifest", Kind: "Ingress", Namespace: "shop", Name: "shop", File: "/example/3-ingress.yaml", Line: line}
	}
	return model.Objects{
		Routes: []model.Route{
			IngressRoute("ingress/shop/shop/0/0", "shop.test", "/order", at(12), OrderService),
			IngressRoute("ingress/shop/shop/0/1", "shop.test", "/", at(19), OrderService),
		},
		Upstreams: []model.Upstream{{ID: OrderService, Endpoints: []model.EndpointsID{Service}, Selector: model.Tags{{Name: "app", Value: "order"}},
			Origin: model.Origin{Source: "manifest", Kind: "Service", Namespace: "shop", Name: "order-service", File: "/example/2-service.yaml", Line: 1}}},
		Workloads: []model.Workload{{ID: "deployment/shop/order", Namespace: "shop", Name: "order", Replicas: 2,
			Serves: []model.Serves{{List: Service, Port: 8080}}, Template: "1",
			Origin: model.Origin{Source: "manifest", Kind: "Deployment", Namespace: "shop", Name: "order", File: "/example/1-pods.yaml", Line: 1}}},
	}
}

// IngressRoute is a rule of an Ingress.
func IngressRoute(id model.RouteID, host model.Host, path string, at model.Origin, to ...model.UpstreamID) model.Route {
	var targets []model.Target
	for _, u := range to {
		targets = append(targets, model.Target{Upstream: u})
	}
	return model.Route{ID: id, Origin: at, Attach: []model.Class{"ingress"}, Hosts: []model.Host{host},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: path}}, Action: model.Forward{Targets: targets}}
}

// Gateway is what road 2 needs: a route.
func Gateway() model.Objects {
	at := model.Origin{Source: "springgw", Kind: "route", Name: "order", File: "/example/4-routes.yaml", Line: 6}
	return model.Objects{
		Routes: []model.Route{{ID: "springgw/order", Origin: at, Attach: []model.Class{"gateway"},
			Match:  model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/order/**"}},
			Action: model.Forward{Targets: []model.Target{{Upstream: LBOrder}}, Host: model.HostEndpoint}}},
		Upstreams: []model.Upstream{{ID: LBOrder, Origin: at, Endpoints: []model.EndpointsID{Registry}}},
	}
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func binds(s ...string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, x := range s {
		out = append(out, addr(x))
	}
	return out
}

func endpoint(at, name, node string) explain.Endpoint {
	return explain.Endpoint{Addr: addr(at), Name: name, Node: node, Weight: 1000, Share: 0.5, Healthy: true, Since: Now.Add(-time.Minute)}
}

func pods() []explain.Endpoint {
	return []explain.Endpoint{endpoint("127.1.1.2:8080", "order-a", "node-1"), endpoint("127.1.2.2:8080", "order-b", "node-2")}
}

// registered are the same pods as a registry knows them: by address alone.
func registered() []explain.Endpoint {
	return []explain.Endpoint{endpoint("127.1.1.2:8080", "", ""), endpoint("127.1.2.2:8080", "", "")}
}

func instances() []model.Endpoint {
	return []model.Endpoint{{Addr: addr("127.1.1.2:8080"), Name: "order-a", Node: "node-1"}, {Addr: addr("127.1.2.2:8080"), Name: "order-b", Node: "node-2"}}
}

func pod(name, node, ip string, pid int) explain.Pod {
	return explain.Pod{Workload: "deployment/shop/order", Namespace: "shop", Name: name, Node: node, Addr: netip.MustParseAddr(ip), Reached: binds(ip + ":8080"),
		PID: pid, Phase: "Running", Ready: true, Since: Now.Add(-time.Minute)}
}
