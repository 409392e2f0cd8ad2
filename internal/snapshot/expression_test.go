package snapshot

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

func regex(t testing.TB, text string, anyCase bool) *Route {
	t.Helper()
	r, err := NewRoute(&model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: model.PathRegex, Value: text, IgnoreCase: anyCase}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestExpressions(t *testing.T) {
	for _, c := range []struct {
		text    string
		anyCase bool
		path    string
		fits    bool
		want    []Capture
	}{
		{`/a`, false, "/abc", true, nil}, // it begins there and ends anywhere
		{`/a`, false, "/b/a", false, nil},
		{`/a$`, false, "/abc", false, nil},
		{`/A(.*)`, true, "/aBc", true, []Capture{{"1", "Bc"}}},
		{`/A(.*)`, false, "/abc", false, nil},
		{`/(?P<kind>a|b)/(\d+)(x)?`, false, "/b/42", true, []Capture{{"kind", "b"}, {"2", "42"}, {"3", ""}}},
		{`/a|/b`, false, "/x/b", true, nil}, // "^" belongs to the first alternative, as in nginx
		{`/kiosk`, true, "/\u212aio\u017f\u212a", true, nil},
		{`/kiosk`, true, "/KIOSK", true, nil},
		{`/straße/(.+)`, true, "/STRA%C3%9FE/%C3%A9", true, []Capture{{"1", "%C3%A9"}}}, // a path has no letters beyond ASCII
		{`/下+载/(上|下|a b)/(.*)`, false, "/%E4%B8%8B%E4%B8%8B%E8%BD%BD/%E4%B8%8A/x", true, []Capture{{"1", "%E4%B8%8A"}, {"2", "x"}}},
		{`/下+载/(上|下|a b)/(.*)`, false, "/%E4%B8%8B%E8%BD%BD/a%20b/", true, []Capture{{"1", "a%20b"}, {"2", ""}}},
		{`/[a-c 下]/(?<all>[^/]+)`, false, "/%E4%B8%8B/%C3%A9", true, []Capture{{"all", "%C3%A9"}}},
		{`/[a-c 下]$`, false, "/d", false, nil},
		{`/(?i:order)/x`, false, "/Order/x", true, nil},
		{`/order/(?i)x`, false, "/order/X", true, nil},
		{`/order/(?i)x`, false, "/Order/X", false, nil},
		{`/`, true, "/", true, nil},
		{`/(?!api)(.*)`, true, "/shop", true, []Capture{{"1", "shop"}}},
		{`/(?!api)(.*)`, true, "/API/x", false, nil},
		{`/(?!api|static/)`, false, "/static", true, nil},
		{`/(?!api|static/)`, false, "/static/x", false, nil},
		{`/v1\.0/(?=.*\.png$)(?!private)`, false, "/v1.0/a.png", true, nil},
		{`/v1\.0/(?=.*\.png$)(?!private)`, false, "/v1.0/a.gif", false, nil},
		{`/v1\.0/(?=.*\.png$)(?!private)`, false, "/v1.0/private/a.png", false, nil},
		{`/(?!.*[)(]).*`, false, "/a", true, nil},
		{`/(?!.*[)(]).*`, false, "/a(b", false, nil},
	} {
		r := regex(t, c.text, c.anyCase)
		if got := r.Fits(c.path); got != c.fits {
			t.Errorf("%s fits %s: %v", c.text, c.path, got)
			continue
		}
		var got [MaxCaptures]Capture
		if n := r.Captures(c.path, "", &got); c.fits && !slices.Equal(got[:n], c.want) {
			t.Errorf("%s captures %v of %s, want %v", c.text, got[:n], c.path, c.want)
		}
	}
	for text, why := range map[string]string{
		`/(`: "missing closing )", `/a*(?=x)`: "unsupported", `/(?!(x))`: "unsupported", `/a(?!b)|/c`: "unsupported", `/(a)\1`: "invalid escape", `/` + strings.Repeat("(a)", 9): "9 groups: at most 8",
		`/` + strings.Repeat("a", 1000): "at most 1000", `/(a{1000}){1000}`: "invalid repeat count",
	} {
		_, err := NewRoute(&model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: model.PathRegex, Value: text}}})
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.20s: %v, want %s", text, err, why)
		}
	}
}

// What stands before the first variable part of an expression spares most paths the expression.
func TestExpressionsBegin(t *testing.T) {
	for _, c := range []struct {
		text          string
		anyCase       bool
		plain, inTree string
	}{
		{`/api/v1/user-(.*)`, false, "/api/v1/user-", "/api/v1"},
		{`/api/v1`, false, "/api/v1", "/api"},
		{`/API/v1`, true, "/api/v1", ""},
		{`/a/sk`, true, "/a/", ""},
		{`/a/b?`, false, "/a/", "/a"},
		{`/a|/b`, false, "", ""},
		{`(/a)`, false, "", ""},
	} {
		x := regex(t, c.text, c.anyCase)
		if x.regex.plain != c.plain || x.head != c.inTree {
			t.Errorf("%s begins with %q, in the tree %q; want %q and %q", c.text, x.regex.plain, x.head, c.plain, c.inTree)
		}
	}
}

// TestCoverOfExpressions: the place of an expression that cannot be used is kept, for every path that it could mean.
func TestCoverOfExpressions(t *testing.T) {
	for _, c := range []struct {
		text, fits, not string
	}{
		{`/admin/.*(?!public)x`, "/admin/yx", "/other"},
		{`/(?:(?!api).)*/x`, "/shop/x", "/shop/y"},
		{`/a.*(?<=secret)`, "/a/secret", "/b/secret"},
		{`/(\w+)/\1`, "/a/b", "/-/b"},
		{`/(\w+)/\1{2}x`, "/a/x", "/a"},
		{`/(?<n>a)\k<n>/x`, "/aa/x", "/b"},
		{`/(?>a+)b++c`, "/aabc", "/ac"},
		{`/(a)?(?(1)b|c)`, "/x", "x"},
		{`/(a(?1)?b)c`, "/aabbc", "/bc"},
		{`/x\Kyz`, "/xyz", "/y"},
		{`/admin(`, "/admin/x", "/x"},
		{`/admins?(`, "/admin", "/x"},
		{`/a+++(`, "/ab", "a"},
		{`/admin(|/b`, "/b", ""},
		{`/api/` + strings.Repeat("a", 1000), "/api/" + strings.Repeat("a", 1001), "/api/b"},
		{`/` + strings.Repeat("(a)", 9), "/aaaaaaaaa", "/b"},
		{`/[(?!]x(?<!y)`, "/!x", "/x"},
	} {
		r, err := NewRoute(&model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: model.PathRegex, Value: c.text}}})
		if err == nil || r == nil {
			t.Errorf("%.40s: %v, in place %v", c.text, err, r != nil)
			continue
		}
		if !r.Fits(c.fits) || c.not != "" && r.Fits(c.not) {
			t.Errorf("%.40s: covers %.20s %v, %s %v; it is %.60s", c.text, c.fits, r.Fits(c.fits), c.not, r.Fits(c.not), r.regex.re)
		}
		var none [MaxCaptures]Capture
		if n := r.Captures(c.fits, "", &none); n != 0 {
			t.Errorf("%.40s: %d groups", c.text, n)
		}
	}
}
