package adminapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parts are the other ends of a Local.
type parts struct {
	state   *explaintest.State
	sources []hub.SourceStatus
	ready   bool
	planes  []snapshot.PlaneState
	mu      sync.Mutex
	acted   []string
	refuse  error
}

func (p *parts) Load() *snapshot.Snapshot      { return p.state.Snapshot }
func (p *parts) Planes() []snapshot.PlaneState { return p.planes }
func (p *parts) Sources() []hub.SourceStatus   { return p.sources }
func (p *parts) Ready() bool                   { return p.ready }
func (p *parts) Pieces() []string {
	return []string{"node-1", "node-2", "slb", "dns", "gateway", "registry", "order-a"}
}
func (p *parts) Services() []Service {
	return []Service{{Name: "unused", Namespace: "public", Group: "DEFAULT_GROUP", KeptBy: "registry"},
		{Name: "nacos-order-service", Namespace: "public", Group: "DEFAULT_GROUP", KeptBy: "registry", Local: true}}
}
func (p *parts) Diagnostics() []model.Diagnostic {
	return []model.Diagnostic{{Origin: model.Origin{Source: "podrun", File: "a.yaml", Line: 2}, Severity: model.Error, Code: model.CodeNoProgram, Message: "no program"}}
}
func (p *parts) ListenerState(id model.ListenerID) (ListenerState, bool) {
	if id == "node-2/https" || id == "node-2/http" {
		return ListenerState{Error: "in use"}, true
	}
	return ListenerState{Bound: true, Open: 3}, true
}
func (p *parts) WriteMetrics(w io.Writer) error {
	_, err := io.WriteString(w, "# HELP paifang_up Up.\n# TYPE paifang_up gauge\npaifang_up 1\n")
	return err
}
func (p *parts) Act(_ context.Context, piece string, verb Verb, signal Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acted = append(p.acted, fmt.Sprintf("%s %s %s", verb, piece, signal))
	return p.refuse
}

func local(more ...model.Objects) (*Local, *parts) {
	p := &parts{state: explaintest.New(more...), ready: true, planes: []snapshot.PlaneState{{Name: "http", Version: 1}},
		sources: []hub.SourceStatus{{Name: "manifest", Required: true, Synced: true}}}
	return &Local{Name: "up", Version: "1", Dir: "/example", Generations: p, Control: p, Pods: p.state, Listeners: p, Registry: p, Finders: []Finder{p}, Actions: p,
		Addresses: func(*snapshot.Snapshot) Addresses { return p.state }}, p
}

func read(t *testing.T, r Reader, kinds ...Kind) View {
	t.Helper()
	v, err := r.Read(context.Background(), kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRoadsOfOneApplicationOnBoth(t *testing.T) {
	l, p := local()
	own := model.EndpointsID{Keeper: model.KeeperRegistry, Name: "public/DEFAULT_GROUP/paifang-gateway"}
	idle := model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/idle:80"}
	p.state.ByList[own] = explain.List{ID: own, Known: true, Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort("127.0.0.20:8080")}}}
	p.state.ByList[idle] = explain.List{ID: idle, Known: true, Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort("127.1.1.9:80"), State: model.Unhealthy}}}
	want := []Road{
		{Application: "idle", Road: "none", AddressesFrom: []string{"Kubernetes"}, Ready: 0, Total: 1, Known: true, Lists: []string{"kubernetes:shop/idle:80"}},
		{Application: "order-service", Road: "both", WayIn: []string{"shop.test/order", "shop.test/", "gateway.test/order/**"},
			RuleKeptIn: []string{"Kubernetes Ingress (3-ingress.yaml)", "route file (4-routes.yaml)"}, AddressesFrom: []string{"Kubernetes", "registry"},
			Ready: 2, Total: 2, Known: true, Lists: []string{explaintest.Service.String(), explaintest.Registry.String()}},
	}
	if got := read(t, l, Roads).Roads; !reflect.DeepEqual(got, want) {
		t.Errorf("roads are\n%+v\nwant\n%+v", got, want)
	}
}

// Files alone say on which roads an application is, not which lists lead to the same pods.
func TestRoadsOfFiles(t *testing.T) {
	l, _ := local()
	l.Addresses = nil
	got := read(t, l, Roads).Roads
	if len(got) != 2 || got[0].Road != "2" || got[1].Road != "1" || got[1].Known {
		t.Errorf("roads are %+v", got)
	}
}

