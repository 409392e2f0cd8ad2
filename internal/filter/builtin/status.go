package builtin

import (
	"fmt"
	"strconv"

	"paifang/internal/filter"
)

// Status configures "status": the upstream's answer gets another status.
type Status struct {
	Status int `json:"status"` // 200 to 599, and none that has no body: 204, 205, 304
	// Original names a header of the answer that has the upstream's own; default: none.
	Original string `json:"original,omitempty"`
}

// Validate refuses statuses that are not final, or change how an answer is framed.
func (c Status) Validate() error {
	if c.Status < 200 || c.Status > 599 || c.Status == 204 || c.Status == 205 || c.Status == 304 {
		return fmt.Errorf("status is %d: want 200 to 599, and not 204, 205 or 304, which have no body", c.Status)
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

// Response leaves answers that have no body as they are: a status that has one would promise it.
func (f status) Response(x *filter.Exchange) {
	r := &x.Response
	if r.Status < 200 || r.Status == 204 || r.Status == 304 {
		return
	}
	if f.Original != "" {
		r.Fields.Set(f.Original, strconv.Itoa(r.Status))
	}
	r.Status, r.Reason = f.Status.Status, ""
}
