package builtin

import (
	"fmt"
	"strings"

	"paifang/internal/filter"
)

// StripPrefix configures "strip-prefix": the first Parts segments of the path are taken away. What is left of a shorter
// path is "/".
type StripPrefix struct {
	Parts int `json:"parts"` // at least 1
}

// Validate refuses a number of segments that takes nothing away.
func (c StripPrefix) Validate() error {
	if c.Parts < 1 {
		return fmt.Errorf("parts is %d: want 1 or more", c.Parts)
	}
	return nil
}

func stripPrefixKind() filter.Kind {
	return filter.Define("strip-prefix", func(c StripPrefix, _ filter.Env) (filter.Filter, error) { return c, nil })
}

// Request cuts at a slash of the normalised path, so that the rest is normal too but for its first segment.
func (c StripPrefix) Request(x *filter.Exchange) filter.Verdict {
	path := x.Request.Path
	if !strings.HasPrefix(path, "/") {
		return filter.Continue // OPTIONS *
	}
	for range c.Parts {
		next := strings.IndexByte(path[1:], '/')
		if next < 0 {
			path = "/"
			break
		}
		path = path[next+1:]
	}
	if strings.HasPrefix(path, "//") { // where slashes are kept, an empty segment may have become the first
		return setPath(x, path)
	}
	x.Request.Path = path
	return filter.Continue
}