func TestRows(t *testing.T) {
	l, p := local()
	u := p.state.ByID[explaintest.SLBNodes]
	u.Endpoints[0].Healthy, u.Endpoints[0].Why, u.Endpoints[1].Open = false, "connection refused", 4
	u.Endpoints[1].State = model.Draining
	p.sources = append(p.sources, hub.SourceStatus{Name: "registry", Failed: true, Error: "away"})
	v := read(t, l, Kinds()...)
	if n := v.Nodes; len(n) != 2 || n[0].Name != "node-1" || n[0].Health != "unhealthy" || n[0].Why != "connection refused" || n[0].Behind != "127.0.0.10:8080" ||
		n[1].Health != "healthy" || !n[1].Draining || n[1].Open != 4 {
		t.Errorf("nodes are %+v", n)
	}
	if r := v.Records; len(r) != 2 || r[1].Name != "shop.test" || r[1].Type != "A" || r[1].Zone != "test" || r[1].Addrs[0].String() != "127.0.0.10" {
		t.Errorf("records are %+v", r)
	}
	var order Route
	for _, r := range v.Routes {
		if r.ID == "ingress/shop/shop/0/0" {
			order = r
		}
	}
	if order.Host != "shop.test" || order.Path != "/order" || order.Effect != "order-service:80" || order.Source != "3-ingress.yaml:12" || order.Road != 1 ||
		!reflect.DeepEqual(order.Servers, []string{"127.1.1.2:8080", "127.1.2.2:8080"}) || !reflect.DeepEqual(order.BoundOn, []string{"node-1"}) {
		t.Errorf("route is %+v", order)
	}
	if s := v.Services; len(s) != 3 || s[0].KeptBy != "Kubernetes" || s[0].Name != "order-service" || s[0].Namespace != "shop" || s[0].Port != "80" || s[0].Ready != 2 || !s[0].InUse ||
		s[1].Name != "nacos-order-service" || s[1].KeptBy != "registry" || s[1].Group != "DEFAULT_GROUP" || s[1].Revision != 7 || s[0].Local || !s[1].Local || s[2].Name != "unused" || s[2].InUse {
		t.Errorf("services are %+v", s)
	}
	if d := v.Diagnostics; len(d) != 2 || d[0].Code != model.CodeSourceFailed || d[1].Code != model.CodeNoProgram {
		t.Errorf("diagnostics are %+v", d)
	}
	if len(v.Endpoints) != 6 || len(v.Pods) != 2 || len(v.Listeners) != 8 || len(v.Upstreams) != 4 || len(v.Info) != 1 || len(v.Info[0].Pieces) != 7 {
		t.Errorf("view is %+v", v)
	}
	for _, e := range v.Endpoints {
		if want := map[string]string{"Kubernetes": "label app=order"}[e.Keeper]; e.By != want {
			t.Errorf("endpoint %+v is found by %q, want %q", e, e.By, want)
		}
		wantDown := e.Addr.String() == "127.0.0.11:8080"
		if e.Down != wantDown || e.State != "ready" || (e.Why == "connection refused") != wantDown {
			t.Errorf("endpoint %+v, which is down: %t", e, wantDown)
		}
	}
}

// TestEndpointsOfSeveralProcesses: one is down where any of them finds that it is.
func TestEndpointsOfSeveralProcesses(t *testing.T) {
	up := Endpoint{List: "order", Addr: netip.MustParseAddrPort("127.0.0.1:80"), State: "ready"}
	down, other := up, up
	down.Down, down.Why = true, "connect-refused"
	other.Addr = netip.MustParseAddrPort("127.0.0.2:80")
	for _, views := range [][2][]Endpoint{{{up, other}, {down}}, {{down}, {up, other}}} {
		v := View{Endpoints: views[0]}
		Endpoints.section().merge(&v, View{Endpoints: views[1]})
		if want := []Endpoint{down, other}; !reflect.DeepEqual(v.Endpoints, want) {
			t.Errorf("got %+v, want %+v", v.Endpoints, want)
		}
	}
}

