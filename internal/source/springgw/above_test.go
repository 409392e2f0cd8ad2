package springgw

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/watch"
)

// followBoth follows a file, and a text that is kept elsewhere and has it above it. Updates of the file's own source go nowhere.
func followBoth(t *testing.T, file, text string) *hub {
	t.Helper()
	files := New(Config{Paths: []string{file}})
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan source.Update), make(chan error, 1)
	go func() { done <- files.Run(ctx, out) }()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-out:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		<-stopped
	})
	return follow(t, Config{Name: "item", Above: files.Common(), Feeds: []Feed{{Name: "nacos/public/G/item.yml", Follow: func(ctx context.Context, take func(string)) error {
		take(text)
		<-ctx.Done()
		return ctx.Err()
	}}}})
}

// filters are the kinds of those of a route, in their order, and then who it leads to.
func (h *hub) filters(route string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, o := range h.groups {
		for _, r := range o.Routes {
			if r.Origin.Name != route {
				continue
			}
			for _, f := range r.Filters {
				out = append(out, f.Kind)
			}
			if f, ok := r.Action.(model.Forward); ok {
				return strings.Join(append(out, string(f.Targets[0].Upstream), r.Timeouts.Response.String()), " ")
			}
			return "refused"
		}
	}
	return "none"
}

func (h *hub) waitFor(t *testing.T, route, want string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if h.filters(route) == want {
			return
		}
	}
	t.Fatalf("route %s has %q, want %q", route, h.filters(route), want)
}

// TestAbove: what files say for all routes guards those that are kept elsewhere from the first moment on, and follows the files; what is wrong
// with it is said where it stands alone.
func TestAbove(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	const guard = "spring.cloud.gateway:\n  default-filters: ['AddRequestHeader=X-All, 1']\n  globalcors.cors-configurations.[/**].allowed-origins: http://a.test\n" +
		"  paifang-filters: [{kind: addresses, config: {deny: [192.0.2.0/24]}}]\n  httpclient.response-timeout: 3s\nspring.cloud.loadbalancer.configurations: same-instance-preference\n"
	write(guard)
	h := followBoth(t, file, "spring.cloud.gateway:\n  default-filters: ['AddResponseHeader=X-Item, 1']\n  routes:\n  - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: [StripPrefix=1]}\n")
	const upstream = "registry/public/DEFAULT_GROUP/s"
	h.waitFor(t, "a", "cors addresses request-headers strip-prefix response-headers tell-origin "+upstream+" 3s")
	h.mu.Lock()
	for _, o := range h.groups {
		for _, u := range o.Upstreams {
			if u.Balance.Kind != model.SameEndpoint {
				t.Errorf("%s: instances are chosen by %q", u.ID, u.Balance.Kind)
			}
		}
		if len(o.Diagnostics) > 0 {
			t.Error(o.Diagnostics)
		}
	}
	h.mu.Unlock()
	write(strings.Replace(guard, "AddRequestHeader=X-All, 1", "Nothing=1", 1))
	h.waitFor(t, "a", "refused")
	if text := h.text(); strings.Contains(text, "!") {
		t.Errorf("what is wrong above is said here too: %s", text)
	}
	write("spring.cloud.gateway.routes: []\n")
	h.waitFor(t, "a", "response-headers strip-prefix tell-origin "+upstream+" 0s")
}

// TestAboveNotRead: nothing is served before it is known who guards it.
func TestAboveNotRead(t *testing.T) {
	said := make(chan struct{})
	files := New(Config{})
	h := follow(t, Config{Above: files.Common(), Feeds: []Feed{{Name: "item.json", Follow: func(ctx context.Context, take func(string)) error {
		take(`[{"id": "a", "uri": "lb://s", "predicates": ["Path=/a"]}]`)
		take(`[{"id": "a", "uri": "lb://s", "predicates": ["Path=/b"]}]`)
		close(said)
		<-ctx.Done()
		return ctx.Err()
	}}}})
	<-said // the first text was heard
	h.mu.Lock()
	if h.fulls > 0 {
		t.Error("it is served")
	}
	h.mu.Unlock()
	files.common.say(nil)
	h.wait(t, "a/b")
}

