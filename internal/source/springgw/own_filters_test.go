package springgw

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestOwnFilters reads them with what they bring along: secrets, and upstreams in the form of a uri.
func TestOwnFilters(t *testing.T) {
	o := load(t, Config{}, routes(`      - id: a
        uri: lb://order
        predicates: [Path=/a/**]
        filters: [StripPrefix=1]
        metadata:
          paifang-filters:
          - {kind: basic-auth, data: {auth: "ann:{PLAIN}secret"}, config: {realm: shop}}
          paifang-filters-behind:
          - kind: mirror
            upstreams: ["lb://shadow", "http://127.0.0.1:9", "lb:https://order", "lb://order"]
            config: {percent: 0.5, withoutBody: true}
`))
	if len(o.Diagnostics) != 0 || len(o.Routes) != 1 {
		t.Fatalf("%v", o.Diagnostics)
	}
	got := o.Routes[0].Filters
	if len(got) != 4 || got[0].Kind != "basic-auth" || got[1].Kind != "strip-prefix" || got[2].Kind != "tell-origin" || got[3].Kind != "mirror" {
		t.Fatalf("%+v", got)
	}
	if v, _ := got[0].Data.Get("auth"); v.Reveal() != "ann:{PLAIN}secret" || string(got[0].Config) != `{"realm":"shop"}` || strings.Contains(fmt.Sprint(o), "{PLAIN}") {
		t.Errorf("%+v", got[0])
	}
	const registry = "registry/public/DEFAULT_GROUP/"
	want := []model.UpstreamID{registry + "shadow", "static/127.0.0.1:9", "https/" + registry + "order", registry + "order"}
	if !reflect.DeepEqual(got[3].Upstreams, want) || string(got[3].Config) != `{"percent":0.5,"withoutBody":true}` {
		t.Errorf("%+v", got[2])
	}
	there := map[model.UpstreamID]bool{}
	for _, u := range o.Upstreams {
		there[u.ID] = true
	}
	for _, id := range want {
		if !there[id] {
			t.Errorf("there is no upstream %s: %v", id, there)
		}
	}
}

// TestBadOwnFilters: a route whose filters cannot be read lets nobody in.
func TestBadOwnFilters(t *testing.T) {
	for text, want := range map[string][2]string{
		"paifang-filters: []":                                                      {"metadata.paifang-filters", "want a list of 1 to 50"},
		"paifang-filters: {kind: a}":                                               {"metadata.paifang-filters", "want a list of 1 to 50"},
		"paifang-filters: 'kind: a'":                                               {"metadata.paifang-filters", "want a list of 1 to 50"},
		"paifang-filters: ''":                                                      {"metadata.paifang-filters", "has 0 documents"},
		"paifang-filters: '[{kind'":                                                {"metadata.paifang-filters", "is no list of filters"},
		"paifang-filters: [{knd: a}]":                                              {"metadata.paifang-filters[0].knd", `did you mean "kind"?`},
		"paifang-filters: [{kind: a, config: [1]}, {config: {a: b}}]":              {"metadata.paifang-filters[1].kind", "is missing"},
		"paifang-filters: [{kind: a, secret: s/t}]":                                {"metadata.paifang-filters[0].secret", "write its values below data"},
		"paifang-filters: [{kind: a, data: {auth: 1}}]":                            {"metadata.paifang-filters[0].data", "want text"},
		"paifang-filters-behind: [{kind: mirror, upstreams: ['ftp://x']}]":         {"metadata.paifang-filters-behind[0].upstreams[0]", "scheme ftp is not supported"},
		"paifang-filters: [{kind: mirror, upstreams: ['lb://me']}]":                {"metadata.paifang-filters[0].upstreams[0]", "is this gateway itself"},
		"paifang-filters: [" + strings.Repeat("{kind: a},", maxOwnFilters+1) + "]": {"metadata.paifang-filters", "want a list of 1 to 50"},
		"paifang-filters: '" + strings.Repeat("x", maxOwnText+1) + "'":             {"metadata.paifang-filters", "has 262145 bytes"},
	} {
		o := load(t, Config{Self: "me"}, routes("      - id: a\n        uri: lb://s\n        predicates: ['Path=/a']\n        metadata: {"+text+"}\n"))
		text = fmt.Sprintf("%.80s", text)
		if len(o.Diagnostics) != 1 || !strings.HasPrefix(o.Diagnostics[0].Field, want[0]) || o.Diagnostics[0].Origin.Line != 8 || !strings.Contains(o.Diagnostics[0].Message, want[1]) {
			t.Errorf("%s: %v, want %v", text, o.Diagnostics, want)
		}
		if len(o.Routes) != 1 || len(o.Routes[0].Filters) > 0 || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %+v", text, o.Routes)
		}
	}
}

