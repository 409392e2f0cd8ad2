package springgw

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
)

// load writes files into a directory, loads it and returns all objects, with file names relative to the directory.
func load(t *testing.T, c Config, files ...string) model.Objects {
	t.Helper()
	dir := t.TempDir()
	for i, text := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", i+1)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Paths = []string{dir}
	groups, err := Load(c)
	if err != nil {
		t.Fatal(err)
	}
	return merged(groups, dir)
}

func merged(groups []source.Group, dir string) model.Objects {
	var all model.Objects
	for _, g := range groups {
		all.Routes = append(all.Routes, g.Objects.Routes...)
		all.Upstreams = append(all.Upstreams, g.Objects.Upstreams...)
		all.Endpoints = append(all.Endpoints, g.Objects.Endpoints...)
		all.Locators = append(all.Locators, g.Objects.Locators...)
		all.Diagnostics = append(all.Diagnostics, g.Objects.Diagnostics...)
	}
	for i := range all.Routes {
		all.Routes[i].Origin.File = strings.TrimPrefix(all.Routes[i].Origin.File, dir+string(filepath.Separator))
	}
	for i := range all.Diagnostics {
		all.Diagnostics[i].Origin.File = strings.TrimPrefix(all.Diagnostics[i].Origin.File, dir+string(filepath.Separator))
	}
	return all
}

// routes wraps list items as a document with the old prefix.
func routes(items string) string {
	return "spring:\n  cloud:\n    gateway:\n      routes:\n" + items
}

// one loads a single route and returns it.
func one(t *testing.T, item string) model.Route {
	t.Helper()
	o := load(t, Config{}, routes(item))
	if len(o.Routes) != 1 || len(o.Diagnostics) != 0 {
		t.Fatalf("%s\nroutes %v, diagnostics %v", item, o.Routes, o.Diagnostics)
	}
	if err := o.Routes[0].Validate(); err != nil {
		t.Fatal(err)
	}
	return o.Routes[0]
}

// toldPrefix is the filter behind those that shorten paths.
const toldPrefix = ` tell-origin{"prefix":["X-Forwarded-Prefix"]}`

func filterText(specs []model.FilterSpec) string {
	var out []string
	for _, s := range specs {
		out = append(out, s.Kind+string(s.Config))
	}
	return strings.Join(out, " ")
}

func TestRoute(t *testing.T) {
	o := load(t, Config{Priority: 7, Class: "gw"}, `spring:
  cloud:
    gateway:
      routes:
      - id: order
        uri: lb://nacos-order-service
        order: -3
        predicates:
        - Path=/order/**
        - Method=get, POST
        - Header=X-Id
        - Query=color, red
        filters:
        - StripPrefix=1
        metadata:
          connect-timeout: 250
          response-timeout: 1500
`)
	want := model.Route{
		ID: "springgw/order", Attach: []model.Class{"gw"}, Priority: 7, Rank: model.Rank{Order: -3, Position: 1},
		Origin: model.Origin{Source: "springgw", Kind: "route", Name: "order", File: "1.yaml", Line: 5},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/order/**"}, Methods: []string{"GET", "POST"},
			Headers: []model.FieldMatch{{Name: "X-Id", Present: true}}, Query: []model.FieldMatch{{Name: "color", Value: "red"}}},
		Filters:  []model.FilterSpec{{Kind: "strip-prefix", Config: json.RawMessage(`{"parts":1}`)}, {Kind: "tell-origin", Config: json.RawMessage(`{"prefix":["X-Forwarded-Prefix"]}`)}},
		Action:   model.Forward{Targets: []model.Target{{Upstream: "registry/public/DEFAULT_GROUP/nacos-order-service"}}, Host: model.HostEndpoint, Target: model.TargetReceived},
		Timeouts: model.Timeouts{Connect: 250 * time.Millisecond, Response: 1500 * time.Millisecond},
	}
	if len(o.Routes) != 1 || !reflect.DeepEqual(o.Routes[0], want) {
		t.Errorf("got  %+v\nwant %+v", o.Routes, want)
	}
	if len(o.Upstreams) != 1 || o.Upstreams[0].ID != "registry/public/DEFAULT_GROUP/nacos-order-service" ||
		o.Upstreams[0].Endpoints[0] != (model.EndpointsID{Keeper: "registry", Name: "public/DEFAULT_GROUP/nacos-order-service"}) {
		t.Errorf("upstreams: %+v", o.Upstreams)
	}
	if len(o.Diagnostics) != 0 {
		t.Errorf("diagnostics: %v", o.Diagnostics)
	}
}

// TestSeveralRegistries: a service has one list in each registry, for lb:// and for the locator, and the name of its upstream is that of the first.
func TestSeveralRegistries(t *testing.T) {
	o := load(t, Config{Also: []model.Shelf{{Keeper: "registry/b", Prefix: "dev/SHOP/"}}},
		"spring.cloud.gateway:\n  discovery.locator.enabled: true\n  routes:\n  - {id: a, uri: 'lb://order', predicates: ['Path=/a']}\n  - {id: b, uri: 'http://127.0.0.1:80', predicates: ['Path=/b']}\n")
	want := []model.EndpointsID{{Keeper: "registry", Name: "public/DEFAULT_GROUP/order"}, {Keeper: "registry/b", Name: "dev/SHOP/order"}}
	if len(o.Upstreams) != 2 || len(o.Locators) != 1 {
		t.Fatalf("upstreams %+v, locators %+v", o.Upstreams, o.Locators)
	}
	for _, u := range o.Upstreams {
		if u.ID == "registry/public/DEFAULT_GROUP/order" && !slices.Equal(u.Endpoints, want) || u.ID == "static/127.0.0.1:80" && len(u.Endpoints) != 1 {
			t.Errorf("%s has %v", u.ID, u.Endpoints)
		}
	}
	if got := o.Locators[0].Lists("order"); !slices.Equal(got, want) {
		t.Errorf("the locator takes %v, want %v", got, want)
	}
	for list, service := range map[model.EndpointsID]string{want[0]: "order", want[1]: "order", {Keeper: "registry/b", Name: "public/DEFAULT_GROUP/order"}: "", {Keeper: "registry", Name: "public/DEFAULT_GROUP/"}: ""} {
		if got, ok := o.Locators[0].Service(list); got != service && ok || ok != (service != "") {
			t.Errorf("%s is of service %q, %v; want %q", list, got, ok, service)
		}
	}
}

func TestSpellings(t *testing.T) {
	for name, text := range map[string]string{
		"old":    "spring:\n  cloud:\n    gateway:\n      routes:\n      - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n      default-filters: ['StripPrefix=2']\n",
		"new":    "spring:\n  cloud:\n    gateway:\n      server:\n        webflux:\n          routes:\n          - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n          default-filters: ['StripPrefix=2']\n",
		"mixed":  "spring:\n  cloud:\n    gateway:\n      server.webflux.routes:\n      - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n      defaultFilters: ['StripPrefix=2']\n",
		"dotted": "spring.cloud.gateway.routes:\n- {id: a, uri: 'lb://s', predicates: ['Path=/a']}\nspring.cloud.gateway.default_filters: ['StripPrefix=2']\n",
		"flat":   "spring.cloud.gateway.routes[0].id: a\nspring.cloud.gateway.routes[0].uri: lb://s\nspring.cloud.gateway.routes[0].predicates[0]: Path=/a\nspring.cloud.gateway.default-filters[0]: StripPrefix=2\n",
		"long":   "spring.cloud.gateway:\n  routes:\n  - id: a\n    uri: lb://s\n    predicates:\n    - name: Path\n      args: {patterns: [/a]}\n  defaultFilters:\n  - {name: StripPrefix, args: {parts: 2}}\n",
		"genkey": "spring.cloud.gateway:\n  routes:\n  - id: a\n    uri: lb://s\n    predicates:\n    - name: Path\n      args: {_genkey_0: /a}\n  defaultFilters:\n  - {name: StripPrefix, args: {_genkey_0: '2'}}\n",
	} {
		o := load(t, Config{}, text)
		if len(o.Routes) != 1 || len(o.Diagnostics) != 0 || o.Routes[0].Match.Path.Value != "/a" || filterText(o.Routes[0].Filters) != `strip-prefix{"parts":2}`+toldPrefix {
			t.Errorf("%s: routes %+v, diagnostics %v", name, o.Routes, o.Diagnostics)
		}
	}
}

func TestForeignDocumentsArePassedOver(t *testing.T) {
	o := load(t, Config{}, "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspring: {cloud: {gateway: {routes: [{id: a}]}}}\n---\nserver:\n  port: 8080\n---\n- a\n---\njust text\n",
		"spring:\n  application:\n    name: x\n", "{{ not yaml")
	if len(o.Routes)+len(o.Diagnostics) != 0 {
		t.Errorf("%+v", o)
	}
}

func TestPathPatterns(t *testing.T) {
	for shortcut, want := range map[string][]model.PathMatch{
		"/a":                 {{Kind: model.PathPattern, Value: "/a"}},
		"a":                  {{Kind: model.PathPattern, Value: "/a"}},
		"/a/{seg}/*/b?c":     {{Kind: model.PathPattern, Value: "/a/{seg}/*/b?c"}},
		"/a/{*rest}":         {{Kind: model.PathPattern, Value: "/a/{*rest}"}},
		"/**":                {{Kind: model.PathPrefix, Value: "/"}},
		"/a,/b/**, true":     {{Kind: model.PathPattern, Value: "/a"}, {Kind: model.PathPattern, Value: "/b/**"}},
		"/a,/b,false":        {{Kind: model.PathPattern, Value: "/a", Strict: true}, {Kind: model.PathPattern, Value: "/b", Strict: true}},
		"{seg:[a-z]+}":       {{Kind: model.PathPattern, Value: "/{seg:[a-z]+}"}},
		"/{n:\\p{Alpha}}.x":  {{Kind: model.PathPattern, Value: "/{n:[a-zA-Z]}.x"}},
		"/{n:a(?=b)}":        nil,
		"/a/**/b":            nil,
		"/a/**/{x}":          nil,
		"/{a}{b}":            nil,
		"true":               nil,
		"":                   nil,
		"${BASE}/a":          nil,
		"#{@bean}":           nil,
		"/a/{1}/{2}/{3}/{4}": {{Kind: model.PathPattern, Value: "/a/{1}/{2}/{3}/{4}"}},
	} {
		o := load(t, Config{}, routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['Path=%s']}\n", shortcut)))
		var got []model.PathMatch
		for i, r := range o.Routes {
			got = append(got, r.Match.Path)
			if id := fmt.Sprintf("springgw/a/%d", i+1); i > 0 && string(r.ID) != id {
				t.Errorf("%s: ID %s", shortcut, r.ID)
			}
		}
		if !reflect.DeepEqual(got, want) || (want == nil) != (len(o.Diagnostics) == 1) {
			t.Errorf("%s: got %v with %v, want %v", shortcut, got, o.Diagnostics, want)
		}
		if want == nil && (o.Diagnostics[0].Code != model.CodeUnsupported || o.Diagnostics[0].Field != "predicates[0]" || o.Diagnostics[0].Origin.Line != 5) {
			t.Errorf("%s: %v", shortcut, o.Diagnostics)
		}
	}
	long := one(t, "      - id: a\n        uri: lb://s\n        predicates:\n        - name: Path\n          args: {matchTrailingSlash: false, patterns: '/a'}\n")
	if long.Match.Path != (model.PathMatch{Kind: model.PathPattern, Value: "/a", Strict: true}) {
		t.Errorf("long form: %v", long.Match)
	}
}

