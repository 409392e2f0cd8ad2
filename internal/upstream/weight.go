package upstream

import (
	"cmp"
	"math"
	"strings"
	"time"

	"paifang/internal/model"
)

// What a zone preference and a slow start leave open.
const (
	defaultEnough     = 70
	defaultLeast      = 1
	defaultMinimum    = 10
	defaultAggression = 100
)

// slow lowers the weights of endpoints that are new or came back, and tells whether there are any.
func (h *Handle) slow(endpoints []*Endpoint, weights []int, now time.Time) bool {
	s := h.up.SlowStart
	if s.Window <= 0 {
		return false
	}
	setDefault(&s.Minimum, defaultMinimum)
	setDefault(&s.Aggression, defaultAggression)
	warming := false
	for i, e := range endpoints {
		age := now.Sub(e.begin())
		if age >= s.Window {
			continue
		}
		warming = true
		part := math.Pow(float64(max(0, age))/float64(s.Window), 100/float64(s.Aggression))
		part = max(part, float64(s.Minimum)/100)
		weights[i] = max(1, int(math.Round(float64(weights[i])*part)))
	}
	return warming
}

// returns is when an endpoint that becomes another in its list's words was given back: now, if its source had taken it out until now, by
// its state or by a weight of 0. One in doubt was not taken out. A nil one has just joined.
func (e *Endpoint) returns(to *model.Endpoint, now time.Time) time.Time {
	taken := func(e *model.Endpoint) bool {
		return e.Weight.Thousandths() == 0 || e.State != model.Ready && e.State != model.LastResort
	}
	switch {
	case e == nil:
		return time.Time{}
	case taken(&e.Endpoint) && !taken(to):
		return now
	}
	return e.returned
}

// begin is when the endpoint began to take requests: it joined its list, was given back by its source, or came back. A list may be kept by a machine whose
// clock is ahead: nothing is newer than when this process met it.
func (e *Endpoint) begin() time.Time {
	began := e.Since
	if began.After(e.live.met) {
		began = e.live.met
	}
	for _, back := range [...]time.Time{e.live.back, e.returned} {
		if back.After(began) {
			began = back
		}
	}
	return began
}

// side is a part of the ready endpoints with their weights.
type side struct {
	endpoints []*Endpoint
	weights   []int
}

func (s *side) add(e *Endpoint, w int) {
	s.endpoints = append(s.endpoints, e)
	s.weights = append(s.weights, w)
}

func (s *side) total() (n int) {
	for _, w := range s.weights {
		n += w
	}
	return n
}

// zones divides the ready endpoints that are up into those that are chosen and those that are asked when these cannot: the
// own zone and the others while the own one is enough. While it is enough for a part, all are chosen, with weights by which
// that part stays.
func (h *Handle) zones(ready []*Endpoint, weights []int, down []*Endpoint) (near, far side) {
	z, own := h.up.Zones, cmp.Or(h.up.Zones.Own, h.table.cfg.Zone)
	all := side{ready, weights}
	if !z.Prefer || own == "" {
		return clusterOf(z.Cluster, all, side{})
	}
	setDefault(&z.Enough, defaultEnough)
	setDefault(&z.Least, defaultLeast)
	inOwn := func(e *Endpoint) bool { return strings.EqualFold(e.Zone, own) }
	up, whole := 0, 0 // weight of the own zone, slow starts apart: one that is new is no sign of a failure
	for i, e := range ready {
		if inOwn(e) {
			near.add(e, weights[i])
			up += e.Weight.Thousandths()
		} else {
			far.add(e, weights[i])
		}
	}
	for _, e := range down {
		if inOwn(e) {
			whole += e.Weight.Thousandths()
		}
	}
	whole += up
	switch {
	case len(far.endpoints) == 0 || len(near.endpoints) < z.Least:
		return clusterOf(z.Cluster, all, side{})
	case up*100 >= whole*z.Enough:
		return clusterOf(z.Cluster, near, far)
	}
	stays := float64(up) * 100 / float64(whole*z.Enough)
	scale := (1 - stays) / stays * float64(near.total()) / float64(far.total())
	out := side{ready, make([]int, len(ready))}
	for i, e := range ready {
		out.weights[i] = weights[i]
		if !inOwn(e) {
			out.weights[i] = max(1, int(math.Round(float64(weights[i])*scale)))
		}
	}
	return out, side{}
}

// clusterOf has only those of a cluster be near, if there are any.
func clusterOf(name string, near, far side) (side, side) {
	if name == "" {
		return near, far
	}
	var in, out side
	for i, e := range near.endpoints {
		if e.Cluster == name {
			in.add(e, near.weights[i])
		} else {
			out.add(e, near.weights[i])
		}
	}
	if len(in.endpoints) == 0 || len(out.endpoints) == 0 {
		return near, far
	}
	for i, e := range far.endpoints {
		out.add(e, far.weights[i])
	}
	return in, out
}

// bounded is a limit, or none where it is zero.
func bounded(n int) int64 {
	if n <= 0 {
		return math.MaxInt64
	}
	return int64(n)
}
