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
  loadbalancer: {nacos.enabled: true, clients.pay: {configurations: zone-preference, zone: east}}
  gateway.routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}, {id: b, uri: 'lb://pay', predicates: ['Path=/b']}]
`)
	if len(o.Upstreams) != 2 || o.Upstreams[0].Zones != (model.ZonePreference{Cluster: "SH"}) ||
		o.Upstreams[1].Zones != (model.ZonePreference{Prefer: true, Enough: 1, Own: "east", Cluster: "SH"}) || len(o.Diagnostics) != 0 {
		t.Errorf("%+v, %v", o.Upstreams, o.Diagnostics)
	}
	o = load(t, Config{}, "spring.cloud: {loadbalancer.nacos.enabled: true, gateway.routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}]}\n")
	if len(o.Upstreams) != 1 || o.Upstreams[0].Zones.Cluster != "DEFAULT" {
		t.Errorf("%+v, %v", o.Upstreams, o.Diagnostics)
	}
}

// TestNoZoneAnywhere: a preference for no zone has no effect, and that is told, unless the process knows where it runs.
func TestNoZoneAnywhere(t *testing.T) {
	const text = "spring.cloud: {loadbalancer.configurations: zone-preference, gateway.routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}]}\n"
	for zone, want := range map[string]int{"": 1, "east": 0} {
		o := load(t, Config{Zone: zone}, text)
		if len(o.Diagnostics) != want || want > 0 && !strings.Contains(o.Diagnostics[0].Message, "zone-preference has no effect") || !o.Upstreams[0].Zones.Prefer {
			t.Errorf("in zone %q: %v, %+v", zone, o.Diagnostics, o.Upstreams)
		}
	}
}
