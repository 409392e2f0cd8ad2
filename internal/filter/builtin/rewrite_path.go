package builtin

import (
	"fmt"
	"regexp"
	"strings"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// CodeBadRewrite is the code of the answer 400 when a rewritten path is none that may be forwarded.
const CodeBadRewrite model.Code = "bad-rewrite"

// RewritePath configures "rewrite-path": every match of Regexp (RE2) in the normalised path is replaced. Replacement
// has $1 and ${name} for groups, as Go's regexp.Expand.
type RewritePath struct {
	Regexp      string `json:"regexp"`
	Replacement string `json:"replacement"`
}

// Validate refuses an expression that does not compile, and a replacement with groups that it does not have.
func (c RewritePath) Validate() error {
	if c.Regexp == "" {
		return fmt.Errorf("regexp is empty")
	}
	re, err := regexp.Compile(c.Regexp)
	if err != nil {
		return fmt.Errorf("regexp: %w", err)
	}
	return checkReplacement(re, c.Replacement)
}

func rewritePathKind() filter.Kind {
	return filter.Define("rewrite-path", func(c RewritePath, _ filter.Env) (filter.Filter, error) {
		re, err := regexp.Compile(c.Regexp)
		return rewritePath{re, c.Replacement}, err
	})
}

type rewritePath struct {
	re          *regexp.Regexp
	replacement string
}

func (f rewritePath) Request(x *filter.Exchange) filter.Verdict {
	path := x.Request.Path
	if !strings.HasPrefix(path, "/") || !f.re.MatchString(path) {
		return filter.Continue
	}
	return setPath(x, f.re.ReplaceAllString(path, f.replacement))
}

// setPath forwards the request with another path, or refuses it: a client must not reach by a rewrite what the parser
// would have refused.
func setPath(x *filter.Exchange, path string) filter.Verdict {
	if path == "" {
		path = "/"
	}
	if err := x.Request.SetPath(path); err != nil {
		return x.Respond(400, CodeBadRewrite, "The path of this request cannot be forwarded.\n")
	}
	return filter.Continue
}
