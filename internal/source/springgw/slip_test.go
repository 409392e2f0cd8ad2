package springgw

import (
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestSlips: what Spring would refuse to start with, and what would open a route that its author has guarded, is an error and no silence.
func TestSlips(t *testing.T) {
	const route = "      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], "
	for text, want := range map[string]struct {
		field, message string
		refused        bool
	}{
		routes(route + "enabled: flase}\n"):                                                    {"enabled", `"flase" is neither true nor false`, true},
		routes(route + "enabled: [a]}\n"):                                                      {"enabled", "is neither true nor false", true},
		routes(route + "metadata: {paifang-filter: [{kind: jwt}]}}\n"):                         {"metadata.paifang-filter", "did you mean paifang-filters?", true},
		routes(route + "metadata: {lanesheader: X}}\n"):                                        {"metadata.lanesheader", "did you mean lane-header?", true},
		routes(route + "metadata: {respons-timeout: 5}}\n"):                                    {"metadata.respons-timeout", "did you mean response-timeout?", true},
		"spring.cloud.gateway.enabled: tru\n" + routes(route+"order: 1}\n"):                    {"enabled", `"tru" is neither true nor false`, false},
		"spring.cloud.gateway.discovery.locator.enabled: yess\n" + routes(route+"order: 1}\n"): {"discovery.locator.enabled", "counts as false", false},
		routes("      - id: a\n        uri: lb://s\n        predicates: ['Path=/a']\n        filters: [SetStatus=403]\n        filters: [StripPrefix=1]\n"): {"filters", "is given twice", false},
	} {
		o := load(t, Config{}, text)
		if len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Error || o.Diagnostics[0].Field != want.field || !strings.Contains(o.Diagnostics[0].Message, want.message) {
			t.Errorf("%s: %v", text, o.Diagnostics)
		}
		if len(o.Routes) != 1 {
			t.Fatalf("%s: %d routes", text, len(o.Routes))
		}
		if _, forwards := o.Routes[0].Action.(model.Forward); forwards == want.refused {
			t.Errorf("%s: %+v", text, o.Routes[0].Action)
		}
	}
	for text, want := range map[string]string{
		"discovery.locater.enabled: true":                                                "discovery.locater",
		"discovery.enabled: true":                                                        "discovery.enabled",
		"discovery.locator.enable: true":                                                 "discovery.locator.enable",
		"server.webflux.globalcors.cors-configuration.[/**].allowed-origins: a":          "server.webflux.globalcors.cors-configuration",
		"filter.local-response-cache.ttl: 5s":                                            "filter.local-response-cache.ttl",
		"globalcors.corsConfigurations.[/**].allowedOrigins: 'http://a.test'":            "",
		"discovery.locator: {enabled: false, includeExpression: 'true'}":                 "",
		"filter.local-response-cache.request.no-cache-strategy: skip-update-cache-entry": "",
	} {
		o := load(t, Config{}, "spring.cloud.gateway."+text+"\n"+routes(route+"order: 1}\n"))
		switch {
		case want == "" && len(o.Diagnostics) == 0:
		case want == "" || len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Warning || o.Diagnostics[0].Field != "spring.cloud.gateway."+want || o.Diagnostics[0].Origin.Line != 1:
			t.Errorf("%s: %v", text, o.Diagnostics)
		}
	}
	// Nothing at all is the default, and what is nobody's key may stand there.
	o := load(t, Config{}, routes(route+"enabled: , metadata: {owner: x, request-id: y, region: z}}\n"))
	if len(o.Diagnostics) != 0 || len(o.Routes) != 1 {
		t.Errorf("%v, %d routes", o.Diagnostics, len(o.Routes))
	}
}
