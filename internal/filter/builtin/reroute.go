package builtin

import (
	"fmt"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// Reroute configures "reroute": the request is looked up again on its listener, and another route answers it.
type Reroute struct {
	Path string `json:"path,omitempty"` // that it is looked up with; default: its own, as filters before this one have made it
}

// Validate refuses what is no path.
func (c Reroute) Validate() error {
	if c.Path != "" && !http1.IsPath(c.Path) {
		return fmt.Errorf("path %q is no path", c.Path)
	}
	return nil
}

func rerouteKind() filter.Kind {
	return filter.Define("reroute", func(c Reroute, _ filter.Env) (filter.Filter, error) { return reroute(c), nil })
}

type reroute Reroute

func (f reroute) Request(x *filter.Exchange) filter.Verdict {
	if f.Path != "" {
		return x.Reroute(f.Path)
	}
	return x.Reroute(x.Request.Path)
}
