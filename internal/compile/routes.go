package compile

import (
	"fmt"
	"reflect"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
)

// routes compiles the routes of changed groups, and anew those that use an upstream that changed.
func (c *compiler) routes() {
	again := map[string]bool{}
	for id := range c.touched {
		users, _ := c.users.Get(string(id))
		for k := range users.All() {
			if _, changed := c.groups[k]; !changed {
				again[k] = true
			}
		}
	}
	for key, now := range c.groups {
		c.groupRoutes(key, now)
	}
	for key := range again {
		now, ok := c.next.Kept.Groups.Get(key)
		if !ok {
			now, _ = c.next.Kept.Located.Get(key)
		}
		c.groupRoutes(key, now)
	}
}

// groupRoutes compiles the routes of one group. A route that comes out as it was, and whose upstreams are as they were,
// stays the same pointer.
func (c *compiler) groupRoutes(key string, now *model.Objects) {
	c.anew[key] = true
	old, _ := c.old.Kept.Routes.Get(key)
	before := make(map[model.RouteID]*snapshot.Route, len(old))
	for _, r := range old {
		before[r.ID] = r
	}
	var all []*snapshot.Route
	var ds []model.Diagnostic
	seen := map[model.RouteID]bool{}
	stays := make(map[*snapshot.Route]bool, len(old))
	if now != nil {
		ds = append(ds, now.Diagnostics...)
		for i := range now.Routes {
			r, problems := c.routeAfter(before[now.Routes[i].ID], &now.Routes[i])
			ds = append(ds, problems...)
			if r == nil {
				continue
			}
			if seen[r.ID] {
				ds = append(ds, model.Diagnostic{Origin: r.Origin, Severity: model.Error, Code: model.CodeDuplicateID,
					Message: fmt.Sprintf("route %s is defined twice: give one of them another name", r.ID)})
				continue
			}
			seen[r.ID] = true
			stays[r] = true
			all = append(all, r)
		}
	}
	c.say("group "+key, ds)
	moveGroup(c.users, key, old, all, func(r *snapshot.Route, to map[string]bool) {
		for _, id := range r.Targets {
			to[string(id)] = true
		}
	})
	moveGroup(c.leading, key, old, all, func(r *snapshot.Route, to map[string]bool) {
		for _, p := range r.Paths {
			to[p.Path] = true
		}
	})
	if len(all) == 0 {
		c.routed.Delete(key)
	} else {
		c.routed.Set(key, all)
	}
	for _, r := range old {
		if !stays[r] {
			for p := range places(r) {
				c.removed[p] = append(c.removed[p], r)
			}
		}
	}
	for _, r := range all {
		if before[r.ID] != r {
			for p := range places(r) {
				c.added[p] = append(c.added[p], r)
			}
		}
	}
}

// routeAfter compiles a route, or takes the one that stood in its place before, which may be nil, where nothing about it
// has changed.
func (c *compiler) routeAfter(was *snapshot.Route, m *model.Route) (*snapshot.Route, []model.Diagnostic) {
	if was != nil {
		for _, id := range was.Targets {
			if c.touched[id] {
				was = nil
				break
			}
		}
	}
	if was != nil && was.Reject == "" && was.Match.Path == m.Match.Path && was.Origin == m.Origin && reflect.DeepEqual(was.Route, m) {
		return was, was.Doubts
	}
	r, ds := c.route(m)
	if r != nil && was != nil && r.Reject == was.Reject && reflect.DeepEqual(was.Route, r.Route) && reflect.DeepEqual(was.Targets, r.Targets) && reflect.DeepEqual(was.Doubts, r.Doubts) {
		return was, ds
	}
	return r, ds
}

// places yields every host of every class that a route claims, each once.
func places(r *snapshot.Route) map[place]bool {
	out := map[place]bool{}
	for _, class := range r.Attach {
		for _, h := range r.EffectiveHosts() {
			out[place{class, h}] = true
		}
	}
	return out
}

