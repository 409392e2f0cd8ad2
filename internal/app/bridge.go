package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"paifang/internal/bridge"
	"paifang/internal/model"
	"paifang/internal/registry"
	"paifang/internal/snapshot"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/upstream"
	nacosclient "paifang/nacos"
)

// Bridge says which Services are offered in a registry.
type Bridge struct {
	Selector  string `json:"selector,omitempty" doc:"labels of the Services that are offered, as kubectl takes them; default paifang.dev/offer=true; those with the annotation paifang.dev/offer are offered too"`
	Registry  string `json:"registry,omitempty" doc:"name of the registry of sources.nacos that they are offered in; default the registry of this process, else the first of sources.nacos"`
	Namespace string `json:"namespace,omitempty" doc:"that they are offered in, where a Service names none; default public, or that of the registry"`
	Group     string `json:"group,omitempty" doc:"likewise; default DEFAULT_GROUP, or that of the registry"`
	Cluster   string `json:"cluster,omitempty" doc:"that the instances are in, as Nacos means it; default DEFAULT"`
	From      string `json:"from,omitempty" doc:"what marks the instances, in the metadata paifang.dev/from: each cluster that offers in one registry needs its own; default kubernetes"`
}

const defaultOffered = "paifang.dev/offer=true"

// offersIn is the external registry that is offered in; false: it is that of this process.
func (c *Config) offersIn() (Nacos, bool) {
	b := c.Bridge
	if b.Registry == "" && c.Registry != nil || len(c.Sources.Nacos) == 0 {
		return Nacos{}, false
	}
	i := slices.IndexFunc(c.Sources.Nacos, func(n Nacos) bool { return n.Name == b.Registry })
	return c.Sources.Nacos[max(i, 0)], true // checked with the configuration
}

// translateBridge is what Services may say of registries.
func (c *Config) translateBridge() translate.Bridge {
	out := translate.Bridge{Services: c.Sources.RegistryServices}
	if c.Registry != nil {
		out.Keepers = append(out.Keepers, model.KeeperRegistry)
	}
	for _, n := range c.Sources.Nacos {
		out.Keepers = append(out.Keepers, n.keeper())
	}
	b := c.Bridge
	if b == nil {
		return out
	}
	n, _ := c.offersIn()
	out.Offers, out.From = true, b.From
	out.Namespace, out.Group = cmp.Or(b.Namespace, n.namespace()), cmp.Or(b.Group, n.group())
	out.Selector, _ = translate.ParseSelector(cmp.Or(b.Selector, defaultOffered)) // checked with the configuration
	return out
}

func (c *Config) bridgeFaults(f *faults) {
	if err := translate.CheckServices(c.Sources.RegistryServices); err != nil {
		f.say("sources.registryServices", "%v", err)
	}
	b := c.Bridge
	if b == nil {
		return
	}
	if _, err := translate.ParseSelector(b.Selector); err != nil {
		f.say("bridge.selector", "%v", err)
	}
	named := slices.ContainsFunc(c.Sources.Nacos, func(n Nacos) bool { return n.Name == b.Registry })
	switch {
	case b.Registry != "" && !named:
		f.say("bridge.registry", "%q is none of sources.nacos", b.Registry)
	case c.Registry == nil && len(c.Sources.Nacos) == 0:
		f.say("bridge", "there is no registry to offer in: add registry or sources.nacos")
	case c.Sources.Kubernetes == nil && len(c.Sources.Manifests) == 0:
		f.say("bridge", "there are no Services to offer: add sources.kubernetes or sources.manifests")
	}
}

// newBridge makes the bridge, where there is one.
func (a *App) newBridge() error {
	b := a.cfg.Bridge
	if b == nil {
		return nil
	}
	o := bridge.Options{Lists: tableOf{a}, From: b.From, Cluster: b.Cluster, Log: a.log}
	if n, external := a.cfg.offersIn(); external {
		opt, err := n.client(n.namespace(), a.log)
		if err != nil {
			return fmt.Errorf("app: bridge: %w", err)
		}
		o.Target = nacosTarget{opt}
	} else {
		o.Target = bridge.Embedded{Handle: &a.reg.handle}
	}
	a.bridge = bridge.New(o)
	return nil
}

func (a *App) runBridge(ctx context.Context) error {
	if a.bridge == nil {
		<-ctx.Done()
		return nil
	}
	return a.bridge.Run(ctx)
}

// published tells who wants to know of a generation.
func (a *App) published(old, now *snapshot.Snapshot) {
	if a.opt.Tell {
		a.events.published(old, now)
	} else {
		a.trouble.tell(time.Now(), newTrouble(old, now))
	}
	if a.bridge != nil {
		a.bridge.Published(now)
	}
}

// tableOf is the table of an app, which is made after the bridge that it tells of its changes.
type tableOf struct{ app *App }

// List implements bridge.Lists.
func (t tableOf) List(id model.EndpointsID) (upstream.ListStatus, bool) { return t.app.table.List(id) }

// nacosTarget is a registry that speaks Nacos' protocol, as the bridge's target.
type nacosTarget struct{ opt nacosclient.Options }

// Open connects to the namespace that the configuration names; other ones are connected to when something is offered there.
func (n nacosTarget) Open(ctx context.Context) (bridge.Session, error) {
	s := &nacosSession{opt: n.opt, clients: map[string]*nacosclient.Client{}}
	if _, err := s.client(ctx, n.opt.Namespace); err != nil {
		return nil, err
	}
	return s, nil
}

// nacosSession is one client for each namespace. Clients connect and publish again by themselves, so a session is never lost.
type nacosSession struct {
	opt     nacosclient.Options
	clients map[string]*nacosclient.Client
}

func (s *nacosSession) client(ctx context.Context, namespace string) (*nacosclient.Client, error) {
	if c := s.clients[namespace]; c != nil {
		return c, nil
	}
	opt := s.opt
	opt.Namespace = namespace
	c, err := nacosclient.Connect(ctx, opt)
	if err != nil {
		return nil, err
	}
	s.clients[namespace] = c
	return c, nil
}

// Publish implements bridge.Session. Who is not to be chosen is left out: clients of the protocol register what is well.
func (s *nacosSession) Publish(ctx context.Context, key registry.Key, list []registry.Instance) error {
	c, err := s.client(ctx, key.Namespace)
	if err != nil {
		return err
	}
	var out []nacosclient.Instance
	for i := range list {
		in := &list[i]
		if !in.Healthy || !in.Enabled || in.Weight == 0 {
			continue
		}
		metadata := map[string]string{}
		for _, t := range in.Metadata {
			metadata[t.Name] = t.Value
		}
		out = append(out, nacosclient.Instance{Addr: in.Addr, Cluster: in.Cluster, Weight: in.Weight, Metadata: metadata})
	}
	return c.Publish(ctx, nacosclient.Service{Name: key.Service, Group: key.Group}, out)
}

// Done implements bridge.Session.
func (s *nacosSession) Done() <-chan struct{} { return nil }

// Close implements bridge.Session.
func (s *nacosSession) Close() {
	for _, c := range s.clients {
		c.Close()
	}
}
