package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

// generations is a store that has one snapshot.
type generations struct{ state *explaintest.State }

func (g generations) Load() *snapshot.Snapshot      { return g.state.Snapshot }
func (g generations) Planes() []snapshot.PlaneState { return nil }

// bound is sockets that all stand.
type bound struct{}

func (bound) ListenerState(model.ListenerID) (adminapi.ListenerState, bool) {
	return adminapi.ListenerState{Bound: true, Open: 1}, true
}

// carried is traffic that somebody counted.
type carried []adminapi.Traffic

func (c carried) Traffic() []adminapi.Traffic { return c }

func traffic() carried {
	request := func(part adminapi.Part, name, upstream string, count, errors, refused uint64, latency float64) adminapi.Traffic {
		return adminapi.Traffic{Part: part, Name: name, Upstream: upstream, Unit: adminapi.Requests, Count: count, Errors: errors, Refused: refused, Latency: latency}
	}
	return carried{
		{Part: adminapi.OfName, Name: "shop.test", Unit: adminapi.Questions, Count: 12, Latency: 6},
		{Part: adminapi.OfListener, Name: "slb/http", Unit: adminapi.Connections, Count: 9, Errors: 2, Latency: 2.25},
		request(adminapi.OfListener, "node-1/http", "", 40, 1, 3, 80), request(adminapi.OfListener, "node-2/http", "", 20, 0, 0, 10),
		request(adminapi.OfRoute, "ingress/shop/shop/0/0", "", 57, 1, 0, 85.5), request(adminapi.OfRoute, "", "", 3, 0, 3, 1),
		request(adminapi.OfEndpoint, "127.1.1.2:8080", string(explaintest.OrderService), 30, 1, 0, 60), request(adminapi.OfEndpoint, "127.1.2.2:8080", string(explaintest.OrderService), 26, 0, 0, 20),
		request(adminapi.OfEndpoint, "127.1.1.2:8080", string(explaintest.LBOrder), 5, 0, 0, 5),
	}
}

func local() *adminapi.Local {
	s := explaintest.New()
	return &adminapi.Local{Name: "up", Version: "1", Dir: "/example", Generations: generations{s}, Pods: s, Listeners: bound{}, Carrier: traffic(),
		Addresses: func(*snapshot.Snapshot) adminapi.Addresses { return s }}
}

// fixed is a reader of one view.
type fixed struct {
	view adminapi.View
	err  error
}

func (f fixed) Read(context.Context, ...adminapi.Kind) (adminapi.View, error) { return f.view, f.err }

