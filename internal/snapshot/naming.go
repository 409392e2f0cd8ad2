package snapshot

import (
	"regexp"
	"strings"

	"paifang/internal/model"
)

// NamingRequest is what a naming sees of a request.
type NamingRequest interface {
	// LookupValue returns value i, from 0, of those that a name has in a place.
	LookupValue(in Place, name string, i int) (string, bool)
	// LookupHost is the host that was asked for, without its port.
	LookupHost() string
	// LookupVariable is a variable of the route's path.
	LookupVariable(name string) (string, bool)
}

// Naming is the compiled naming of a route.
type Naming struct {
	header  string
	pieces  []namingPiece
	hosts   []*regexp.Regexp
	targets map[string]int // by URI
	must    bool           // no target has a weight
}

// namingPiece is a part of a template: a text, or the name of a variable.
type namingPiece struct {
	text     string
	variable bool
}

// Named is what a request has named.
type Named struct {
	Target int    // among the Forward's targets; -1 = nothing was named, and shares decide
	Path   string // of the URI, as it is written there; begins with a slash
	Query  string
}

// Codes of requests that are refused for the target they name, or do not name.
const (
	CodeTargetUnknown model.Code = "target-not-declared" // 403: scheme, host and port are those of no target
	CodeTargetInvalid model.Code = "target-invalid"      // 400: what should name a target is no URI
	CodeTargetMissing model.Code = "target-missing"      // 400: no target is named, and the route has none of its own
)

// newNaming compiles a naming, which Validate has passed; nil for a Forward without.
func newNaming(f *model.Forward) (*Naming, error) {
	if f.Naming == nil {
		return nil, nil
	}
	n := &Naming{header: f.Naming.Header, targets: map[string]int{}, must: true}
	for i, t := range f.Targets {
		n.must = n.must && t.Weight == 0
		for _, uri := range t.URIs {
			n.targets[uri] = i
		}
	}
	for _, h := range f.Naming.Hosts {
		re, err := regexp.Compile(`\A(?:` + h + `)\z`)
		if err != nil {
			return nil, err
		}
		n.hosts = append(n.hosts, re)
	}
	n.pieces = namingPieces(f.Naming.Template)
	return n, nil
}

// namingPieces divides a template. A brace that begins no {name} is text.
func namingPieces(s string) []namingPiece {
	var out []namingPiece
	for s != "" {
		open := strings.IndexByte(s, '{')
		end := strings.IndexByte(s, '}')
		if open < 0 || end < open {
			return append(out, namingPiece{s, false})
		}
		if open > 0 {
			out = append(out, namingPiece{s[:open], false})
		}
		out = append(out, namingPiece{s[open+1 : end], true})
		s = s[end+1:]
	}
	return out
}

// Decide returns the target that a request names, or why it is refused.
func (n *Naming) Decide(q NamingRequest) (Named, model.Code) {
	uri, ok := n.uri(q)
	if !ok {
		if n.must {
			return Named{}, CodeTargetMissing
		}
		return Named{Target: -1}, ""
	}
	named, rest, ok := model.NamedURI(uri)
	if !ok {
		return Named{}, CodeTargetInvalid
	}
	to, ok := n.targets[named]
	if !ok {
		return Named{}, CodeTargetUnknown
	}
	path, query, _ := strings.Cut(rest, "?")
	if path == "" {
		path = "/"
	}
	return Named{to, path, query}, ""
}

// uri is what the request names. A template always names something; a variable that is not there makes it one that is none.
func (n *Naming) uri(q NamingRequest) (string, bool) {
	if n.header != "" {
		return q.LookupValue(InHeaders, n.header, 0)
	}
	var b strings.Builder
	for _, p := range n.pieces {
		if !p.variable {
			b.WriteString(p.text)
			continue
		}
		v, ok := q.LookupVariable(p.text)
		if !ok {
			v, ok = n.ofHost(q, p.text)
		}
		if !ok {
			return "", true
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// ofHost is a variable of the first expression that the host matches.
func (n *Naming) ofHost(q NamingRequest, name string) (string, bool) {
	for _, re := range n.hosts {
		if m := re.FindStringSubmatch(q.LookupHost()); m != nil {
			if i := re.SubexpIndex(name); i >= 0 {
				return m[i], true
			}
			return "", false
		}
	}
	return "", false
}
