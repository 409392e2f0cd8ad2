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
}

// Validate refuses a limit that is none.
func (c BodyLimit) Validate() error {
	if c.Bytes < 1 {
		return fmt.Errorf("bytes is %d: want 1 or more", c.Bytes)
	}
	return nil
}

func bodyLimitKind() filter.Kind {
	return filter.Define("body-limit", func(c BodyLimit, _ filter.Env) (filter.Filter, error) { return bodyLimit{c.Bytes}, nil })
}

type bodyLimit struct{ bytes int64 }

func (f bodyLimit) Request(x *filter.Exchange) filter.Verdict {
	if x.Request.Body == http1.SizedBody && x.Request.ContentLength > f.bytes {
		return x.TooLarge()
	}
	if x.MaxBody == 0 || x.MaxBody > f.bytes {
		x.MaxBody = f.bytes
	}
	return filter.Continue
}