func TestHosts(t *testing.T) {
	for shortcut, want := range map[string][]model.Host{
		"Shop.test": {"shop.test"}, "*.shop.test": {"*.shop.test"}, "**.shop.test": {"**.shop.test", "shop.test"}, "**": {""},
		"a.test,b.test": {"a.test", "b.test"}, "{sub.shop.test": nil, "shop..test": nil, "sh/op.test": nil, "{:a}.test": nil, "{a:(?=x)}.test": nil,
	} {
		o := load(t, Config{}, routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['Host=%s']}\n", shortcut)))
		var got []model.Host
		if len(o.Routes) == 1 {
			got = o.Routes[0].Hosts
		}
		if !reflect.DeepEqual(got, want) || (want == nil) != (len(o.Diagnostics) == 1) {
			t.Errorf("%s: got %v with %v, want %v", shortcut, got, o.Diagnostics, want)
		}
	}
}

func TestHostPatterns(t *testing.T) {
	for pattern, c := range map[string]struct{ yes, no string }{
		"{sub}.shop.test":     {"a.shop.test A.SHOP.test:8080", "shop.test a.b.shop.test a.shop.tests"},
		"{sub:[a-c]+}.test":   {"abc.test", "d.test"},
		"{sub:a{2}}.{x}.test": {"aa.b.test", "a.b.test"},
		"shop.test:8080":      {"shop.test:8080", "shop.test shop.test:80"},
		"shop.test:{port}":    {"shop.test:8080", "shop.test"},
		"s*.te?t":             {"shop.test s.teXt", "a.s.test s.tet"},
		"a.**.test":           {"a.test a.b.test a.b.c.test:1", "a.b b.test xa.test"},
		"**.{x}.test":         {"a.test b.a.test c.b.a.test", "test"},
		"shop.**":             {"shop.test shop shop.a.b", "ashop.test"},
		"*.a.test,one.*.test": {"x.a.test one.b.test", "two.b.test"},
		"{a}-{b}.shop.test":   {"x-y.shop.test", "xy.shop.test"},
	} {
		r := one(t, fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: [\"Host=%s\"]}\n", pattern))
		if len(r.Match.Headers) != 1 {
			t.Errorf("%s: %+v", pattern, r)
			continue
		}
		re := regexp.MustCompile("^(?:" + r.Match.Headers[0].Value + ")$")
		for _, h := range strings.Fields(c.yes) {
			if !re.MatchString(h) {
				t.Errorf("%s does not take %s: %s", pattern, h, re)
			}
			name, _, _ := strings.Cut(strings.ToLower(h), ":")
			if len(r.Hosts) > 0 && !slices.ContainsFunc(r.Hosts, func(n model.Host) bool { return n.Matches(name) }) {
				t.Errorf("%s takes %s, which is not looked for among %v", pattern, h, r.Hosts)
			}
		}
		for _, h := range strings.Fields(c.no) {
			if re.MatchString(h) {
				t.Errorf("%s takes %s: %s", pattern, h, re)
			}
		}
	}
}

