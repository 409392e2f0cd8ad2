package up

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/app"
)

// part is a piece that runs as a process of its own, with the configuration that its process gets.
type part struct {
	name   string
	config app.Config
}

// splitPieces are the pieces in the order in which they start. The SLB is asked first for what all of them know.
func splitPieces() []string { return []string{"registry", "dns", "node-1", "node-2", "gateway", "slb"} }

// adminOf is where the admin API of a piece's process listens: behind that of up.
func (p *Plan) adminOf(piece string) netip.AddrPort {
	at := p.Addr["admin"]
	for i, name := range splitPieces() {
		if name == piece {
			return netip.AddrPortFrom(at.Addr(), at.Port()+11+uint16(i))
		}
	}
	return at
}

// split takes the plan's one configuration apart: a part for every process, and what remains for this one, which reads the
// rules, runs the pods, and knows of everything else. Pods' addresses reach the nodes as files, as EndpointSlices do in
// a cluster; registered ones reach the gateway, and the nodes, over the registry's own protocol.
func (p *Plan) split() (own app.Config, parts []part) {
	whole := p.Config
	export := filepath.Join(p.State, "endpoints")
	nacos := []app.Nacos{p.registryClient()}

	own = whole
	own.Registry = nil // the bridge stays: this process knows the pods
	own.Sources.Nacos = []app.Nacos{nacos[0]}
	own.Sources.Nacos[0].All = true // whoever looks sees what no route uses, too
	dns, slb, ingress, gateway, pods := *whole.DNS, *whole.SLB, *whole.Ingress, *whole.Gateway, *whole.Pods
	dns.Elsewhere, slb.Elsewhere, ingress.Elsewhere, gateway.Elsewhere = true, true, true, true
	pods.Export = export
	own.DNS, own.SLB, own.Ingress, own.Gateway, own.Pods = &dns, &slb, &ingress, &gateway, &pods
	own.Log.Access = ""

	add := func(name string, fill func(*app.Config)) {
		c := app.Config{
			Data: filepath.Join(p.State, "data", name), Admin: app.Admin{Address: p.adminOf(name)},
			Log: app.Log{Level: whole.Log.Level, Access: filepath.Join(p.State, "access-"+name+".log")}, Tracing: whole.Tracing,
		}
		fill(&c)
		parts = append(parts, part{name, c})
	}
	add("registry", func(c *app.Config) {
		r := *whole.Registry
		r.Console = p.Addr["admin"]
		c.Registry = &r
	})
	add("dns", func(c *app.Config) {
		c.DNS, c.Ingress, c.Gateway, c.Sources = whole.DNS, own.Ingress, own.Gateway, app.Sources{Manifests: p.Paths, Routes: p.Paths}
		g := *own.Gateway
		g.Service = "-"
		c.Gateway = &g
	})
	for _, n := range whole.Ingress.Nodes {
		add(n.Name, func(c *app.Config) {
			one := *whole.Ingress
			one.Nodes = []app.Node{n}
			c.Ingress, c.Sources = &one, app.Sources{Manifests: append([]string{export}, p.Paths...), Nacos: nacos}
		})
	}
	add("gateway", func(c *app.Config) {
		c.Gateway, c.Sources = whole.Gateway, app.Sources{Routes: p.Paths, Nacos: nacos}
	})
	add("slb", func(c *app.Config) { c.SLB = whole.SLB })
	return own, parts
}

// runSplit runs every piece as a process of its own, and the pods in this one.
func (p *Plan) runSplit(ctx context.Context, out io.Writer, o app.Options) error {
	own, parts := p.split()
	for _, dir := range []string{"endpoints", "pieces"} {
		if err := os.MkdirAll(filepath.Join(p.State, dir), 0o700); err != nil {
			return fmt.Errorf("up: %w", err)
		}
	}
	procs := newProcesses(o.Self, filepath.Join(p.State, "pieces"), p.Paths[0])
	defer procs.end(splitPieces()...)
	for _, x := range parts {
		if err := procs.add(x.name, x.config); err != nil {
			return err
		}
	}
	o.Processes = procs
	for i := len(parts) - 1; i >= 0; i-- { // the SLB first: of what several know, it knows its nodes
		o.Peers = append(o.Peers, app.Peer{Name: parts[i].name, Client: adminapi.NewClient(parts[i].config.Admin.Address.String())})
	}
	for _, x := range parts {
		if err := procs.start(x.name); err != nil {
			return err
		}
		if x.name == "registry" {
			if err := p.awaitPassword(ctx); err != nil {
				return err
			}
		}
	}
	p.Config = own
	o.Settled = func(ctx context.Context) bool { return allReady(ctx, o.Peers) }
	o.Ending = func() { procs.end("slb", "node-1", "node-2", "gateway", "dns") } // pods deregister at the registry after that
	return p.runApp(ctx, out, o, func(a *app.App) {
		procs.tell(func(name, how string) {
			a.PieceEnded(name, fmt.Sprintf("%s; `%s start %s` brings it back", how, self(), name))
		})
	})
}

// readyWithin bounds the question whether a piece is ready.
const readyWithin = 500 * time.Millisecond

func allReady(ctx context.Context, peers []app.Peer) bool {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, x := range peers {
		v, err := x.Client.Read(ctx, adminapi.Infos)
		if err != nil || len(v.Info) == 0 || !v.Info[0].Ready {
			return false
		}
	}
	return true
}