func view(t *testing.T, l *adminapi.Local) adminapi.View {
	t.Helper()
	v, err := l.Read(context.Background(), adminapi.Kinds()...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func ask(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func handler() *Handler {
	l := local()
	return New(Config{Reader: l, Explainer: l})
}

// document is a page taken apart: it fails the test where elements are not closed in order or names are not unique.
type document struct {
	text     string              // what a reader sees, in words
	elements map[string]int      // by name
	ids      map[string]bool     // all
	raw      map[string][]string // the content of style and script
}

func parse(t *testing.T, page string) document {
	t.Helper()
	d := document{elements: map[string]int{}, ids: map[string]bool{}, raw: map[string][]string{}}
	void := []string{"meta", "link", "input"}
	z := html.NewTokenizer(strings.NewReader(page))
	var open, refs []string
	var words strings.Builder
	for z.Next() != html.ErrorToken {
		tok := z.Token()
		switch tok.Type {
		case html.StartTagToken:
			d.elements[tok.Data]++
			for _, a := range tok.Attr {
				switch {
				case a.Key == "id" && d.ids[a.Val]:
					t.Errorf("two elements are called %s", a.Val)
				case a.Key == "id":
					d.ids[a.Val] = true
				case a.Key == "aria-labelledby", a.Key == "href" && strings.HasPrefix(a.Val, "#"):
					refs = append(refs, strings.TrimPrefix(a.Val, "#"))
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src":
					t.Errorf("<%s> has the attribute %s", tok.Data, a.Key)
				case a.Key == "href" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "data:image/svg+xml,"):
					t.Errorf("<%s> leads to %s", tok.Data, a.Val)
				}
			}
			if !slices.Contains(void, tok.Data) {
				open = append(open, tok.Data)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != tok.Data {
				t.Fatalf("</%s> closes %v", tok.Data, open)
			}
			open = open[:len(open)-1]
		case html.TextToken:
			if last := open[max(len(open)-1, 0):]; len(last) > 0 && (last[0] == "style" || last[0] == "script") {
				d.raw[last[0]] = append(d.raw[last[0]], tok.Data)
				continue
			}
			words.WriteString(tok.Data + " ")
		}
	}
	if len(open) > 0 {
		t.Errorf("%v are not closed", open)
	}
	for _, r := range refs {
		if !d.ids[r] {
			t.Errorf("nothing is called %s", r)
		}
	}
	d.text = strings.Join(strings.Fields(words.String()), " ")
	return d
}

func mention(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is missing in\n%s", w, text)
		}
	}
}

func TestPageTellsBothRoads(t *testing.T) {
	w := ask(t, handler(), "/", "Accept", browser)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(w.Body.String(), `<html lang="en">`) {
		t.Fatalf("answer is %d %v", w.Code, w.Header())
	}
	d := parse(t, w.Body.String())
	mention(t, d.text, "Road 1 domain, SLB, ingress, service, pod", "1 Domain DNS answers with these addresses shop.test A 127.0.0.10 12 questions 12 errors 0 average 0.50 ms",
		"2 SLB forwards connections to a node slb bound 127.0.0.10:8080 9 connections 9 errors 2 connect 0.25 ms", "node-1 healthy 127.0.0.11:8080 HTTP 40",
		"requests 60 errors 1 average 1.50 ms", "shop.test/order → order-service:80 57", "order-service:80 2/2 ready", "order-a ready 127.1.1.2:8080 30",
		"Road 2 gateway, registry, pod", "gateway bound 127.0.0.20:8080 HTTP", "order-a ready 127.1.1.2:8080 5", "Nothing is wrong.")
	for _, id := range []string{"road-1-slb", "road-2-service", "diagnostics", "applications", "routes", "endpoints", "nodes", "pods", "services", "records", "listeners", "sources"} {
		if !d.ids[id] {
			t.Errorf("there is no %s", id)
		}
	}
	if d.ids["road-2-slb"] {
		t.Error("road 2 has an SLB")
	}
}

// The policy lets run what is in the page and nothing else.
func TestPolicyNamesWhatIsEmbedded(t *testing.T) {
	w := ask(t, handler(), "/", "Accept", browser)
	d := parse(t, w.Body.String())
	policy := w.Header().Get("Content-Security-Policy")
	for _, kind := range []string{"style", "script"} {
		if len(d.raw[kind]) != 1 {
			t.Fatalf("%d texts in <%s>", len(d.raw[kind]), kind)
		}
		mention(t, policy, kind+"-src "+hashed(d.raw[kind][0])+";")
	}
	mention(t, policy, "default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'")
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("policy is %s", policy)
	}
}

