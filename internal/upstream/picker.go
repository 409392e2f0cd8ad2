package upstream

import (
	"time"

	"paifang/internal/model"
)

// picker is what a Handle knows of its endpoints at one moment. It is immutable.
type picker struct {
	known   bool
	kind    model.BalanceKind
	members []*Endpoint // all, sorted by address
	// The classes in the order they are asked; nil where they are empty, but for the first. far are the ready of other zones
	// while the own one is enough.
	ready               class
	far, draining, last *class
	// anyway is asked when own observation is all that stands against an endpoint.
	anyway  *class
	parts   map[string]class // of the ready that are up, by their value of a tag that requests may name
	bound   marks            // of the members, where clients are kept by a cookie
	warming bool             // an endpoint is in its slow start: the picker must be made anew soon
}

// nobody is the picker of every upstream without endpoints, of which there may be thousands.
func (t *Table) nobody(known bool) *picker {
	if known {
		return &t.empty
	}
	return &t.unknown
}

// newPicker makes a picker of the handle's members. old, which may be nil, is used for sharing only.
func (h *Handle) newPicker(members []*Endpoint, old *picker, now time.Time) *picker {
	if old == nil {
		old = &picker{}
	}
	p := &picker{kind: h.hashKind(), members: members}
	var ready, draining, last, readyDown, drainingDown []*Endpoint
	for _, e := range members {
		if e.Weight.Thousandths() == 0 {
			continue
		}
		down := e.live.down.Load()
		switch {
		case e.State == model.Ready && !down:
			ready = append(ready, e)
		case e.State == model.Ready:
			readyDown = append(readyDown, e)
		case e.State == model.Draining && !down:
			draining = append(draining, e)
		case e.State == model.Draining:
			drainingDown = append(drainingDown, e)
		case e.State == model.LastResort && !down:
			last = append(last, e)
		}
	}
	if len(ready)*100 < h.up.Balance.Panic*(len(ready)+len(readyDown)) {
		all := allReady(members)
		p.ready = newClass(p.kind, all, weightsOf(all), &old.ready)
		p.ready.anyway = true
	} else {
		weights := weightsOf(ready)
		if !p.kind.Hashes() && p.kind != model.SameEndpoint {
			p.warming = h.slow(ready, weights, now)
		}
		near, far := h.zones(ready, weights, readyDown)
		p.ready = newClass(p.kind, near.endpoints, near.weights, &old.ready)
		p.far = someClass(p.kind, far.endpoints, far.weights, old.far)
	}
	p.draining = someClass(p.kind, draining, weightsOf(draining), old.draining)
	p.last = someClass(p.kind, last, weightsOf(last), old.last)
	anyway := func(endpoints []*Endpoint) *class {
		c := someClass(p.kind, endpoints, weightsOf(endpoints), old.anyway)
		c.anyway = true
		return c
	}
	switch {
	// Those that were up when the picker was made may have gone down since: the next picker is under way.
	case len(ready) > 0:
		p.anyway = p.ready.whatever()
	case len(readyDown) > 0:
		p.anyway = anyway(readyDown)
	case len(draining) > 0:
		p.anyway = p.draining.whatever()
	case len(drainingDown) > 0:
		p.anyway = anyway(drainingDown)
	}
	p.bound = h.marksOf(members)
	p.parts = h.partsOf(ready, p.kind, old)
	return p
}

// someClass is newClass for a class that most pickers do not have: nil where it is empty.
func someClass(kind model.BalanceKind, endpoints []*Endpoint, weights []int, old *class) *class {
	if len(endpoints) == 0 {
		return nil
	}
	c := newClass(kind, endpoints, weights, old)
	return &c
}

// whatever is the class where what own observation says does not count.
func (c *class) whatever() *class {
	out := *c
	out.anyway = true
	return &out
}

// partsOf divides endpoints by their value of the tag that requests may name. Those without the tag are in no part.
func (h *Handle) partsOf(ready []*Endpoint, kind model.BalanceKind, old *picker) map[string]class {
	tag := h.up.Prefer.Tag
	if tag == "" {
		return nil
	}
	by := map[string][]*Endpoint{}
	for _, e := range ready {
		if v, ok := e.Tags.Get(tag); ok && v != "" {
			by[v] = append(by[v], e)
		}
	}
	out := make(map[string]class, len(by))
	for v, endpoints := range by {
		was := old.parts[v]
		out[v] = newClass(kind, endpoints, weightsOf(endpoints), &was)
	}
	return out
}

// hashKind is how the handle's pickers choose. A cookie with a key needs a hash.
func (h *Handle) hashKind() model.BalanceKind {
	if h.up.Affinity.Mode == model.Balanced && !h.up.Balance.Kind.Hashes() {
		return model.RingHash
	}
	return h.up.Balance.Kind
}

func allReady(members []*Endpoint) []*Endpoint {
	var out []*Endpoint
	for _, e := range members {
		if e.State == model.Ready && e.Weight.Thousandths() > 0 {
			out = append(out, e)
		}
	}
	return out
}

func weightsOf(endpoints []*Endpoint) []int {
	out := make([]int, len(endpoints))
	for i, e := range endpoints {
		out[i] = e.Weight.Thousandths()
	}
	return out
}

// pick returns the endpoint that the balance chooses.
func (p *picker) pick(q *query) (*Endpoint, error) {
	if q.part != "" {
		part := p.parts[q.part]
		if e := part.choose(p.kind, q); e != nil {
			return e, nil
		}
	}
	for i, c := range [...]*class{&p.ready, p.far, p.draining, p.last} {
		if e := c.choose(p.kind, q); e != nil {
			return e, nil
		}
		if i > 0 && q.full {
			return nil, ErrConnectionLimit // those that are asked when nobody is ready are no relief for the ready
		}
	}
	if !q.passed {
		if e := p.anyway.choose(p.kind, q); e != nil {
			return e, nil
		}
	}
	switch {
	case q.full:
		return nil, ErrConnectionLimit
	case !p.known:
		return nil, ErrUnknown
	case len(p.members) == 0:
		return nil, ErrNoEndpoints
	case len(q.tried) > 0 && (q.passed || p.anyway.len() > 0):
		return nil, ErrAllTried
	default:
		return nil, ErrAllUnhealthy
	}
}

// serving is the class that is chosen from now.
func (p *picker) serving() *class {
	for _, c := range []*class{&p.ready, p.draining, p.last, p.anyway} {
		if c.len() > 0 {
			return c
		}
	}
	return &class{}
}
