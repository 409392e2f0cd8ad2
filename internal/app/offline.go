package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"paifang/internal/compile"
	"paifang/internal/explain"
	"paifang/internal/filter"
	"paifang/internal/filter/builtin"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes"
	"paifang/internal/source/manifest"
	"paifang/internal/source/springgw"
)

// Compiled is a snapshot that nothing serves: what the files of a configuration would become.
type Compiled struct{ snap *snapshot.Snapshot }

// Load returns the snapshot.
func (c Compiled) Load() *snapshot.Snapshot { return c.snap }

// Planes is empty: nothing serves it.
func (c Compiled) Planes() []snapshot.PlaneState { return nil }

// Traces is empty: nothing was ever sent.
func (c Compiled) Traces() explain.Traces { return explain.NewRing(1) }

// Adopt says which classes of other controllers a report reads as ours.
type Adopt struct {
	Names []string // of IngressClasses
	Nginx bool     // those of ingress-nginx, and the name nginx without a class
}

// Offline compiles what a configuration and its files say, without starting anything or asking anybody. What is wrong
// in them is in the snapshot's diagnostics; the error is for files that cannot be read at all.
func Offline(_ context.Context, cfg Config, adopt Adopt) (Compiled, error) {
	all, err := offlineGroups(&cfg, adopt)
	if err != nil {
		return Compiled{}, err
	}
	return compiled(all), nil
}

// FromCluster is Offline with the objects of the cluster in sources.kubernetes, which it asks once.
func FromCluster(ctx context.Context, cfg Config) (Compiled, error) {
	if cfg.Sources.Kubernetes == nil {
		cfg.Sources.Kubernetes = &Kubernetes{}
	}
	adopt := cfg.Sources.Kubernetes.Adopt
	all, err := offlineGroups(&cfg, Adopt{Names: adopt, Nginx: adopt == nil})
	if err != nil {
		return Compiled{}, err
	}
	client, err := cfg.Sources.Kubernetes.connect(cfg.installed())
	if err != nil {
		return Compiled{}, err
	}
	defer client.Close()
	o := cfg.clusterOptions(client, slog.New(slog.DiscardHandler))
	o.ServicesOnly = false // a report is about Ingresses
	if all["kubernetes"], err = kubernetes.Load(ctx, o); err != nil {
		return Compiled{}, fmt.Errorf("app: %w", err)
	}
	return compiled(all), nil
}

// offlineGroups are those of the configuration and of the files that it names.
func offlineGroups(cfg *Config, adopt Adopt) (map[string][]source.Group, error) {
	all := map[string][]source.Group{"configuration": newStatic(cfg).groups()}
	if paths := cfg.Sources.Manifests; len(paths) > 0 {
		t := cfg.translateOptions()
		t.Adopt, t.AdoptNginx = adopt.Names, adopt.Nginx
		groups, _, err := manifest.Load(manifest.Options{Paths: paths, Translate: t})
		if err != nil {
			return nil, fmt.Errorf("app: %w", err)
		}
		all["manifest"] = groups
	}
	if paths := cfg.Sources.Routes; len(paths) > 0 {
		groups, err := springgw.Load(springConfig(cfg))
		if err != nil {
			return nil, fmt.Errorf("app: %w", err)
		}
		all["springgw"] = groups
	}
	return all, nil
}

// compiled compiles what all sources say.
func compiled(all map[string][]source.Group) Compiled {
	e := shard.Map[*model.Objects]{}.Edit()
	lists := map[model.EndpointsID]bool{}
	for name, groups := range all {
		for _, g := range groups {
			for _, s := range g.Endpoints() {
				lists[s.List] = true
			}
			if rules := g.Rules(); rules != nil {
				e.Set(name+"/"+g.Key, rules)
			}
		}
	}
	in := compile.Input{Groups: e.Map(), Lists: compile.Lists(slices.Collect(maps.Keys(lists))...)}
	return Compiled{compile.Compile(nil, in, filter.Catalog(builtin.Kinds()).CheckRoute)}
}