// TestVariablesOfHosts: filters may use those that each pattern has.
func TestVariablesOfHosts(t *testing.T) {
	for predicates, want := range map[string]string{
		"'Host={sub}.shop.test'":                        "[(?i:(?P<sub>[^.:]+)\\.shop\\.test(?::[0-9]+)?)]",
		"'Host={sub}.a.test,b.{sub}.test'":              "[(?i:(?P<sub>[^.:]+)\\.a\\.test(?::[0-9]+)?) (?i:b\\.(?P<sub>[^.:]+)\\.test(?::[0-9]+)?)]",
		"'Host={sub}.shop.test:8080'":                   "has a port",
		"'Host={a-b}.{sub}.test'":                       "none of letters",
		"'Host={sub:a{2}}.test'":                        "[(?i:(?P<sub>a{2})\\.test(?::[0-9]+)?)]",
		"'Host={sub}.a.test,*.b.{other}.test'":          "not in every one",
		"'Host={sub}.shop.test:80', 'Path=/{sub}'":      "[]", // the path's counts
		"'Host={sub}.shop.test:80', 'Path=/{sub},/all'": "has a port",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ["+predicates+"], filters: ['AddRequestHeader=X-Sub, {sub}']}\n"))
		if strings.HasPrefix(want, "[") {
			if len(o.Diagnostics) != 0 || fmt.Sprint(o.Routes[0].HostVariables) != want {
				t.Errorf("%s: %v, want %s: %v", predicates, o.Routes[0].HostVariables, want, o.Diagnostics)
			}
			continue
		}
		if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %v", predicates, o.Diagnostics)
		}
	}
	o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Host={sub}.shop.test'], filters: ['AddRequestHeader=X-Sub, other']}\n"))
	if len(o.Diagnostics) != 0 || o.Routes[0].HostVariables != nil {
		t.Errorf("a variable that no filter uses: %v", o.Routes[0].HostVariables)
	}
	o = load(t, Config{}, `spring.cloud.gateway.discovery.locator: {enabled: true, predicates: ["Host='{sub}.'+serviceId+'.test'"], filters: ["AddRequestHeader='X-Sub', '{sub}'"]}`+"\n")
	if len(o.Locators) != 0 || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, "not supported in the locator") {
		t.Errorf("in the locator: %v %v", o.Locators, o.Diagnostics)
	}
}

// TestMissingVariables: a variable that a predicate does not capture, or not each of its patterns, is told of, and the route answers 503.
func TestMissingVariables(t *testing.T) {
	for parts, want := range map[string]string{
		"['Path=/a/{x}'], filters: ['SetPath=/{nope}']":                                                    "filter SetPath: {nope} is no variable of every pattern",
		"['Path=/a/{x}'], filters: ['PrefixPath=/{nope}']":                                                 "filter PrefixPath: {nope} is no variable",
		"['Path=/a/{x}'], filters: ['SetRequestHeader=X-S, {q}']":                                          "filter SetRequestHeader: {q} is no variable",
		"['Path=/a/{x}'], filters: ['AddResponseHeader=X-S, {q}-{x}']":                                     "{q} is no variable",
		"['Path=/a/{x}'], filters: ['AddRequestHeadersIfNotPresent=X-S:{q}']":                              "{q} is no variable",
		"['Path=/a/{x}'], filters: ['AddRequestParameter=s, {q}']":                                         "{q} is no variable",
		`['Path=/a/{x}'], filters: ['AddRequestHeader=X-A, \{x}']`:                                         "a backslash in front",
		"['Path=/a/{x}'], filters: [{name: CircuitBreaker, args: {name: s, fallbackUri: 'forward:/{q}'}}]": "{q} is no variable",
		"['Path=/a/{x},/b'], filters: ['AddRequestHeader=X-X, {x}']":                                       "{x} is no variable of every pattern",
		"['Path=/a/{x}'], filters: ['AddRequestHeader=X-X, {x:int}']":                                      "write {x}",
		"['Path=/a/{x.y}'], filters: ['AddRequestHeader=X-X, {x.y}']":                                      "{x.y} is not supported",
		"['Method=GET'], filters: ['AddRequestHeader=X-X, {x}']":                                           "{x} is no variable",
		"['Path=/a/{x},/b/{x}/{*r}'], filters: ['AddRequestHeader=X-X, {x}', 'SetPath=/{}{x}']":            "",
		"['Path=/a', 'Host={sub}.a.test'], filters: ['AddRequestHeader=X-X, {sub}']":                       "",
		"['Path=/a/{x},/b', 'Host={x}.a.test'], filters: ['AddRequestHeader=X-X, {x}']":                    "",
		"['Path=/a/{x}'], filters: ['RewritePath=/a/(?<q>.*), /${q}', 'SetStatus=204']":                    "",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: "+parts+"}\n"))
		switch {
		case want == "":
			if len(o.Diagnostics) != 0 {
				t.Errorf("%s: %v", parts, o.Diagnostics)
			}
		case len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) || o.Diagnostics[0].Field != "filters[0]":
			t.Errorf("%s: %v, want %s", parts, o.Diagnostics, want)
		case o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}):
			t.Errorf("%s: %v", parts, o.Routes[0].Action)
		}
	}
	o := load(t, Config{}, "spring.cloud.gateway:\n  default-filters: ['AddRequestHeader=X-X, {x}']\n  routes:\n  - {id: a, uri: 'lb://s', predicates: ['Path=/a/{x}']}\n  - {id: b, uri: 'lb://s', predicates: ['Path=/b']}\n")
	if len(o.Diagnostics) != 1 || o.Diagnostics[0].Origin.Name != "b" || o.Diagnostics[0].Origin.Line != 5 {
		t.Errorf("a filter of all routes: %v", o.Diagnostics)
	}
	o = load(t, Config{}, `spring.cloud.gateway.discovery.locator: {enabled: true, filters: ["AddRequestHeader='X-Sub', '{sub}'"]}`+"\n")
	if len(o.Locators) != 0 || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, "{sub} is no variable") {
		t.Errorf("in the locator: %v %v", o.Locators, o.Diagnostics)
	}
}

func TestFieldExpressions(t *testing.T) {
	for expression, want := range map[string]*model.FieldMatch{
		"":           {Name: "X", Present: true},
		", red":      {Name: "X", Value: "red"},
		`, 1\.2`:     {Name: "X", Value: "1.2"},
		", 1.2":      {Name: "X", Value: "1" + javaDot + "2", Regex: true},
		`, \d+`:      {Name: "X", Value: `\d+`, Regex: true},
		", red|blue": {Name: "X", Value: "red|blue", Regex: true},
		", (?=a)":    nil,
		", a, b":     nil,
	} {
		for _, kind := range []string{"Header", "Query"} {
			o := load(t, Config{}, routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['%s=X%s']}\n", kind, expression)))
			if want == nil {
				if len(o.Routes) != 0 || len(o.Diagnostics) != 1 {
					t.Errorf("%s %s: %v %v", kind, expression, o.Routes, o.Diagnostics)
				}
				continue
			}
			if len(o.Routes) != 1 {
				t.Errorf("%s %s: %v", kind, expression, o.Diagnostics)
				continue
			}
			got := append(o.Routes[0].Match.Headers, o.Routes[0].Match.Query...)
			if len(got) != 1 || got[0] != *want {
				t.Errorf("%s %s: got %v, want %v", kind, expression, got, want)
			}
		}
	}
}

