package springgw

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestVersionExpression compares expressions with numbers.
func TestVersionExpression(t *testing.T) {
	numbers := []int64{0, 1, 9, 10, 199, 2147483647}
	var all []version
	for _, a := range numbers {
		for _, b := range numbers {
			for _, c := range numbers {
				all = append(all, version{a, b, c})
			}
		}
	}
	for _, want := range all {
		exact, later := regexp.MustCompile(`\A(?:`+want.expression(false)+`)\z`), regexp.MustCompile(`\A(?:`+want.expression(true)+`)\z`)
		for _, v := range all {
			forms := []string{fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])}
			if v[2] == 0 {
				forms = append(forms, fmt.Sprintf("v%02d.%d", v[0], v[1]))
			}
			if v[1] == 0 && v[2] == 0 {
				forms = append(forms, fmt.Sprint(v[0]))
			}
			order := slices.Compare(v[:], want[:])
			for _, text := range forms {
				if exact.MatchString(text) != (order == 0) || later.MatchString(text) != (order >= 0) {
					t.Fatalf("%s: %v is %v, %v+ is %v", text, want, exact.MatchString(text), want, later.MatchString(text))
				}
				if read, err := readVersion(text); err != nil || read != v {
					t.Fatalf("%s is read as %v: %v", text, read, err)
				}
			}
		}
	}
	every := regexp.MustCompile(`\A(?:` + version{}.expression(true) + `)\z`)
	for _, text := range []string{"", "v", "1a", "1.0a", "1.0.0a", "1.0.0.", "1.0.0-", "1..2", "1.2.3.4", "\u0661.2", "v\u06611"} {
		if _, err := readVersion(text); err == nil || every.MatchString(text) {
			t.Errorf("%q is a version", text)
		}
	}
}

func TestBadVersions(t *testing.T) {
	const header = "use.header: X-V"
	for _, c := range []struct{ settings, predicate, want string }{
		{header, "Version=latest", `"latest" is no version`},
		{header, "Version=1,2", "wants one version"},
		{header, "Version=99999999999", "32 bits"},
		{header + ", default-version: x", "Version=1", "default-version"},
		{header + ", use.query-parameter: v", "Version=1", "only one of them"},
		{"use.path-segment: 0", "Version=1", "path-segment is not supported"},
		{"required: true", "Version=1", "reads no version of requests"},
	} {
		o := load(t, Config{}, fmt.Sprintf("spring.webflux.apiversion: {%s}\n%s", c.settings,
			routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['%s']}\n", c.predicate))))
		if !strings.Contains(fmt.Sprint(o.Diagnostics), c.want) || len(o.Routes) != 0 {
			t.Errorf("%v: %v %v", c, o.Routes, o.Diagnostics)
		}
	}
}
