package builtin

import (
	"fmt"
	"slices"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// DedupeHeaders configures "dedupe-response-headers": of several values that the upstream's answer has for a name some are
// kept. It mends answers to which an upstream and a filter both add a header that may be there once only.
type DedupeHeaders struct {
	Names []string `json:"names"`
	// Keep is first (the default), last, or unique, which keeps one of each value.
	Keep string `json:"keep,omitempty"`
}

// The values of DedupeHeaders.Keep.
const (
	keepFirst  = "first"
	keepLast   = "last"
	keepUnique = "unique"
)

// Validate refuses names that no field can have.
func (c DedupeHeaders) Validate() error {
	if len(c.Names) == 0 {
		return fmt.Errorf("names is empty")
	}
	for i, name := range c.Names {
		if err := validateName(name); err != nil {
			return fmt.Errorf("names[%d]: %w", i, err)
		}
	}
	switch c.Keep {
	case "", keepFirst, keepLast, keepUnique:
		return nil
	}
	return fmt.Errorf("keep %q is none of first, last, unique", c.Keep)
}

func dedupeHeadersKind() filter.Kind {
	return filter.Define("dedupe-response-headers", func(c DedupeHeaders, _ filter.Env) (filter.Filter, error) { return dedupeHeaders{c}, nil })
}

type dedupeHeaders struct{ DedupeHeaders }

var _ filter.ResponseFilter = dedupeHeaders{}

func (dedupeHeaders) Request(*filter.Exchange) filter.Verdict { return filter.Continue }

func (f dedupeHeaders) Response(x *filter.Exchange) {
	for _, name := range f.Names {
		f.dedupe(&x.Response.Fields, name)
	}
}

func (f dedupeHeaders) dedupe(fields *http1.Fields, name string) {
	if _, twice := fields.Nth(name, 1); !twice {
		return
	}
	var kept []string
	for v := range fields.Values(name) {
		switch {
		case f.Keep == keepLast:
			kept = append(kept[:0], v)
		case f.Keep == keepUnique && !slices.Contains(kept, v), len(kept) == 0:
			kept = append(kept, v)
		}
	}
	fields.Del(name)
	for _, v := range kept {
		fields.Add(name, v)
	}
}
