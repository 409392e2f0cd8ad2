package springgw

import (
	"errors"
	"fmt"
	"strings"

	"paifang/internal/model"
)

func (c *condition) header(p *part) error {
	m, err := c.field(p, "header")
	if err == nil {
		c.match.Headers = append(c.match.Headers, m)
	}
	return err
}

func (c *condition) query(p *part) error {
	m, err := c.field(p, "param", "predicate")
	if err == nil {
		c.match.Query = append(c.match.Query, m)
	}
	return err
}

func (c *condition) cookie(p *part) error {
	m, err := c.field(p, "name")
	switch {
	case err != nil:
		return err
	case m.Present && len(p.words) < 2 && p.args == nil:
		return errors.New("wants a name and an expression")
	}
	c.match.Cookies = append(c.match.Cookies, m)
	return nil
}

// cloudFoundry asks for the headers that Cloud Foundry sends to a route service.
func (c *condition) cloudFoundry(*part) error {
	for _, name := range []string{"X-CF-Forwarded-Url", "X-CF-Proxy-Signature", "X-CF-Proxy-Metadata"} {
		c.match.Headers = append(c.match.Headers, model.FieldMatch{Name: name, Present: true})
	}
	return nil
}

// field reads a name and, if given, an expression for the whole value.
func (c *condition) field(p *part, name string, others ...string) (model.FieldMatch, error) {
	values, extra, err := c.named(p, []string{name, "regexp"}, others...)
	m := model.FieldMatch{Name: values[name], Present: true}
	expression := values["regexp"]
	switch {
	case err != nil:
		return m, err
	case values["predicate"] != "":
		return m, errors.New("a predicate in Java is not supported: give an expression")
	case extra:
		return m, errors.New("has more than a name and a value: a comma always divides arguments, so an expression with one is written in the long form, with name and args")
	case m.Name == "":
		return m, fmt.Errorf("names no %s", name)
	case expression == "" || expression == ".*" && name != "param": // a parameter may have what a dot is not
		return m, nil
	}
	m.Present = false
	if literal, ok := literalOf(expression); ok {
		m.Value = literal
		return m, nil
	}
	re, err := compileJava(expression)
	if err != nil {
		return m, fmt.Errorf("regexp %q: %w", expression, err)
	}
	m.Regex, m.Value = true, re.String()
	return m, nil
}

// literalOf returns the one text that a regular expression matches: that is compared faster, and found by an index.
func literalOf(expression string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; {
		case c == '\\':
			if i++; i == len(expression) || isWordByte(expression[i]) {
				return "", false
			}
			b.WriteByte(expression[i])
		case strings.IndexByte(`.^$|?*+()[]{}`, c) >= 0:
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}
