package builtin

import (
	"fmt"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// CodeHeaderTooLarge is the code of answers to requests with a field over the limit of their route: 431.
const CodeHeaderTooLarge model.Code = "header-too-large"

// HeaderLimit configures "header-limit": a request with a field whose name and value have more than Bytes is answered 431. What
// the listener allows bounds all requests before.
type HeaderLimit struct {
	Bytes int    `json:"bytes"`           // 1 or more
	Error string `json:"error,omitempty"` // a field of the answer that names the one that is too large; default: none
}

// Validate refuses a limit that is none.
func (c HeaderLimit) Validate() error {
	if c.Bytes < 1 {
		return fmt.Errorf("bytes is %d: want 1 or more", c.Bytes)
	}
	if c.Error != "" {
		return validateName(c.Error)
	}
	return nil
}

func headerLimitKind() filter.Kind {
	return filter.Define("header-limit", func(c HeaderLimit, _ filter.Env) (filter.Filter, error) { return headerLimit{c}, nil })
}

type headerLimit struct{ HeaderLimit }

func (f headerLimit) Request(x *filter.Exchange) filter.Verdict {
	for i := range x.Request.Fields.Len() {
		if h := x.Request.Fields.At(i); len(h.Name)+len(h.Value) > f.Bytes {
			x.Respond(431, CodeHeaderTooLarge, "A header of this request is too large.\n")
			if f.Error != "" {
				x.Response.Fields.Set(f.Error, fmt.Sprintf("The header %s has %d bytes: at most %d", h.Name, len(h.Name)+len(h.Value), f.Bytes))
			}
			return filter.Respond
		}
	}
	return filter.Continue
}