func TestNotReadySaysWhy(t *testing.T) {
	l, p := local()
	if ok, why := l.Ready(); !ok || why != nil {
		t.Errorf("ready is %v %v", ok, why)
	}
	p.ready = false
	p.sources = []hub.SourceStatus{{Name: "manifest", Required: true, Error: "no such directory"}, {Name: "registry"}}
	p.planes = []snapshot.PlaneState{{Name: "dns", Err: "address in use"}}
	_, why := l.Ready()
	if want := []string{"source manifest has not delivered its first full set: no such directory", "plane dns does not serve the newest generation: address in use"}; !reflect.DeepEqual(why, want) {
		t.Errorf("why is %q, want %q", why, want)
	}
	p.sources, p.planes = nil, nil
	if _, why := l.Ready(); len(why) != 1 {
		t.Errorf("why is %q", why)
	}
}

// served is a server in this process with a client of it.
func served(t *testing.T) (*Client, *parts, string) {
	t.Helper()
	l, p := local()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := New(Config{Reader: l, Explainer: l, Health: l, Actions: p, Meter: p, Hosts: []string{"admin.example"},
		Printed: func() ([]byte, error) { return []byte("roles: [up]\n"), nil }})
	go func() { ended <- s.Serve(ctx, ln) }()
	c := NewClient(ln.Addr().String())
	t.Cleanup(func() {
		c.Close()
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c, p, ln.Addr().String()
}

func TestClientReadsWhatLocalReads(t *testing.T) {
	c, p, _ := served(t)
	l, _ := local()
	l.Generations, l.Addresses = p, func(*snapshot.Snapshot) Addresses { return p.state }
	for _, k := range Kinds() {
		if k == Infos {
			continue
		}
		want, _ := read(t, l, k).Encode(k)
		got, _ := read(t, c, k).Encode(k)
		if string(got) != string(want) {
			t.Errorf("%s over the wire\n%s\nwant\n%s", k, got, want)
		}
		if len(got) < len(`{"items":[]}`) {
			t.Errorf("%s is empty: %s", k, got)
		}
	}
	r, err := c.Explain(context.Background(), explain.Request{URL: "http://shop.test/order/42", Headers: []string{"X-A: b"}}, false)
	if err != nil || r.Road != 1 || len(r.Hops) != 9 || r.Hops[0].Text != "GET http://shop.test/order/42, X-A: b" {
		t.Errorf("explain is %+v %v", r, err)
	}
	var bad *APIError
	if _, err := c.Explain(context.Background(), explain.Request{URL: "ftp://x/"}, false); !errors.As(err, &bad) || bad.Status != 400 {
		t.Errorf("explaining nonsense gives %v", err)
	}
	if text, err := c.Printed(context.Background()); err != nil || string(text) != "roles: [up]\n" {
		t.Errorf("configuration is %q %v", text, err)
	}
}

func TestActions(t *testing.T) {
	c, p, _ := served(t)
	ctx := context.Background()
	for _, err := range []error{c.Act(ctx, "node-1", Stop, ""), c.Act(ctx, "order-a", Stop, "sigkill"), c.Act(ctx, "node-1", Start, "")} {
		if err != nil {
			t.Error(err)
		}
	}
	if want := []string{"stop node-1 TERM", "stop order-a KILL", "start node-1 CONT"}; !reflect.DeepEqual(p.acted, want) {
		t.Errorf("acted %q, want %q", p.acted, want)
	}
	for _, bad := range []struct {
		piece  string
		verb   Verb
		signal Signal
		status int
		text   string
	}{
		{"nod-2", Stop, "", 404, `there is no piece "nod-2": there are node-2, node-1, slb`},
		{"node-1", Stop, "HUP", 400, "there are TERM, KILL and STOP"},
		{"node-1", Start, "KILL", 400, "there is CONT"},
		{"node-1", "burn", "", 404, "nothing here"},
		{"../../config", Stop, "", 404, "there is no piece"},
	} {
		var e *APIError
		if err := c.Act(ctx, bad.piece, bad.verb, bad.signal); !errors.As(err, &e) || e.Status != bad.status || !strings.Contains(e.Message, bad.text) {
			t.Errorf("%+v gives %v", bad, err)
		}
	}
	p.refuse = errors.New("node-1 is stopped already")
	if err := c.Act(ctx, "node-1", Stop, ""); err == nil || err.Error() != "node-1 is stopped already" {
		t.Errorf("a refusal is %v", err)
	}
}

// What a web page, a wrong client or an attacker may send, and what they get.
func TestWhoMayAsk(t *testing.T) {
	_, p, addr := served(t)
	for _, c := range []struct {
		name, method, path, host string
		header                   map[string]string
		body                     string
		status                   int
	}{
		{name: "by address", path: "/api/v1/nodes", status: 200},
		{name: "by localhost", path: "/api/v1/nodes", host: "localhost:8088", status: 200},
		{name: "by IPv6 loopback", path: "/api/v1/nodes", host: "[::1]:8088", status: 200},
		{name: "by another loopback address", path: "/api/v1/nodes", host: "127.9.9.9", status: 200},
		{name: "by a configured name", path: "/api/v1/nodes", host: "Admin.Example:80", status: 200},
		{name: "DNS rebinding", path: "/api/v1/nodes", host: "evil.example", status: 421},
		{name: "DNS rebinding with a port", path: "/api/v1/nodes", host: "evil.example:8088", status: 421},
		{name: "rebinding to a name that looks like loopback", path: "/api/v1/nodes", host: "127.0.0.1.evil.example", status: 421},
		{name: "a name below localhost", path: "/api/v1/nodes", host: "x.localhost", status: 421},
		{name: "an outside address", path: "/api/v1/nodes", host: "10.0.0.1", status: 421},
		{name: "rebinding a POST", method: "POST", path: "/api/v1/pieces/slb/stop", host: "evil.example", status: 421},
		{name: "rebinding the probes", path: "/readyz", host: "evil.example", status: 421},
		{name: "a POST of our own page", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"Origin": "http://" + addr}, status: 200},
		{name: "a POST that a gateway has sent on", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"X-Paifang-Via": "a/front"}, status: 403},
		{name: "a copy of a POST", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"X-Paifang-Mirrored": "1"}, status: 403},
		{name: "a POST of another page", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"Origin": "https://evil.example"}, status: 403},
		{name: "a POST of a local file", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"Origin": "null"}, status: 403},
		{name: "a POST of a page on another port", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"Origin": "http://127.0.0.1:1"}, status: 403},
		{name: "a form of another site", method: "POST", path: "/api/v1/pieces/slb/stop", header: map[string]string{"Sec-Fetch-Site": "cross-site"}, status: 403},
		{name: "a request made for another page", method: "POST", path: "/api/v1/explain?send=true&url=http://shop.test/", header: map[string]string{"Origin": "https://evil.example"}, status: 403},
		{name: "a request made by an image", path: "/api/v1/explain?send=true&url=http://shop.test/", status: 405},
		{name: "explain by POST without send", method: "POST", path: "/api/v1/explain?url=http://shop.test/", status: 405},
		{name: "send nonsense", path: "/api/v1/explain?send=perhaps&url=http://shop.test/", status: 400},
		{name: "explain nothing", path: "/api/v1/explain", status: 400},
		{name: "explain three", path: "/api/v1/explain?url=a&url=b&url=c", status: 400},
		{name: "a write where there is none", method: "POST", path: "/api/v1/nodes", status: 405},
		{name: "a read where there is none", path: "/api/v1/pieces/slb/stop", status: 405},
		{name: "DELETE", method: "DELETE", path: "/api/v1/pieces/slb/stop", status: 405},
		{name: "TRACE", method: "TRACE", path: "/api/v1/nodes", status: 405},
		{name: "HEAD", method: "HEAD", path: "/api/v1/nodes", status: 200},
		{name: "an unknown kind", path: "/api/v1/secrets", status: 404},
		{name: "an unknown path", path: "/api/v2/nodes", status: 404},
		{name: "outside the API", path: "/", status: 404},
		{name: "a body", method: "POST", path: "/api/v1/pieces/slb/stop", body: "x", status: 400},
		{name: "a long body", method: "POST", path: "/api/v1/pieces/slb/stop", body: strings.Repeat("x", 65<<10), status: 413},
		{name: "a long body of unknown length", method: "POST", path: "/api/v1/pieces/slb/stop", body: "chunked", status: 413},
		{name: "a long header", path: "/api/v1/nodes", header: map[string]string{"X": strings.Repeat("x", 80<<10)}, status: 431},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.method == "" {
				c.method = "GET"
			}
			var body io.Reader = strings.NewReader(c.body)
			if c.body == "chunked" {
				body = io.MultiReader(strings.NewReader(strings.Repeat("x", 65<<10))) // of a length that net/http cannot tell
			}
			p.mu.Lock()
			p.acted = nil
			p.mu.Unlock()
			r, err := http.NewRequest(c.method, "http://"+addr+c.path, body)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = c.host
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status {
				t.Errorf("%d %s, want %d", resp.StatusCode, text, c.status)
			}
			if resp.StatusCode != 200 && resp.StatusCode != 431 && c.method != "HEAD" && !strings.HasPrefix(string(text), `{"error":"`) {
				t.Errorf("the error is no JSON: %s", text)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("pages of other origins may read the answer")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if resp.StatusCode != 200 && len(p.acted) > 0 {
				t.Errorf("refused, but done: %q", p.acted)
			}
		})
	}
}

