package springgw

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/watch"
)

// settled reads files, and shows of each upstream what it was given, and of each route where it leads and how long it waits.
func settled(t *testing.T, o model.Objects) (upstreams, routes map[string]string) {
	t.Helper()
	upstreams, routes = map[string]string{}, map[string]string{}
	for _, u := range o.Upstreams {
		text := fmt.Sprintf("zone=%s keep=%s unverified=%t", u.Zones.Own, u.Keep.IdleTime, u.TLS.SkipVerify)
		if was, ok := upstreams[string(u.ID)]; ok && was != text {
			t.Errorf("%s is %s, and %s", u.ID, was, text)
		}
		if u.Validate() != nil {
			t.Error(u.Validate())
		}
		upstreams[string(u.ID)] = text
	}
	for _, r := range o.Routes {
		f := r.Action.(model.Forward)
		routes[r.Origin.Name] = fmt.Sprintf("%s %s", f.Targets[0].Upstream, r.Timeouts.Response)
	}
	return upstreams, routes
}

// TestClients: what a file says of instances, connections, times and certificates holds for its own routes, where another one leads to the same
// service too.
func TestClients(t *testing.T) {
	const order = "registry/public/DEFAULT_GROUP/order"
	loadbalancer := "spring.cloud.loadbalancer: {configurations: zone-preference, zone: east}\n" +
		"spring.cloud.gateway.httpclient: {response-timeout: 2s, pool.max-idle-time: 9s, ssl.use-insecure-trust-manager: true}\n"
	list := func(id string) string {
		return fmt.Sprintf("spring.cloud.gateway.routes:\n- {id: %s, uri: 'lb://order', predicates: ['Path=/%[1]s']}\n- {id: %[1]s2, uri: 'https://order.test', predicates: ['Path=/%[1]s2']}\n", id)
	}
	o := load(t, Config{}, list("a"), loadbalancer+list("b"), list("c"), "spring.cloud.loadbalancer: {configurations: zone-preference, zone: west}\n"+list("d"))
	upstreams, to := settled(t, o)
	const east, west, none = "zone=east keep=9s unverified=true", "zone=west keep=0s unverified=false", "zone= keep=0s unverified=false"
	for id, want := range map[string]string{order + "{unverified}": east, order + "{as in 1.yaml}": none, order + "{as in 4.yaml}": west,
		"https/static/order.test:443{unverified}": "zone= keep=9s unverified=true", "https/static/order.test:443{as in 1.yaml}": none, "https/static/order.test:443{as in 4.yaml}": none} {
		if upstreams[id] != want {
			t.Errorf("%s: %q, want %q", id, upstreams[id], want)
		}
	}
	for id, want := range map[string]string{"a": order + "{as in 1.yaml} 0s", "b": order + "{unverified} 2s", "c": order + "{as in 1.yaml} 0s", "d": order + "{as in 4.yaml} 0s"} {
		if to[id] != want {
			t.Errorf("%s leads to %q, want %q", id, to[id], want)
		}
	}
	told := func(want ...string) {
		t.Helper()
		got := 0
		for _, d := range o.Diagnostics {
			if d.Code == CodeOwnSettings {
				if got++; got <= len(want) && !strings.Contains(d.String(), want[got-1]) || !strings.Contains(d.Message, "1.yaml") {
					t.Error(d)
				}
			}
		}
		if got != len(want) {
			t.Errorf("%d of %v are told", got, want)
		}
	}
	told("2.yaml: info", "4.yaml: info")

	// Files that say the same share everything.
	o = load(t, Config{}, loadbalancer+list("a"), loadbalancer+list("b"))
	if upstreams, _ = settled(t, o); len(upstreams) != 2 || upstreams[order+"{unverified}"] != east {
		t.Error(upstreams)
	}
	told()

	// The routes of the locator are named elsewhere: its file has the names without a mark, and its settings are its own.
	o = load(t, Config{}, loadbalancer+list("a"), "spring.cloud.gateway.discovery.locator.enabled: true\n")
	if upstreams, _ = settled(t, o); upstreams[order+"{as in 1.yaml}{unverified}"] != east || o.Locators[0].TLS.SkipVerify || o.Locators[0].Balancing.Zones.Prefer || o.Locators[0].Timeouts.Response != 0 {
		t.Errorf("%v %+v", upstreams, o.Locators)
	}

	// Each of two upstreams of one service keeps its clients by a cookie of its own.
	sticky := "spring.cloud.loadbalancer: {configurations: request-based-sticky-session, zone: %s}\n"
	o = load(t, Config{}, fmt.Sprintf(sticky, "east")+list("a"), "spring.cloud.gateway.httpclient.pool.max-idle-time: 5s\n"+fmt.Sprintf(sticky, "east")+list("b"))
	cookies := map[string]model.UpstreamID{}
	for _, u := range o.Upstreams {
		if u.Affinity.Mode != "" {
			cookies[u.Affinity.Cookie] = u.ID
		}
	}
	if len(cookies) != 2 || cookies["sc-lb-instance-id"] != order {
		t.Error(cookies)
	}

	// A filter for all routes that asks a service does so as the file that names it says.
	o = load(t, Config{}, loadbalancer+"spring.cloud.gateway.paifang-filters: [{kind: external-auth, config: {}, upstreams: ['https://auth.test']}]\n", list("a"))
	if upstreams, _ = settled(t, o); upstreams["https/static/auth.test:443{unverified}"] == "" || upstreams[order] != "" || upstreams[order+"{as in 2.yaml}"] != none {
		t.Error(upstreams)
	}

	// A file without routes has nobody to say it to.
	o = load(t, Config{}, list("a"), loadbalancer)
	if upstreams, _ = settled(t, o); slices.Contains([]string{upstreams[order], upstreams[order+"{as in 1.yaml}"]}, east) {
		t.Error(upstreams)
	}
	told("2.yaml: warning")
}