// Names come from whoever writes objects, registers instances or sends requests.
func TestHostileNames(t *testing.T) {
	const evil = "x</script><script>alert(1)</script>\" onmouseover='alert(2)' <img src=x onerror=alert(3)> {{.}} \x1b[31m\x07\u009b2J\tz"
	v := view(t, local())
	for i := range v.Routes {
		v.Routes[i].Host, v.Routes[i].ID, v.Routes[i].Reject = evil, evil, evil
	}
	for i := range v.Upstreams {
		v.Upstreams[i].ID, v.Upstreams[i].Name = evil+fmt.Sprint(i), evil
		v.Routes[0].Targets, v.Routes[0].Road = append(v.Routes[0].Targets, v.Upstreams[i].ID), v.Upstreams[i].Road
		for j := range v.Upstreams[i].State.Endpoints {
			e := &v.Upstreams[i].State.Endpoints[j]
			e.Name, e.Why, e.Healthy = evil, evil, false
		}
	}
	v.Pods[0].Name, v.Pods[0].Reason, v.Pods[0].Ready = evil, evil, false
	v.Nodes[0].Name, v.Nodes[0].Why, v.Nodes[0].Health = evil, evil, evil
	v.Records[0].Name, v.Roads[0].Application, v.Roads[0].WayIn = evil, evil, []string{"javascript:alert(1)", "a.test/" + strings.Fields(evil)[0]}
	v.Listeners[0].Error, v.Listeners[0].ID, v.Services[0].Name, v.Info[0].Name = evil, evil, evil, evil
	v.Diagnostics = []model.Diagnostic{{Severity: model.Error, Message: evil, Field: evil, Code: evil, Origin: model.Origin{Kind: evil, Name: evil, File: evil}}}
	v.Sources = append(v.Sources, v.Sources...)
	h := New(Config{Reader: fixed{v, &adminapi.PartialError{Err: errors.New(evil)}}, Explainer: local()})
	for _, target := range []string{"/", "/?url=" + url.QueryEscape("http://shop.test/"+evil) + "&url2=" + url.QueryEscape(evil)} {
		d := parse(t, ask(t, h, target, "Accept", browser).Body.String())
		if d.elements["script"] != 1 || d.elements["style"] != 1 || d.elements["img"] > 0 || d.raw["script"][0] != scriptSource {
			t.Errorf("%s: elements are %v", target, d.elements)
		}
		mention(t, d.text, "incomplete: x</script><script>alert(1)</script>")
	}
	text := ask(t, h, "/").Body.String()
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) }); i >= 0 {
		t.Errorf("a control character reaches the terminal: %q", text[max(0, i-20):i+5])
	}
}

func TestTextForWhoDoesNotAskForHTML(t *testing.T) {
	for accept, html := range map[string]bool{
		"": false, "*/*": false, "text/plain": false, "application/json": false, browser: true, "text/html": true, "TEXT/HTML;level=1": true,
		"text/html;q=0": false, "text/html;q=0.5, text/plain": false, "text/plain;q=0.5, text/html": true, "text/html;q=x": false, ",;,q=": false,
	} {
		w := ask(t, handler(), "/", "Accept", accept)
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"); got != html || !strings.Contains(w.Header().Get("Vary"), "Accept") {
			t.Errorf("%q is answered with %s", accept, w.Header().Get("Content-Type"))
		}
	}
	w := ask(t, handler(), "/?url=http://shop.test/order/42", "Accept-Language", "zh")
	lines := strings.Join(strings.Fields(w.Body.String()), " ")
	mention(t, lines, "ROAD 1: domain, SLB", "ROAD 2: gateway", "node-1 127.0.0.11:8080 HTTP healthy 40 requests, 1 error, 2.00 ms", "ROUTES HOST PATH TO",
		"DIAGNOSTICS Nothing is wrong.", "http://shop.test/order/42 takes road 1")
	result, err := local().Explain(context.Background(), explain.Request{URL: "http://shop.test/order/42"}, false)
	var want bytes.Buffer
	if err != nil || explain.Fprint(&want, result) != nil || !strings.Contains(w.Body.String(), want.String()) {
		t.Errorf("%v: text has other lines than\n%s\nit is\n%s", err, want.String(), w.Body)
	}
}

func TestBoxExplains(t *testing.T) {
	page := ask(t, handler(), "/?url=http%3A%2F%2Fshop.test%2Forder%2F42&url2=http%3A%2F%2Fgateway.test%2Forder%2F42", "Accept", browser).Body.String()
	d := parse(t, page)
	mention(t, d.text, "http://shop.test/order/42 takes road 1", "http://gateway.test/order/42 takes road 2", "2 dns shop.test A 127.0.0.10")
	mention(t, page, `name="url" value="http://shop.test/order/42"`, `name="url2" value="http://gateway.test/order/42"`, `href="/?url=http%3A%2F%2Fshop.test%2Forder"`)
	for _, wrong := range []string{"ftp://x", "http://[", strings.Repeat("x", maxURL+1)} {
		mention(t, ask(t, handler(), "/?url="+url.QueryEscape(wrong), "Accept", browser).Body.String(), `role="alert"`)
	}
	d = parse(t, ask(t, New(Config{Reader: local()}), "/?url=http://shop.test/", "Accept", browser).Body.String())
	if d.ids["explain"] {
		t.Error("there is a box and nobody to explain")
	}
}

