package builtin

import (
	"fmt"
	"regexp"

	"paifang/internal/filter"
	"paifang/internal/http1"
)

// RewriteHeader configures "rewrite-response-header": in each value of a header of the upstream's answer every match of an
// expression is replaced.
type RewriteHeader struct {
	Name        string `json:"name"`
	Regexp      string `json:"regexp"`      // RE2
	Replacement string `json:"replacement"` // $1 and ${name} stand for groups
}

// Validate refuses what is no header or no expression, and a replacement that no value can have.
func (c RewriteHeader) Validate() error {
	if err := validateName(c.Name); err != nil {
		return err
	}
	re, err := c.compile()
	if err != nil {
		return err
	}
	if !http1.IsFieldValue(c.Replacement) {
		return fmt.Errorf("replacement has a byte that no value of a header has, a line break perhaps")
	}
	return checkReplacement(re, c.Replacement)
}

func (c RewriteHeader) compile() (*regexp.Regexp, error) {
	if c.Regexp == "" {
		return nil, fmt.Errorf("regexp is empty")
	}
	re, err := regexp.Compile(c.Regexp)
	if err != nil {
		return nil, fmt.Errorf("regexp: %w", err)
	}
	return re, nil
}

func rewriteHeaderKind() filter.Kind {
	return filter.Define("rewrite-response-header", func(c RewriteHeader, _ filter.Env) (filter.Filter, error) {
		re, err := c.compile()
		return &rewriteHeader{c, re}, err
	})
}

type rewriteHeader struct {
	RewriteHeader
	re *regexp.Regexp
}

var _ filter.ResponseFilter = (*rewriteHeader)(nil)

func (*rewriteHeader) Request(*filter.Exchange) filter.Verdict { return filter.Continue }

// Response leaves a value as it is for which the result could not be printed.
func (f *rewriteHeader) Response(x *filter.Exchange) {
	fields := &x.Response.Fields
	first, ok := fields.Nth(f.Name, 0)
	if !ok {
		return
	}
	values := []string{first}
	for i := 1; ok; i++ {
		var v string
		if v, ok = fields.Nth(f.Name, i); ok {
			values = append(values, v)
		}
	}
	fields.Del(f.Name)
	for _, v := range values {
		if to := f.re.ReplaceAllString(v, f.Replacement); http1.IsFieldValue(to) {
			v = to
		}
		fields.Add(f.Name, v)
	}
	filter.KeepLocation(&x.Response)
}
