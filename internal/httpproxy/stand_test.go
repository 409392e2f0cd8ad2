package httpproxy

import (
	"context"
	"encoding/json"
	"flag"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

func TestMain(m *testing.M) {
	if other() { // this binary as a client or an upstream of another test process
		return
	}
	if err := flag.Set("test.parallel", "8"); err != nil { // those that are parallel wait, which no processor is needed for
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// stand is an engine with everything it needs, on loopback.
type stand struct {
	t       testing.TB
	plane   *Plane
	store   *snapshot.Store
	table   *upstream.Table
	sockets *listener.Set
	version uint64

	listeners []model.Listener
	routes    []*snapshot.Route
	certs     []model.Certificate
	policies  []model.TLSPolicy

	mu      sync.Mutex
	records []telemetry.Access
	looped  []string
}

// Record keeps a record with its strings, which are only lent.
func (s *stand) Record(a *telemetry.Access) {
	r := *a
	for _, p := range []*string{&r.Listener, &r.Node, &r.Method, &r.Host, &r.Path, &r.Reason, &r.Route, &r.Upstream, &r.Pod, &r.RequestID, &r.Target, &r.UserAgent, &r.Referer} {
		*p = strings.Clone(*p)
	}
	s.mu.Lock()
	s.records = append(s.records, r)
	s.mu.Unlock()
}

// newStand starts an engine with one listener "front" of class "web"; change may set further things first.
func newStand(t testing.TB, change func(*stand, *Config)) *stand {
	t.Helper()
	s := &stand{t: t, table: upstream.NewTable(upstream.Config{WaitTime: 100 * time.Millisecond})}
	s.sockets = listener.NewSet(listener.Config{DrainDelay: 10 * time.Millisecond})
	s.listeners = []model.Listener{{ID: "front", Class: "web", Protocol: model.HTTP, Node: "node-1",
		Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}
	cfg := Config{Upstreams: s.table, Listeners: s.sockets, Recorder: s}
	cfg.Loop = func(l model.ListenerID, host, path string) {
		s.mu.Lock()
		s.looped = append(s.looped, string(l)+" "+host+path)
		s.mu.Unlock()
	}
	cfg.Timeouts.Drain = 700 * time.Millisecond
	if change != nil {
		change(s, &cfg)
	}
	var err error
	if s.plane, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	s.store = snapshot.NewStore(s.plane)
	t.Cleanup(func() {
		s.store.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.plane.Close(ctx)
		s.sockets.Close()
		s.table.Close()
	})
	return s
}

// list sets the addresses of a list.
func (s *stand) list(name string, addrs ...string) {
	set := model.EndpointSet{List: model.EndpointsID{Keeper: "static", Name: name}}
	for _, a := range addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.MustParseAddrPort(a), Name: "pod-" + a})
	}
	s.table.SetContribution("test", name, []model.EndpointSet{set}, 0)
}

// route adds a route for any host that forwards a prefix to the list of a name.
func (s *stand) route(id, prefix, name string, change ...func(*model.Route)) {
	s.t.Helper()
	r := model.Route{ID: model.RouteID(id), Attach: []model.Class{"web"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: prefix}},
		Action: model.Forward{Targets: []model.Target{{Upstream: model.UpstreamID(name)}}}}
	for _, c := range change {
		c(&r)
	}
	compiled, err := snapshot.NewRoute(&r)
	if err != nil {
		s.t.Fatal(err)
	}
	if f, ok := r.Action.(model.Forward); ok {
		for _, to := range f.Targets {
			compiled.Upstreams = append(compiled.Upstreams, &model.Upstream{ID: to.Upstream,
				Endpoints: []model.EndpointsID{{Keeper: "static", Name: string(to.Upstream)}}})
		}
	}
	s.routes = append(s.routes, compiled)
}

// publish makes what was set the current generation.
func (s *stand) publish() {
	s.t.Helper()
	s.version++
	sites := map[model.Class]*snapshot.Site{}
	for _, l := range s.listeners {
		class := l.EffectiveClass()
		if sites[class] != nil {
			continue
		}
		hosts := map[model.Host][]*snapshot.Route{}
		for _, r := range s.routes {
			if !slices.Contains(r.Attach, class) {
				continue
			}
			for _, h := range r.EffectiveHosts() {
				hosts[h] = append(hosts[h], r)
			}
		}
		e := (&snapshot.Site{}).Edit()
		for h, rs := range hosts {
			slices.SortFunc(rs, func(a, b *snapshot.Route) int { return model.CompareRoutes(a.Route, b.Route) })
			e.Set(h, snapshot.NewHostTable(h, rs))
		}
		site := e.Hosts()
		sites[class] = &site
	}
	up := (&shard.Map[*model.Upstream]{}).Edit().Map()
	next := snapshot.New(snapshot.Contents{Version: s.version, Listeners: slices.Clone(s.listeners), Sites: sites, Upstreams: up, Certificates: slices.Clone(s.certs), TLSPolicies: slices.Clone(s.policies)})
	if refused := s.store.Publish(context.Background(), next); len(refused) > 0 {
		s.t.Fatalf("refused: %v", s.store.Planes())
	}
}

// addr is where a listener is bound.
func (s *stand) addr(id model.ListenerID) string {
	s.t.Helper()
	for _, l := range s.plane.Listeners() {
		if l.ID == id && len(l.Bound) > 0 && !l.Draining {
			return l.Bound[0].String()
		}
	}
	s.t.Fatalf("listener %s is not bound: %+v", id, s.plane.Listeners())
	return ""
}

// echoed is what echo has seen.
type echoed struct {
	Line string
	Head map[string]string
	Body string
}

func (r reply) echoed(t testing.TB) echoed {
	t.Helper()
	var e echoed
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return e
}

func get(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: shop.test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func post(path string, body string, fields ...string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: shop.test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n" + body
}

// last waits for record number n and returns it.
func (s *stand) last(n int) telemetry.Access {
	s.t.Helper()
	var out telemetry.Access
	eventually(s.t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.records) < n {
			return false
		}
		out = s.records[n-1]
		return true
	})
	return out
}

func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 10 s")
		}
	}
}

// simple is a stand with one route to one upstream.
func simple(t testing.TB, f answerFunc, change func(*stand, *Config)) (*stand, *recorder) {
	t.Helper()
	rec := newRecorder(t, f)
	s := newStand(t, change)
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u")
	s.publish()
	return s, rec
}
