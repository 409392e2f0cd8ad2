package bridge

import (
	"slices"

	"paifang/internal/model"
	"paifang/internal/registry"
)

// instances are the endpoints of a list as a registry is told of them. What is about to end is left out while others are ready,
// and what is only remembered is not offered at all: who is told of it cannot know that it is a last resort.
func instances(from, cluster string, list []model.Endpoint) []registry.Instance {
	ready := slices.ContainsFunc(list, func(e model.Endpoint) bool { return e.State == model.Ready })
	out := make([]registry.Instance, 0, len(list))
	for i := range list {
		e := &list[i]
		if _, foreign := e.Tags.Get(model.TagFrom); foreign || e.State == model.LastResort || e.State == model.Draining && ready {
			continue
		}
		out = append(out, registry.Instance{
			Addr: e.Addr, Cluster: cluster, Weight: float64(e.Weight.Thousandths()) / 1000, Ephemeral: true,
			Healthy: e.State <= model.Draining || e.State == model.Disabled, Enabled: e.State != model.Disabled,
			Metadata: metadata(from, e),
		})
	}
	return out
}

// metadata has the tags of an endpoint and where it came from.
func metadata(from string, e *model.Endpoint) model.Tags {
	all := map[string]string{}
	for _, t := range e.Tags {
		all[t.Name] = t.Value
	}
	all[model.TagFrom] = from
	for name, value := range map[string]string{"pod": e.Name, "node": e.Node, "zone": e.Zone} {
		if _, has := all[name]; !has && value != "" {
			all[name] = value
		}
	}
	if e.Secure {
		all["secure"] = "true"
	}
	return model.NewTags(all)
}

// same tells whether a registry is told nothing new.
func same(a, b []registry.Instance) bool {
	return slices.EqualFunc(a, b, func(x, y registry.Instance) bool { return x.Same(&y) })
}
