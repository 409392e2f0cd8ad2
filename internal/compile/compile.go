// Package compile turns the groups of all sources into a snapshot. It is pure: no clock, no I/O, no log, no
// goroutine. What it decides does not depend on the order of its input, and its cost is that of what changed
// since the previous snapshot.
//
// It decides, in total orders that are written once (model.CompareRoutes, Origin.Before), which object wins a
// place that several claim. An object that cannot be served is rejected with a code: a rejected route answers
// 503 where it stands, so that nothing less specific answers in its place, and its siblings live on.
package compile

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
)

// Input is what the Hub knows at one moment. Addresses are not in it.
type Input struct {
	// Groups are the rules of every group, by "source/key". The pointers are identities: a group that did not
	// change keeps its pointer.
	Groups shard.Map[*model.Objects]
	// Lists are the lists of addresses that sources offer, sorted: what locators are expanded over.
	Lists []model.EndpointsID
}

// CheckFilter tells whether a filter's kind exists and its configuration decodes, and the code if not.
type CheckFilter func(model.FilterSpec) (model.Code, error)

// Compile returns the snapshot of in. prev, which may be nil, is used for structural sharing only: the result is the
// same without it, but for the version, which is one above that of prev.
func Compile(prev *snapshot.Snapshot, in Input, check CheckFilter) *snapshot.Snapshot {
	if prev == nil {
		prev = snapshot.Empty()
	}
	c := newCompiler(prev.Contents(), check)
	rare := false
	for ch := range in.Groups.Changes(c.old.Kept.Groups) {
		if ch.Old != ch.New {
			rare = c.group(ch.Key, ch.Old, ch.New) || rare
		}
	}
	c.next.Kept.Groups = in.Groups
	c.next.Kept.Rare = c.rare.Map()
	if rare {
		c.rareObjects()
	}
	if rare || !slices.Equal(in.Lists, c.old.Kept.Lists) {
		c.next.Kept.Lists = in.Lists
		c.locate(in.Lists)
	}
	c.upstreams()
	c.routes()
	c.tables()
	c.names(rare)
	return snapshot.New(c.finish())
}

// place is a host of a class.
type place struct {
	class model.Class
	host  model.Host
}

type compiler struct {
	check     CheckFilter
	old, next snapshot.Contents

	rare    *shard.Editor[*model.Objects]
	routed  *shard.Editor[[]*snapshot.Route]
	claims  *shard.Editor[[]*model.Upstream]
	users   *shard.Editor[[]string]
	served  *shard.Editor[*model.Upstream]
	inUse   *shard.Editor[snapshot.Use]
	diags   *shard.Editor[[]model.Diagnostic]
	groups  map[string]*model.Objects // changed groups; nil = gone
	touched map[model.UpstreamID]bool
	removed map[place]map[*snapshot.Route]bool
	added   map[place][]*snapshot.Route
}

func newCompiler(old snapshot.Contents, check CheckFilter) *compiler {
	c := &compiler{
		check: check, old: old, next: old,
		rare:    old.Kept.Rare.Edit(),
		routed:  old.Kept.Routes.Edit(),
		claims:  old.Kept.Claims.Edit(),
		users:   old.Kept.Users.Edit(),
		served:  old.Upstreams.Edit(),
		inUse:   old.InUse.Edit(),
		diags:   old.Diagnostics.Edit(),
		groups:  map[string]*model.Objects{},
		touched: map[model.UpstreamID]bool{},
		removed: map[place]map[*snapshot.Route]bool{},
		added:   map[place][]*snapshot.Route{},
	}
	c.next.Version++
	return c
}

func (c *compiler) finish() snapshot.Contents {
	c.next.Kept.Routes = c.routed.Map()
	c.next.Kept.Claims = c.claims.Map()
	c.next.Kept.Users = c.users.Map()
	c.next.Upstreams = c.served.Map()
	c.next.InUse = c.inUse.Map()
	c.next.Diagnostics = c.diags.Map()
	return c.next
}