// TestNobodyTrusted: a predicate on X-Forwarded-For is warned of where nobody's is believed.
func TestNobodyTrusted(t *testing.T) {
	text := routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a', 'XForwardedRemoteAddr=10.0.0.0/8']}\n")
	o := load(t, Config{NobodyTrusted: true}, text)
	if len(o.Routes) != 1 || len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Warning || o.Diagnostics[0].Field != "predicates[1]" || !strings.Contains(o.Diagnostics[0].Message, "gateway.trusted only, which is empty") {
		t.Errorf("%v %v", o.Routes, o.Diagnostics)
	}
	if o := load(t, Config{}, text); len(o.Diagnostics) != 0 {
		t.Errorf("where it is not known: %v", o.Diagnostics)
	}
}

// TestManagedHeaders: a header that the gateway sets itself is refused, and said what to write.
func TestManagedHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"SetRequestHeader=Host, x.test":       "Host is managed by the gateway: take the filter out, or write SetRequestHostHeader; the route answers 503",
		"AddRequestHeader=Connection, close":  "Connection is managed by the gateway: take the filter out; the route answers 503",
		"SetResponseHeader=Content-Length, 1": "Content-Length is managed",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['"+text+"']}\n"))
		if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %v", text, o.Diagnostics)
		}
	}
}

// TestAnyValue: a dot is not every character, and a parameter has all of them.
func TestAnyValue(t *testing.T) {
	o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Header=X, .*', 'Query=X, .*']}\n"))
	if m := o.Routes[0].Match; m.Headers[0] != (model.FieldMatch{Name: "X", Present: true}) || m.Query[0] != (model.FieldMatch{Name: "X", Regex: true, Value: javaDot + "*"}) {
		t.Errorf("%+v", m)
	}
}

func TestFilters(t *testing.T) {
	for text, want := range map[string]string{
		"StripPrefix=2":                                   `strip-prefix{"parts":2}` + toldPrefix,
		"StripPrefix":                                     `strip-prefix{"parts":1}` + toldPrefix,
		"StripPrefix=0":                                   ``,
		"PrefixPath=/api":                                 `prefix-path{"prefix":"/api"}`,
		"SetPath=/x/{seg}":                                `set-path{"template":"/x/{seg}"}` + toldPrefix,
		"AddRequestHeader=X-A, {seg}-b":                   `request-headers{"add":[{"name":"X-A","value":"{seg}-b"}]}`,
		"SetRequestHeader=X-A, b":                         `request-headers{"set":[{"name":"X-A","value":"b"}]}`,
		"RemoveRequestHeader=Cookie":                      `request-headers{"remove":["Cookie"]}`,
		"AddResponseHeader=X-A, b":                        `response-headers{"set":[{"name":"X-A","value":"b"}]}`,
		"AddResponseHeader=X-A, b, false":                 `response-headers{"add":[{"name":"X-A","value":"b"}]}`,
		"SetResponseHeader=X-A, b":                        `response-headers{"set":[{"name":"X-A","value":"b"}]}`,
		"RemoveResponseHeader=Server":                     `response-headers{"remove":["Server"]}`,
		"RewritePath=/red/?(?<segment>.*), /$\\{segment}": `rewrite-path{"regexp":"/red/?(?\u003csegment\u003e.*)","replacement":"/${segment}"}` + toldPrefix,
	} {
		r := one(t, fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['Path=/a/{seg}'], filters: ['%s']}\n", text))
		if got := filterText(r.Filters); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	r := one(t, "      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: [PreserveHostHeader]}\n")
	if f := r.Action.(model.Forward); f.Host != model.HostKeep {
		t.Errorf("PreserveHostHeader: %+v", f)
	}
	r = one(t, "      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: [SetRequestHostHeader=x.test]}\n")
	if f := r.Action.(model.Forward); f.Host != model.HostLiteral || f.HostName != "x.test" {
		t.Errorf("SetRequestHostHeader: %+v", f)
	}
	o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['AddRequestHeader=X-A, b, c']}\n"))
	if len(o.Routes) != 1 || len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Warning {
		t.Errorf("one argument too many, which Spring passes over: %v %v", o.Routes, o.Diagnostics)
	}
	for text, want := range map[string]string{
		"{name: StripPrefix, args: {part: 2}}":                       "part is no argument of it and has no effect: it takes parts",
		"{name: RequestSize, args: {size: 5}}":                       "size is no argument of it and has no effect: it takes maxSize",
		"{name: RequestHeaderSize, args: {errorHeader: X}}":          "errorheader is no argument of it and has no effect: it takes maxSize, errorHeaderName",
		"{name: AddRequestHeader, args: {name: A, value: b, of: c}}": "of is no argument of it",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ["+text+"]}\n"))
		if len(o.Routes) != 1 || len(o.Routes[0].Filters) == 0 || len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Warning || !strings.Contains(o.Diagnostics[0].Message, want) {
			t.Errorf("%s: %v %v", text, o.Routes, o.Diagnostics)
		}
	}
}

// TestStrangeArgumentsOfPredicates: those of other names are warned of. Those of lists count all the same, as in Spring.
func TestStrangeArgumentsOfPredicates(t *testing.T) {
	for text, want := range map[string]string{
		"{name: Path, args: {path: /a}}":                                   "predicate Path: path is no argument of it and is read as one of patterns: it takes patterns, matchTrailingSlash",
		"{name: Host, args: {patterns: a.test, also: b.test}}":             "predicate Host: also is no argument of it and is read as one of patterns",
		"{name: Method, args: {verb: GET}}":                                "is read as one of methods",
		"{name: RemoteAddr, args: {source: 10.0.0.1, x: 10.0.0.2}}":        "predicate RemoteAddr: x is no argument",
		"{name: XForwardedRemoteAddr, args: {index: 10.0.0.1}}":            "is read as one of sources: it takes sources, maxTrustedIndex",
		"{name: Header, args: {header: X, regex: y}}":                      "predicate Header: regex is no argument of it and has no effect: it takes header, regexp",
		"{name: Query, args: {param: x, value: y}}":                        "value is no argument of it and has no effect: it takes param, regexp, predicate",
		"{name: After, args: {datetime: 1, zone: UTC}}":                    "zone is no argument of it and has no effect: it takes datetime",
		"{name: Weight, args: {weight.group: g, weight.weight: 1, of: 2}}": "of is no argument",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ["+text+"]}\n"))
		if len(o.Routes) != 1 || len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Warning || !strings.Contains(o.Diagnostics[0].Message, want) {
			t.Errorf("%s: %v %v", text, o.Routes, o.Diagnostics)
		}
		o = load(t, Config{}, "spring.cloud.gateway.discovery.locator: {enabled: true, predicates: ["+strings.ReplaceAll(text, "/a", `"'/'+serviceId"`)+"]}\n")
		if strings.Contains(text, "Path") && (len(o.Locators) != 1 || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want)) {
			t.Errorf("locator %s: %v %v", text, o.Locators, o.Diagnostics)
		}
	}
	for _, text := range []string{"{name: Path, args: {pattern: /a, matchTrailingSlash: false}}", "{name: Path, args: {_genkey_0: /a, _genkey_1: /b}}", "{name: Path, args: {patterns.0: /a}}",
		"{name: Query, args: {param: x, regexp: y}}", "{name: Weight, args: {group: g, weight: 1}}"} {
		if o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ["+text+"]}\n")); len(o.Routes) == 0 || len(o.Diagnostics) != 0 {
			t.Errorf("%s: %v %v", text, o.Routes, o.Diagnostics)
		}
	}
}

