package builtin

import (
	"fmt"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// PrefixPath configures "prefix-path": Prefix is put in front of the path, with {name} for variables of the route.
type PrefixPath struct {
	Prefix string `json:"prefix"` // begins with a slash
}

// Validate refuses a prefix that no path can begin with.
func (c PrefixPath) Validate() error {
	if _, err := http1.NormalPath(strings.NewReplacer("{", "", "}", "").Replace(c.Prefix)); err != nil {
		return fmt.Errorf("prefix %q is no path: %w", c.Prefix, err)
	}
	_, err := filter.ParseTemplate(c.Prefix)
	return err
}

func prefixPathKind() filter.Kind {
	return filter.Define("prefix-path", func(c PrefixPath, _ filter.Env) (filter.Filter, error) {
		if strings.Contains(c.Prefix, "{") {
			t, err := filter.ParseTemplate(strings.TrimSuffix(c.Prefix, "/"))
			return &prefixTemplate{t}, err
		}
		prefix, err := http1.NormalPath(c.Prefix)
		return prefixPath{strings.TrimSuffix(prefix, "/")}, err
	})
}

type prefixPath struct{ prefix string } // normal, without a slash at its end

func (f prefixPath) Request(x *filter.Exchange) filter.Verdict {
	if strings.HasPrefix(x.Request.Path, "/") {
		x.Request.Path = x.Request.Mem.Join(f.prefix, x.Request.Path) // two normal paths in a row are one
	}
	return filter.Continue
}

// prefixTemplate is a prefix with variables, of which nobody knows what they make of the path before it is looked at.
type prefixTemplate struct{ prefix filter.Template }

func (f *prefixTemplate) Request(x *filter.Exchange) filter.Verdict {
	if !strings.HasPrefix(x.Request.Path, "/") {
		return filter.Continue
	}
	mem := &x.Request.Mem
	return setPath(x, mem.Join(f.prefix.Expand(x, mem), x.Request.Path))
}
