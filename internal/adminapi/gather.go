package adminapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"paifang/internal/explain"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// gatherer makes one view of one generation.
type gatherer struct {
	local     *Local
	snap      *snapshot.Snapshot
	addresses Addresses // nil: nothing runs
	states    map[model.UpstreamID]explain.Upstream
	view      View
}

func (g *gatherer) read(k Kind) {
	switch k {
	case Roads:
		g.view.Roads = roads(g.snap, g.lists(), g.at)
	case Nodes:
		g.view.Nodes = g.nodes()
	case Pods:
		if g.local.Pods != nil {
			g.view.Pods = g.local.Pods.Pods()
		}
	case Records:
		g.view.Records = g.records()
	case Routes:
		g.view.Routes = g.routes()
	case Upstreams:
		g.view.Upstreams = g.upstreams()
	case Endpoints:
		g.view.Endpoints = g.endpoints()
	case Services:
		g.view.Services = g.services()
	case Listeners:
		g.view.Listeners = g.listeners()
	case Diagnostics:
		g.view.Diagnostics = g.diagnostics()
	case Sources:
		g.view.Sources = g.sources()
	case Infos:
		g.view.Info = []Info{g.local.info()}
	case Lists:
		g.view.Lists = g.lists()
	case Traffics:
		if g.local.Carrier != nil {
			g.view.Traffic = g.local.Carrier.Traffic()
		}
	}
}

// at is where an object stands, relative to the directory that is watched.
func (g *gatherer) at(o model.Origin) string {
	o.File = explain.Shown(g.local.Dir, o.File)
	return o.At()
}

func (g *gatherer) lists() []explain.List {
	if g.addresses == nil {
		return nil
	}
	return g.addresses.Lists()
}

// state is an upstream's, asked once.
func (g *gatherer) state(id model.UpstreamID, node string) explain.Upstream {
	if g.addresses == nil {
		return explain.Upstream{}
	}
	s, ok := g.states[id]
	if !ok {
		s, _ = g.addresses.Upstream(id, node)
		g.states[id] = s
	}
	return s
}

func (g *gatherer) nodes() []Node {
	var out []Node
	for l := range g.snap.Listeners() {
		routes := g.snap.L4Routes(l.EffectiveClass())
		if l.Protocol != model.TCP || len(routes) == 0 {
			continue
		}
		for _, e := range g.state(routes[0].Upstream, l.Node).Endpoints {
			n := Node{Name: g.nodeAt(e), Behind: strings.Join(addrText(l.Bind), ","), Addr: e.Addr, Health: "healthy", Draining: e.State == model.Draining,
				Why: e.Why, Open: e.Open, Since: e.Since, Share: e.Share}
			if !e.Healthy || e.State > model.Draining {
				n.Health = "unhealthy"
			}
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr)) })
	return out
}

func (g *gatherer) nodeAt(e explain.Endpoint) string {
	for l := range g.snap.Listeners() {
		if slices.Contains(l.Bind, e.Addr) && l.Node != "" {
			return l.Node
		}
	}
	return cmp.Or(e.Node, e.Name, e.Addr.String())
}

func (g *gatherer) records() []Record {
	var out []Record
	for n := range g.snap.Names().All() {
		_, fixed := n.Host.Split()
		zone, _ := g.snap.ZoneOf(fixed)
		r := Record{Name: string(n.Host), Zone: zone.Name, TTL: n.TTL, Class: string(n.Class), Source: g.at(n.Origin), Origin: n.Origin}
		for _, a := range n.Addrs {
			kind := "A"
			if a.Unmap().Is6() {
				kind = "AAAA"
			}
			if last := len(out) - 1; last >= 0 && out[last].Name == r.Name && out[last].Type == kind {
				out[last].Addrs = append(out[last].Addrs, a)
				continue
			}
			row := r
			row.Type = kind
			row.Addrs = append(row.Addrs, a)
			out = append(out, row)
		}
	}
	return out
}