func TestDefaultFiltersInterleave(t *testing.T) {
	o := load(t, Config{}, `spring.cloud.gateway:
  default-filters: ['AddRequestHeader=D,1', 'AddRequestHeader=D,2', 'AddRequestHeader=D,3']
  routes:
  - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['AddRequestHeader=R,1', 'AddRequestHeader=R,2']}
`)
	var got []string
	for _, f := range o.Routes[0].Filters {
		var c headerConfig
		if err := json.Unmarshal(f.Config, &c); err != nil {
			t.Fatal(err)
		}
		got = append(got, c.Add[0].Name+c.Add[0].Value)
	}
	if strings.Join(got, " ") != "D1 R1 D2 R2 D3" {
		t.Errorf("order: %v", got)
	}
}

func TestRejected(t *testing.T) {
	for name, c := range map[string]struct {
		item    string
		answers bool // 503; else it is left out
		field   string
		says    string
	}{
		"filter not supported":  {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['TokenRelay=']}", true, "filters[0]", "filter TokenRelay is not supported: it relays"},
		"filter misspelt":       {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['StripPrefx=1']}", true, "filters[0]", "did you mean StripPrefix?"},
		"filter of somebody":    {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['SentinelGatewayFilter=1']}", true, "filters[0]", `"SentinelGatewayFilter" is not supported`},
		"filter without value":  {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['AddRequestHeader=X']}", true, "filters[0]", "value is missing"},
		"filter no form":        {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: [{StripPrefix: 1}]}", true, "filters[0]", "name and args"},
		"predicate unsupported": {"{id: a, uri: 'lb://s', predicates: ['Path=/a', 'ReadBody=a']}", false, "predicates[1]", "predicate ReadBody is not supported"},
		"predicate misspelt":    {"{id: a, uri: 'lb://s', predicates: ['Pth=/a']}", false, "predicates[0]", "did you mean Path?"},
		"predicate no form":     {"{id: a, uri: 'lb://s', predicates: [Path]}", false, "predicates[0]", "Name=arguments"},
		"no predicate":          {"{id: a, uri: 'lb://s'}", false, "predicates", "at least one"},
		"no uri":                {"{id: a, predicates: ['Path=/a']}", true, "uri", "is missing"},
		"scheme":                {"{id: a, uri: 'ftp://x.test', predicates: ['Path=/a']}", true, "uri", "scheme ftp is not supported"},
		"forward":               {"{id: a, uri: 'forward:x', predicates: ['Path=/a']}", true, "uri", "not supported"},
		"placeholder":           {"{id: a, uri: 'http://${HOST}', predicates: ['Path=/a']}", true, "uri", "placeholder"},
		"user":                  {"{id: a, uri: 'http://u:p@x.test', predicates: ['Path=/a']}", true, "uri", "plain host"},
		"order":                 {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], order: first}", true, "order", "whole number"},
		"regexp":                {"{id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['RewritePath=/(?=a), /b']}", true, "filters[0]", "look-ahead"},
	} {
		o := load(t, Config{}, routes("      - "+c.item+"\n      - {id: sibling, uri: 'lb://s', predicates: ['Path=/b']}\n"))
		if len(o.Diagnostics) != 1 || o.Diagnostics[0].Field != c.field || o.Diagnostics[0].Origin.Line != 5 || o.Diagnostics[0].Origin.Name != "a" ||
			o.Diagnostics[0].Severity != model.Error || !strings.Contains(o.Diagnostics[0].Message, c.says) {
			t.Errorf("%s: diagnostics %v", name, o.Diagnostics)
		}
		want := 1
		if c.answers {
			want = 2
			r := o.Routes[0]
			if r.Action != (model.Respond{Status: 503, Code: model.CodeUnsupported}) || r.Match.Path.Value != "/a" || len(r.Filters) != 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if len(o.Routes) != want || o.Routes[want-1].ID != "springgw/sibling" {
			t.Errorf("%s: routes %v", name, o.Routes)
		}
	}
}

func TestUnsupportedDefaultFilterProtectsEveryRoute(t *testing.T) {
	o := load(t, Config{}, "spring.cloud.gateway:\n  default-filters: [TokenRelay]\n  discovery.locator.enabled: true\n  routes:\n  - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n  - {id: b, uri: 'lb://s', predicates: ['Path=/b']}\n")
	for _, r := range o.Routes {
		if _, ok := r.Action.(model.Respond); !ok {
			t.Errorf("%s is served without the filter", r.ID)
		}
	}
	if len(o.Routes) != 2 || len(o.Locators) != 0 || len(o.Diagnostics) != 2 {
		t.Errorf("%+v", o)
	}
}

func TestOwnServiceIsALoop(t *testing.T) {
	o := load(t, Config{Self: "gw"}, routes("      - {id: a, uri: 'lb://gw', predicates: ['Path=/a']}\n"))
	if len(o.Routes) != 1 || o.Routes[0].Action != (model.Respond{Status: 508, Code: model.CodeLoop}) || len(o.Diagnostics) != 1 || o.Diagnostics[0].Code != model.CodeLoop {
		t.Errorf("%+v", o)
	}
}

