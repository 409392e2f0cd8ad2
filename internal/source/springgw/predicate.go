package springgw

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/document"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// condition is what the predicates of a route say together. A route serves every one of paths.
type condition struct {
	paths   []model.PathMatch // empty = any
	hosts   []model.Host
	match   model.Match // all but the path
	weights []weight

	notes         []fault      // what works, but not as somebody may expect
	hostsCovered  []model.Host // where no hosts are given: names that mean whatever a general pattern of hosts does; nil = any
	hostVariables []string     // names in patterns of hosts
	hostPatterns  []string     // where there are any
	hostNamed     []string     // expressions with groups of those names, for hosts; nil = there are none
}

// predicates are all that Spring has; those without a reader are not supported.
func predicates() map[string]func(*condition, *part) error {
	return map[string]func(*condition, *part) error{
		"Path": (*condition).path, "Host": (*condition).host, "Method": (*condition).method, "Header": (*condition).header, "Query": (*condition).query,
		"After": (*condition).after, "Before": (*condition).before, "Between": (*condition).between, "Cookie": (*condition).cookie,
		"RemoteAddr": (*condition).remoteAddr, "XForwardedRemoteAddr": (*condition).forwardedAddr, "Weight": (*condition).weight,
		"CloudFoundryRouteService": (*condition).cloudFoundry,
		"Version":                  (*condition).version, "ReadBody": nil,
	}
}

// instead says what to do in place of a predicate that is not supported.
func instead(predicate string) string {
	if predicate == "ReadBody" {
		return ": it is Java code; match a header or the path, or decide in the service"
	}
	return ""
}

// add reads one predicate into the condition.
func (c *condition) add(p *part) error {
	if p.fault != "" {
		return fmt.Errorf("%s", p.fault)
	}
	all := predicates()
	read, known := all[p.name]
	switch {
	case !known:
		return unknown("predicate", p.name, all)
	case read == nil:
		return fmt.Errorf("predicate %s is not supported%s", p.name, instead(p.name))
	}
	if err := read(c, p); err != nil {
		return fmt.Errorf("predicate %s: %w", p.name, err)
	}
	return nil
}

// gathered is that of the part, of whose notes care is taken.
func (c *condition) gathered(p *part, list string, apart ...string) (values []string, named map[string]string, err error) {
	values, named, notes, err := p.gathered("predicate", list, apart...)
	c.notes = append(c.notes, notes...)
	return values, named, err
}

// named is that of the part, without arguments of other names than these and others, which are warned of.
func (c *condition) named(p *part, names []string, others ...string) (values map[string]string, extra bool, err error) {
	values, extra, err = p.named(names...)
	c.notes = append(c.notes, p.drop("predicate", values, slices.Concat(names, others))...)
	return values, extra, err
}

// unknown names the nearest known word.
func unknown[V any](what, name string, known map[string]V) error {
	var names []string
	for n := range known {
		names = append(names, n)
	}
	if near := document.Nearest(name, names); near != "" {
		return fmt.Errorf("%q is no %s of Spring Cloud Gateway: did you mean %s?", name, what, near)
	}
	return fmt.Errorf("%s %q is not supported: it is none of Spring Cloud Gateway's own", what, name)
}

// javaText is an expression of Java's as the rest of the process reads it.
func javaText(java string) (string, error) {
	re, err := compileJava(java)
	if err != nil {
		return "", err
	}
	return re.String(), nil
}

// path reads patterns and the last flag, which says whether /a also matches /a/.
func (c *condition) path(p *part) error {
	values, named, err := c.gathered(p, "patterns", "matchTrailingSlash", "matchOptionalTrailingSeparator")
	if err != nil {
		return err
	}
	flag := named["matchtrailingslash"] + named["matchoptionaltrailingseparator"]
	if n := len(values); n > 0 && isFlag(values[n-1]) {
		values, flag = values[:n-1], values[n-1]
	}
	if len(values) == 0 {
		return fmt.Errorf("names no pattern")
	}
	if len(c.paths) > 0 {
		return fmt.Errorf("is given twice, and both would have to hold: not supported")
	}
	for _, v := range values {
		if v, err = p.around.based(v); err != nil {
			return err
		}
		java := v
		if v, err = snapshot.MapConstraints(v, javaText); err != nil {
			return fmt.Errorf("pattern %q: %w", java, err)
		}
		m := model.PathMatch{Kind: model.PathPattern, Value: v, Strict: strings.EqualFold(flag, "false")}
		if v == "/**" {
			m = model.PathMatch{Kind: model.PathPrefix, Value: "/"}
		}
		if _, err := snapshot.NewRoute(&model.Route{Match: model.Match{Path: m}}); err != nil {
			return fmt.Errorf("pattern %q: %w", v, err)
		}
		if i := strings.Index(v, "**"); i >= 0 && i != len(v)-2 {
			return fmt.Errorf("pattern %q: ** may only stand at the end", v)
		}
		if !slices.Contains(c.paths, m) {
			c.paths = append(c.paths, m)
		}
	}
	return nil
}

func isFlag(v string) bool { return strings.EqualFold(v, "true") || strings.EqualFold(v, "false") }

// host reads Ant patterns with the dot as separator. "**" stands for any number of labels, none included, so
// "**.shop.test" is shop.test too.
func (c *condition) host(p *part) error {
	values, _, err := c.gathered(p, "patterns")
	switch {
	case err != nil:
		return err
	case len(values) == 0:
		return fmt.Errorf("names no pattern")
	case len(c.hosts) > 0:
		return fmt.Errorf("is given twice, and both would have to hold: not supported")
	}
	for _, v := range values {
		h := model.Host(strings.ToLower(v))
		if h == "**" {
			c.hosts = []model.Host{""}
			return nil
		}
		if h.Validate() != nil {
			return c.hostExpressions(values)
		}
		c.hosts = append(c.hosts, h)
		if shape, fixed := h.Split(); shape == model.HostAnyMore {
			c.hosts = append(c.hosts, model.Host(fixed))
		}
	}
	slices.Sort(c.hosts)
	c.hosts = slices.Compact(c.hosts)
	return nil
}

func (c *condition) method(p *part) error {
	values, _, err := c.gathered(p, "methods")
	if err != nil {
		return err
	}
	var methods []string
	for _, v := range values {
		for i := range len(v) {
			if b := v[i] | 0x20; b < 'a' || b > 'z' {
				return fmt.Errorf("%q is no method", v)
			}
		}
		methods = append(methods, strings.ToUpper(v))
	}
	slices.Sort(methods)
	methods = slices.Compact(methods)
	switch {
	case len(methods) == 0:
		return fmt.Errorf("names no method")
	case len(c.match.Methods) > 0:
		return fmt.Errorf("is given twice, and both would have to hold: not supported")
	}
	c.match.Methods = methods
	return nil
}

// SupportedPredicates are the names of the predicates that have an effect, sorted.
func SupportedPredicates() []string { return supported(predicates()) }

func supported[F any](all map[string]func(*F, *part) error) []string {
	var out []string
	for name, read := range all {
		if read != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