// say replaces the diagnostics under a key.
func (c *compiler) say(key string, ds []model.Diagnostic) {
	if len(ds) == 0 {
		c.diags.Delete(key)
		return
	}
	c.diags.Set(key, ds)
}

// group takes in one changed group and tells whether it has, or had, rare objects.
func (c *compiler) group(key string, old, now *model.Objects) (rare bool) {
	c.change(key, old, now)
	if now != nil && hasRare(now) {
		c.rare.Set(key, now)
		return true
	}
	c.rare.Delete(key)
	return old != nil && hasRare(old)
}

// change notes that a group changed and who now defines which upstream.
func (c *compiler) change(key string, old, now *model.Objects) {
	c.groups[key] = now
	if old != nil {
		for i := range old.Upstreams {
			c.claim(&old.Upstreams[i], false)
		}
	}
	if now != nil {
		for i := range now.Upstreams {
			c.claim(&now.Upstreams[i], true)
		}
	}
}

func hasRare(o *model.Objects) bool {
	return len(o.Listeners)+len(o.Zones)+len(o.Certificates)+len(o.L4Routes)+len(o.Workloads)+len(o.Locators) > 0
}

// claim adds or takes back one definition of an upstream.
func (c *compiler) claim(u *model.Upstream, add bool) {
	if u.ID == "" {
		return
	}
	c.touched[u.ID] = true
	all, _ := c.claims.Get(string(u.ID))
	all = slices.Clone(all)
	if add {
		all = append(all, u)
	} else {
		all = slices.DeleteFunc(all, func(x *model.Upstream) bool { return x == u })
	}
	if len(all) == 0 {
		c.claims.Delete(string(u.ID))
		return
	}
	slices.SortFunc(all, compareUpstreams)
	c.claims.Set(string(u.ID), all)
}

func compareUpstreams(a, b *model.Upstream) int {
	return cmp.Or(
		cmp.Compare(a.Priority, b.Priority),
		a.Origin.Before(b.Origin),
		cmp.Compare(a.Origin.Source, b.Origin.Source),
		cmp.Compare(fmt.Sprintf("%v", *a), fmt.Sprintf("%v", *b)), // equal in all that people see: any fixed order
	)
}

// upstreams decides which definition of each touched upstream serves.
func (c *compiler) upstreams() {
	for id := range c.touched {
		all, _ := c.claims.Get(string(id))
		var ds []model.Diagnostic
		var win *model.Upstream
		for _, u := range all {
			err := u.Validate()
			switch {
			case err != nil:
				ds = append(ds, invalid(u.Origin, err))
			case win == nil:
				win = u
			case !sameUpstream(win, u):
				ds = append(ds, model.Diagnostic{Origin: u.Origin, Severity: model.Error, Code: model.CodeDuplicateID,
					Message: fmt.Sprintf("upstream %s is already defined by %s: give one of them another name", id, win.Origin)})
			}
		}
		c.say("upstream "+string(id), ds)
		was, _ := c.old.Upstreams.Get(string(id))
		if was != nil && win != nil && reflect.DeepEqual(*was, *win) {
			delete(c.touched, id) // the same as before, from a group that was written anew
			continue
		}
		c.serve(was, win)
	}
}

func sameUpstream(a, b *model.Upstream) bool {
	x, y := *a, *b
	x.Origin, y.Origin, x.Priority, y.Priority = model.Origin{}, model.Origin{}, 0, 0
	return reflect.DeepEqual(x, y)
}

func (c *compiler) serve(was, now *model.Upstream) {
	if was != nil {
		c.use(was, -1)
	}
	if now == nil {
		if was != nil {
			c.served.Delete(string(was.ID))
		}
		return
	}
	c.use(now, +1)
	c.served.Set(string(now.ID), now)
}

