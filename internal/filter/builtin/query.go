package builtin

import (
	"fmt"

	"paifang/internal/filter"
)

// Query configures "request-query". Remove is done first, then Rewrite, which gives a parameter that is there one new value,
// then Add. Values are plain text, which is escaped, and may hold {name} for variables of the route's path pattern, as the text that they stand for.
type Query struct {
	Add     []Parameter `json:"add,omitempty"`
	Rewrite []Parameter `json:"rewrite,omitempty"`
	Remove  []string    `json:"remove,omitempty"`
}

// Parameter is a query parameter.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Validate refuses what changes nothing, and parameters without a name.
func (c Query) Validate() error {
	if len(c.Add)+len(c.Rewrite)+len(c.Remove) == 0 {
		return fmt.Errorf("none of add, rewrite and remove is given")
	}
	for _, list := range []struct {
		name       string
		parameters []Parameter
	}{{"add", c.Add}, {"rewrite", c.Rewrite}} {
		for i, p := range list.parameters {
			if p.Name == "" {
				return fmt.Errorf("%s[%d].name is empty", list.name, i)
			}
			if _, err := filter.ParseTemplate(p.Value); err != nil {
				return fmt.Errorf("%s[%d].value: %w", list.name, i, err)
			}
		}
	}
	for i, name := range c.Remove {
		if name == "" {
			return fmt.Errorf("remove[%d] is empty", i)
		}
	}
	return nil
}

func requestQueryKind() filter.Kind {
	return filter.Define("request-query", func(c Query, _ filter.Env) (filter.Filter, error) {
		q := &query{remove: c.Remove}
		var err error
		if q.add, err = parameters(c.Add); err == nil {
			q.rewrite, err = parameters(c.Rewrite)
		}
		return q, err
	})
}

type query struct {
	add, rewrite []parameter
	remove       []string
}

type parameter struct {
	name  string
	value filter.Template
}

func parameters(from []Parameter) (out []parameter, err error) {
	for _, p := range from {
		t, err := filter.ParseTemplate(p.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, parameter{p.Name, t})
	}
	return out, nil
}

func (f *query) Request(x *filter.Exchange) filter.Verdict {
	r := &x.Request
	for _, name := range f.remove {
		r.DropParameter(name)
	}
	for i := range f.rewrite {
		p := &f.rewrite[i]
		before := r.RawQuery
		if r.DropParameter(p.name); r.RawQuery != before {
			r.AddParameter(p.name, p.value.ExpandText(x, &r.Mem))
		}
	}
	for i := range f.add {
		r.AddParameter(f.add[i].name, f.add[i].value.ExpandText(x, &r.Mem))
	}
	return filter.Continue
}
