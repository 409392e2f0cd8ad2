package builtin

import (
	"fmt"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// BodyLimit configures "body-limit": a request whose body has more than Bytes is answered 413, at once where its length is
// said, and while it streams where it is not.
type BodyLimit struct {
	Bytes int64 `json:"bytes"` // 1 or more
	// Error is a field of the answer that tells the length, where the request says it; default: none.
	Error string `json:"error,omitempty"`
}

// Validate refuses a limit that is none.
func (c BodyLimit) Validate() error {
	if c.Bytes < 1 {
		return fmt.Errorf("bytes is %d: want 1 or more", c.Bytes)
	}
	if c.Error != "" {
		return validateName(c.Error)
	}
	return nil
}

func bodyLimitKind() filter.Kind {
	return filter.Define("body-limit", func(c BodyLimit, _ filter.Env) (filter.Filter, error) { return bodyLimit{c}, nil })
}

type bodyLimit struct{ BodyLimit }

func (f bodyLimit) Request(x *filter.Exchange) filter.Verdict {
	length := int64(0)
	switch {
	case x.RequestBody != nil: // a filter in front has asked for it
		length = x.RequestBody.Size()
	case x.Request.Body == http1.SizedBody:
		length = x.Request.ContentLength
	}
	if length > f.Bytes {
		x.TooLarge()
		if f.Error != "" {
			x.Response.Fields.Set(f.Error, fmt.Sprintf("The body has %d bytes: at most %d", length, f.Bytes))
		}
		return filter.Respond
	}
	if x.MaxBody == 0 || x.MaxBody > f.Bytes {
		x.MaxBody = f.Bytes
	}
	return filter.Continue
}
