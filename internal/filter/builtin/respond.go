package builtin

import (
	"fmt"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
)

// Respond configures "respond": the request is answered here, always in the same way.
type Respond struct {
	Status      int        `json:"status"`                // 200 to 599
	Body        string     `json:"body,omitempty"`        // at most 64 KiB
	ContentType string     `json:"contentType,omitempty"` // default text/plain; charset=utf-8
	Code        model.Code `json:"code,omitempty"`        // tells operators why, in header and log
	Headers     []Header   `json:"headers,omitempty"`     // further fields
}

// maxRespond bounds the body: it is part of every snapshot.
const maxRespond = 64 << 10

// Validate refuses what is no answer.
func (c Respond) Validate() error {
	switch {
	case c.Status < 200 || c.Status > 599:
		return fmt.Errorf("status is %d: want 200 to 599", c.Status)
	case len(c.Body) > maxRespond:
		return fmt.Errorf("body has %d bytes: at most %d", len(c.Body), maxRespond)
	case !http1.IsFieldValue(c.ContentType):
		return fmt.Errorf("contentType has a control byte")
	case !http1.IsFieldValue(string(c.Code)):
		return fmt.Errorf("code has a control byte")
	}
	for i, h := range c.Headers {
		if err := h.validate(); err != nil {
			return fmt.Errorf("headers[%d]: %w", i, err)
		}
	}
	return nil
}

func respondKind() filter.Kind {
	return filter.Define("respond", func(c Respond, _ filter.Env) (filter.Filter, error) {
		h, err := newHeaders(Headers{Set: c.Headers})
		return &respond{c, h}, err
	})
}

type respond struct {
	Respond
	headers *headers
}

func (f *respond) Request(x *filter.Exchange) filter.Verdict {
	x.Respond(f.Status, f.Code, f.Body)
	if f.ContentType != "" && f.Body != "" {
		x.Response.Fields.Set("Content-Type", f.ContentType)
	}
	f.headers.apply(x, &x.Response.Fields, &x.Response.Mem)
	if f.headers.location {
		filter.KeepLocation(&x.Response)
	}
	return filter.Respond
}
