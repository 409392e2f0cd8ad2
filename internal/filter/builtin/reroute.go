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

var (
	_ filter.Rerouting = Reroute{}
	_ filter.Rerouting = CircuitBreaker{}
)

// Reroute is the path.
func (c Reroute) Reroute() string { return c.Path }

// Reroute is the path of the fallback.
func (c CircuitBreaker) Reroute() string {
	if c.Fallback == nil {
		return ""
	}
	return c.Fallback.Path
}

func rerouteKind() filter.Kind {
	return filter.Define("reroute", func(c Reroute, _ filter.Env) (filter.Filter, error) { return reroute(c), nil })
}

type reroute Reroute

func (f reroute) Request(x *filter.Exchange) filter.Verdict {
	if f.Path != "" {
		return x.Reroute(f.Path, true)
	}
	return x.Reroute(x.Request.Path, true)
}