func (c *compiler) use(u *model.Upstream, by int) {
	for _, list := range u.Endpoints {
		x, _ := c.inUse.Get(list.String())
		x.List, x.Count = list, x.Count+by
		if x.Count == 0 {
			c.inUse.Delete(list.String())
		} else {
			c.inUse.Set(list.String(), x)
		}
	}
}

// routes compiles the routes of changed groups, and anew those that use an upstream that changed.
func (c *compiler) routes() {
	again := map[string]bool{}
	for id := range c.touched {
		keys, _ := c.users.Get(string(id))
		for _, k := range keys {
			if _, changed := c.groups[k]; !changed {
				again[k] = true
			}
		}
	}
	for key, now := range c.groups {
		c.groupRoutes(key, now, nil)
	}
	for key := range again {
		now, ok := c.next.Kept.Groups.Get(key)
		if !ok {
			now, _ = c.next.Kept.Located.Get(key)
		}
		old, _ := c.old.Kept.Routes.Get(key)
		c.groupRoutes(key, now, old)
	}
}

// groupRoutes compiles the routes of one group. keep are its routes in the previous snapshot where the group itself
// is unchanged: those whose upstreams are unchanged too stay the same pointers.
func (c *compiler) groupRoutes(key string, now *model.Objects, keep []*snapshot.Route) {
	old, _ := c.old.Kept.Routes.Get(key)
	kept := map[model.RouteID]*snapshot.Route{}
	for _, r := range keep {
		if !slices.ContainsFunc(targets(r), func(id model.UpstreamID) bool { return c.touched[id] }) {
			kept[r.ID] = r
		}
	}
	var all []*snapshot.Route
	var ds []model.Diagnostic
	uses := map[model.UpstreamID]bool{}
	seen := map[model.RouteID]bool{}
	if now != nil {
		ds = append(ds, now.Diagnostics...)
		for i := range now.Routes {
			r, problems := c.route(now.Routes[i])
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
			for _, id := range targets(r) {
				uses[id] = true
			}
			if k := kept[r.ID]; k != nil {
				r = k
			}
			all = append(all, r)
		}
	}
	c.say("group "+key, ds)
	c.moveUses(key, old, uses)
	if len(all) == 0 {
		c.routed.Delete(key)
	} else {
		c.routed.Set(key, all)
	}
	for _, r := range old {
		if !slices.Contains(all, r) {
			c.remove(r)
		}
	}
	for _, r := range all {
		if !slices.Contains(old, r) {
			for p := range places(r) {
				c.added[p] = append(c.added[p], r)
			}
		}
	}
}