func TestProbesAndMetrics(t *testing.T) {
	l, p := local()
	s := New(Config{Health: l, Meter: p})
	get := func(h http.Handler, path, accept string) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		r.Host = "10.1.2.3:8089"
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	public := s.PublicHandler()
	if code, body := get(public, "/healthz", ""); code != 200 || body != "ok\n" {
		t.Errorf("healthz is %d %q", code, body)
	}
	if code, body := get(public, "/readyz", ""); code != 200 || body != "ready\n" {
		t.Errorf("readyz is %d %q", code, body)
	}
	p.ready, p.sources = false, []hub.SourceStatus{{Name: "manifest", Required: true}}
	if code, body := get(public, "/readyz", ""); code != 503 || body != "not ready\n- source manifest has not delivered its first full set\n" {
		t.Errorf("readyz is %d %q", code, body)
	}
	if code, body := get(public, "/readyz", "application/json"); code != 503 || body != `{"ready":false,"why":["source manifest has not delivered its first full set"]}` {
		t.Errorf("readyz is %d %q", code, body)
	}
	want := "# HELP paifang_up Up.\n# TYPE paifang_up gauge\npaifang_up 1\n"
	if code, body := get(public, "/metrics", ""); code != 200 || body != want {
		t.Errorf("metrics are %d\n%s\nwant\n%s", code, body, want)
	}
	if code, _ := get(public, "/api/v1/nodes", ""); code != 404 {
		t.Errorf("the public address offers the API: %d", code)
	}
}

