package upstream

import (
	"cmp"
	"slices"

	"paifang/internal/model"
)

// Usage is how an upstream is used now, in numbers.
type Usage struct {
	Upstream model.UpstreamID
	// Endpoints are all that its lists have; Serving those that are sent requests, Down those that own observation is against.
	Endpoints, Serving, Down int
	// Idle and Busy are connections to its endpoints. An address that several upstreams dial alike has one pool, which
	// counts for each of them.
	Idle, Busy int
}

// Usage returns how every upstream in use stands, by ID: the newest handle of each.
func (t *Table) Usage() []Usage {
	t.mu.Lock()
	newest := make(map[model.UpstreamID]*Handle, len(t.histories))
	for _, h := range t.handles {
		if other := newest[h.up.ID]; other == nil || other.serial < h.serial {
			newest[h.up.ID] = h
		}
	}
	out := make([]Usage, 0, len(newest))
	for id, h := range newest {
		p := h.picker.Load()
		u := Usage{Upstream: id, Endpoints: len(p.members), Serving: len(p.serving().endpoints)}
		for _, e := range p.members {
			if e.live.why() != "" {
				u.Down++
			}
		}
		for of := h; of != nil; of = of.overTLS {
			for _, e := range of.uses {
				idle, open := e.live.pool.counts()
				u.Idle, u.Busy = u.Idle+idle, u.Busy+open-idle
			}
		}
		out = append(out, u)
	}
	t.mu.Unlock()
	slices.SortFunc(out, func(a, b Usage) int { return cmp.Compare(a.Upstream, b.Upstream) })
	return out
}
