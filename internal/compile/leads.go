package compile

import (
	"fmt"
	"slices"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// leads says of paths that filters have requests looked up again with where they lead to no route, or back to their own. It looks
// at the groups whose routes are new, and at those that lead to what a changed route takes; at all of them where what is not a route
// decides. A circle of several routes is not told: two services that stand in for each other are one, and the engine bounds it.
func (c *compiler) leads(all bool) {
	groups := c.anew
	for path, leading := range c.leading.Map().All() {
		if all || c.changes(path) {
			for key := range leading.All() {
				groups[key] = true
			}
		}
	}
	found := finds{}
	for key := range groups {
		var ds []model.Diagnostic
		routes, _ := c.routed.Get(key)
		for _, r := range routes {
			for _, p := range r.Paths {
				if message := c.lead(r, p.Path, found); message != "" && r.Reject == "" {
					ds = append(ds, model.Diagnostic{Origin: r.Origin, Field: fmt.Sprintf("filters[%d]", p.At), Severity: model.Warning, Code: model.CodeFilterDoubtful,
						Message: "filter " + r.Filters[p.At].Kind + ": " + message})
				}
			}
		}
		c.say("leads "+key, ds)
	}
}

// changes tells whether a route that came or went may take a path.
func (c *compiler) changes(path string) bool {
	for _, changed := range [...]map[place][]*snapshot.Route{c.added, c.removed} {
		for _, routes := range changed {
			if slices.ContainsFunc(routes, func(r *snapshot.Route) bool { return r.Fits(path) }) {
				return true
			}
		}
	}
	return false
}

// finds are the routes that may take a path, of which most routes have the same few.
type finds map[sought]*snapshot.Route

type sought struct {
	place
	rule model.HostRule
	path string
}

// lead says what is wrong with where a route's requests for a path go; "" where nothing is, or it depends on the request.
func (c *compiler) lead(r *snapshot.Route, path string, found finds) string {
	for _, class := range r.Attach {
		site := c.next.Sites[class]
		for _, host := range r.EffectiveHosts() {
			for _, rule := range c.hostRules(class) {
				at := sought{place{class, host}, rule, path}
				to, known := found[at]
				if !known && site != nil {
					f, _ := snapshot.FindPath(site, rule, nameOf(host), path)
					to = f.Route
					found[at] = to
				}
				switch {
				case to == nil:
					return fmt.Sprintf("requests for host %s go on to %s, which no route takes: they are answered 404 there. Write a route for it%s", snapshot.HostText(host), path, c.unlisted(class))
				case to == r && asksNothing(r):
					return fmt.Sprintf("requests for host %s go on to %s, which this same route takes: they come here again and again, until they fail. Name a path of another route", snapshot.HostText(host), path)
				}
			}
		}
	}
	return ""
}

// asksNothing tells whether a route takes a request again that it has taken once, whatever its filters have made of it.
func asksNothing(r *snapshot.Route) bool {
	m := &r.Match
	return len(m.Headers)+len(m.Query)+len(m.Cookies)+len(m.Versions) == 0
}

// hostRules are those of a class's listeners.
func (c *compiler) hostRules(class model.Class) []model.HostRule {
	var out []model.HostRule
	for i := range c.next.Declared {
		if l := &c.next.Declared[i]; l.EffectiveClass() == class && !slices.Contains(out, l.HostRule) {
			out = append(out, l.HostRule)
		}
	}
	if len(out) == 0 {
		out = append(out, model.HostOwns)
	}
	return out
}

// unlisted tells of who may make a route later.
func (c *compiler) unlisted(class model.Class) string {
	for i := range c.next.Kept.Locators {
		if l := &c.next.Kept.Locators[i]; slices.Contains(l.Attach, class) {
			return fmt.Sprintf(", if none is made by %s for a service that is not listed yet", l.Origin)
		}
	}
	return ""
}

// nameOf is a name that a host means and that no more specific one does.
func nameOf(h model.Host) string {
	switch shape, fixed := h.Split(); shape {
	case model.HostOneMore:
		return "*." + fixed
	case model.HostAnyMore:
		return "*.*." + fixed
	default:
		return fixed
	}
}

// normal are paths as they are looked up.
func normal(paths []model.FilterPath) []model.FilterPath {
	var out []model.FilterPath
	var q http1.Request
	for _, p := range paths {
		if q.SetPath(p.Path) == nil { // of another one it is known that it is none
			out = append(out, model.FilterPath{At: p.At, Path: strings.Clone(q.Path)})
		}
	}
	return out
}