// TestClientsOfPosted: routes that stand in no file have the settings of the application, where there is one alone.
func TestClientsOfPosted(t *testing.T) {
	c := Config{Feeds: []Feed{{Name: "posted.json"}}}.withDefaults()
	r := newReading(&c)
	file := func(name, text string) { r.take([]watch.File{{Path: name, Data: []byte(text), Settled: true}}) }
	routes := func() time.Duration {
		for _, g := range translate(c, r.applications(), nil, nil).groups {
			for _, route := range g.Objects.Routes {
				if route.Origin.Name == "p" {
					return route.Timeouts.Response
				}
			}
		}
		return -1
	}
	file("posted.json", string(routesText(`[{"id": "p", "uri": "lb://order", "predicates": ["Path=/p"]}]`)))
	file("a.yml", "spring.cloud.gateway.httpclient.response-timeout: 2s\n")
	if got := routes(); got != 2*time.Second {
		t.Error(got)
	}
	file("b.yml", "spring.cloud.gateway.httpclient.response-timeout: 3s\n")
	if got := routes(); got != 0 {
		t.Error(got)
	}

	// An upstream without settings is another one than that of the file which has some.
	file("a.yml", "spring.cloud:\n  loadbalancer.configurations: same-instance-preference\n  gateway.routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}]\n")
	upstreams := map[model.UpstreamID]model.BalanceKind{}
	for _, g := range translate(c, r.applications(), nil, nil).groups {
		for _, u := range g.Objects.Upstreams {
			if was, ok := upstreams[u.ID]; ok && was != u.Balance.Kind {
				t.Errorf("%s is there twice", u.ID)
			}
			upstreams[u.ID] = u.Balance.Kind
		}
	}
	if len(upstreams) != 2 || upstreams["registry/public/DEFAULT_GROUP/order"] != model.SameEndpoint {
		t.Error(upstreams)
	}
}

// TestClientsOfPostedBesideOthers: a file that says nothing of clients takes nothing from routes that were posted; where it is not known whose settings
// are meant, that is told.
func TestClientsOfPostedBesideOthers(t *testing.T) {
	for beside, want := range map[string]time.Duration{
		"spring.cloud.gateway.metrics.enabled: true\n":                                                                         2 * time.Second,
		"spring.cloud.gateway.default-filters: ['AddRequestHeader=X-A, b']\n":                                                  2 * time.Second,
		"spring.cloud.gateway.routes: [{id: o, uri: 'lb://o', predicates: ['Path=/o']}]\n":                                     0,
		"spring.cloud.gateway: {httpclient.response-timeout: 2s, routes: [{id: o, uri: 'lb://o', predicates: ['Path=/o']}]}\n": 2 * time.Second,
	} {
		c := Config{Feeds: []Feed{{Name: "posted.json"}}}.withDefaults()
		r := newReading(&c)
		file := func(name, text string) watch.File { return watch.File{Path: name, Data: []byte(text), Settled: true} }
		r.take([]watch.File{file("posted.json", string(routesText(`[{"id": "p", "uri": "lb://order", "predicates": ["Path=/p"]}]`))),
			file("a.yml", "spring.cloud.gateway: {httpclient.response-timeout: 2s, routes: [{id: a, uri: 'lb://order', predicates: ['Path=/a']}]}\n"), file("b.yml", beside)})
		told := false
		for _, g := range translate(c, r.applications(), nil, nil).groups {
			for _, d := range g.Objects.Diagnostics {
				told = told || d.Code == CodeOwnSettings && d.Origin.File == "posted.json" && d.Severity == model.Warning
			}
			for _, route := range g.Objects.Routes {
				if route.Origin.Name == "p" && route.Timeouts.Response != want {
					t.Errorf("beside %s: %s", beside, route.Timeouts.Response)
				}
			}
		}
		if told != (want == 0) {
			t.Errorf("beside %s: told %t", beside, told)
		}
	}
}

// TestClientsOfOwnCookie: so it is with a cookie that is named for one service: two upstreams of it would take each other's.
func TestClientsOfOwnCookie(t *testing.T) {
	text := "spring.cloud.loadbalancer.clients.order: {configurations: request-based-sticky-session, sticky-session.instance-id-cookie-name: S}\n" +
		"spring.cloud.gateway: {httpclient.pool.max-idle-time: %ds, routes: [{id: %[2]s, uri: 'lb://order', predicates: ['Path=/%[2]s']}]}\n"
	o := load(t, Config{}, fmt.Sprintf(text, 5, "a"), fmt.Sprintf(text, 6, "b"))
	cookies := map[string]model.UpstreamID{}
	for i := range o.Upstreams {
		cookies[o.Upstreams[i].AffinityCookie()] = o.Upstreams[i].ID
	}
	if len(o.Upstreams) != 2 || len(cookies) != 2 || cookies["S"] == "" {
		t.Error(cookies)
	}
}