func (c *compiler) remove(r *snapshot.Route) {
	for p := range places(r) {
		if c.removed[p] == nil {
			c.removed[p] = map[*snapshot.Route]bool{}
		}
		c.removed[p][r] = true
	}
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

// targets are the upstreams that the source named, whatever became of the route.
func targets(r *snapshot.Route) []model.UpstreamID { return r.Targets }

func (c *compiler) moveUses(key string, old []*snapshot.Route, uses map[model.UpstreamID]bool) {
	before := map[model.UpstreamID]bool{}
	for _, r := range old {
		for _, id := range targets(r) {
			before[id] = true
		}
	}
	edit := func(id model.UpstreamID, change func([]string) []string) {
		keys, _ := c.users.Get(string(id))
		if keys = change(slices.Clone(keys)); len(keys) == 0 {
			c.users.Delete(string(id))
		} else {
			c.users.Set(string(id), keys)
		}
	}
	for id := range before {
		if !uses[id] {
			edit(id, func(k []string) []string { return slices.DeleteFunc(k, func(x string) bool { return x == key }) })
		}
	}
	for id := range uses {
		if !before[id] {
			edit(id, func(k []string) []string { return append(k, key) })
		}
	}
}

// route compiles one route. A route that cannot be placed is nil; one that can but is wrong answers 503.
func (c *compiler) route(m model.Route) (*snapshot.Route, []model.Diagnostic) {
	if err := m.Validate(); err != nil {
		return nil, []model.Diagnostic{invalid(m.Origin, err)}
	}
	r, err := snapshot.NewRoute(m)
	if err != nil {
		return nil, []model.Diagnostic{{Origin: m.Origin, Field: "match.path", Severity: model.Error, Code: model.CodeInvalid, Message: err.Error()}}
	}
	var ds []model.Diagnostic
	reject := func(field string, code model.Code, message string) {
		ds = append(ds, model.Diagnostic{Origin: m.Origin, Field: field, Severity: model.Error, Code: code, Message: message})
		r.Reject = code
		r.Action = model.Respond{Status: 503, Code: code}
	}
	if err := m.ValidateEffect(); err != nil {
		d := invalid(m.Origin, err)
		reject(d.Field, d.Code, d.Message)
	}
	for i, f := range m.Filters {
		if code, err := c.check(f); err != nil {
			reject(fmt.Sprintf("filters[%d]", i), code, err.Error())
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
	if r.Reject != "" {
		r.Upstreams = nil
	}
	return r, ds
}

// tables makes anew the tables of the hosts that a route joined or left.
func (c *compiler) tables() {
	places := map[place]bool{}
	for p := range c.added {
		places[p] = true
	}
	for p := range c.removed {
		places[p] = true
	}
	if len(places) == 0 {
		return
	}
	sites := make(map[model.Class]*snapshot.Site, len(c.old.Sites))
	for class, s := range c.old.Sites {
		sites[class] = s
	}
	editors := map[model.Class]*snapshot.HostsEditor[*snapshot.HostTable]{}
	for p := range places {
		site := c.old.Sites[p.class]
		if site == nil {
			site = &snapshot.Site{}
		}
		if editors[p.class] == nil {
			editors[p.class] = site.Edit()
		}
		var claims []*snapshot.Route
		if t, ok := site.Get(p.host); ok {
			claims = append(claims, t.Routes...)
			for _, l := range t.Lost {
				claims = append(claims, l.Route)
			}
		}
		claims = slices.DeleteFunc(claims, func(r *snapshot.Route) bool { return c.removed[p][r] })
		claims = append(claims, c.added[p]...)
		slices.SortFunc(claims, func(a, b *snapshot.Route) int { return model.CompareRoutes(&a.Route, &b.Route) })
		if len(claims) == 0 {
			editors[p.class].Delete(p.host)
			c.say(p.key(), nil)
			continue
		}
		t := snapshot.NewHostTable(p.host, claims)
		editors[p.class].Set(p.host, t)
		c.say(p.key(), duplicates(t))
	}
	for class, e := range editors {
		site := e.Hosts()
		if site.Len() == 0 {
			delete(sites, class)
		} else {
			sites[class] = &site
		}
	}
	c.next.Sites = sites
}

func (p place) key() string { return "host " + string(p.class) + " " + string(p.host) }

func duplicates(t *snapshot.HostTable) []model.Diagnostic {
	var ds []model.Diagnostic
	for _, l := range t.Lost {
		if l.Route.Default {
			continue // a default backend beside another one is not an error of anybody
		}
		ds = append(ds, model.Diagnostic{Origin: l.Route.Origin, Severity: model.Warning, Code: model.CodeDuplicateRoute,
			Message: fmt.Sprintf("host %s, %s is already served by %s, which comes first", snapshot.HostText(t.Host), l.Route.Match.Path, l.To.Origin)})
	}
	return ds
}

func invalid(o model.Origin, err error) model.Diagnostic {
	d := model.Diagnostic{Origin: o, Severity: model.Error, Code: model.CodeInvalid, Message: err.Error()}
	var f *model.FieldError
	if errors.As(err, &f) {
		d.Field, d.Message = f.Field, strings.TrimPrefix(f.Problem, f.Field+": ")
	}
	return d
}