func (g *gatherer) upstreams() []Upstream {
	l4 := map[model.UpstreamID]bool{}
	for l := range g.snap.Listeners() {
		for _, r := range g.snap.L4Routes(l.EffectiveClass()) {
			l4[r.Upstream] = true
		}
		if l.Protocol != model.HTTPS {
			continue
		}
		for _, r := range g.snap.Passed(l.EffectiveClass()).All() {
			l4[r.Upstream] = true
		}
	}
	var out []Upstream
	for u := range g.snap.Upstreams() {
		row := Upstream{ID: string(u.ID), Name: explain.UpstreamName(u, false), Road: u.Endpoints[0].Road(), Balance: u.Balance.String(), Source: g.at(u.Origin), Origin: u.Origin,
			State: g.state(u.ID, ""), L4: l4[u.ID],
			TLS: UpstreamTLS{Mode: u.TLS.Mode, Name: u.TLS.Name, HideName: u.TLS.HideName, SkipVerify: u.TLS.SkipVerify, OwnCA: u.TLS.CA != "", Client: u.TLS.Chain != ""}}
		for _, id := range u.Endpoints {
			row.Lists = append(row.Lists, id.String())
		}
		out = append(out, row)
	}
	return out
}

func (g *gatherer) endpoints() []Endpoint {
	by := map[model.EndpointsID]string{}
	observed := map[model.EndpointsID]map[netip.AddrPort]string{} // why own observation has taken them out
	for u := range g.snap.Upstreams() {
		down := map[netip.AddrPort]string{}
		for _, e := range g.state(u.ID, "").Endpoints {
			if !e.Healthy {
				down[e.Addr] = e.Why
			}
		}
		for _, id := range u.Endpoints {
			if len(down) > 0 {
				if observed[id] == nil {
					observed[id] = map[netip.AddrPort]string{}
				}
				maps.Copy(observed[id], down)
			}
			for _, t := range u.Selector {
				by[id] = strings.TrimPrefix(by[id]+","+t.Name+"="+t.Value, ",")
			}
		}
	}
	var out []Endpoint
	for _, l := range g.lists() {
		for _, e := range l.Endpoints {
			row := Endpoint{List: l.ID.Name, Keeper: keptBy(l.ID.Keeper), Addr: e.Addr, Name: e.Name, Node: e.Node, State: e.State.String(),
				Why: e.Reason, Weight: float64(e.Weight.Thousandths()) / 1000}
			if why, down := observed[l.ID][e.Addr]; down {
				row.Down, row.Why = true, why
			}
			if by[l.ID] != "" {
				row.By = "label " + by[l.ID]
			}
			if from, offered := e.Tags.Get(model.TagFrom); offered {
				row.By = "offered by " + from
			}
			out = append(out, row)
		}
	}
	return out
}

// services are what keepers offer, with what the registry of this process holds beside.
func (g *gatherer) services() []Service {
	inUse := map[model.EndpointsID]bool{}
	for _, id := range g.snap.InUse() {
		inUse[id] = true
	}
	var out []Service
	for _, l := range g.lists() {
		if l.ID.Road() == 0 {
			continue
		}
		s := serviceOf(l.ID)
		s.Revision, s.InUse, s.Total = l.Revision, inUse[l.ID], len(l.Endpoints)
		for _, e := range l.Endpoints {
			if e.State == model.Ready {
				s.Ready++
			}
		}
		out = append(out, s)
	}
	if g.local.Registry != nil {
		at := make(map[string]int, len(out))
		for i := range out {
			at[out[i].key()] = i
		}
		for _, s := range g.local.Registry.Services() {
			if i, listed := at[s.key()]; listed {
				out[i].Local = s.Local
			} else {
				out = append(out, s)
			}
		}
	}
	slices.SortFunc(out, func(a, b Service) int { return cmp.Compare(a.key(), b.key()) })
	return out
}

// serviceOf reads the name of a list as its keeper writes it: "shop/order-service:80", "public/DEFAULT_GROUP/order".
func serviceOf(id model.EndpointsID) Service {
	s := Service{KeptBy: keptBy(id.Keeper)}
	parts := strings.Split(id.Name, "/")
	s.Name = parts[len(parts)-1]
	if len(parts) > 1 {
		s.Namespace = parts[0]
	}
	if len(parts) > 2 {
		s.Group = strings.Join(parts[1:len(parts)-1], "/")
	}
	if id.Road() == 1 {
		s.Name, s.Port, _ = strings.Cut(s.Name, ":")
	}
	return s
}

