package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"paifang/internal/bootconfig"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/podrun"
	"paifang/internal/registry"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/source/manifest"
	"paifang/internal/source/nacos"
	"paifang/internal/source/resolve"
	"paifang/internal/source/springgw"
)

// Priorities of kinds of rules: where two claim one place with equal right, the lower one has it. ARCHITECTURE.md states the precedence
// between kinds. Documents of our own have the one that they give themselves, 0 where they give none.
const (
	priorityManifest = 10 // Ingresses, in files and in the cluster
	prioritySpring   = 20
)

// waitForRegistry is how long a registry is waited for before the process starts without it.
const waitForRegistry = 10 * time.Second

// parts are the sources with what the hub has to know of them.
func (a *App) parts() ([]hub.Part, error) {
	out := []hub.Part{{Source: a.static, Required: true, Keepers: []string{model.KeeperStatic}}}
	kubernetes := []string{model.KeeperKubernetes}
	if paths := a.cfg.Sources.Manifests; len(paths) > 0 {
		s, err := manifest.New(manifest.Options{Paths: paths, Translate: a.cfg.translateOptions()})
		if err != nil {
			return nil, err
		}
		// Documents may name hosts. Nothing waits for these: a list that has not come is unknown.
		out = append(out, hub.Part{Source: s, Required: true, Keepers: kubernetes}, hub.Part{Source: resolve.New(resolve.Config{})})
	}
	if a.cfg.Sources.Kubernetes != nil {
		p, err := a.kubernetesPart()
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	var forAll *springgw.Common
	if files := a.springFiles(); files != nil {
		forAll = files.Common()
		a.springs = append(a.springs, files)
		out = append(out, hub.Part{Source: files, Required: true, Keepers: []string{model.KeeperStatic}})
	}
	items, err := a.springItems(forAll)
	if err != nil {
		return nil, err
	}
	out = append(out, items...)
	if a.reg != nil {
		out = append(out, hub.Part{Source: registry.NewSource(sourceRegistry, model.KeeperRegistry, &a.reg.handle), Required: true,
			Wait: waitForRegistry, Saved: true, Keepers: []string{model.KeeperRegistry}})
	}
	for _, n := range a.cfg.Sources.Nacos {
		c, err := nacosConfig(n, a.cfg.reserved(), a.log)
		if err != nil {
			return nil, err
		}
		out = append(out, hub.Part{Source: nacos.New(c), Required: true, Wait: waitForRegistry, Saved: true, Keepers: []string{n.keeper()}})
	}
	if a.pods != nil {
		s := a.pods.Source()
		if dir := a.cfg.Pods.Export; dir != "" {
			e, err := newExported(s, dir)
			if err != nil {
				return nil, err
			}
			s = e
		}
		out = append(out, hub.Part{Source: s, Keepers: kubernetes})
	}
	return out, nil
}

// translateOptions are those of objects in files: who writes them may ask this machine, where pods run as processes.
func (c *Config) translateOptions() translate.Options {
	return translate.Options{Annotations: c.Sources.AnnotationPrefix, TakeUnclassed: true, Attach: classIngress, Priority: priorityManifest, Loopback: true, Installed: c.installed(), Bridge: c.translateBridge(),
		ByName: c.Sources.Spring.Kubernetes != nil, Traced: c.Tracing.Collector != ""}
}

// springConfig is how Spring's files are read. Beside application.yml those for profiles are read too, as Spring would; of one that is not active
// that is said.
func springConfig(c *Config) springgw.Config {
	s := springgw.Config{Paths: withProfiles(c.Sources.Routes, nil), Zone: c.Zone, Class: classGateway, Priority: prioritySpring,
		Boot:         bootconfig.Settings{Profiles: c.Sources.Spring.Profiles, Properties: c.Sources.Spring.Properties, Environ: os.LookupEnv},
		KeyResolvers: c.Sources.Spring.KeyResolvers, RequestURIs: c.Sources.Spring.RequestURIs}
	s.NobodyTrusted = c.Gateway != nil && len(c.Gateway.Trusted) == 0
	if c.Gateway != nil && c.Gateway.registers() {
		s.Self = c.Gateway.service()
	}
	var shelves []model.Shelf
	if c.Registry != nil {
		shelves = append(shelves, model.Shelf{Keeper: model.KeeperRegistry, Prefix: "public/DEFAULT_GROUP/"})
	}
	for _, n := range c.Sources.Nacos {
		shelves = append(shelves, model.Shelf{Keeper: n.keeper(), Prefix: n.namespace() + "/" + n.group() + "/"})
	}
	if k := c.Sources.Spring.Kubernetes; k != nil {
		shelves = append(shelves, model.Shelf{Keeper: model.KeeperKubernetes, Prefix: orDefault(k.Namespace, "default") + "/"})
	}
	if len(shelves) > 0 {
		s.Keeper, s.Prefix, s.Also = shelves[0].Keeper, shelves[0].Prefix, shelves[1:]
	}
	return s
}

func (a *App) podConfig() podrun.Config {
	p := a.cfg.Pods
	c := podrun.Config{
		Run: p.Run, Env: p.Env, Logs: p.Logs, Single: p.Single, Output: a.opt.PodOutput, Changed: a.podChanged, Log: a.log, HostPortOffset: p.HostPortOffset, StopWithin: p.Within.or(0),
		Builtin: map[string][]string{"paifang.dev/example-order": {a.opt.Self, "example", "order"}},
	}
	if a.cfg.Data != "" {
		c.State = filepath.Join(a.cfg.Data, "pods")
	}
	for _, n := range p.Nodes {
		c.Nodes = append(c.Nodes, podrun.Node{Name: n.Name, Range: n.Range, Addr: n.Addr})
	}
	for name, at := range p.Attach {
		if addr, err := netip.ParseAddrPort(at); err == nil { // checked with the configuration
			if c.Attach == nil {
				c.Attach = map[string]netip.AddrPort{}
			}
			c.Attach[name] = addr
		}
	}
	return c
}
