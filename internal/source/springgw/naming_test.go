package springgw

import (
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestNaming has the targets that requests may name as they are declared.
func TestNaming(t *testing.T) {
	forward := func(c Config, text string) (model.Forward, model.Objects) {
		t.Helper()
		o := load(t, c, routes(text))
		for _, r := range o.Routes {
			if f, ok := r.Action.(model.Forward); ok && f.Naming != nil {
				return f, o
			}
		}
		t.Fatalf("no route lets requests name a target: %+v", o)
		return model.Forward{}, o
	}
	uris := func(f model.Forward) string {
		var out []string
		for _, x := range f.Targets {
			out = append(out, string(x.Upstream)+" "+strings.Join(x.URIs, " ")+" "+string(x.Host)+x.HostName)
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	f, o := forward(Config{RequestURIs: []string{"https://far.test"}, Self: "gw"}, `      - {id: a, uri: 'http://own.test:80', predicates: ['Path=/a'], filters: ['RequestHeaderToRequestUri=X-To'], metadata: {request-uris: ['http://b.test:8080/ignored', 'lb://order']}}
      - {id: b, uri: 'lb://pay', predicates: ['Path=/b']}
      - {id: c, uri: 'lb://gw', predicates: ['Path=/c']}
`)
	want := "https/static/far.test:443 https://far.test literalfar.test, registry/public/DEFAULT_GROUP/order lb://order endpoint, static/b.test:8080 http://b.test:8080 literalb.test:8080, static/own.test:80 http://own.test literalown.test"
	if uris(f) != want || f.Naming.Header != "X-To" || f.Targets[0].Weight != 1 || f.Host != model.HostLiteral || f.HostName != "own.test" {
		t.Errorf("%s\nwant %s\n%+v", uris(f), want, f)
	}
	for _, d := range o.Diagnostics {
		if d.Severity > model.Info && d.Code != model.CodeLoop {
			t.Error(d)
		}
	}
	f, o = forward(Config{Self: "gw"}, `      - {id: a, uri: 'no://op', predicates: ['Path=/{s}', 'Host={t}.a.test,{t}.b.test'], filters: [PreserveHostHeader, 'SetRequestUri=lb://{s}/{t}']}
      - {id: b, uri: 'lb://pay', predicates: ['Path=/b']}
      - {id: c, uri: 'lb://gw', predicates: ['Path=/c']}
`)
	if uris(f) != "registry/public/DEFAULT_GROUP/pay lb://pay " || len(f.Naming.Hosts) != 2 || f.Host != model.HostKeep {
		t.Errorf("%s: %+v %+v", uris(f), f, f.Naming)
	}
	for _, r := range o.Routes {
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
	}
	if _, o = forward(Config{}, "      - {id: a, uri: 'lb://pay', predicates: ['Path=/a'], filters: ['RequestHeaderToRequestUri=X-To']}\n"); !slices.ContainsFunc(o.Diagnostics, func(d model.Diagnostic) bool {
		return d.Severity == model.Warning && d.Field == "metadata.request-uris"
	}) {
		t.Errorf("that nothing may be named is not said: %v", o.Diagnostics)
	}
}

// TestBadNaming: a route that cannot say where its requests may go answers 503.
func TestBadNaming(t *testing.T) {
	for route, want := range map[string]string{
		"uri: 'no://op', filters: ['RequestHeaderToRequestUri=X-To']":                                                                "no URI is declared",
		"uri: 'lb://a', filters: ['SetRequestUri=lb://{x}']":                                                                         "{x} is no variable",
		"uri: 'lb://a', filters: ['SetRequestUri=']":                                                                                 "template is missing",
		"uri: 'lb://a', filters: ['SetRequestUri=http://a.test/{s}', 'RequestHeaderToRequestUri=X-To']":                              "beside another filter",
		"uri: 'lb://a', filters: ['SetRequestUri=ftp://a.test']":                                                                     "scheme ftp is not supported",
		"uri: 'forward:/x', filters: ['SetRequestUri=http://a.test']":                                                                "is not supported",
		"uri: 'lb://a', filters: ['SetRequestUri=lb://{s}'], metadata: {request-uris: 'lb://gw'}":                                    "this gateway itself",
		"uri: 'lb://a', filters: ['SetRequestUri=lb://{s}'], metadata: {lanes: [{name: v2, instances: {v: 2}, when: [{query: x}]}]}": "metadata lanes is not supported",
	} {
		o := load(t, Config{Self: "gw"}, routes("      - {id: a, predicates: ['Path=/{s}'], "+route+"}\n"))
		found := slices.ContainsFunc(o.Diagnostics, func(d model.Diagnostic) bool {
			return d.Severity == model.Error && strings.Contains(d.Message, want) && strings.Contains(d.Message, "503")
		})
		if !found || len(o.Routes) != 1 || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %v\n%+v", route, o.Diagnostics, o.Routes)
		}
	}
	o := load(t, Config{}, "spring.cloud.gateway.discovery.locator: {enabled: true, filters: [\"'SetRequestUri=http://a.test'\"]}\n")
	if len(o.Locators) != 0 {
		t.Errorf("%+v", o.Locators)
	}
}

// TestNamingFollowsServices: what a template of services may name follows from other routes, and those are not translated again.
func TestNamingFollowsServices(t *testing.T) {
	const base = "    - {id: a, uri: 'no://op', predicates: ['Path=/{s}'], filters: ['SetRequestUri=lb://{s}'], metadata: {request-uris: 'http://127.0.0.1:1'}}\n    - {id: b, uri: 'lb://pay', predicates: ['Path=/b/c']}\n"
	text := func(more string) string { return "spring:\n  cloud.gateway:\n    routes:\n" + base + more }
	take, _ := follower(t, false)
	take(text(""))
	u := take(text("    - {id: c, uri: 'lb://order', predicates: ['Path=/c/c']}\n"))
	var got []string
	for _, g := range u.Groups {
		for _, r := range g.Objects.Routes {
			got = append(got, r.Origin.Name)
			if f := r.Action.(model.Forward); r.Origin.Name == "a" && len(f.Targets) != 3 {
				t.Errorf("%+v", f)
			}
		}
	}
	if strings.Join(got, " ") != "a c" {
		t.Errorf("sent %v, want a and c", got)
	}
	if u = take(text("    - {id: c, uri: 'lb://order', predicates: ['Path=/c/d']}\n")); len(u.Groups) != 1 {
		t.Errorf("%d groups for a route that leads where it did", len(u.Groups))
	}
}
