// Package compile turns the groups of all sources into a snapshot. It is pure: no clock, no I/O, no log, no
// goroutine. What it decides does not depend on the order of its input, and its cost is that of what changed
// since the previous snapshot.
//
// It decides, in total orders that are written once (model.CompareRoutes, Origin.Before), which object wins a
// place that several claim. An object that cannot be served is rejected with a code: a rejected route answers
// 503 where it stands, so that nothing less specific answers in its place, and its siblings live on.
package compile

import (
	"errors"
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
	// Lists are the lists of addresses that sources offer, by their text: what locators are expanded over.
	Lists shard.Map[model.Offer]
}

// Lists is the lists of an Input, of which no condition is known to be unmet.
func Lists(ids ...model.EndpointsID) shard.Map[model.Offer] {
	e := shard.Map[model.Offer]{}.Edit()
	for _, id := range ids {
		e.Set(id.String(), model.Offer{List: id})
	}
	return e.Map()
}

// CheckFilters tells what is wrong with the filters of a route that has variables of these names, and which paths they may have requests
// looked up again with, and which settings of the route they say. It is pure.
type CheckFilters func(filters []model.FilterSpec, variables []string) ([]model.FilterFault, []model.FilterPath, []model.FilterSetting)

// Compile returns the snapshot of in. prev, which may be nil, is used for structural sharing only: the result is the
// same without it, but for the version, which is one above that of prev.
func Compile(prev *snapshot.Snapshot, in Input, check CheckFilters) *snapshot.Snapshot {
	if prev == nil {
		prev = snapshot.Empty()
	}
	c := newCompiler(prev.Contents(), check)
	var rare kinds
	for ch := range in.Groups.Changes(c.old.Kept.Groups) {
		if ch.Old != ch.New {
			rare |= c.group(ch.Key, ch.Old, ch.New)
		}
	}
	c.next.Kept.Groups = in.Groups
	c.next.Kept.Rare = c.rare.Map()
	c.rareObjects(rare)
	c.next.Kept.Lists = in.Lists
	c.locate(rare&locators != 0)
	c.upstreams()
	c.routes()
	c.tables()
	c.leads(rare&(listeners|defaults|locators) != 0)
	c.names(rare&(listeners|zones) != 0)
	return snapshot.New(c.finish())
}

// place is a host of a class.
type place struct {
	class model.Class
	host  model.Host
}

type compiler struct {
	check     CheckFilters
	old, next snapshot.Contents

	rare    *shard.Editor[*model.Objects]
	routed  *shard.Editor[[]*snapshot.Route]
	claims  *shard.Editor[[]*model.Upstream]
	users   *shard.Editor[shard.Map[struct{}]]
	leading *shard.Editor[shard.Map[struct{}]]
	uses    *shard.Editor[int]
	served  *shard.Editor[*model.Upstream]
	inUse   *shard.Editor[model.EndpointsID]
	diags   *shard.Editor[[]model.Diagnostic]
	groups  map[string]*model.Objects // changed groups; nil = gone
	anew    map[string]bool           // groups whose routes were compiled
	touched map[model.UpstreamID]bool
	removed map[place][]*snapshot.Route
	added   map[place][]*snapshot.Route
	renamed map[model.Host]bool // server names that are, or were, passed on, where L4 routes changed
}

func newCompiler(old snapshot.Contents, check CheckFilters) *compiler {
	c := &compiler{
		check: check, old: old, next: old,
		rare:    old.Kept.Rare.Edit(),
		routed:  old.Kept.Routes.Edit(),
		claims:  old.Kept.Claims.Edit(),
		users:   old.Kept.Users.Edit(),
		leading: old.Kept.Leads.Edit(),
		uses:    old.Kept.Uses.Edit(),
		served:  old.Upstreams.Edit(),
		inUse:   old.InUse.Edit(),
		diags:   old.Diagnostics.Edit(),
		groups:  map[string]*model.Objects{},
		anew:    map[string]bool{},
		touched: map[model.UpstreamID]bool{},
		removed: map[place][]*snapshot.Route{},
		added:   map[place][]*snapshot.Route{},
	}
	c.next.Version++
	return c
}

func (c *compiler) finish() snapshot.Contents {
	c.next.Kept.Routes = c.routed.Map()
	c.next.Kept.Claims = c.claims.Map()
	c.next.Kept.Users = c.users.Map()
	c.next.Kept.Leads = c.leading.Map()
	c.next.Kept.Uses = c.uses.Map()
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

// group takes in one changed group and tells of which rare kinds its objects changed.
func (c *compiler) group(key string, old, now *model.Objects) kinds {
	c.change(key, old, now)
	if now != nil && kindsOf(now) != 0 {
		c.rare.Set(key, now)
	} else {
		c.rare.Delete(key)
	}
	return changedKinds(old, now)
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

func invalid(o model.Origin, err error) model.Diagnostic {
	d := model.Diagnostic{Origin: o, Severity: model.Error, Code: model.CodeInvalid, Message: err.Error()}
	var f *model.FieldError
	if errors.As(err, &f) {
		d.Field, d.Message = f.Field, strings.TrimPrefix(f.Problem, f.Field+": ")
	}
	return d
}