func TestDuplicatesAndSwitchedOff(t *testing.T) {
	o := load(t, Config{}, routes("      - {id: off, enabled: false, uri: 'lb://s', predicates: ['Path=/o']}\n      - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n      - {id: a, uri: 'lb://s', predicates: ['Path=/b']}\n      - {uri: 'lb://s', predicates: ['Path=/c']}\n"),
		routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/d']}\n      - {id: off, uri: 'lb://s', predicates: ['Path=/e']}\n"))
	var got []string
	for _, r := range o.Routes {
		got = append(got, string(r.ID)+r.Match.Path.Value)
	}
	if fmt.Sprint(got) != "[springgw/1.yaml-3/c springgw/a/a springgw/off/e]" {
		t.Errorf("routes: %v", got)
	}
	if len(o.Diagnostics) != 2 || o.Diagnostics[0].Code != model.CodeDuplicateID || o.Diagnostics[0].Origin.Line != 7 || !strings.Contains(o.Diagnostics[0].Message, "1.yaml:6") {
		t.Errorf("diagnostics: %v", o.Diagnostics)
	}
}

func TestRank(t *testing.T) {
	o := load(t, Config{}, routes("      - {id: z, uri: 'lb://s', predicates: ['Path=/**']}\n      - {id: y, uri: 'lb://s', predicates: ['Path=/y']}\n"),
		routes("      - {id: a, order: -1, uri: 'lb://s', predicates: ['Path=/a']}\n      - {id: b, uri: 'lb://s', predicates: ['Path=/b']}\n"))
	byID := map[model.RouteID]model.Rank{}
	for _, r := range o.Routes {
		byID[r.ID] = r.Rank
	}
	for _, pair := range [][2]model.RouteID{{"springgw/a", "springgw/z"}, {"springgw/z", "springgw/y"}, {"springgw/y", "springgw/b"}} {
		if byID[pair[0]].Compare(byID[pair[1]]) >= 0 {
			t.Errorf("%s does not come before %s: %v", pair[0], pair[1], byID)
		}
	}
}

func TestLocator(t *testing.T) {
	o := load(t, Config{Self: "paifang-gateway"}, "spring.cloud.gateway.discovery.locator:\n  enabled: true\n  lowerCaseServiceId: true\nspring.cloud.gateway.default-filters: ['AddRequestHeader=A,b', 'AddRequestHeader=C,d']\n")
	if len(o.Locators) != 1 || len(o.Diagnostics) != 0 {
		t.Fatalf("%+v", o)
	}
	l := o.Locators[0]
	if err := l.Validate(); err != nil {
		t.Error(err)
	}
	if !l.LowerCase || l.Keeper != "registry" || l.Prefix != "public/DEFAULT_GROUP/" || fmt.Sprint(l.Except) != "[paifang-gateway]" ||
		l.Rank.Compare(model.Rank{Position: 5_000_000}) <= 0 {
		t.Errorf("%+v", l)
	}
	if got := filterText(l.Filters); !strings.HasPrefix(got, "request-headers") || !strings.Contains(got, `strip-prefix{"parts":1} request-headers`) {
		t.Errorf("filters: %s", got)
	}
	o = load(t, Config{}, "spring.cloud.gateway.discovery.locator:\n  enabled: true\n  route-id-prefix: of-\n")
	if len(o.Locators) != 1 || len(o.Diagnostics) != 1 || o.Diagnostics[0].Code != model.CodeIgnored || o.Diagnostics[0].Origin.Line != 3 || !strings.HasSuffix(o.Diagnostics[0].Field, ".route-id-prefix") {
		t.Errorf("a prefix that changes nothing: %+v %v", o.Locators, o.Diagnostics)
	}
	if o := load(t, Config{}, "spring.cloud.gateway.discovery.locator:\n  enabled: false\n"); len(o.Locators)+len(o.Diagnostics) != 0 {
		t.Errorf("%+v", o)
	}
}

func TestLocatorTemplates(t *testing.T) {
	o := load(t, Config{}, `spring.cloud.gateway.discovery.locator:
  enabled: true
  include-expression: metadata['edge']=='yes' and !(serviceId matches 'int.*')
  url-expression: "'lb:https://' + serviceId"
  predicates:
  - name: Path
    args: {pattern: "'/api/' + serviceId + '/**'"}
  - Method='GET'
  filters:
  - name: RewritePath
    args:
      regexp: "'/api/' + serviceId + '/?(?<remaining>.*)'"
      replacement: "'/${remaining}'"
  - AddRequestHeader='X-Service','it is '+serviceId
`)
	if len(o.Diagnostics) != 0 || len(o.Locators) != 1 {
		t.Fatalf("%+v", o)
	}
	l := o.Locators[0]
	if rest, never := l.Include.For("order"), l.Include.For("internal"); rest.String() != "edge = yes" || never.Op != model.TermNone || l.Validate() != nil {
		t.Errorf("%s: %s, %s", l.Include.String(), rest.String(), never.String())
	}
	named, err := model.Named(l, "order")
	if err != nil || len(named.Paths) != 1 || named.Paths[0].Value != "/api/order/**" || fmt.Sprint(named.Match.Methods) != "[GET]" || named.TLS.Mode != model.TLSAlways ||
		filterText(named.Filters) != `rewrite-path{"regexp":"/api/order/?(?\u003cremaining\u003e.*)","replacement":"/${remaining}"} request-headers{"add":[{"name":"X-Service","value":"it is order"}]}`+toldPrefix {
		t.Errorf("%+v %s %v", named, filterText(named.Filters), err)
	}
	o = load(t, Config{}, "spring.cloud.gateway.discovery.locator:\n  enabled: true\n  predicates: [\"Path='/'+metadata['root']+'/**'\"]\n  filters: [\"AddRequestHeader='A',metadata['a']+metadata['root']\"]\n")
	if len(o.Locators) != 1 || len(o.Diagnostics) != 0 {
		t.Fatalf("%+v", o)
	}
	l = o.Locators[0]
	filled, err := model.Named(l, "order", "r", "x")
	if err != nil || fmt.Sprint(l.Tags) != "[root a]" || l.ConnectTag != "connect-timeout" || l.ResponseTag != "response-timeout" || !strings.HasPrefix(filled.Paths[0].Value, "/r") || !strings.Contains(filterText(filled.Filters), `"xr"`) {
		t.Errorf("%+v %v", filled, err)
	}
	o = load(t, Config{}, "spring.cloud.gateway.discovery.locator:\n  enabled: true\n  filters: []\n  include-expression: serviceId == \"a\" or metadata[\"edge\"] != \"it's\"\n")
	if len(o.Locators) != 1 || len(o.Diagnostics)+len(o.Locators[0].Filters) != 0 || !o.Locators[0].WholePath {
		t.Fatalf("%+v", o)
	}
	if rest := o.Locators[0].Include.For("b"); rest.String() != "not edge = it's" {
		t.Errorf("no filters at all, and double quotes: %+v", o)
	}
	for text, want := range map[string]string{
		"predicates: [\"Method=metadata\"]": "without a name", "predicates: [\"After=metadata['x']\"]": "metadata['x']", "url-expression: \"'lb://'+metadata['x']\"": "is not supported",
		"include-expression: \"metadata['x']=='y' ? true : false\"": "more than a condition", "include-expression: \"#serviceId == 'a'\"": "is not supported",
		"include-expression: serviceId.startsWith('a')": "is not supported", "include-expression: serviceId == a": "single quotes",
		"include-expression: serviceId matches '(?=a)'": "look-ahead", "include-expression: (serviceId == 'a'": "not closed", "include-expression: metadata == 'a'": "without a name",
		"url-expression: uri": "is not supported", "url-expression: \"'http://'+serviceId\"": "want 'lb://'", "filters: [\"StripPrefix=@bean\"]": "is not supported",
		"predicates: [\"Path='/a/**/b'\"]": "may only stand", "predicates: []": "no predicate at all", "predicats: [a]": "is no property", "filters: [\"TokenRelay='x'\"]": "TokenRelay is not supported",
	} {
		o := load(t, Config{}, "spring.cloud.gateway.discovery.locator:\n  enabled: true\n  "+text+"\n")
		if len(o.Locators) != 0 || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) || o.Diagnostics[0].Severity != model.Error || o.Diagnostics[0].Origin.Line == 0 {
			t.Errorf("%s: %+v", text, o)
		}
	}
}