// moveGroup notes under what its routes name that a group does so, and takes it out where they no longer do.
func moveGroup(index *shard.Editor[shard.Map[struct{}]], key string, old, now []*snapshot.Route, names func(*snapshot.Route, map[string]bool)) {
	before, after := map[string]bool{}, map[string]bool{}
	for _, r := range old {
		names(r, before)
	}
	for _, r := range now {
		names(r, after)
	}
	edit := func(name string, change func(*shard.Editor[struct{}])) {
		groups, _ := index.Get(name)
		e := groups.Edit()
		change(e)
		if groups = e.Map(); groups.Len() == 0 {
			index.Delete(name)
		} else {
			index.Set(name, groups)
		}
	}
	for name := range before {
		if !after[name] {
			edit(name, func(e *shard.Editor[struct{}]) { e.Delete(key) })
		}
	}
	for name := range after {
		if !before[name] {
			edit(name, func(e *shard.Editor[struct{}]) { e.Set(key, struct{}{}) })
		}
	}
}

// route compiles one route. A route that cannot be placed is nil; one that can but is wrong answers 503.
func (c *compiler) route(m *model.Route) (*snapshot.Route, []model.Diagnostic) {
	if err := m.Validate(); err != nil {
		return nil, []model.Diagnostic{invalid(m.Origin, err)}
	}
	r, err := snapshot.NewRoute(m)
	if r == nil {
		return nil, []model.Diagnostic{{Origin: m.Origin, Field: "match.path", Severity: model.Error, Code: model.CodeInvalid, Message: err.Error()}}
	}
	var ds []model.Diagnostic
	reject := func(field string, code model.Code, message string) {
		ds = append(ds, model.Diagnostic{Origin: m.Origin, Field: field, Severity: model.Error, Code: code, Message: message})
		own := *r.Route // what the source said stays as it is
		r.Route, r.Reject = &own, code
		r.Action = model.Respond{Status: 503, Code: code}
	}
	if err != nil {
		reject("match.path", model.CodeUnreadablePath, err.Error()+": every path that it could mean answers 503")
		return r, ds
	}
	if err := m.ValidateEffect(); err != nil {
		d := invalid(m.Origin, err)
		reject(d.Field, d.Code, d.Message)
	}
	faults, paths, settings := c.check(m.Filters, r.Variables())
	r.Paths = normal(paths)
	if len(settings) > 0 {
		own, replaced := settled(m, settings)
		r.Route = own
		r.Doubts = append(r.Doubts, replaced...)
	}
	for _, f := range faults {
		field := fmt.Sprintf("filters[%d]", f.At)
		if f.Severity == model.Error {
			reject(field, f.Code, f.Message)
			continue
		}
		r.Doubts = append(r.Doubts, model.Diagnostic{Origin: m.Origin, Field: field, Severity: f.Severity, Code: f.Code, Message: f.Message})
	}
	ds = append(ds, r.Doubts...)
	for i, f := range m.Filters {
		for j, id := range f.Upstreams {
			r.Targets = append(r.Targets, id)
			u, ok := c.served.Get(string(id))
			if !ok {
				reject(fmt.Sprintf("filters[%d].upstreams[%d]", i, j), model.CodeUpstreamMissing, fmt.Sprintf("there is no upstream %s: define it, or name another", id))
				continue
			}
			r.Asked = append(r.Asked, u)
		}
	}
	fwd, ok := m.Action.(model.Forward)
	if !ok {
		return r, ds
	}
	for i, t := range fwd.Targets {
		r.Targets = append(r.Targets, t.Upstream)
		u, ok := c.served.Get(string(t.Upstream))
		if !ok {
			reject(fmt.Sprintf("forward.targets[%d]", i), model.CodeUpstreamMissing,
				fmt.Sprintf("there is no upstream %s: define it, or name another", t.Upstream))
			continue
		}
		r.Upstreams = append(r.Upstreams, u)
	}
	if id := fwd.Fallback.Upstream; id != "" {
		r.Targets = append(r.Targets, id)
		if r.Fallback, ok = c.served.Get(string(id)); !ok {
			reject("forward.fallback.upstream", model.CodeUpstreamMissing, fmt.Sprintf("there is no upstream %s: define it, or name another", id))
		}
	}
	if r.Reject != "" {
		r.Upstreams, r.Fallback, r.Asked = nil, nil, nil
	}
	return r, ds
}