// TestOwnFiltersOfAll are those of the gateway, and not of a route.
func TestOwnFiltersOfAll(t *testing.T) {
	const route = "      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], metadata: {paifang-filters: [{kind: respond}]}}\n"
	const locator = "spring.cloud.gateway.discovery.locator.enabled: true\n"
	o := load(t, Config{}, locator+"spring.cloud.gateway.paifang-filters: [{kind: basic-auth, data: {auth: secret}}]\n"+routes(route), // files add up
		"spring.cloud.gateway.paifang-filters-behind: [{kind: mirror, upstreams: ['lb://shadow']}]\n")
	if len(o.Diagnostics) != 0 || len(o.Routes) != 1 || len(o.Locators) != 1 {
		t.Fatalf("%v %v", o.Diagnostics, o.Locators)
	}
	for want, got := range map[string][]model.FilterSpec{"basic-auth respond mirror": o.Routes[0].Filters, "basic-auth strip-prefix tell-origin mirror": o.Locators[0].Filters} {
		var kinds []string
		for _, f := range got {
			kinds = append(kinds, f.Kind)
		}
		v, _ := got[0].Data.Get("auth")
		if strings.Join(kinds, " ") != want || v.Reveal() != "secret" || !reflect.DeepEqual(got[len(got)-1].Upstreams, []model.UpstreamID{"registry/public/DEFAULT_GROUP/shadow"}) {
			t.Errorf("%v, want %s", got, want)
		}
	}
	for text, want := range map[string][2]string{
		"spring.cloud.gateway.paifang-filters: [{knd: a}]":                                      {"paifang-filters[0].knd", `did you mean "kind"?`},
		"spring.cloud.gateway.paifang-filters-behind: [{kind: mirror, upstreams: ['lb://me']}]": {"paifang-filters-behind[0].upstreams[0]", "is this gateway itself"},
	} {
		o := load(t, Config{Self: "me"}, locator+text+"\n"+routes(route))
		if len(o.Diagnostics) != 1 || o.Diagnostics[0].Field != want[0] || !strings.Contains(o.Diagnostics[0].Message, want[1]) || o.Diagnostics[0].Origin.Line != 2 {
			t.Errorf("%s: %v", text, o.Diagnostics)
		}
		if len(o.Locators) != 0 || len(o.Routes) != 1 || len(o.Routes[0].Filters) > 0 || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %+v %v", text, o.Routes, o.Locators)
		}
	}
}

// TestOwnFiltersAreNotListed: the list of definitions that the actuator shows has no secrets.
func TestOwnFiltersAreNotListed(t *testing.T) {
	definitions, wrong := Judge(Config{}, `[{"id": "a", "uri": "no://op", "predicates": ["Path=/a"], "metadata": {"note": "n", "paifang-filters": "[{kind: basic-auth, data: {auth: secret}}]"}}]`,
		func(f model.FilterSpec) (model.Code, error) {
			if v, _ := f.Data.Get("auth"); v.Reveal() != "secret" {
				t.Errorf("%+v", f)
			}
			return "", nil
		})
	if len(wrong) != 0 || len(definitions) != 1 || string(definitions[0].Metadata) != `{"note":"n"}` {
		t.Errorf("%v %+v", wrong, definitions)
	}
}
