package springgw

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"paifang/internal/bootconfig"
	"paifang/internal/model"
)

// hostExpressions reads patterns of which one is more than a name with labels left open in front: they become one expression that
// the Host header has to match. An index finds them by what is fixed at their end.
func (c *condition) hostExpressions(patterns []string) error {
	c.hosts = nil
	if c.hostsCovered == nil {
		c.hostsCovered = hostsCovering(patterns)
	}
	var all []string
	for _, p := range patterns {
		text, names, err := hostExpression(p, false)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", p, err)
		}
		all = append(all, text)
		c.hostVariables = append(c.hostVariables, names...)
	}
	if len(c.hostVariables) > 0 {
		c.hostPatterns = patterns
		c.hostNamed = namedHosts(patterns)
	}
	m := model.FieldMatch{Name: "Host", Regex: true, Value: "(?i:" + strings.Join(all, "|") + ")"}
	if _, err := regexp.Compile(m.Value); err != nil {
		return err
	}
	c.match.Headers = append(c.match.Headers, m)
	return nil
}

// hostExpression turns an Ant pattern with the dot as separator (Spring Framework, AntPathMatcher) into an expression: ? is a byte
// of a label, * any number of them, {name} too, {name:expression} what the expression matches, and ** any number of labels. A
// pattern without a port means every port. With named, variables are groups of their names.
func hostExpression(pattern string, named bool) (text string, names []string, err error) {
	var b strings.Builder
	labels := strings.Split(pattern, ".")
	if strings.ContainsAny(pattern, "{}") {
		labels = splitOutside(pattern, '.')
	}
	first := true
	for i, label := range labels {
		switch {
		case label == "":
			return "", nil, fmt.Errorf("has an empty label")
		case label == "**" && first && i+1 < len(labels):
			b.WriteString(`(?:[^.:]+\.)*`)
			continue
		case label == "**" && first:
			b.WriteString(`[^:]*`)
			continue
		case label == "**":
			b.WriteString(`(?:\.[^.:]+)*`)
			continue
		}
		if !first {
			b.WriteString(`\.`)
		}
		first = false
		more, err := labelExpression(&b, label, named)
		if err != nil {
			return "", nil, err
		}
		names = append(names, more...)
	}
	if !hasPort(pattern) {
		b.WriteString(`(?::[0-9]+)?`)
	}
	return b.String(), names, nil
}

// hostsCovering are names with labels left open in front that mean every host which one of the patterns does, and more; nil where a
// pattern fixes nothing at its end.
func hostsCovering(patterns []string) (out []model.Host) {
	for _, p := range patterns {
		if hasPort(p) {
			p = p[:strings.LastIndexByte(p, ':')]
		}
		labels := splitOutside(p, '.')
		open := len(labels)
		for open > 0 && !strings.ContainsAny(labels[open-1], "?*{}") {
			open--
		}
		fixed := strings.ToLower(strings.Join(labels[open:], "."))
		if model.Host(fixed).Validate() != nil || fixed == "" {
			return nil
		}
		if open > 0 {
			out = append(out, model.Host("**."+fixed))
		}
		if !slices.ContainsFunc(labels[:open], func(label string) bool { return label != "**" }) { // none of them need be there
			out = append(out, model.Host(fixed))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// names are the hosts of the route: those that the index finds it by.
func (c *condition) names() []model.Host {
	if c.hosts == nil {
		return c.hostsCovered
	}
	return c.hosts
}

// hasPort tells whether a pattern says something of the port: what is in braces is not looked at.
func hasPort(pattern string) bool {
	depth := 0
	for i := range len(pattern) {
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ':' && depth == 0:
			return true
		}
	}
	return false
}

// splitOutside divides at a mark outside of braces.
func splitOutside(s string, mark byte) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth--
		case mark:
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

func labelExpression(b *strings.Builder, label string, named bool) (names []string, err error) {
	for i := 0; i < len(label); i++ {
		switch c := label[i]; {
		case c == '?':
			b.WriteString(`[^.:]`)
		case c == '*':
			b.WriteString(`[^.:]*`)
		case c == '{':
			end := bootconfig.Closing(label[i:])
			if end < 0 {
				return nil, fmt.Errorf("a brace is not closed")
			}
			name, expression, has := strings.Cut(label[i+1:i+end], ":")
			if name == "" {
				return nil, fmt.Errorf("a variable has no name")
			}
			if !has {
				expression = `[^.:]+`
			} else if expression, err = translateJava(ofHost, expression); err != nil {
				return nil, fmt.Errorf("variable %s: %w", name, err)
			}
			names = append(names, name)
			if named {
				b.WriteString("(?P<" + name + ">" + expression + ")")
			} else {
				b.WriteString("(?:" + expression + ")")
			}
			i += end
		case c == '-' || c == '_' || c == ':' || isWordByte(c) && c < 0x80:
			b.WriteByte(c)
		default:
			return nil, fmt.Errorf("%q is no byte of a host", c)
		}
	}
	return names, nil
}

// namedHosts are expressions for hosts without port, with groups of the names of variables; nil where there are none for one of the patterns.
func namedHosts(patterns []string) (out []string) {
	for _, p := range patterns {
		text, _, err := hostExpression(p, true)
		if err != nil || hasPort(p) {
			return nil
		}
		text = "(?i:" + text + ")"
		if _, err := regexp.Compile(text); err != nil {
			return nil
		}
		out = append(out, text)
	}
	return out
}
