package springgw

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// variableText is a text of a filter in which names in braces stand for variables of the predicates Path and Host.
type variableText struct {
	text string
	part part // of the filter
}

// expands notes a text with variables. They are looked for when all predicates are read.
func (e *effect) expands(p *part, text string) {
	if strings.Contains(text, "{") {
		e.texts = append(e.texts, variableText{text, *p})
	}
}

// check refuses a variable that no predicate captures, or not each of its patterns: Spring fails with 500 there. Those of Host are seen to by
// hostVariablesOf.
func (t *variableText) check(when *condition) error {
	for _, name := range variables(t.text) {
		switch {
		case name == "": // {} is text
		case strings.Contains(t.text, `\{`):
			return fmt.Errorf("filter %s: a backslash in front of a variable, as in %q, is not supported", t.part.name, t.text)
		case !strings.Contains(t.text, "{"+name+"}"):
			return fmt.Errorf("filter %s: in %q write {%s}, and nothing else in its braces", t.part.name, t.text, name)
		case !isName(name):
			return fmt.Errorf("filter %s: {%s} is not supported: the name of a variable has letters, digits, - and _", t.part.name, name)
		case !when.inPaths(name) && !slices.Contains(when.hostVariables, name):
			return fmt.Errorf("filter %s: {%s} is no variable of every pattern of Path, or of Host, and would have no value", t.part.name, name)
		}
	}
	return nil
}

// fault is what is said of it at a route, whose line counts where the filter is one of all routes.
func (t *variableText) fault(err error, line int) fault {
	x := fault{"", line, "filters", model.CodeUnsupported, model.Error, err.Error() + "; the route answers 503"}
	if !t.part.shared {
		x.line, x.field = t.part.line, t.part.field
	}
	return x
}

// isName tells whether filters know a variable of a name.
func isName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || r != '-' && r != '_' && !isWordByte(byte(r)) })
}

// variables are the names in braces of a pattern or template. What stands behind a colon is an expression.
func variables(text string) []string {
	var out []string
	for {
		i := strings.IndexByte(text, '{')
		if i < 0 {
			return out
		}
		text = text[i:]
		n := snapshot.Braced(text)
		if n == 0 { // they are not closed
			return out
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(text[1:n-1], "*"), ":")
		out, text = append(out, name), text[n:]
	}
}

// inPaths tells whether every pattern of paths has a variable.
func (c *condition) inPaths(name string) bool {
	lacks := func(m model.PathMatch) bool { return !slices.Contains(variables(m.Value), name) }
	return len(c.paths) > 0 && !slices.ContainsFunc(c.paths, lacks)
}

// inHosts tells whether every pattern of hosts has a variable.
func (c *condition) inHosts(name string) bool {
	lacks := func(pattern string) bool {
		_, names, err := hostExpression(pattern, false)
		return err != nil || !slices.Contains(names, name)
	}
	return len(c.hostPatterns) > 0 && !slices.ContainsFunc(c.hostPatterns, lacks)
}

// hostVariablesOf are expressions for variables of the host that filters use, nil where they use none. Each has to be one of every pattern,
// or of the path.
func (c *condition) hostVariablesOf(filters []model.FilterSpec) ([]string, error) {
	var out []string
	for _, name := range c.hostVariables {
		if !slices.ContainsFunc(filters, func(f model.FilterSpec) bool { return strings.Contains(string(f.Config), "{"+name+"}") }) {
			continue
		}
		switch {
		case c.inPaths(name):
		case c.hostNamed == nil:
			return nil, fmt.Errorf("a filter uses {%s} of the predicate Host, whose pattern has a port, or a name that is none of letters, digits and underscores", name)
		case !c.inHosts(name):
			return nil, fmt.Errorf("a filter uses {%s} of the predicate Host, which is not in every one of its patterns", name)
		default:
			out = c.hostNamed
		}
	}
	return out, nil
}
