package upstream

import "paifang/internal/model"

// picker is what a Handle knows of its endpoints at one moment. It is immutable.
type picker struct {
	known   bool
	members []*Endpoint // all, sorted by address
	// The classes in the order they are asked.
	ready, draining, last class
	// anyway is asked when own observation is all that stands against an endpoint.
	anyway class
}

func newPicker(members []*Endpoint) *picker {
	p := &picker{members: members}
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
	p.ready, p.draining, p.last = newClass(ready), newClass(draining), newClass(last)
	switch {
	// Those that were up when the picker was made may have gone down since: the next picker is under way.
	case len(ready) > 0:
		p.anyway = p.ready
	case len(readyDown) > 0:
		p.anyway = newClass(readyDown)
	case len(draining) > 0:
		p.anyway = p.draining
	case len(drainingDown) > 0:
		p.anyway = newClass(drainingDown)
	}
	return p
}

// pick returns the endpoint whose turn it is.
func (p *picker) pick(turn uint64, tried []*Endpoint) (*Endpoint, error) {
	passed := false // an endpoint that is up was tried
	for _, c := range [...]*class{&p.ready, &p.draining, &p.last} {
		e, up := c.next(turn, tried, true)
		if e != nil {
			return e, nil
		}
		passed = passed || up
	}
	if !passed {
		e, _ := p.anyway.next(turn, tried, false)
		if e != nil {
			return e, nil
		}
	}
	switch {
	case !p.known:
		return nil, ErrUnknown
	case len(p.members) == 0:
		return nil, ErrNoEndpoints
	case len(tried) > 0 && (passed || len(p.anyway.endpoints) > 0):
		return nil, ErrAllTried
	default:
		return nil, ErrAllUnhealthy
	}
}

// class is a set of endpoints and the order in which they take turns.
type class struct {
	endpoints []*Endpoint
	order     []uint32 // indices into endpoints; nil = one after the other
}

func newClass(endpoints []*Endpoint) class {
	weights := make([]int, len(endpoints))
	for i, e := range endpoints {
		weights[i] = e.Weight.Thousandths()
	}
	return class{endpoints, schedule(weights)}
}

// next returns the first endpoint from turn on that was not tried and, where up is asked for, is not down. passed
// tells whether one was left out only because it was tried.
func (c *class) next(turn uint64, tried []*Endpoint, up bool) (e *Endpoint, passed bool) {
	n := uint64(len(c.endpoints))
	if c.order != nil {
		n = uint64(len(c.order))
	}
	if n == 0 {
		return nil, false
	}
	at := turn % n
	for range n {
		i := at
		if c.order != nil {
			i = uint64(c.order[at])
		}
		e := c.endpoints[i]
		if !up || !e.live.down.Load() {
			if !contains(tried, e) {
				return e, passed
			}
			passed = true
		}
		if at++; at == n {
			at = 0
		}
	}
	return nil, passed
}

// contains compares what lives, not the value: a list may have changed between two tries.
func contains(tried []*Endpoint, e *Endpoint) bool {
	for _, t := range tried {
		if t.live == e.live {
			return true
		}
	}
	return false
}
