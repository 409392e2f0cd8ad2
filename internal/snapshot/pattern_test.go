package snapshot

import (
	"fmt"
	"strings"
	"testing"

	"paifang/internal/http1"
	"paifang/internal/model"
)

// TestSegmentsOfPatterns compares segments whose variables have expressions, or text beside them.
func TestSegmentsOfPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, path, want string }{
		{"/a/{id:\\d+}", "/a/12", "id=12"},
		{"/a/{id:\\d+}", "/a/1b", "no"},
		{"/a/{id:\\d*}", "/a/", "no"},
		{"/a/{id:\\d{2}}/c", "/a/12/c", "id=12"},
		{"/{v:v[0-9]+}/{*rest}", "/v1/a/b", "v=v1 rest=/a/b"},
		{"/{v:v[0-9]+}/**", "/w1/a/b", "no"},
		{"/{v:a|b}", "/b", "v=b"},
		{"/{v:a|b}", "/bc", "no"},
		{"/{a}.json", "/x.json", "a=x"},
		{"/{a}.json", "/xajson", "no"},
		{"/{a}-{b}", "/1-2-3", "a=1-2 b=3"},
		{"/v{a:\\d}?*", "/v1xyz", "a=1"},
		{"/v{a:\\d}?*", "/v1", "no"},
		{"/{a: }.x/b", "/%20.x/b", "a=%20"},
		{"/{a:é}", "/%C3%A9", "a=%C3%A9"},
		{"/**/b/{c", "", "refused"}, {"/a}", "", "refused"}, {"/{}", "", "refused"}, {"/{:a}", "", "refused"}, {"/{a:}", "", "refused"},
		{"/{a:(b)}", "", "refused"}, {"/{a:(}", "", "refused"}, {"/{a:b)(?:c}", "", "refused"}, {"/{*a}/b", "", "refused"}, {"/**/{a:b}/c", "", "refused"}, {"/{a:b/c}", "", "refused"}, {"/{a}{b}", "", "refused"},
	} {
		p, err := parsePattern(c.pattern, false)
		got := "refused"
		if err == nil {
			got = "no"
			if p.matches(c.path) {
				var all [MaxCaptures]Capture
				var text []string
				for _, v := range all[:p.captures(c.path, &all)] {
					text = append(text, v.Name+"="+v.Value)
				}
				got = strings.Join(text, " ")
			}
		}
		if got != c.want {
			t.Errorf("%s for %q: %s (%v), want %s", c.pattern, c.path, got, err, c.want)
		}
	}
}

// TestTextOfPatterns: text is compared in the normal form of paths, whoever wrote it how, and parameters of segments are passed over.
func TestTextOfPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, path, want string }{
		{"/订单/**", "/%e8%ae%a2%e5%8d%95/1", "yes"}, {"/订单/**", "/%E8%AE%A2/1", "no"}, {"/订*", "/%E8%AE%A2%E5%8D%95", "yes"},
		{"/a b/{x}", "/a%20b/c", "yes x=c"}, {"/a%20b/c", "/a%20b/c", "yes"}, {"/a%3fb", "/a%3Fb", "yes"},
		{"/@admin/**", "/%40admin/x", "yes"}, {"/a!b", "/a%21b", "yes"}, {"/a;b", "/a%3Bb", "no"},
		{"/admin/**", "/admin;a=1/x", "yes"}, {"/admin/**", "/admin;/x", "yes"}, {"/admin/**", "/admin;", "yes"}, {"/admin/**", "/adminx;/x", "no"},
		{"/x/{a}/secret", "/x/1/secret;a", "yes a=1"}, {"/x/{a}/secret", "/x/1;v=2/secret;a/", "yes a=1"}, {"/order", "/order;jsessionid=1", "yes"},
		{"/x/{*rest}", "/x;a/b;c=d/e", "yes rest=/b/e"}, {"/{a}", "/;a", "no"}, {"/{v:v[0-9]+}/b", "/v1;x/b", "yes v=v1"}, {"/{a}-{b}", "/1-2;c-d", "yes a=1 b=2"},
		{"/a?c", "/abc;d", "yes"}, {"/a*", "/a;b", "yes"}, {"/a%3Bb", "/a%3Bb", "yes"},
	} {
		path, err := http1.NormalPath(c.path)
		if err != nil {
			t.Fatal(err)
		}
		var routes []*Route
		// Beside enough others the tree branches.
		for i, p := range append([]string{c.pattern}, "/1", "/2", "/3", "/4", "/5", "/6") {
			routes = append(routes, route(t, fmt.Sprint("r", i), model.PathPattern, p))
		}
		got := "no"
		f := newFinder(request{path: path})
		f.table(table("shop.test", routes...))
		if f.found != nil {
			got = "yes"
			var all [MaxCaptures]Capture
			for _, v := range all[:f.found.Captures(path, "", &all)] {
				got += " " + v.Name + "=" + v.Value
			}
		}
		if fits := routes[0].Fits(path); got != c.want || fits != (c.want != "no") {
			t.Errorf("%s for %s: %s, fits %t, want %s", c.pattern, c.path, got, fits, c.want)
		}
	}
}
