package springgw

import (
	"fmt"
	"strings"
	"testing"
)

func TestBasePath(t *testing.T) {
	const of = "      - {id: a, uri: 'lb://s', predicates: ['%s']}\n"
	for _, c := range []struct{ base, predicate, want string }{
		{"/app", "Path=/a/{x}", "/app/a/{x}"},
		{"app/", "Path=a/**", "/app/a/**"},
		{"/app", "Path=/**", "/app/**"},
		{"/app", "Method=GET", "/app"},
		{"/", "Path=/a", "/a"},
		{"/", "Method=GET", ""},
	} {
		o := load(t, Config{}, routes(fmt.Sprintf(of, c.predicate))+"\nspring.webflux.base-path: "+c.base+"\n")
		if len(o.Routes) != 1 || o.Routes[0].Match.Path.Value != c.want || len(o.Diagnostics) > 0 {
			t.Errorf("%+v: %+v %v", c, o.Routes, o.Diagnostics)
		}
	}
	for _, predicate := range []string{"Path=/a", "Method=GET"} {
		o := load(t, Config{}, routes(fmt.Sprintf(of, predicate))+"\nspring.webflux.base-path: /{tenant}\n")
		if len(o.Routes) != 0 || !strings.Contains(fmt.Sprint(o.Diagnostics), `spring.webflux.base-path "/{tenant}" is no path`) {
			t.Errorf("%s: %v %v", predicate, o.Routes, o.Diagnostics)
		}
	}
}

// TestLocatorsUsualFilters: filters that are not given take the service off the path wherever it stands.
func TestLocatorsUsualFilters(t *testing.T) {
	for more, want := range map[string]string{
		"": "[strip-prefix tell-origin]", "spring.webflux.base-path: /app": "[rewrite-path tell-origin]",
		"spring.cloud.gateway.discovery.locator.predicates: [{name: Path, args: {pattern: \"'/api/'+serviceId+'/**'\"}}]": "[rewrite-path tell-origin]",
	} {
		o := load(t, Config{}, "spring.cloud.gateway.discovery.locator.enabled: true\n"+more+"\n")
		var kinds []string
		for _, f := range o.Locators[0].Filters {
			kinds = append(kinds, f.Kind)
		}
		if fmt.Sprint(kinds) != want {
			t.Errorf("%s: %v, want %s: %v", more, kinds, want, o.Diagnostics)
		}
	}
}

// TestRulesOfSentinelAreMissed: who serves a file with rules is warned that nobody keeps them.
func TestRulesOfSentinelAreMissed(t *testing.T) {
	o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n")+"\nspring.cloud.sentinel.datasource.gw.file: {file: rules.json, rule-type: gw-flow}\n")
	if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].String(), "warning: unsupported") || !strings.Contains(o.Diagnostics[0].Message, "serve reads no rules") {
		t.Errorf("%v", o.Diagnostics)
	}
}
