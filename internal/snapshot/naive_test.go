package snapshot

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
)

// What follows is the lookup as one would write it without a thought for its cost: every route of every host, in the
// order of model.CompareRoutes. Paths are compared by regular expressions made of them.

// asked is a request of tests.
type asked struct {
	method, path string
	values       [3]map[string][]string // by Place
	peer         netip.Addr
	now          time.Time
	draw         int
}

func (r asked) LookupMethod() string { return r.method }
func (r asked) LookupPath() string   { return r.path }
func (r asked) LookupValue(in Place, name string, i int) (string, bool) {
	v := r.values[in][name]
	if i >= len(v) {
		return "", false
	}
	return v[i], true
}
func (r asked) LookupPeer() netip.Addr { return r.peer }
func (r asked) LookupForwarded(n int) netip.Addr {
	if list := r.values[InHeaders]["X-Forwarded-For"]; len(list) > 0 {
		return Forwarded(list[0], n)
	}
	return r.peer
}
func (r asked) LookupTime() time.Time { return r.now }
func (r asked) LookupDraw(group string) int {
	if group == "h" {
		return model.ShareWhole - 1 - r.draw
	}
	return r.draw
}

// naivePath tells whether a path is one that a match means.
func naivePath(p model.PathMatch, path string) bool {
	switch p.Kind {
	case model.PathAny:
		return true
	case model.PathExact:
		return path == p.Value
	case model.PathPrefix:
		v := strings.TrimSuffix(p.Value, "/")
		return v == "" || path == v || strings.HasPrefix(path, v+"/")
	case model.PathRegex:
		flags := ""
		if p.IgnoreCase {
			flags = "(?i)"
		}
		return regexp.MustCompile(flags + "^" + p.Value).MatchString(path)
	}
	path = regexp.MustCompile(";[^/]*").ReplaceAllString(path, "") // without parameters
	if path == "/" && p.Value != "/*" {
		path = "" // no segments
	}
	return naivePattern(p).MatchString(runes(path))
}

func naivePattern(p model.PathMatch) *regexp.Regexp {
	all := strings.Split(strings.TrimPrefix(p.Value, "/"), "/")
	if p.Value == "/" {
		all = nil
	}
	out, end := "", "/?"
	if p.Strict || len(all) == 0 {
		end = ""
	}
	for i, seg := range all {
		last := i == len(all)-1
		switch {
		case last && (seg == "**" || strings.HasPrefix(seg, "{*")):
			out, end = out+"(/.*)?", ""
		case seg == "**":
			out += "(/[^/]*)*"
		case strings.Contains(seg, "{x:"):
			before, rest, _ := strings.Cut(seg, "{x:")
			end := strings.LastIndexByte(rest, '}')
			out += "/" + before + "(?:" + rest[:end] + ")" + rest[end+1:]
		case strings.HasSuffix(seg, "a{x}"):
			out += "/a[^/]*"
		case last && seg == "*": // which may be empty
			out, end = out+"(/|/[^/]+"+end+")", ""
		case seg == "*" || strings.HasPrefix(seg, "{"):
			out += "/[^/]+"
		default:
			if last && seg == "" {
				end = ""
			}
			seg = regexp.QuoteMeta(runes(seg))
			out += "/" + strings.NewReplacer(`\*`, "[^/]*", `\?`, "[^/]").Replace(seg)
		}
	}
	return regexp.MustCompile("(?s)^" + out + end + "$")
}

// runes has a rune for each byte, so that a ? means a byte.
func runes(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteRune(rune(text[i]))
	}
	return b.String()
}

func naiveTakes(r *model.Route, q asked) bool {
	m := r.Match
	if !naivePath(m.Path, q.path) || len(m.Methods) > 0 && !slices.Contains(m.Methods, q.method) {
		return false
	}
	for in, fields := range [3][]model.FieldMatch{InHeaders: m.Headers, InQuery: m.Query, InCookies: m.Cookies} {
		for _, f := range fields {
			if f.OrAbsent && len(q.values[in][f.Name]) == 0 {
				continue
			}
			if !slices.ContainsFunc(q.values[in][f.Name], func(v string) bool {
				return f.Present || !f.Regex && v == f.Value || f.Regex && regexp.MustCompile("^("+f.Value+")$").MatchString(v)
			}) {
				return false
			}
		}
	}
	for _, a := range m.Addresses {
		from := q.peer.Unmap()
		if list := q.values[InHeaders]["X-Forwarded-For"]; a.Forwarded > 0 && len(list) > 0 {
			hops := strings.Split(list[0], ",")
			from, _ = netip.ParseAddr(strings.TrimSpace(hops[max(len(hops)-a.Forwarded, 0)]))
		}
		if !a.Ranges[0].Contains(from) {
			return false
		}
	}
	for _, v := range m.Versions {
		said := slices.Concat(q.values[InHeaders]["p"], q.values[InQuery]["q"])
		if len(said) == 0 && v.Default != "" {
			said = []string{v.Default}
		}
		if len(said) > 0 && said[0] != v.Is && (v.Is != "2+" || len(said[0]) == 1 && said[0] < "2") {
			return false
		}
	}
	for _, s := range m.Shares {
		if d := q.LookupDraw(s.Group); d < s.From || d >= s.Until {
			return false
		}
	}
	w := m.Time
	return (w.From.IsZero() || !q.now.Before(w.From)) && (w.Until.IsZero() || q.now.Before(w.Until))
}

// naiveTable returns the first of the routes of one host that takes a request.
func naiveTable(routes []*Route, q asked, onlyDefaults bool) *Route {
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b *Route) int { return model.CompareRoutes(a.Route, b.Route) })
	for _, r := range routes {
		if (r.Default || !onlyDefaults) && naiveTakes(r.Route, q) {
			return r
		}
	}
	return nil
}

// naiveFind goes through the hosts, the most specific first.
func naiveFind(hosts map[model.Host][]*Route, rule model.HostRule, name string, q asked) *Route {
	var order []model.Host
	for h := range hosts {
		if h.Matches(name) {
			order = append(order, h)
		}
	}
	slices.SortFunc(order, model.Host.Compare)
	var best *Route
	owned := false
	for _, h := range order {
		onlyDefaults := false
		if owned && rule == model.HostOwns {
			if h != "" || best != nil {
				continue
			}
			onlyDefaults = true
		}
		owned = true
		r := naiveTable(hosts[h], q, onlyDefaults)
		if r == nil {
			continue
		}
		switch {
		case best == nil:
			best = r
		case best.Default != r.Default:
			if best.Default {
				best = r
			}
		case r.Rank.Compare(best.Rank) < 0:
			best = r
		}
	}
	return best
}
