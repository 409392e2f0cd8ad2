package springgw

import (
	"fmt"
	"strings"
	"testing"
)

func TestBadVersions(t *testing.T) {
	const header = "use.header: X-V"
	for _, c := range []struct{ settings, predicate, want string }{
		{header, "Version=latest", `"latest" is no version`},
		{header, "Version=1,2", "wants one version"},
		{header, "Version=99999999999", "is no version"},
		{"required: true", "Version=1", "reads no version of requests"},
		{header + ", default-version: x", "Version=1", "default-version"},
		{header + ", default-version: 1, required: true", "Version=1", "does not start"},
		{"use.path-segment: one", "Version=1", "no number of a segment"},
		{`use.media-type-parameter: {"[json]": v}`, "Version=1", "want one like application/json"},
	} {
		o := load(t, Config{}, fmt.Sprintf("spring.webflux.apiversion: {%s}\n%s", c.settings,
			routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['%s']}\n", c.predicate))))
		if !strings.Contains(fmt.Sprint(o.Diagnostics), c.want) || len(o.Routes) != 0 {
			t.Errorf("%v: %v %v", c, o.Routes, o.Diagnostics)
		}
	}
}

// TestBadVersionSettings: routes without the predicate do not go on without what Spring would refuse.
func TestBadVersionSettings(t *testing.T) {
	o := load(t, Config{}, "spring.webflux.apiversion: {use.header: X-V, default-version: x}\nspring.cloud.gateway.discovery.locator.enabled: true\n"+
		routes("      - {id: a, uri: 'lb://s', predicates: [Path=/a]}\n"))
	if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, "every route of the application answers 503") ||
		len(o.Routes) != 1 || !strings.Contains(fmt.Sprint(o.Routes[0].Action), "503") || len(o.Locators) != 0 {
		t.Errorf("%v %v %v", o.Routes, o.Locators, o.Diagnostics)
	}
}
