package builtin

import (
	"fmt"
	"strings"

	"paifang/internal/filter"
)

// SetPath configures "set-path": the path becomes Template, with {name} for variables of the route's path pattern.
type SetPath struct {
	Template string `json:"template"` // begins with a slash
}

// Validate refuses a template that can give no path.
func (c SetPath) Validate() error {
	if !strings.HasPrefix(c.Template, "/") {
		return fmt.Errorf("template %q does not begin with /", c.Template)
	}
	_, err := filter.ParseTemplate(c.Template)
	return err
}

func setPathKind() filter.Kind {
	return filter.Define("set-path", func(c SetPath, _ filter.Env) (filter.Filter, error) {
		t, err := filter.ParseTemplate(c.Template)
		return &setPathFilter{t}, err
	})
}

type setPathFilter struct{ template filter.Template }

func (f *setPathFilter) Request(x *filter.Exchange) filter.Verdict {
	return setPath(x, f.template.Expand(x, &x.Request.Mem))
}
