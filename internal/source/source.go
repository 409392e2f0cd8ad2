// Package source is the contract between the Hub and whatever knows rules or addresses. README.md says it in
// prose; read that first.
package source

import (
	"context"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// Group is the unit of replacement. A group replaces the previous group with the same key whole; a group without
// objects deletes it.
type Group struct {
	Key string // unique within the source: "ingress/shop.test", "service/public/DEFAULT_GROUP/order"
	// Objects is kept by who receives it, and shared with the source: neither changes it any more. nil: there are none.
	Objects *model.Objects
}

// Endpoints are the addresses in the group.
func (g Group) Endpoints() []model.EndpointSet {
	if g.Objects == nil {
		return nil
	}
	return g.Objects.Endpoints
}

// Rules are the objects of the group that pass through compile; nil: there are none.
func (g Group) Rules() *model.Objects {
	switch {
	case g.Objects == nil || !g.Objects.HasRules():
		return nil
	case len(g.Objects.Endpoints) == 0:
		return g.Objects
	}
	rules := *g.Objects
	rules.Endpoints = nil
	return &rules
}

// Update is what a source has to say at one moment. The Hub applies its endpoints before its rules.
type Update struct {
	Groups []Group
	// Full is true on the Update that completes a whole listing: after each start of Run, and whenever the source
	// had to list again. The Hub then drops every group of this source that this Run did not name since the last Full
	// or since its start; until then the old ones stay. The first Full makes the source synced.
	Full bool
	// Doubt is how long addresses that this Update takes away stay as a last resort, chosen only when nothing
	// listed answers and dropped at their first failed connect. A registry that lost its memory sets it on the
	// first list after a reconnect; a push on a standing connection is the truth at once and leaves it zero.
	Doubt time.Duration
	// Applied, where it is set, is called when the addresses of the Update are in force, and never where the Hub ends before. It must not block.
	Applied func()
}

// Source produces Updates until ctx ends. It never closes out, never sends partial data after a failure (stale
// beats partial), and returns only when ctx ends or it cannot go on. The Hub keeps what it had, shows it red with the
// error and starts it again with back-off.
type Source interface {
	// Name is unique within the process: "manifest", "springgw", "registry".
	Name() string
	Run(ctx context.Context, out chan<- Update) error
}

// Report is what became of the objects of all sources after a commit. Its maps share with those of the report before
// all that did not change: Changes yields the rest, so that a source which tells its origin what is new, or subscribes to
// what came into use, does so at the cost of that.
type Report struct {
	Version     uint64                        // of the snapshot
	Diagnostics shard.Map[[]model.Diagnostic] // by what they are about; a source picks those whose Origin names it
	InUse       shard.Map[model.EndpointsID]  // the lists of addresses that upstreams use, by their text
}

// Reporter is implemented by sources that tell their origin what became of its objects, or that pay per
// subscription and subscribe only to lists in use. Report is called from one goroutine, after each commit, and
// must return when ctx ends.
type Reporter interface {
	Report(ctx context.Context, r Report) error
}