func TestStaticHosts(t *testing.T) {
	o := load(t, Config{}, routes("      - {id: a, uri: 'http://127.0.0.1:9090/ignored', predicates: ['Path=/a']}\n      - {id: b, uri: 'HTTP://LocalHost', predicates: ['Path=/b']}\n"+
		"      - {id: c, uri: 'http://[::1]:81', predicates: ['Path=/c']}\n      - {id: d, uri: 'http://name.test:82', predicates: ['Path=/d']}\n      - {id: e, uri: 'http://127.0.0.1:9090', predicates: ['Path=/e']}\n"))
	if len(o.Diagnostics) != 0 || len(o.Routes) != 5 || len(o.Upstreams) != 4 {
		t.Fatalf("%+v", o)
	}
	got := map[string]string{}
	for _, e := range o.Endpoints {
		got[e.List.String()] = e.Endpoints[0].Addr.String()
	}
	want := map[string]string{"static:127.0.0.1:9090": "127.0.0.1:9090", "static:localhost:80": "127.0.0.1:80", "static:[::1]:81": "[::1]:81"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatHasNoEffectIsSaid(t *testing.T) {
	o := load(t, Config{}, "spring.cloud.gateway:\n  x-forwarded: {enabled: false}\n  httpclient: {connect-timeout: 1000, response-timeout: 5s, pool: {type: fixed}}\n  routes:\n  - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filter: [StripPrefix=1], metadata: {response-timeout: -1}}\n"+
		"---\nspring.config.activate.on-profile: prod\nspring.cloud.gateway.routes: [{id: p, uri: 'lb://s', predicates: ['Path=/p']}]\n")
	text := fmt.Sprint(o.Diagnostics)
	for _, want := range []string{"x-forwarded has no effect here", "pool", "did you mean filters?", `is for "prod"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not said: %v", want, text)
		}
	}
	if len(o.Diagnostics) != 4 || len(o.Routes) != 1 || o.Routes[0].Timeouts != (model.Timeouts{Connect: time.Second, Response: off}) {
		t.Errorf("%v %+v", o.Diagnostics, o.Routes)
	}
}

func TestSecureTargets(t *testing.T) {
	const list = "      - {id: %s, uri: '%s', predicates: ['Path=/%s']%s}\n"
	text := routes(fmt.Sprintf(list, "a", "https://API.Example.test", "a", "") + fmt.Sprintf(list, "b", "wss://api.example.test:8443/x", "b", "") + fmt.Sprintf(list, "c", "http://api.example.test:443", "c", "") +
		fmt.Sprintf(list, "d", "https://[::1]", "d", "") + fmt.Sprintf(list, "e", "lb:https://order", "e", "") + fmt.Sprintf(list, "f", "lb://order", "f", "") +
		fmt.Sprintf(list, "g", "https://api.example.test", "g", ", filters: [PreserveHostHeader]"))
	o := load(t, Config{}, text)
	if len(o.Diagnostics) != 0 {
		t.Fatal(o.Diagnostics)
	}
	type tls struct {
		mode model.UpstreamTLSMode
		name string
		list string
	}
	got := map[model.UpstreamID]tls{}
	for _, u := range o.Upstreams {
		got[u.ID] = tls{u.TLS.Mode, u.TLS.Name, u.Endpoints[0].String()}
		if u.TLS.SkipVerify || u.Validate() != nil {
			t.Errorf("%+v: %v", u, u.Validate())
		}
	}
	want := map[model.UpstreamID]tls{
		"https/static/api.example.test:443":         {model.TLSAlways, "api.example.test", "static:api.example.test:443"},
		"https/static/api.example.test:8443":        {model.TLSAlways, "api.example.test", "static:api.example.test:8443"},
		"static/api.example.test:443":               {"", "", "static:api.example.test:443"},
		"https/static/[::1]:443":                    {model.TLSAlways, "::1", "static:[::1]:443"},
		"https/registry/public/DEFAULT_GROUP/order": {model.TLSAlways, "", "registry:public/DEFAULT_GROUP/order"},
		"registry/public/DEFAULT_GROUP/order":       {"", "", "registry:public/DEFAULT_GROUP/order"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	hosts := map[string]string{}
	for _, r := range o.Routes {
		f := r.Action.(model.Forward)
		hosts[string(r.ID)] = string(f.Host) + " " + f.HostName
	}
	for id, want := range map[string]string{"a": "literal api.example.test", "b": "literal api.example.test:8443", "c": "literal api.example.test:443", "d": "literal [::1]", "e": "endpoint ", "g": " "} {
		if hosts["springgw/"+id] != want {
			t.Errorf("%s: host %q, want %q", id, hosts["springgw/"+id], want)
		}
	}

	// Verification is switched off for all of the file at once, the locator's services too, and that is said.
	o = load(t, Config{}, text+"---\nspring.cloud.gateway:\n  httpclient.ssl: {use-insecure-trust-manager: true, trusted-x509-certificates: [ca.pem]}\n  discovery.locator.enabled: true\n")
	for _, u := range o.Upstreams {
		if !u.TLS.SkipVerify {
			t.Errorf("%+v", u)
		}
	}
	if !o.Locators[0].TLS.SkipVerify || len(o.Diagnostics) != 2 || o.Diagnostics[0].Code != CodeUnverified && o.Diagnostics[1].Code != CodeUnverified || !strings.Contains(fmt.Sprint(o.Diagnostics), "tls.upstreamCA") {
		t.Errorf("%+v", o.Diagnostics)
	}
}

// Routes of a group divide its draws in their order, whatever file they stand in.
func TestWeights(t *testing.T) {
	o := load(t, Config{},
		routes("      - {id: a, uri: 'lb://s', predicates: ['Weight=g, 1']}\n      - {id: b, uri: 'lb://s', predicates: ['Weight=g, 2', 'Weight=h, 0']}\n"),
		routes("      - {id: c, uri: 'lb://s', predicates: ['Weight=g, 5']}\n"))
	got := map[string][]model.Share{}
	for _, r := range o.Routes {
		got[r.Origin.Name] = r.Match.Shares
	}
	want := map[string][]model.Share{
		"a": {{Group: "g", From: 0, Until: 125_000}},
		"b": {{Group: "g", From: 125_000, Until: 375_000}, {Group: "h"}},
		"c": {{Group: "g", From: 375_000, Until: 1_000_000}},
	}
	if !reflect.DeepEqual(got, want) || len(o.Diagnostics) > 0 {
		t.Errorf("%v, want %v; %v", got, want, o.Diagnostics)
	}
}

func TestBadRarePredicates(t *testing.T) {
	for text, want := range map[string]string{
		"After=yesterday":                             "no time with an offset",
		"After=2020-01-01T00:00":                      "no time with an offset",
		"Between=2020-01-01T00:00Z":                   "no time with an offset",
		"Between=2021-01-01T00:00Z,2020-01-01T00:00Z": "no time at which",
		"RemoteAddr=shop.test":                        "neither an address nor a range",
		"Weight=g":                                    "is not a number",
		"Weight=g,-1":                                 "is not a number",
		"Cookie=a":                                    "wants a name and an expression",
		"Version=1":                                   "reads no version of requests",
	} {
		o := load(t, Config{}, routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['%s']}\n", text)))
		if len(o.Routes) != 0 || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) {
			t.Errorf("%s: %v %v", text, o.Routes, o.Diagnostics)
		}
	}
}

func TestBadFilters(t *testing.T) {
	for text, want := range map[string]string{
		"AddRequestHeadersIfNotPresent=a":         "not of the form name:value",
		"MapRequestHeader=a":                      "toHeader is missing",
		"DedupeResponseHeader=a, SOME":            "strategy",
		"RewriteResponseHeader=a, b":              "wants name, regexp and replacement",
		"RewriteResponseHeader=a, (?=b), c":       "look-ahead",
		"RewriteLocationResponseHeader=SOMETIMES": "stripVersion",
		"SetStatus=HAPPY":                         "neither a number nor the name",
		"SetStatus=999":                           "want 200 to 599",
		"SetStatus=CONTINUE":                      "want 200 to 599",
		"RedirectTo=200, https://x.test":          "no redirect",
		"RedirectTo=302, https://x.test, maybe":   "neither true nor false",
		"RemoveJsonAttributesResponseBody":        "names no attribute",
		"RequestSize=5 apples":                    "not a size",
		"RequestHeaderSize=0":                     "not a size",
		"Retry=many":                              "retries",
		"Retry=3, 700X":                           "neither a number nor the name",
	} {
		o := load(t, Config{}, routes(fmt.Sprintf("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['%s']}\n", text)))
		if len(o.Routes) != 1 || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %v %v", text, o.Routes, o.Diagnostics)
		}
	}
}

func TestBadCircuitBreakers(t *testing.T) {
	for args, want := range map[string]string{
		"fallbackUri: 'http://x'": "want forward:", "fallbackUri: 'forward:/a?b'": "want forward:", "statusCodes: HAPPY": "neither a number", "window: 5": "no argument",
	} {
		o := load(t, Config{}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: [{name: CircuitBreaker, args: {"+args+"}}]}\n"))
		if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, want) || o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
			t.Errorf("%s: %v", args, o.Diagnostics)
		}
	}
}

func TestDataSize(t *testing.T) {
	for text, want := range map[string]int64{"5000000": 5_000_000, "5MB": 5 << 20, "16kb": 16 << 10, "200B": 200, "0": 0, "-1": 0, "9999999TB": 0, "x": 0, "5PB": 0, "": 0} {
		if n, err := dataSize(text); n != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
}

func TestCORSPatterns(t *testing.T) {
	pattern := func(v string) model.PathMatch { return model.PathMatch{Kind: model.PathPattern, Value: v} }
	for _, c := range []struct {
		pattern     string
		path        model.PathMatch
		whole, some bool
	}{
		{"/**", model.PathMatch{}, true, true}, {"/**", pattern("/a"), true, true}, {"/a/**", model.PathMatch{Kind: model.PathPrefix, Value: "/"}, false, true},
		{"/a/**", pattern("/a/b/**"), true, true}, {"/a/**", pattern("/a"), true, true}, {"/a/**", pattern("/a/**"), true, true}, {"/a/**", pattern("/b/**"), false, false},
		{"/a/**", pattern("/{x}/b"), false, true}, {"/a/b", pattern("/a/b"), true, true}, {"/a/b", pattern("/a/**"), false, true}, {"/a/b", pattern("/a"), false, false},
		{"/a/b", pattern("/a/b/c"), false, false}, {"/a", pattern("/a/**"), false, true}, {"/{x}/**", pattern("/a/b"), true, true}, {"/a/*", pattern("/a/{x}"), true, true},
		{"/a?/**", pattern("/ab/c"), false, true}, {"/a/b/**", pattern("/a/{*rest}"), false, true},
	} {
		if whole, some := relation(c.pattern, c.path); whole != c.whole || some != c.some {
			t.Errorf("%s and %s: %v %v", c.pattern, c.path, whole, some)
		}
	}
}

func TestBadCORS(t *testing.T) {
	for text, want := range map[string]string{
		"allowedMethods: '*'": "names no origin", "{allowedOrigins: '*', allowCredentials: true}": "browsers refuse", "{allowedOrigins: '*', maxAge: soon}": "no number of seconds",
		"{allowedOrigins: 'https://${X}'}": "placeholder", "{allowedOrigins: '*', allowPrivateNetwork: true}": "private networks to every origin",
	} {
		if !strings.HasPrefix(text, "{") {
			text = "{" + text + "}"
		}
		for where, file := range map[string]string{
			"metadata.cors":                      routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], metadata: {cors: " + text + "}}\n"),
			"globalcors.cors-configurations./**": "spring.cloud.gateway:\n  globalcors.cors-configurations: {'[/**]': " + text + "}\n  routes: [{id: a, uri: 'lb://s', predicates: ['Path=/a']}]\n",
		} {
			o := load(t, Config{}, file)
			if len(o.Diagnostics) != 1 || o.Diagnostics[0].Field != where || !strings.Contains(o.Diagnostics[0].Message, want) || len(o.Routes) != 1 ||
				o.Routes[0].Action != (model.Action)(model.Respond{Status: 503, Code: model.CodeUnsupported}) {
				t.Errorf("%s: %+v", text, o)
			}
		}
	}
	o := load(t, Config{}, "spring.cloud.gateway:\n  globalcors.cors-configurations: {'[/a/**]': {allowedOrigins: '*'}}\n  routes: [{id: a, uri: 'lb://s', predicates: ['Path=/**']}]\n")
	if len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, "only a part") || len(o.Routes[0].Filters) != 0 {
		t.Errorf("%+v", o)
	}
}

// TestStrays: routes below a key that nobody reads are told of, with the key that was meant.
func TestStrays(t *testing.T) {
	const list = ".routes: [{id: a, uri: 'lb://s', predicates: ['Path=/a']}]\n"
	for key, want := range map[string]string{
		"spring.cloud.gatway":                  "did you mean spring.cloud.gateway?",
		"spring.cloud.gate-way.server.webflux": "",
		"sprin.cloud.gateway":                  "did you mean spring.cloud.gateway.routes?",
		"spring.gateway":                       "did you mean spring.cloud.gateway.routes?",
		"spring.cloud.gateway":                 "",
		"spring.cloud.gateway.server.webflux":  "",
	} {
		o := load(t, Config{}, key+list)
		if want == "" {
			if len(o.Routes) != 1 || len(o.Diagnostics) > 0 {
				t.Errorf("%s: %v %v", key, o.Routes, o.Diagnostics)
			}
			continue
		}
		if len(o.Routes) > 0 || len(o.Diagnostics) != 1 || o.Diagnostics[0].Severity != model.Warning || !strings.Contains(o.Diagnostics[0].Message, want) || o.Diagnostics[0].Origin.Line != 1 {
			t.Errorf("%s: %v %v", key, o.Routes, o.Diagnostics)
		}
	}
	if o := load(t, Config{}, "spring.cloud.gateway.routes: {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n"); len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, "begin each definition with a dash") {
		t.Error(o.Diagnostics)
	}
	if o := load(t, Config{}, "spring.cloud.consul.host: c\nzuul.routes: {a: {path: /a}}\nmy.routes: [x, {uri: y}]\n"); len(o.Diagnostics) > 0 {
		t.Error(o.Diagnostics)
	}
}

// TestStrangers: a field that the long form of a predicate or filter does not have is told of.
func TestStrangers(t *testing.T) {
	o := load(t, Config{}, "spring.cloud.gateway:\n  default-filters: [{name: StripPrefix, arg: {parts: 2}}]\n  routes:\n"+
		"  - {id: a, uri: 'lb://s', predicates: [{Name: Path, args: {patterns: /a}, arguments: {}}], filters: [{name: StripPrefix, parts: 2}]}\n")
	want := []string{"default-filters[0].arg: arg is no field of default-filters[0] and has no effect: did you mean args?", "predicates[0].arguments: arguments is no field", "filters[0].parts: parts is no field of filters[0]"}
	if len(o.Diagnostics) != 3 || len(o.Routes) != 1 {
		t.Fatal(o.Diagnostics)
	}
	for i, w := range want {
		if d := o.Diagnostics[i]; d.Severity != model.Warning || !strings.Contains(d.String(), w) {
			t.Errorf("%v, want %s", d, w)
		}
	}
}
