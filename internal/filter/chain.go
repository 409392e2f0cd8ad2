package filter

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// Chain is the filters of one bound route. The nil chain has none.
type Chain struct {
	filters   []Filter
	responses []ResponseFilter // same length: nil where a filter has no response phase
	bodies    []int64          // same length: BodyLimit, 0 where a filter does not ask for the body
	lease     *lease
	owns      bool // a filter is a FieldOwner
}

// Bind builds the filters of a route. On an error nothing is left open. asked are the upstreams that filters send requests of their own
// to, which the caller holds for longer than the chain is open.
func (c Catalog) Bind(r *model.Route, shared *Shared, clock Clock, asked ...*upstream.Handle) (*Chain, error) {
	if len(r.Filters) == 0 {
		return nil, nil
	}
	chain := &Chain{lease: &lease{table: shared}}
	for _, spec := range r.Filters {
		k, ok := c.Kind(spec.Kind)
		if !ok {
			return nil, errors.Join(fmt.Errorf("filter: bind %q: no such kind", spec.Kind), chain.Close())
		}
		own, err := handlesOf(spec.Upstreams, asked)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("filter: bind %s: %w", spec.Kind, err), chain.Close())
		}
		f, err := k.Build(spec.Config, Env{Upstreams: own, Clock: clock, Route: r.ID, Object: ownerOf(r), Secret: spec.Data, lease: chain.lease})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("filter: bind %s: %w", spec.Kind, err), chain.Close())
		}
		r, _ := f.(ResponseFilter)
		limit := int64(0)
		if b, ok := f.(BodyFilter); ok {
			limit = b.BodyLimit()
		}
		_, owns := f.(FieldOwner)
		chain.owns = chain.owns || owns
		chain.filters = append(chain.filters, f)
		chain.responses = append(chain.responses, r)
		chain.bodies = append(chain.bodies, limit)
	}
	return chain, nil
}

// handlesOf are the handles of upstreams, in the order of their names.
func handlesOf(ids []model.UpstreamID, all []*upstream.Handle) ([]*upstream.Handle, error) {
	var out []*upstream.Handle
	for _, id := range ids {
		i := slices.IndexFunc(all, func(h *upstream.Handle) bool { return h.ID() == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no upstream %s", id)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// OwnsFields tells whether a filter decides what fields of the request say.
func (c *Chain) OwnsFields() bool { return c != nil && c.owns }

// Request runs the request phases until one responds. The body is read for the first filter that asks for it, so that
// those before it can refuse the request without.
func (c *Chain) Request(x *Exchange) Verdict {
	if c == nil {
		return Continue
	}
	for i, f := range c.filters {
		if limit := c.bodies[i]; limit > 0 && x.gather(limit) == Respond {
			x.ran, x.settled = i, true
			return Respond
		}
		if v := f.Request(x); v != Continue {
			x.ran, x.settled = i, v == Respond
			return v
		}
	}
	x.ran = len(c.filters)
	return Continue
}

// Response runs, in reverse, the response phases of the filters whose request phase let the request pass.
func (c *Chain) Response(x *Exchange) {
	x.dropped = false // that was another answer
	if c == nil {
		x.keepPromises()
		return
	}
	for i := x.ran - 1; i >= 0; i-- {
		if r := c.responses[i]; r != nil {
			r.Response(x)
		}
	}
	x.keepPromises()
}

// Close retires the filters and gives back what they shared.
func (c *Chain) Close() error {
	if c == nil {
		return nil
	}
	var errs []error
	for _, f := range c.filters {
		if closer, ok := f.(io.Closer); ok {
			errs = append(errs, closer.Close())
		}
	}
	return errors.Join(append(errs, c.lease.release())...)
}
