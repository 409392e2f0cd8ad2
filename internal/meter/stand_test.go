package meter

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/compile"
	"paifang/internal/dnsserver"
	"paifang/internal/exposition/expositiontest"
	"paifang/internal/httpproxy"
	"paifang/internal/hub"
	"paifang/internal/l4"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/overload"
	"paifang/internal/registry"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand is the planes of a process, on loopback, with a meter.
type stand struct {
	t     *testing.T
	parts Parts
	meter *Meter
	store *snapshot.Store
	at    map[model.ListenerID]string // where listeners are bound
}

// control is a hub that has nothing to do.
type control struct{}

func (control) Sources() []hub.SourceStatus {
	return []hub.SourceStatus{{Name: "manifest", Synced: true, Heard: time.UnixMilli(1767225600500), Groups: 3}, {Name: "registry", Failed: true}}
}
func (control) Ready() bool { return true }
func (control) Work() hub.Work {
	return hub.Work{Generations: 2, Compile: 3 * time.Millisecond, Publish: 4 * time.Millisecond, Compiled: time.Millisecond, Published: 2 * time.Millisecond, Last: time.UnixMilli(1767225600500)}
}

func anyPort() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")} }

func listOf(name string) model.EndpointsID {
	return model.EndpointsID{Keeper: model.KeeperStatic, Name: name}
}

// newStand starts the planes with a route /ok to an upstream that answers and /dead to one that does not.
func newStand(t *testing.T, change func(*httpproxy.Config)) *stand {
	t.Helper()
	log := telemetry.NewAccessLog(nowhere{}, telemetry.Options{})
	s := &stand{t: t, at: map[model.ListenerID]string{}}
	p := Parts{
		Version: "v1", Started: time.UnixMilli(1767225600500), Control: control{}, AccessLog: log, Registry: &registry.Handle{},
		Upstreams: upstream.NewTable(upstream.Config{}), Sockets: listener.NewSet(listener.Config{DrainDelay: time.Millisecond}),
		DNS: dnsserver.New(dnsserver.Options{}), Overload: overload.New(overload.Config{Limit: 1 << 30, Gauge: func() uint64 { return 1 << 20 }}),
		Diagnostics: func() []model.Diagnostic { return []model.Diagnostic{{Severity: model.Warning}} },
	}
	p.L4 = l4.New(l4.Config{Sockets: p.Sockets, Upstreams: p.Upstreams, DrainTimeout: 100 * time.Millisecond})
	cfg := httpproxy.Config{Upstreams: p.Upstreams, Listeners: p.Sockets, Recorder: log, Timeouts: httpproxy.Timeouts{Drain: 100 * time.Millisecond}}
	if change != nil {
		change(&cfg)
	}
	var err error
	if p.HTTP, err = httpproxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	s.store = snapshot.NewStore(p.DNS, p.L4, p.HTTP)
	p.Generations = s.store
	s.parts, s.meter = p, New(p)
	t.Cleanup(s.close)
	return s
}

func (s *stand) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.store.Seal()
	s.parts.L4.Close(ctx)
	s.parts.HTTP.Close(ctx)
	s.store.Close()
	s.parts.DNS.Close()
	s.parts.Sockets.Close()
	s.parts.Upstreams.Close()
	if err := s.parts.AccessLog.Close(); err != nil {
		s.t.Error(err)
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

func (s *stand) list(name string, addrs ...string) {
	set := model.EndpointSet{List: listOf(name)}
	for _, a := range addrs {
		set.Endpoints = append(set.Endpoints, model.Endpoint{Addr: netip.MustParseAddrPort(a)})
	}
	s.parts.Upstreams.SetContribution("test", name, []model.EndpointSet{set}, 0)
}

// objects are listeners of every kind, and routes of which each leads to the upstream of its name.
func objects(routes ...string) model.Objects {
	o := model.Objects{
		Listeners: []model.Listener{
			{ID: "front", Class: "web", Protocol: model.HTTP, Bind: anyPort()},
			{ID: "secure", Class: "web", Protocol: model.HTTPS, Bind: anyPort()},
			{ID: "slb", Protocol: model.TCP, Bind: anyPort()},
			{ID: "dns", Protocol: model.DNS, Bind: anyPort()},
		},
		Zones:     []model.Zone{{Name: "test"}},
		L4Routes:  []model.L4Route{{ID: "slb", Attach: []model.Class{"slb"}, Upstream: "nodes"}},
		Upstreams: []model.Upstream{{ID: "nodes", Endpoints: []model.EndpointsID{listOf("nodes")}}},
	}
	for _, name := range routes {
		o.Upstreams = append(o.Upstreams, model.Upstream{ID: model.UpstreamID(name), Endpoints: []model.EndpointsID{listOf(name)}})
		o.Routes = append(o.Routes, model.Route{ID: model.RouteID(name), Attach: []model.Class{"web"},
			Match:  model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/" + name}},
			Action: model.Forward{Targets: []model.Target{{Upstream: model.UpstreamID(name)}}}})
	}
	return o
}

func (s *stand) publish(o model.Objects) {
	s.t.Helper()
	e := shard.Map[*model.Objects]{}.Edit()
	e.Set("test", &o)
	next := compile.Compile(s.store.Load(), compile.Input{Groups: e.Map()}, func([]model.FilterSpec, []string) ([]model.FilterFault, []model.FilterPath, []model.FilterSetting) {
		return nil, nil, nil
	})
	if refused := s.store.Publish(context.Background(), next); len(refused) > 0 {
		s.t.Fatalf("refused: %+v", s.store.Planes())
	}
	for _, d := range next.Diagnostics() {
		if d.Severity == model.Error {
			s.t.Fatal(d)
		}
	}
	if len(s.at) > 0 {
		return // nothing moves
	}
	for _, l := range s.parts.HTTP.Listeners() {
		s.at[l.ID] = l.Bound[0].String()
	}
	for _, l := range s.parts.L4.Status() {
		s.at[l.Listener] = l.Addrs[0].String()
	}
	s.at["dns"] = s.parts.DNS.Bound()[0].String()
}

// page reads the metrics strictly.
func (s *stand) page() expositiontest.Page {
	s.t.Helper()
	var b bytes.Buffer
	if err := s.meter.WriteMetrics(&b); err != nil {
		s.t.Fatal(err)
	}
	p, err := expositiontest.Parse(b.Bytes())
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// client makes requests, each on a connection of its own.
func client() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

func get(c *http.Client, url string) error { return getHost(c, url, "") }

// getHost asks for another host than the one in the URL, unless it is empty.
func getHost(c *http.Client, url, host string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Host = host
	r, err := c.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err
}

// server answers every request, and is gone at the end.
func server(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// nobody is an address that nothing listens on.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