func TestChinese(t *testing.T) {
	for header, zh := range map[string]bool{"": false, "zh": true, "zh-CN,zh;q=0.9,en;q=0.8": true, "en-US,en;q=0.9,zh;q=0.5": false, "de, zh-TW;q=0.3": true, "fr": false, "zh;q=0": false} {
		w := ask(t, handler(), "/", "Accept", browser, "Accept-Language", header)
		if got := strings.Contains(w.Body.String(), `<html lang="zh-Hans">`); got != zh || !strings.Contains(w.Header().Get("Vary"), "Accept-Language") {
			t.Errorf("%q: the page is Chinese: %v", header, got)
		}
	}
	d := parse(t, ask(t, handler(), "/?lang=zh", "Accept", browser, "Accept-Language", "en").Body.String())
	mention(t, d.text, "第一条路", "注册中心", "就绪", "没有问题", "English")
}

// A label that the table of words lacks would stand in English on the Chinese page; one that nothing uses is forgotten there.
func TestWordsAreThoseInUse(t *testing.T) {
	zh := words()
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\.T "([^"]+)"`).FindAllStringSubmatch(pageSource, -1) {
		used[m[1]] = true
	}
	p := newPage(view(t, local()), "en", explaintest.Now)
	for _, r := range p.Roads {
		used[r.Title()], used[r.Way] = true, true
		for _, h := range r.Hops {
			used[h.Name], used[h.Means] = true, true
		}
	}
	for _, tab := range p.Tables {
		used[tab.Title], used[tab.Empty] = true, true
		for _, h := range tab.Head {
			used[h.Name] = true
		}
	}
	var source strings.Builder
	for _, file := range []string{"road.go", "state.go", "table.go", "traffic.go", "page.go", "../adminapi/gather.go", "../adminapi/roads.go", "../adminapi/traffic.go", "../model/upstream.go", "../model/diagnostic.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for _, m := range regexp.MustCompile(`Word: "([^"]+)"`).FindAllStringSubmatch(source.String(), -1) {
		used[m[1]] = true
	}
	for _, s := range []model.EndpointState{model.Ready, model.Draining, model.LastResort, model.Unhealthy, model.Disabled} {
		used[s.String()] = true
	}
	for label := range used {
		if zh[label] == "" {
			t.Errorf("%q has no Chinese word", label)
		}
	}
	for label := range zh {
		if !used[label] && !strings.Contains(source.String(), `"`+label+`"`) {
			t.Errorf("%q is a word that nothing uses", label)
		}
	}
}

func TestOnlyLooks(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("%s is answered with %d", method, w.Code)
		}
	}
	for _, path := range []string{"/index.html", "/favicon.ico", "/nacos/", "//"} {
		if w := ask(t, handler(), path, "Accept", browser); w.Code != http.StatusNotFound {
			t.Errorf("%s is answered with %d", path, w.Code)
		}
	}
	if w := ask(t, New(Config{Reader: fixed{err: errors.New("away")}}), "/"); w.Code != http.StatusInternalServerError {
		t.Errorf("a reader that fails is answered with %d", w.Code)
	}
}

// A piece that was stopped stays in the picture as long as somebody counts on it.
func TestNodeAway(t *testing.T) {
	v := view(t, local())
	v.Listeners = slices.DeleteFunc(v.Listeners, func(l adminapi.Listener) bool { return strings.HasPrefix(l.ID, "node-") })
	for i := range v.Nodes {
		v.Nodes[i].Health, v.Nodes[i].Why = "unhealthy", "dial tcp 127.0.0.10:0->127.0.0.11:8080: connect: connection refused"
	}
	long := view(t, local())
	long.Nodes[0].Health, long.Nodes[0].Why = "unhealthy", strings.Repeat("because ", 20)
	for line := range strings.Lines(strings.Split(ask(t, New(Config{Reader: fixed{view: long}}), "/").Body.String(), "\nDIAGNOSTICS")[0]) {
		if len([]rune(line)) > 160 {
			t.Errorf("a reason tears the columns of a road apart: %s", line)
		}
	}
	d := parse(t, ask(t, New(Config{Reader: fixed{view: v}}), "/", "Accept", browser).Body.String())
	mention(t, d.text, "2 SLB forwards connections to a node slb bound 127.0.0.10:8080", "node-1 unhealthy · connect: connection refused 127.0.0.11:8080")
}

// A registry that does not answer is seen where its addresses are; so is a node that is away, in its place.
func TestAwayIsSeenAtItsHop(t *testing.T) {
	v := view(t, local())
	v.Sources = append(v.Sources, hub.SourceStatus{Name: "registry", Failed: true, Error: "connection refused", Keepers: []string{"registry"}})
	v.Listeners = slices.DeleteFunc(v.Listeners, func(l adminapi.Listener) bool { return strings.HasPrefix(l.ID, "node-1/") })
	for i := range v.Nodes {
		if v.Nodes[i].Name == "node-1" {
			v.Nodes[i].Health = "unhealthy"
		}
	}
	d := parse(t, ask(t, New(Config{Reader: fixed{view: v}}), "/", "Accept", browser).Body.String())
	mention(t, d.text, "nacos-order-service 2/2 ready · as last heard, connection refused round robin", "order-service:80 2/2 ready round robin",
		"3 Ingress listeners on the nodes node-1 unhealthy", "requests 60 errors 1 average 1.50 ms")
}

// Processes that count the same thing are added up.
func TestCountsOfSeveralProcesses(t *testing.T) {
	v := view(t, local())
	for _, c := range traffic() {
		c.SeenBy = "other"
		v.Traffic = append(v.Traffic, c)
	}
	d := parse(t, ask(t, New(Config{Reader: fixed{view: v}}), "/", "Accept", browser).Body.String())
	mention(t, d.text, "requests 120 errors 2 average 1.50 ms", "connections 18 errors 4")
}

// However much there is, the page stays one that can be read; the rest is counted.
func TestPageIsBounded(t *testing.T) {
	v := view(t, local())
	route, pod := v.Routes[0], v.Pods[0]
	for i := range 20_000 {
		route.ID, route.Host = fmt.Sprintf("r%d", i), fmt.Sprintf("h%d.test", i)
		pod.Name, pod.Addr = fmt.Sprintf("p%d", i), netip.AddrFrom4([4]byte{127, 9, byte(i >> 8), byte(i)})
		v.Routes, v.Pods = append(v.Routes, route), append(v.Pods, pod)
	}
	w := ask(t, New(Config{Reader: fixed{view: v}}), "/", "Accept", browser)
	if n := w.Body.Len(); n > 4<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	mention(t, parse(t, w.Body.String()).text, fmt.Sprintf("+%d more: paifang get routes", len(v.Routes)-maxRows))
}

// Where each piece is a process, those that only read rules know of no addresses: a node that sends requests is asked.
func TestAddressesAsTheNodesKnowThem(t *testing.T) {
	v := view(t, local())
	var all []adminapi.Upstream
	for _, u := range v.Upstreams {
		unaware, aware := u, u
		unaware.SeenBy, aware.SeenBy = "dns", "node-1"
		unaware.State.Endpoints = nil
		all = append(all, unaware, aware)
	}
	v.Upstreams = all
	v.Routes[0].Source = "/example/4-routes.yaml:6"
	text := ask(t, New(Config{Reader: fixed{view: v}}), "/").Body.String()
	mention(t, strings.Join(strings.Fields(text), " "), "order-service:80 round robin 2/2 ready", "order-a 127.1.1.2:8080 ready", " 4-routes.yaml:6")
}