func TestReopen(t *testing.T) {
	var failure error
	times := 0
	h := New(Config{Reopen: func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the wait for the disk has no end")
		}
		times++
		return failure
	}}).Handler()
	ask := func(method, body string, set ...string) (int, string) {
		r := httptest.NewRequest(method, "/api/v1/access-log/reopen", strings.NewReader(body))
		r.Host = "127.0.0.1:8088"
		for i := 0; i < len(set); i += 2 {
			r.Header.Set(set[i], set[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if code, body := ask("POST", ""); code != 200 || body != "{}" || times != 1 {
		t.Errorf("%d %s, reopened %d times", code, body, times)
	}
	failure = errors.New("no such directory")
	if code, body := ask("POST", ""); code != 409 || !strings.Contains(body, "no such directory") {
		t.Errorf("%d %s", code, body)
	}
	times = 0
	for _, c := range []struct {
		method, body string
		set          []string
		want         int
	}{{"GET", "", nil, 405}, {"POST", "x", nil, 400}, {"POST", "", []string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site"}, 403}} {
		if code, _ := ask(c.method, c.body, c.set...); code != c.want || times != 0 {
			t.Errorf("%+v: %d, reopened %d times", c, code, times)
		}
	}
	h = New(Config{}).Handler()
	if code, _ := ask("POST", ""); code != 404 {
		t.Errorf("without a log: %d", code)
	}
}

type broken struct{}

func (broken) Read(context.Context, ...Kind) (View, error) { return View{}, errors.New("gone") }

func TestMergedReadsAllAndNamesWhoIsMissing(t *testing.T) {
	a, pa := local()
	b, pb := local()
	pb.state.ByID[explaintest.OrderService] = explain.Upstream{Known: true, Next: netip.MustParseAddrPort("127.1.1.2:8080")}
	_ = pa
	m := Merged{{"node-1", a}, {"node-2", b}, {"slb", broken{}}}
	v, err := m.Read(context.Background(), Nodes, Upstreams, Pods, Lists, Infos)
	var missing *PieceError
	if !errors.As(err, &missing) || missing.Piece != "slb" {
		t.Errorf("error is %v", err)
	}
	if len(v.Nodes) != 2 || len(v.Pods) != 2 || len(v.Lists) != 3 || len(v.Upstreams) != 8 {
		t.Errorf("view has %d nodes, %d pods, %d lists, %d upstreams", len(v.Nodes), len(v.Pods), len(v.Lists), len(v.Upstreams))
	}
	g := Gathered{v}
	for node, want := range map[string]string{"node-1": "127.1.2.2:8080", "node-2": "127.1.1.2:8080", "elsewhere": "127.1.2.2:8080"} {
		if u, ok := g.Upstream(explaintest.OrderService, node); !ok || u.Next.String() != want {
			t.Errorf("next of %s is %v, want %s", node, u.Next, want)
		}
	}
	w := explain.World{Snapshot: pa.state.Snapshot, Upstreams: g, Lists: g, Pods: g, Now: explaintest.Now, Dir: "/example"}
	if r, err := explain.Explain(w, explain.Request{URL: "http://gateway.test/order/42"}); err != nil || r.Road != 2 || len(r.Hops) != 8 || !strings.Contains(r.Hops[4].Text, "revision 7") {
		t.Errorf("a gathered world explains %+v %v", r, err)
	}
}

// frozen is a process that takes connections and says nothing.
type frozen struct{}

func (frozen) Read(ctx context.Context, _ ...Kind) (View, error) {
	<-ctx.Done()
	return View{}, ctx.Err()
}

func TestMergedDoesNotWaitForTheFrozen(t *testing.T) {
	a, _ := local()
	began := time.Now()
	v, err := Merged{{"registry", frozen{}}, {"node-1", a}}.Read(context.Background(), Nodes)
	if took := time.Since(began); took > mergeWithin+2*time.Second {
		t.Errorf("took %v", took)
	}
	if err == nil || err.Error() != "incomplete: registry: no answer within 2s" || len(v.Nodes) != 2 {
		t.Errorf("%v, %d nodes", err, len(v.Nodes))
	}
}

func TestNothingAnswers(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	c := NewClient(addr)
	defer c.Close()
	_, err = c.Read(context.Background(), Nodes)
	if want := "nothing answers at " + addr + ": start `paifang up`, or give --admin ADDRESS (PAIFANG_ADMIN)"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestSomebodyElseAnswers(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	c := NewClient(strings.TrimPrefix(s.URL, "http://"))
	defer c.Close()
	if _, err := c.Read(context.Background(), Nodes); err == nil || !strings.Contains(err.Error(), "is not paifang: it says 404") {
		t.Errorf("error is %v", err)
	}
}

func TestSlowClientIsCut(t *testing.T) {
	_, _, addr := served(t)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(headerTimeout + 3*time.Second)); err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		t.Skip("waits for the header timeout")
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Error("a request without an end keeps its connection")
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// Every node serves the same routes: together they are told once, in the order in which they are tried.
func TestMergedRoutes(t *testing.T) {
	route := func(id, node string, path model.PathKind, value string) Route {
		rule := model.Route{ID: model.RouteID(id), Match: model.Match{Path: model.PathMatch{Kind: path, Value: value}}}
		return Route{ID: id, Class: "ingress", Host: "shop.test", BoundOn: []string{node}, Rule: rule}
	}
	view := func(node string) Reader {
		return fixed{View{Routes: []Route{route("b", node, model.PathPrefix, "/order"), route("a", node, model.PathPrefix, "/")}}}
	}
	v, err := Merged{{"node-2", view("node-2")}, {"dns", fixed{}}, {"node-1", view("node-1")}}.Read(t.Context(), Routes)
	if err != nil || len(v.Routes) != 2 || v.Routes[0].ID != "b" || v.Routes[1].ID != "a" {
		t.Fatalf("%v, %+v", err, v.Routes)
	}
	for _, r := range v.Routes {
		if !slices.Equal(r.BoundOn, []string{"node-1", "node-2"}) {
			t.Errorf("%s is bound on %v", r.ID, r.BoundOn)
		}
	}
}

// fixed always has the same view.
type fixed struct{ view View }

func (f fixed) Read(context.Context, ...Kind) (View, error) { return f.view, nil }
