package explain

import (
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

// Sources tells how the sources of rules and addresses stand; hub.Hub is one.
type Sources interface {
	Sources() []hub.SourceStatus
}

// Keeping is what a source has that does not hand on what nobody uses.
type Keeping interface {
	// Kept returns what is in a list, and false where the source does not have it.
	Kept(id model.EndpointsID) (model.EndpointSet, bool)
}

// Live is Upstreams and Lists of this process. Looking takes no turn, and nothing is kept.
type Live struct {
	Table    *upstream.Table
	Snapshot *snapshot.Snapshot
	Sources  Sources // may be nil: then no list is ever shown as the last good one
	Keeping  Keeping // may be nil: then what was not handed on is unknown
}

var (
	_ Upstreams = Live{}
	_ Lists     = Live{}
)

// Upstream returns how an upstream stands. All nodes of one process share their pickers, so the node does not matter.
func (l Live) Upstream(id model.UpstreamID, _ string) (Upstream, bool) {
	u, ok := l.Snapshot.Upstream(id)
	if !ok {
		return Upstream{}, false
	}
	h := l.Table.Acquire(u)
	defer h.Release()
	status := h.Snapshot()
	out := Upstream{Known: status.Known, Endpoints: make([]Endpoint, 0, len(status.Endpoints))}
	shares := map[string]float64{}
	for _, c := range h.Candidates() {
		shares[c.Addr.String()] = c.Share
	}
	for _, e := range status.Endpoints {
		out.Endpoints = append(out.Endpoints, Endpoint{
			Addr: e.Addr, Name: e.Name, Node: e.Node, Weight: e.Weight.Thousandths(), Share: shares[e.Addr.String()], State: e.State,
			Healthy: e.Up, Why: why(e), Open: int(e.InFlight), Since: e.UpSince,
		})
	}
	out.Balance = balanceOf(u, h)
	out.Chance = len(shares) > 1 && (u.Balance.Kind.Chance() || u.Balance.Kind.Hashes() || u.Affinity.Mode == model.Balanced || u.Prefer.Tag != "")
	if next, err := h.Peek(1); err == nil && len(next) > 0 && !out.Chance {
		out.Next = next[0].Addr
	}
	return out, true
}

// balanceOf is how an endpoint is chosen, in words; empty for turns alone.
func balanceOf(u *model.Upstream, h *upstream.Handle) string {
	cookie := h.Affinity().Cookie
	switch {
	case u.Prefer.Tag != "" && u.Prefer.Header != "":
		return "by tag " + u.Prefer.Tag + " where header " + u.Prefer.Header + " names one, others " + u.Balance.String()
	case u.Prefer.Tag != "":
		return "those with " + u.Prefer.Tag + "=" + u.Prefer.Value + " first, " + u.Balance.String()
	case u.Affinity.Mode == model.Balanced:
		return "ring hash by a key in cookie " + cookie
	case u.Affinity.Mode == model.Persistent:
		return "as cookie " + cookie + " says, others " + u.Balance.String()
	case u.Balance.Kind == model.RoundRobin:
		return ""
	}
	return u.Balance.String()
}

// why is what stands against an endpoint: what its source says, and what was observed here.
func why(e upstream.EndpointStatus) string {
	own := whyDown(e)
	if e.Reason == "" || own == "" {
		return e.Reason + own
	}
	return e.Reason + "; " + own
}

// whyDown is what own observation has against an endpoint.
func whyDown(e upstream.EndpointStatus) string {
	switch {
	case !e.Ejected.IsZero():
		return string(e.Down) + " until " + e.Ejected.UTC().Format("15:04:05Z")
	case e.Probe != "" && !e.Up:
		return e.Probe
	case !e.Up:
		return string(e.Down)
	default:
		return ""
	}
}

// List returns the copy of a list that this process has.
func (l Live) List(id model.EndpointsID) (List, bool) {
	status, ok := l.Table.List(id)
	if !ok {
		return List{}, false
	}
	return l.list(status), true
}

// Lists returns every list that a source offers or an upstream uses, by ID.
func (l Live) Lists() []List {
	var out []List
	for _, status := range l.Table.Lists() {
		out = append(out, l.list(status))
	}
	return out
}

// list adds how the sources stand: while one is red, what it said is as old as that, and not as this process's copy of it, which may
// come from a file.
func (l Live) list(s upstream.ListStatus) List {
	out := List{ID: s.List, Known: s.Known, Revision: s.Revision, Heard: s.Changed, Endpoints: s.Endpoints}
	if len(s.Contributions) > 0 {
		out.Origin = s.Contributions[0].Origin
	}
	if !s.Known && l.Keeping != nil {
		if set, ok := l.Keeping.Kept(s.List); ok {
			out.Known, out.Revision, out.Endpoints = true, set.Revision, set.Endpoints
		}
	}
	if l.Sources == nil {
		return out
	}
	for _, source := range l.Sources.Sources() {
		if !source.Failed || !contributes(source.Name, s) {
			continue
		}
		out.Failed, out.Error, out.Heard = true, source.Error, source.Heard
	}
	return out
}

func contributes(source string, s upstream.ListStatus) bool {
	for _, c := range s.Contributions {
		if c.Source == source {
			return true
		}
	}
	return false
}
