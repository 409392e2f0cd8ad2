package springgw

import (
	"strings"
	"testing"
)

// What is fixed at the end of a pattern is what its hosts are found by; that they mean all that it does is seen in TestHostPatterns.
func TestHostsCovering(t *testing.T) {
	for pattern, want := range map[string]string{
		"{sub}.shop.test":        "**.shop.test",
		"api-*.Shop.test:8080":   "**.shop.test",
		"{a}.{b:[a-z.]+}.x.test": "**.x.test",
		"**.{b}.x.test":          "**.x.test",
		"**.a.test:8080":         "**.a.test a.test",
		"a.test:8080":            "a.test",
		"a.**.test":              "**.test",
		"a.*":                    "",
		"{sub}":                  "",
		"**":                     "",
	} {
		hosts := hostsCovering([]string{pattern})
		var got []string
		for _, h := range hosts {
			got = append(got, string(h))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is covered by %q, want %s", pattern, got, want)
		}
	}
	if got := hostsCovering([]string{"a.test", "{sub}"}); got != nil {
		t.Errorf("%v cover any label", got)
	}
}
