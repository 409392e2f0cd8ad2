package snapshot

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"paifang/internal/model"
)

// oddBraces are variables that are more than a name: the lookup without a thought knows few of them, which TestFindIsTheLinearSearch draws.
var oddBraces = regexp.MustCompile(`\{[^{}/]*[:{]|[^/]\{|\}[^/]`)

// FuzzFind makes routes of lines "KIND PATH" and compares the lookup of a path with the naive one. KIND is one of
// model's, in front of which a digit is the order of its rank; "Regex" and "regex" are a regular expression and one in any case, "pattern" is a
// strict pattern.
func FuzzFind(f *testing.F) {
	f.Add("Exact /a\nPrefix /\nPattern /{x}/b\nRegex /a+$\nregex /A\npattern /a/**/b", "/a")
	f.Add("Prefix /a/\nPrefix /a\nExact /a/\nPrefix //\nExact //", "/a/")
	f.Add("Pattern /**/a/**/b\nPattern /**/a?c*/**\nPattern /a/{*rest}\npattern /", "/x/a/y//b/")
	f.Add("1Prefix /\n0Exact /a/b\n2Pattern /a/*/c/\nPrefix /a/b/c\nPrefix /a/b\nPrefix /a", "/a/b/c/d")
	f.Fuzz(func(t *testing.T, lines, path string) {
		if !strings.HasPrefix(path, "/") || len(lines) > 2000 || len(path) > 200 {
			return
		}
		var routes []*Route
		for line := range strings.Lines(lines) {
			kind, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			m := model.Route{ID: model.RouteID(strconv.Itoa(len(routes)))}
			if kind != "" && kind[0] >= '0' && kind[0] <= '9' {
				m.Rank.Order, kind = int(kind[0]-'0'), kind[1:]
			}
			switch kind {
			case "regex":
				kind, m.Match.Path.IgnoreCase = "Regex", true
			case "pattern":
				kind, m.Match.Path.Strict = "Pattern", true
			}
			m.Match.Path.Kind, m.Match.Path.Value = model.PathKind(kind), value
			if m.Match.Validate() != nil || strings.HasPrefix(kind, "P") && oddBraces.MatchString(value) {
				continue
			}
			if r, err := NewRoute(&m); err == nil {
				routes = append(routes, r)
			}
		}
		hosts := map[model.Host][]*Route{"": routes}
		q := asked{method: "GET", path: path}
		want := naiveFind(hosts, model.HostOwns, "any.test", q)
		if got, _ := Find(site(hosts), model.HostOwns, "any.test", q); got.Route != want {
			t.Fatalf("%q is taken by %v, want %v", path, got.Route, want)
		}
		if want != nil {
			var c [MaxCaptures]Capture
			want.Captures(path, "", &c)
		}
	})
}