func (g *gatherer) listeners() []Listener {
	var out []Listener
	for l := range g.snap.Listeners() {
		row := Listener{ID: string(l.ID), Node: l.Node, Protocol: string(l.Protocol), Bind: addrText(l.Bind), Class: string(l.EffectiveClass()),
			HostRule: l.HostRule, Source: g.at(l.Origin)}
		for _, name := range l.Names {
			row.Names = append(row.Names, string(name))
		}
		if l.Protocol == model.HTTPS {
			for c := range g.snap.Certificates(l.EffectiveClass()) {
				row.Certificates = append(row.Certificates, Certificate{ID: string(c.ID), Hosts: c.Hosts, Secret: c.Secret, Source: g.at(c.Origin), Origin: c.Origin})
			}
		}
		row.TLS, row.Passed = g.listenerTLS(l), g.passed(l)
		if g.local.Listeners != nil {
			row.ListenerState, _ = g.local.Listeners.ListenerState(l.ID)
		}
		out = append(out, row)
	}
	return out
}

// passed is what a listener passes on without ending its TLS.
func (g *gatherer) passed(l model.Listener) []Passed {
	if l.Protocol != model.HTTPS {
		return nil
	}
	var out []Passed
	for host, r := range g.snap.Passed(l.EffectiveClass()).All() {
		out = append(out, Passed{ServerName: host, Route: string(r.ID), Upstream: string(r.Upstream), Source: g.at(r.Origin), Origin: r.Origin})
	}
	slices.SortFunc(out, func(a, b Passed) int { return a.ServerName.Compare(b.ServerName) })
	return out
}

// listenerTLS is what a listener asks of handshakes, nil in clear text.
func (g *gatherer) listenerTLS(l model.Listener) *ListenerTLS {
	if l.Protocol != model.HTTPS {
		return nil
	}
	out := &ListenerTLS{MinVersion: cmp.Or(l.TLS.MinVersion, model.TLS12), MaxVersion: cmp.Or(l.TLS.MaxVersion, model.TLS13), Ciphers: l.TLS.Ciphers, Staple: l.TLS.Staple}
	for p := range g.snap.TLSPolicies(l.EffectiveClass()) {
		out.Policies = append(out.Policies, TLSPolicy{ID: string(p.ID), Hosts: p.Hosts, ClientAuth: p.ClientAuth, CASecret: p.CASecret, Reject: p.Reject,
			Source: g.at(p.Origin), Origin: p.Origin})
	}
	return out
}

// sources are as the hub has them, with what was found wrong with those that run.
func (g *gatherer) sources() []hub.SourceStatus {
	if g.local.Control == nil {
		return nil
	}
	out := slices.Clone(g.local.Control.Sources())
	for _, f := range g.local.Finders {
		for _, d := range f.Diagnostics() {
			for i := range out {
				if s := &out[i]; d.Origin.Kind == "source" && d.Origin.Name == s.Name && s.Error == "" {
					s.Error = d.Message
				}
			}
		}
	}
	return out
}

// diagnostics are those of the rules, those found while running, and the sources that are red.
func (g *gatherer) diagnostics() []model.Diagnostic {
	out := g.snap.Diagnostics()
	for _, f := range g.local.Finders {
		out = append(out, f.Diagnostics()...)
	}
	if g.local.Control != nil {
		for _, s := range g.local.Control.Sources() {
			if s.Failed {
				out = append(out, model.Diagnostic{Origin: model.Origin{Source: s.Name, Kind: "source", Name: s.Name}, Severity: model.Warning, Code: model.CodeSourceFailed,
					Message: fmt.Sprintf("source %s does not run since %s, what it said last is served: %s", s.Name, s.Since.Format("15:04:05"), s.Error)})
			}
		}
	}
	slices.SortFunc(out, model.CompareDiagnostics)
	return slices.CompactFunc(out, func(a, b model.Diagnostic) bool { return model.CompareDiagnostics(a, b) == 0 })
}
