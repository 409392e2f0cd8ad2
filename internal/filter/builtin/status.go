package builtin

import (
	"fmt"
	"strconv"

	"paifang/internal/filter"
)

// Status configures "status": the answer gets another status. One that has no body (204, 205, 304) leaves without it.
type Status struct {
	Status int `json:"status"` // 200 to 599
	// Original names a header of the answer that has the upstream's own; default: none.
	Original string `json:"original,omitempty"`
}

// Validate refuses statuses that are not final.
func (c Status) Validate() error {
	if c.Status < 200 || c.Status > 599 {
		return fmt.Errorf("status is %d: want 200 to 599", c.Status)
	}
	if c.Original != "" {
		return validateName(c.Original)
	}
	return nil
}

func statusKind() filter.Kind {
	return filter.Define("status", func(c Status, _ filter.Env) (filter.Filter, error) { return status{c}, nil })
}

type status struct{ Status }

var _ filter.ResponseFilter = status{}

func (status) Request(*filter.Exchange) filter.Verdict { return filter.Continue }

// Response leaves refusals as they are, which would pass for answers of the service, and answers that have no body: a status that has
// one would promise it.
func (f status) Response(x *filter.Exchange) {
	r := &x.Response
	has, wants := !filter.Bodyless(r.Status), !filter.Bodyless(f.Status.Status)
	if x.Settled() || r.Status < 200 || wants && !has {
		return
	}
	if f.Original != "" {
		r.Fields.Set(f.Original, strconv.Itoa(r.Status))
	}
	r.Status, r.Reason = f.Status.Status, ""
	if !wants {
		x.DropBody()
	}
}