// TestAboveSettings: settings of a text of its own, and none where files have some, are those of upstreams of its own: two of one name would be one too many.
func TestAboveSettings(t *testing.T) {
	const route = "spring.cloud.gateway.routes: [{id: a, uri: 'lb://s', predicates: ['Path=/a']}]\n"
	for text, want := range map[string]string{
		route: "registry/public/DEFAULT_GROUP/s 0s",
		route + "spring.cloud.loadbalancer.configurations: same-instance-preference\n": "registry/public/DEFAULT_GROUP/s{as in nacos/public/G/item.yml} 0s",
	} {
		file := filepath.Join(t.TempDir(), "application.yml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(route, "id: a", "id: b")), 0o600); err != nil {
			t.Fatal(err)
		}
		followBoth(t, file, text).waitFor(t, "a", want)
	}
}

// TestAboveProperties: filters of a text that is kept elsewhere go by what the file says, where the text says nothing: a list of routes has no place for
// it. What two files say is nobody's.
func TestAboveProperties(t *testing.T) {
	const limit = `{"name": "RequestRateLimiter", "args": {"redis-rate-limiter.replenishRate": 1, "key-resolver": "#{@ipKeyResolver}"}}`
	const file = "spring.data.redis.host: 192.0.2.9\nspring.webflux.base-path: /base\nspring.cloud.gateway.redis-rate-limiter.remaining-header: X-Left\n"
	c := Config{Feeds: []Feed{{Name: "posted.json"}}}.withDefaults()
	r := newReading(&c)
	take := func(name, text string) {
		r.take([]watch.File{{Path: name, Data: []byte(text), Settled: true}})
	}
	route := func(before *memory) (string, *memory) {
		t.Helper()
		now := translate(c, r.applications(), nil, before)
		for _, g := range now.groups {
			for _, route := range g.Objects.Routes {
				if route.Origin.Name == "a" {
					return route.Match.Path.Value + " " + string(route.Filters[len(route.Filters)-1].Config), now.memory
				}
			}
		}
		t.Fatal("the route is not there")
		return "", nil
	}
	take("posted.json", string(routesText(`[{"id": "a", "uri": "lb://s", "predicates": ["Path=/a"], "filters": [`+limit+`]}]`)))
	alone, m := route(nil)
	if strings.Contains(alone, "192.0.2.9") || !strings.HasPrefix(alone, "/a ") {
		t.Error(alone)
	}
	take("a.yml", file+"spring.cloud.gateway.routes: [{id: o, uri: 'lb://o', predicates: ['Path=/p']}]\n")
	under, m := route(m)
	if !strings.Contains(under, "192.0.2.9") || !strings.Contains(under, "X-Left") || !strings.HasPrefix(under, "/base/a ") {
		t.Error(under)
	}
	before := m
	take("a.yml", file+"spring.cloud.gateway.routes: [{id: o, uri: 'lb://o', predicates: ['Path=/o']}]\n")
	if _, m = route(m); len(m.routes) != 2 {
		t.Errorf("%d routes", len(m.routes))
	}
	for d, was := range before.routes {
		if d.id == "a" && m.routes[d].objects != was.objects {
			t.Error("a route of the file has one that was posted translated again")
		}
	}
	take("b.yml", "spring.cloud.gateway.routes: []\n")
	if both, _ := route(m); both != alone {
		t.Error(both)
	}
}

// TestBehind: of equal order, routes of files are tried before those that are kept elsewhere, whatever their places in their lists, and the locator's last.
func TestBehind(t *testing.T) {
	last := model.Rank{}
	for n := range 3 {
		o := load(t, Config{Behind: n}, routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a']}\n      - {id: b, uri: 'lb://s', predicates: ['Path=/b']}\n")+"      discovery.locator.enabled: true\n")
		for _, r := range o.Routes {
			if last.Compare(r.Rank) >= 0 {
				t.Errorf("source %d, route %s: %v is not behind %v", n, r.Origin.Name, r.Rank, last)
			}
			last = r.Rank
		}
		if len(o.Routes) != 2 || len(o.Locators) != 1 || last.Compare(o.Locators[0].Rank) >= 0 {
			t.Errorf("source %d: %+v", n, o)
		}
	}
}
