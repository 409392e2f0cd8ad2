package app

import (
	"context"

	"net/netip"
	"slices"
	"sync"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

// Classes of listeners.
const (
	classIngress model.Class = "ingress"
	classGateway model.Class = "gateway"
)

// static is the source of what the configuration itself says: listeners, the SLB's routes and nodes, zones. It has a
// group for each piece, so that a piece can be stopped and started while the others go on: a stopped piece's
// listeners are gone from the next snapshot, and the planes drain them like any other listener that went.
type static struct {
	mu      sync.Mutex
	pieces  []piece
	stopped map[string]bool
	wake    chan struct{}
}

// piece is what `paifang stop` and `start` name, with what it contributes while it runs.
type piece struct {
	name    string
	objects model.Objects
	// lasting is what it contributes even when it is stopped: the nodes stay behind the SLB, which has to find out.
	lasting   model.Objects
	elsewhere bool // another process runs it
}

func newStatic(c *Config) *static {
	return &static{pieces: pieces(c), stopped: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// Name is "configuration".
func (s *static) Name() string { return "configuration" }

// Run sends every piece, and again whenever one was stopped or started.
func (s *static) Run(ctx context.Context, out chan<- source.Update) error {
	for {
		select {
		case out <- source.Update{Groups: s.groups(), Full: true}:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *static) groups() []source.Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []source.Group
	for _, p := range s.pieces {
		out = append(out, source.Group{Key: "lasting/" + p.name, Objects: &p.lasting})
		objects := p.objects
		if s.stopped[p.name] {
			objects.Listeners = slices.Clone(objects.Listeners)
			for i := range objects.Listeners {
				objects.Listeners[i].Stopped = true
			}
		}
		out = append(out, source.Group{Key: "piece/" + p.name, Objects: &objects})
	}
	return out
}

// set stops or starts a piece and tells whether that changed anything.
func (s *static) set(name string, stopped bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped[name] == stopped {
		return false
	}
	s.stopped[name] = stopped
	s.again()
	return true
}

// again has everything sent once more, as a new generation.
func (s *static) again() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pieces turns the roles of a configuration into what they contribute.
func pieces(c *Config) []piece {
	var out []piece
	if d := c.DNS; d != nil {
		out = append(out, dnsPiece(d))
	}
	if s := c.SLB; s != nil {
		out = append(out, slbPiece(s))
	}
	if g := c.Ingress; g != nil {
		for _, n := range g.Nodes {
			out = append(out, nodePiece(c, n))
		}
	}
	if c.Gateway != nil {
		out = append(out, gatewayPiece(c))
	}
	return out
}

func origin(kind, name string) model.Origin {
	return model.Origin{Source: "configuration", Kind: kind, Name: name}
}

func dnsPiece(d *DNS) piece {
	p := piece{name: "dns", elsewhere: d.Elsewhere}
	p.objects.Listeners = []model.Listener{{ID: "dns", Origin: origin("dns", "dns"), Protocol: model.DNS, Bind: []netip.AddrPort{d.Address}, Node: "dns", Elsewhere: d.Elsewhere}}
	for _, z := range d.Zones {
		p.lasting.Zones = append(p.lasting.Zones, model.Zone{
			Name: z, Origin: origin("zone", z), TTL: d.TTL.or(5 * time.Second),
			Server: "ns." + z, Address: d.advertise(), Mail: "hostmaster." + z,
		})
	}
	return p
}

// advertise is the address of the name server, none where it listens on all and none is given.
func (d *DNS) advertise() []netip.Addr {
	switch {
	case d.Advertise.IsValid():
		return []netip.Addr{d.Advertise}
	case d.Address.Addr().IsUnspecified():
		return nil
	}
	return []netip.Addr{d.Address.Addr()}
}

func slbPiece(s *SLB) piece {
	p := piece{name: "slb", elsewhere: s.Elsewhere}
	for _, l := range s.Listeners {
		id := "slb/" + l.Name
		list := model.EndpointsID{Keeper: model.KeeperStatic, Name: id}
		lists := []model.EndpointsID{list}
		if l.Members != nil {
			lists = append(lists, l.nodeList().List())
		}
		p.objects.Listeners = append(p.objects.Listeners, model.Listener{
			ID: model.ListenerID(id), Origin: origin("slb", l.Name), Class: model.Class(id), Protocol: model.TCP, Bind: []netip.AddrPort{l.Address}, Node: "slb", Elsewhere: s.Elsewhere,
		})
		p.lasting.L4Routes = append(p.lasting.L4Routes, model.L4Route{
			ID: model.RouteID(id), Origin: origin("slb", l.Name), Attach: []model.Class{model.Class(id)}, Upstream: model.UpstreamID(id),
		})
		p.lasting.Upstreams = append(p.lasting.Upstreams, model.Upstream{
			ID: model.UpstreamID(id), Origin: origin("slb", l.Name), Endpoints: lists,
			Health: model.HealthCheck{
				Kind: model.HealthHTTP, Path: "/readyz", Interval: s.Interval.or(250 * time.Millisecond), Timeout: s.Timeout.or(250 * time.Millisecond),
				Rise: max(s.Rise, 1), Fall: orTwo(s.Fall),
			},
			Dial: model.Dial{From: dialFrom(l.Address.Addr()), Proxy: model.ProxyV2},
		})
		set := model.EndpointSet{List: list, Origin: origin("slb", l.Name)}
		for _, n := range l.Nodes {
			set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: n.Address, Name: n.Name, Node: n.Name})
		}
		p.lasting.Endpoints = append(p.lasting.Endpoints, set)
	}
	return p
}

func orTwo(n int) int {
	if n == 0 {
		return 2
	}
	return n
}

// dialFrom is the address the SLB dials nodes from: its own, by which they know it, unless it listens on all.
func dialFrom(a netip.Addr) netip.Addr {
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func nodePiece(c *Config, n Node) piece {
	g := c.Ingress
	p := piece{name: n.Name, elsewhere: g.Elsewhere}
	add := func(name string, protocol model.Protocol, at netip.AddrPort) {
		if !at.IsValid() {
			return
		}
		p.objects.Listeners = append(p.objects.Listeners, model.Listener{
			ID: model.ListenerID(n.Name + "/" + name), Origin: origin("node", n.Name), Class: classIngress, Protocol: protocol,
			Bind: []netip.AddrPort{at}, Advertise: g.Advertise, Node: n.Name, TLS: g.TLS.of(protocol),
			Trust:   model.Trust{ProxyFrom: g.ProxyFrom, ForwardedFrom: g.Trusted, Hops: g.Hops},
			Parsing: g.Parsing.model(), Elsewhere: g.Elsewhere, HTTP1Only: g.HTTP1Only, Clients: c.clients(), Tracing: c.Tracing.model(),
		})
	}
	add("http", model.HTTP, n.HTTP)
	add("https", model.HTTPS, n.HTTPS)
	return p
}

// clients is what the configuration says of all listeners. It stands in those of ingress nodes too, since there it goes before
// what an installation of ingress-nginx was told.
func (c *Config) clients() model.Clients {
	t := &c.Timeouts
	return model.Clients{Head: time.Duration(t.RequestHead), Body: time.Duration(t.RequestBody), Idle: time.Duration(t.Idle), Streams: c.HTTP2.Streams,
		Connections: c.Limits.ConnectionsPerAddress, Drain: time.Duration(c.Drain)}
}

func gatewayPiece(c *Config) piece {
	g := c.Gateway
	p := piece{name: "gateway", elsewhere: g.Elsewhere}
	var names []model.Host
	if g.Host != "" {
		names = []model.Host{model.Host(g.Host)}
	}
	add := func(name string, protocol model.Protocol, at netip.AddrPort) {
		if !at.IsValid() {
			return
		}
		p.objects.Listeners = append(p.objects.Listeners, model.Listener{
			ID: model.ListenerID("gateway/" + name), Origin: origin("gateway", name), Class: classGateway, Protocol: protocol,
			Bind: []netip.AddrPort{at}, Advertise: []netip.Addr{g.advertise()}, Names: names, HostRule: model.HostFalls, Node: "gateway", TLS: g.TLS.of(protocol),
			Trust:   model.Trust{ProxyFrom: g.ProxyFrom, ForwardedFrom: g.Trusted, Hops: g.Hops},
			Parsing: g.Parsing.model(), Elsewhere: g.Elsewhere, HTTP1Only: g.HTTP1Only, Tracing: c.Tracing.model(),
		})
	}
	add("http", model.HTTP, g.HTTP)
	add("https", model.HTTPS, g.HTTPS)
	return p
}

var (
	_ source.Source = (*static)(nil)
)
