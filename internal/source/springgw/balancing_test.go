package springgw

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
)

func TestBalancing(t *testing.T) {
	o := load(t, Config{}, `spring.cloud.loadbalancer:
  configurations: zone-preference
  zone: east
  health-check: {interval: 5s, path: {bill: /up}}
  hint: {stock: blue}
  clients:
    order: {configurations: "request-based-sticky-session,health-check", sticky-session.instance-id-cookie-name: at}
    bill.configurations: health-check
    user: {configurations: same-instance-preference, hint-header-name: X-Hint}
    stock.configurations: moon-phase
spring.cloud.gateway.routes:
- {id: a, uri: 'lb://order', predicates: ['Path=/a']}
- {id: b, uri: 'lb://bill', predicates: ['Path=/b']}
- {id: c, uri: 'lb://user', predicates: ['Path=/c']}
- {id: d, uri: 'lb://stock', predicates: ['Path=/d']}
- {id: e, uri: 'lb://other', predicates: ['Path=/e']}
`, "spring.cloud.gateway.routes: [{id: f, uri: 'lb://later', predicates: ['Path=/f']}]")
	probe := func(path string) model.HealthCheck {
		return model.HealthCheck{Kind: model.HealthHTTP, Path: path, Interval: 5 * time.Second}
	}
	sticky := model.Upstream{Affinity: model.Affinity{Mode: model.Persistent, Cookie: "at"}, Health: probe("/actuator/health")}
	want := map[string]model.Upstream{
		"order": sticky,
		"bill":  {Health: probe("/up")},
		"user":  {Balance: model.Balance{Kind: model.SameEndpoint}, Prefer: model.TagPreference{Tag: "hint", Header: "X-Hint"}},
		"stock": {Prefer: model.TagPreference{Tag: "hint", Header: "X-SC-LB-Hint", Value: "blue"}},
		"other": {Zones: model.ZonePreference{Prefer: true, Enough: 1, Own: "east"}},
		"later": {}, // of a file that says nothing
	}
	for _, u := range o.Upstreams {
		got := model.Upstream{Balance: u.Balance, Affinity: u.Affinity, Zones: u.Zones, Prefer: u.Prefer, Health: u.Health}
		name := u.Endpoints[0].Name[strings.LastIndexByte(u.Endpoints[0].Name, '/')+1:]
		if !reflect.DeepEqual(got, want[name]) || u.Validate() != nil {
			t.Errorf("%s: got %+v, want %+v, valid: %v", name, got, want[name], u.Validate())
		}
	}
	if len(o.Upstreams) != 6 || len(o.Diagnostics) != 2 || !strings.Contains(o.Diagnostics[0].Message, "moon-phase") || o.Diagnostics[0].Origin.Line != 10 {
		t.Errorf("%d upstreams, %v", len(o.Upstreams), o.Diagnostics)
	}
}

func TestClusterPreference(t *testing.T) {
	o := load(t, Config{}, `spring.cloud:
  nacos.discovery.cluster-name: SH
  loadbalancer.nacos.enabled: true
  gateway.routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}]
`)
	if len(o.Upstreams) != 1 || o.Upstreams[0].Zones != (model.ZonePreference{Prefer: true, Enough: 1, Own: "SH", Clusters: true}) {
		t.Errorf("%+v, %v", o.Upstreams, o.Diagnostics)
	}
	o = load(t, Config{}, `spring.cloud:
  loadbalancer: {nacos.enabled: true, clients.pay: {configurations: zone-preference}}
  gateway.routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}, {id: b, uri: 'lb://pay', predicates: ['Path=/b']}]
`)
	if len(o.Upstreams) != 2 || o.Upstreams[0].Zones.Own != "DEFAULT" || o.Upstreams[1].Zones.Clusters || len(o.Diagnostics) != 1 || !strings.Contains(o.Diagnostics[0].Message, "no effect beside zone-preference") {
		t.Errorf("%+v, %v", o.Upstreams, o.Diagnostics)
	}
}

// TestBalancingNames: properties that the balancer does not have are told of, those of one service too, and a list is read as a text with commas is.
func TestBalancingNames(t *testing.T) {
	o := load(t, Config{}, `spring.cloud.loadbalancer:
  configuration: zone-preference
  foo: bar
  configurations: [zone-preference, weighted]
  zone: z1
  hint: {order: blue, default: green}
  health-check: {path: {order: /up}, pathh: {}}
  retry.enabled: true
  clients:
    order: {configurations: zone-preference, hint.order: red}
    typo: {configuration: zone-preference, health-check.portt: 1}
spring.cloud.gateway.routes: [{id: a, uri: 'lb://other', predicates: ['Path=/a']}]
`)
	if u := o.Upstreams[0]; u.Zones.Own != "z1" || u.Balance.WeightTag != weightKey {
		t.Errorf("%+v", u)
	}
	said := ""
	for _, d := range o.Diagnostics {
		said += d.String() + "\n"
	}
	for _, want := range []string{":2: warning: unsupported: routes spring.cloud.loadbalancer.configuration: configuration is not supported and has no effect: Spring Cloud LoadBalancer has no such property: did you mean configurations?",
		":3: warning: unsupported: routes spring.cloud.loadbalancer.foo: ", "loadbalancer.health-check.pathh: ", "did you mean health-check.path?", ":8: info: ",
		":11: warning: unsupported: routes spring.cloud.loadbalancer.clients.typo.configuration: ", "loadbalancer.clients.typo.health-check.portt: ", "did you mean health-check.port?"} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
	if len(o.Diagnostics) != 6 {
		t.Errorf("%d are told:\n%s", len(o.Diagnostics), said)
	}
}
