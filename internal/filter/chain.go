package filter

import (
	"errors"
	"fmt"
	"io"

	"paifang/internal/model"
)

// Chain is the filters of one bound route. The nil chain has none.
type Chain struct {
	filters   []Filter
	responses []ResponseFilter // same length: nil where a filter has no response phase
	bodies    []int64          // same length: BodyLimit, 0 where a filter does not ask for the body
	lease     *lease
}

// Bind builds the filters of a route. On an error nothing is left open.
func (c Catalog) Bind(r *model.Route, shared *Shared, clock Clock) (*Chain, error) {
	if len(r.Filters) == 0 {
		return nil, nil
	}
	chain := &Chain{lease: &lease{table: shared}}
	for _, spec := range r.Filters {
		k, ok := c.Kind(spec.Kind)
		if !ok {
			return nil, errors.Join(fmt.Errorf("filter: bind %q: no such kind", spec.Kind), chain.Close())
		}
		f, err := k.Build(spec.Config, Env{Clock: clock, Route: r.ID, Object: ownerOf(r), Secret: spec.Data, lease: chain.lease})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("filter: bind %s: %w", spec.Kind, err), chain.Close())
		}
		r, _ := f.(ResponseFilter)
		limit := int64(0)
		if b, ok := f.(BodyFilter); ok {
			limit = b.BodyLimit()
		}
		chain.filters = append(chain.filters, f)
		chain.responses = append(chain.responses, r)
		chain.bodies = append(chain.bodies, limit)
	}
	return chain, nil
}

// Request runs the request phases until one responds. The body is read for the first filter that asks for it, so that
// those before it can refuse the request without.
func (c *Chain) Request(x *Exchange) Verdict {
	if c == nil {
		return Continue
	}
	for i, f := range c.filters {
		if limit := c.bodies[i]; limit > 0 && x.gather(limit) == Respond {
			x.ran = i
			return Respond
		}
		if v := f.Request(x); v != Continue {
			x.ran = i
			return v
		}
	}
	x.ran = len(c.filters)
	return Continue
}

// Response runs, in reverse, the response phases of the filters whose request phase let the request pass.
func (c *Chain) Response(x *Exchange) {
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
