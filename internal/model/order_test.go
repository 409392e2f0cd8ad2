package model

import (
	"cmp"
	"fmt"
	"testing"
)

// TestRoutesHaveOneOrder compares three routes of every sort with each other. An order with a circle would have a table say one
// thing after an edit and another after a restart.
func TestRoutesHaveOneOrder(t *testing.T) {
	var routes []*Route
	for _, kind := range []PathKind{PathAny, PathExact, PathPrefix, PathStart, PathPattern, PathRegex} {
		for i, value := range []string{"/a", "/b", "/[a-c]", "/(a|b)", "/{x}/abc", "/*/bcd", "/abc", "/bcd", "/a", "/b"} {
			if kind == PathAny {
				value = ""
			}
			routes = append(routes, &Route{ID: RouteID(fmt.Sprint(kind, i)), Match: Match{Path: PathMatch{Kind: kind, Value: value, IgnoreCase: kind == PathRegex && i > 7}}})
		}
	}
	for _, a := range routes {
		for _, b := range routes {
			if ab, ba := CompareRoutes(a, b), CompareRoutes(b, a); ab != -ba || (ab == 0) != (a == b) {
				t.Fatalf("%s beside %s is %d, and %d the other way round", a.Match.Path, b.Match.Path, ab, ba)
			}
			for _, c := range routes {
				if CompareRoutes(a, b) < 0 && CompareRoutes(b, c) < 0 && CompareRoutes(a, c) >= 0 {
					t.Fatalf("%s comes before %s, which comes before %s, which does not come after the first", a.Match.Path, b.Match.Path, c.Match.Path)
				}
			}
		}
	}
}

// TestTextsOfOneLength wants expressions after what is fixed, and among themselves the greater text first.
func TestTextsOfOneLength(t *testing.T) {
	order := []PathMatch{{Kind: PathPrefix, Value: "/a"}, {Kind: PathStart, Value: "/b"}, {Kind: PathPrefix, Value: "/c"},
		{Kind: PathRegex, Value: "/d"}, {Kind: PathRegex, Value: "/b"}, {Kind: PathRegex, Value: "/a"}}
	for i, p := range order {
		for j, q := range order {
			if got := CompareRoutes(&Route{Match: Match{Path: p}}, &Route{Match: Match{Path: q}}); got != cmp.Compare(i, j) {
				t.Errorf("%s beside %s is %d, want %d", p, q, got, cmp.Compare(i, j))
			}
		}
	}
}
