package upstream

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
)

// UpstreamStatus is how an upstream stands, for those who look.
type UpstreamStatus struct {
	ID        model.UpstreamID    `json:"id"`
	Lists     []model.EndpointsID `json:"lists"`
	Known     bool                `json:"known"`              // false: no source has delivered its lists yet
	Pending   int                 `json:"pending,omitempty"`  // requests that wait because of a limit
	Retrying  int64               `json:"retrying,omitempty"` // requests in their second or later try
	Endpoints []EndpointStatus    `json:"endpoints"`

	serial uint64
}

// EndpointStatus is how an endpoint of an upstream stands. Counters are those of the address, over all lists and
// upstreams that dial it alike.
type EndpointStatus struct {
	model.Endpoint
	Up        bool          `json:"up"`              // own observation has nothing against it
	Turn      bool          `json:"turn"`            // requests are sent to it now
	Down      model.Code    `json:"down,omitempty"`  // why it is not up
	Probe     string        `json:"probe,omitempty"` // what the last probe failed with
	UpSince   time.Time     `json:"upSince"`         // when it went up or down
	InFlight  int64         `json:"inFlight"`
	Requests  uint64        `json:"requests"`
	Failures  uint64        `json:"failures"`
	Sent      int64         `json:"sent"`     // bytes, where the plane counts them
	Received  int64         `json:"received"` // bytes
	IdleConns int           `json:"idleConns"`
	OpenConns int           `json:"openConns"`           // idle and in use
	Ejected   time.Time     `json:"ejected,omitzero"`    // until when it is
	Ejections uint64        `json:"ejections,omitempty"` // ever
	Latency   time.Duration `json:"latency,omitempty"`   // as PeakEWMA believes it now
	Answers   Answers       `json:"answers"`             // of this upstream alone
}

// ListStatus is how a list of addresses stands.
type ListStatus struct {
	List          model.EndpointsID    `json:"list"`
	Known         bool                 `json:"known"`
	Revision      uint64               `json:"revision,omitempty"` // the highest of its contributions
	Changed       time.Time            `json:"changed,omitzero"`   // when its endpoints changed last
	Endpoints     []model.Endpoint     `json:"endpoints"`          // the union, by address
	Contributions []ContributionStatus `json:"contributions,omitempty"`
}

// ContributionStatus is what one group of a source has in a list.
type ContributionStatus struct {
	Source    string       `json:"source"`
	Group     string       `json:"group"`
	Origin    model.Origin `json:"origin"`
	Revision  uint64       `json:"revision,omitempty"`
	Endpoints int          `json:"endpoints"`
}

// Snapshot returns how the upstream stands now.
func (h *Handle) Snapshot() UpstreamStatus {
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	return h.status()
}

func (h *Handle) status() UpstreamStatus {
	p := h.picker.Load()
	out := UpstreamStatus{serial: h.serial, ID: h.up.ID, Lists: h.up.Endpoints, Known: p.known, Pending: h.waiting(), Retrying: h.gate.retries.Load(), Endpoints: make([]EndpointStatus, 0, len(p.members))}
	turn := p.serving().endpoints
	for _, e := range p.members {
		l := e.live
		idle, open := l.pool.counts()
		out.Endpoints = append(out.Endpoints, EndpointStatus{
			Endpoint: e.Endpoint, Up: l.why() == "", Turn: slices.Contains(turn, e), Down: l.why(), Probe: l.probeError,
			UpSince: l.since, InFlight: l.inFlight.Load(), Requests: l.requests.Load(), Failures: l.failures.Load(),
			Sent: l.sent.Load(), Received: l.received.Load(), IdleConns: idle, OpenConns: open,
			Ejected: l.until, Ejections: l.ejections, Latency: e.believed(), Answers: e.Answers(),
		})
	}
	return out
}

// Upstreams returns how every upstream in use stands, by ID. While an upstream changes there are several of one ID: the newest
// comes first.
func (t *Table) Upstreams() []UpstreamStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]UpstreamStatus, 0, len(t.handles))
	for _, h := range t.handles {
		out = append(out, h.status())
	}
	slices.SortFunc(out, func(a, b UpstreamStatus) int {
		return cmp.Or(strings.Compare(string(a.ID), string(b.ID)), cmp.Compare(b.serial, a.serial))
	})
	return out
}

// Lists returns every list that a source offers or an upstream uses, by ID.
func (t *Table) Lists() []ListStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]ListStatus, 0, len(t.lists))
	for _, l := range t.lists {
		out = append(out, t.listStatus(l))
	}
	slices.SortFunc(out, func(a, b ListStatus) int { return a.List.Compare(b.List) })
	return out
}

// List returns one list, and false where it is neither offered nor used.
func (t *Table) List(id model.EndpointsID) (ListStatus, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lists[id]
	if l == nil {
		return ListStatus{List: id, Known: t.known[id.Keeper]}, false
	}
	return t.listStatus(l), true
}

func (t *Table) listStatus(l *list) ListStatus {
	out := ListStatus{List: l.id, Known: t.knows(l), Changed: l.changed, Endpoints: l.merged}
	for _, c := range l.contributions {
		for _, s := range c.sets {
			out.Revision = max(out.Revision, s.Revision)
			out.Contributions = append(out.Contributions, ContributionStatus{c.who.source, c.who.group, s.Origin, s.Revision, len(s.Endpoints)})
		}
	}
	slices.SortFunc(out.Contributions, func(a, b ContributionStatus) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Group, b.Group), strings.Compare(a.Origin.Name, b.Origin.Name))
	})
	return out
}

// Candidates returns the addresses that are chosen among now with their shares, which add up to 1: of turns, of chance, or
// of all keys.
func (h *Handle) Candidates() []Candidate {
	p := h.picker.Load()
	serving := p.serving()
	shares := serving.shares(p.kind)
	out := make([]Candidate, 0, len(shares))
	for i, e := range serving.endpoints {
		out = append(out, Candidate{e.Addr, e.Name, shares[i]})
	}
	return out
}

// Candidate is an endpoint that a pick may choose, with its share of the picks.
type Candidate struct {
	Addr  netip.AddrPort `json:"addr"`
	Name  string         `json:"name,omitempty"`
	Share float64        `json:"share"`
}
