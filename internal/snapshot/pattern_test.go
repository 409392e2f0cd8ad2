package snapshot

import (
	"strings"
	"testing"
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
