package system

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// richIngresses are rules in which hosts, kinds of paths and defaults stand in each other's way.
const richIngresses = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
  - host: shop.test
    http:
      paths:
      - {path: /order, pathType: Prefix, backend: {service: {name: a-service, port: {number: 80}}}}
      - {path: /order/special, pathType: Exact, backend: {service: {name: b-service, port: {name: http}}}}
      - {path: /img, pathType: ImplementationSpecific, backend: {service: {name: a-service, port: {number: 80}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: b-service, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: wild}
spec:
  rules:
  - host: "*.wild.test"
    http:
      paths:
      - {path: /x, pathType: Prefix, backend: {service: {name: a-service, port: {number: 80}}}}
      - {path: /order, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}
  - host: deep.wild.test
    http:
      paths:
      - {path: /y, pathType: Prefix, backend: {service: {name: b-service, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: broken}
spec:
  rules:
  - host: broken.test
    http:
      paths:
      - {path: /order, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}
      - {path: /x, pathType: Prefix, backend: {service: {name: a-service, port: {number: 81}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: anyhost}
spec:
  rules:
  - http:
      paths:
      - {path: /any, pathType: Prefix, backend: {service: {name: b-service, port: {number: 80}}}}
`

const defaultBackend = `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: last}
spec:
  defaultBackend: {service: {name: a-service, port: {number: 80}}}
`

const richRoutes = `spring:
  cloud:
    gateway:
      default-filters:
      - AddRequestHeader=X-From, default
      discovery:
        locator:
          enabled: true
      routes:
      - id: captured
        uri: lb://a-registered
        predicates:
        - Path=/order/{id}/**
        filters:
        - StripPrefix=1
        - AddRequestHeader=X-Order, {id}
      - id: rewritten
        uri: lb://b-registered
        predicates:
        - Path=/x/**
        filters:
        - RewritePath=/x/?(?<rest>.*), /blue/$\{rest}
      - id: api
        uri: lb://a-registered
        order: -2
        predicates:
        - Host=**.api.test
        - Path=/any/**
        filters:
        - PrefixPath=/internal
      - id: posted
        uri: lb://b-registered
        predicates:
        - Path=/y/**
        - Method=POST,PUT
      - id: kind
        uri: lb://b-registered
        order: -1
        predicates:
        - Path=/kind/**
        - Header=X-Kind, blue
      - id: unkind
        uri: lb://a-registered
        predicates:
        - Path=/kind/**
      - id: coloured
        uri: lb://a-registered
        predicates:
        - Path=/img/**
        - Query=color, green
        filters:
        - SetPath=/fixed
      - id: nobody
        uri: lb://nobody-registered
        predicates:
        - Path=/nobody/**
      - id: direct
        uri: http://%s
        predicates:
        - Path=/direct/{x}
`

// seenPath is the path that a pod must see after the filters of a route: the test's own account of them. Routes that are not
// here change nothing.
func seenPath(route, path string) string {
	switch {
	case strings.HasSuffix(route, "/captured"):
		return strings.TrimPrefix(path, "/order")
	case strings.HasSuffix(route, "/rewritten"):
		return "/blue/" + strings.TrimPrefix(strings.TrimPrefix(path, "/x"), "/")
	case strings.HasSuffix(route, "/api"):
		return "/internal" + path
	case strings.HasSuffix(route, "/coloured"):
		return "/fixed"
	case strings.Contains(route, "locator") || strings.Contains(strings.ToLower(route), "discovery"):
		_, rest, _ := strings.Cut(path[1:], "/")
		return "/" + rest
	}
	return path
}

// explained is what explain says.
type explained struct {
	Road            int
	Listener, Node  string
	Route, Upstream string
	Filters         []string
	Endpoint        string
	Status          int
	Code            string
	Hops            []struct{ Name, Text string }
}

// sent is a generated request and what came back.
type sent struct {
	road             int
	to, host, method string
	target           string
	header           []string
	from             string // the client's address, by which the access log tells requests apart
	plain            bool   // its path needs no normalising
	status           int
	seen             http.Header
}

func (s sent) String() string {
	return fmt.Sprintf("road %d: %s http://%s%s %q", s.road, s.method, s.host, s.target, s.header)
}

func generate(u *up, n int, seed uint64) []sent {
	r := rand.New(rand.NewPCG(7, seed))
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	var out []sent
	for i := range n {
		s := sent{road: 1 + i%2, to: u.slb(), plain: true, from: fmt.Sprintf("127.88.%d.%d", 1+i/200, 1+i%200)}
		if s.road == 2 {
			s.to = u.gateway()
		}
		s.host = pick("shop.test", "SHOP.test", "a.wild.test", "deep.wild.test", "x.deep.wild.test", "wild.test", "broken.test", "gateway.test",
			"v1.api.test", "api.test", "nowhere.example", "shop.test:8080", "127.0.0.10", "shop.test.")
		s.method = pick("GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
		path := pick("/order", "/order/", "/order/42", "/order/42/", "/order/special", "/order/special/", "/orders", "/img", "/img/1", "/imgs", "/x", "/x/", "/x/1/2",
			"/y/1", "/y", "/any", "/any/thing", "/kind/1", "/kind", "/nobody/1", "/direct/1", "/direct/1/2", "/", "/elsewhere", "/a-registered/1/2", "/b-registered",
			"/paifang-gateway/1", "/order//42", "/order/a%20b", "/order/../x/1", "/x/./1", "/order%2Fspecial", "/order/%2e%2e/img", "//order", "/order/42;v=1", "/ORDER/42")
		s.plain = !strings.ContainsAny(path, "%;") && !strings.Contains(path, "//") && !strings.Contains(path, "/.")
		s.target = path + pick("", "", "?color=green", "?color=red", "?a=1&color=grey", "?color", "?q=a%20b")
		if r.IntN(3) == 0 {
			s.header = append(s.header, "X-Kind: "+pick("blue", "a", "b", "ab", ""))
		}
		out = append(out, s)
	}
	return out
}

func (s *sent) send(t testing.TB) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.from)}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", s.to)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", s.method, s.target, s.host)
	if s.method == "POST" || s.method == "PUT" || s.method == "PATCH" {
		b.WriteString("Content-Length: 0\r\n")
	}
	for _, h := range s.header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := c.Write([]byte(b.String())); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: s.method})
	if err != nil {
		t.Fatalf("%v: %v", s, err)
	}
	_ = res.Body.Close()
	s.status, s.seen = res.StatusCode, res.Header
}

func (s sent) explain(t testing.TB, u *up) explained {
	t.Helper()
	q := url.Values{"url": {"http://" + s.to + s.target}, "method": {s.method}, "header": append([]string{"Host: " + s.host}, s.header...)}
	status, body, err := call("GET", "http://"+u.admin()+"/api/v1/explain?"+q.Encode())
	if err != nil || status != 200 {
		t.Fatalf("%v: explain: %d %v %s", s, status, err, body)
	}
	var reply struct{ Items []explained }
	if err := json.Unmarshal([]byte(body), &reply); err != nil || len(reply.Items) != 1 {
		t.Fatalf("%v: explain: %v in %s", s, err, body)
	}
	return reply.Items[0]
}

func TestExplainSaysWhatHappens(t *testing.T) {
	dir, counts := t.TempDir(), t.TempDir()
	direct := serveInstance(t, "127.0.77.20")
	write(t, dir, "1-a.yaml", application("a", 2, counts, 0))
	write(t, dir, "2-b.yaml", application("b", 1, counts, 0))
	write(t, dir, "3-ingress.yaml", richIngresses)
	write(t, dir, "4-routes.yaml", fmt.Sprintf(richRoutes, direct.addr))
	u := start(t, dir)
	for _, part := range []struct{ name, file string }{{"no default backend", richIngresses}, {"default backend", richIngresses + defaultBackend}} {
		t.Run(part.name, func(t *testing.T) {
			u.t = t
			write(t, dir, "3-ingress.yaml", part.file)
			u.waitReady(3, "")
			for service, n := range map[string]int{"a-registered": 2, "b-registered": 1} {
				eventually(t, 5*time.Second, service+" is registered", func() (bool, string) {
					text := u.must("get", "endpoints")
					return strings.Count(text, "/"+service+" ") == n, text
				})
			}
			// Both are there when the locator's routes and the default backend are.
			eventually(t, 5*time.Second, "the rules are served", func() (bool, string) {
				one, _, _ := call("GET", "http://"+u.slb()+"/nothing", "Host", "nowhere.example")
				two, _, _ := call("GET", "http://"+u.gateway()+"/a-registered/1", "Host", "gateway.test")
				return (one == 200) == (part.name == "default backend") && two == 200, fmt.Sprint(one, two)
			})
			compareWithExplain(t, u, 1000, direct.addr)
		})
	}
}

func compareWithExplain(t *testing.T, u *up, n int, direct string) {
	before := len(u.accessLog())
	all := generate(u, n, uint64(before))
	said := make([]explained, len(all))
	for i := range all {
		said[i] = all[i].explain(t, u)
		all[i].send(t)
	}
	log := map[string]access{}
	eventually(t, 5*time.Second, "the access log has every request", func() (bool, string) {
		clear(log)
		for _, a := range u.accessLog()[before:] {
			if a.Listener != "slb/http" && strings.HasPrefix(a.Client, "127.88.") {
				log[a.Client] = a
			}
		}
		return len(log) == len(all), fmt.Sprintf("%d of %d", len(log), len(all))
	})
	endpoints := map[string][]string{} // of upstreams
	for _, up := range get[upstreamRow](u, "upstreams") {
		for _, e := range up.State.Endpoints {
			endpoints[up.ID] = append(endpoints[up.ID], e.Addr)
		}
	}
	routes, statuses := map[string]int{}, map[int]int{}
	wrong := 0
	for i, s := range all {
		e, a := said[i], log[s.from]
		routes[a.Route]++
		statuses[a.Status]++
		var bad []string
		differ := func(what string, explained, happened any) {
			if explained != happened {
				bad = append(bad, fmt.Sprintf("%s: explain says %v, it was %v", what, explained, happened))
			}
		}
		differ("route", e.Route, a.Route)
		differ("upstream", e.Upstream, a.Upstream)
		differ("reason", e.Code, a.Reason)
		differ("status in the log", s.status, a.Status)
		if e.Status != 0 {
			differ("status", e.Status, a.Status)
		} else if a.Status != 200 {
			differ("status", "what the pod answers", a.Status)
		}
		if s.road == 2 {
			differ("listener", e.Listener, a.Listener)
		}
		if (e.Endpoint == "") != (a.Endpoint == "") {
			differ("endpoint", e.Endpoint, a.Endpoint)
		}
		if a.Endpoint != "" && !slices.Contains(endpoints[a.Upstream], a.Endpoint) {
			bad = append(bad, fmt.Sprintf("%s is no endpoint of %s: %v", a.Endpoint, a.Upstream, endpoints[a.Upstream]))
		}
		differ("method in the log", s.method, a.Method)
		if s.plain {
			path, _, _ := strings.Cut(s.target, "?")
			differ("path in the log (what was asked)", path, a.Path)
			host := strings.TrimSuffix(regexp.MustCompile(`:\d+$`).ReplaceAllString(strings.ToLower(s.host), ""), ".")
			differ("host in the log (what was asked)", host, a.Host)
		}
		if a.Status == 200 && a.Endpoint != direct {
			bad = append(bad, s.filtered(e, a)...)
		}
		if len(bad) == 0 {
			continue
		}
		if wrong++; wrong <= 8 {
			t.Errorf("%v\n  %s\n  %s", s, strings.Join(bad, "\n  "), a.Line)
		}
	}
	if wrong > 8 {
		t.Errorf("and %d more", wrong-8)
	}
	t.Logf("%d requests, statuses %v, routes %v", len(all), statuses, routes)
	if len(routes) < 10 || statuses[200] < n/4 {
		t.Errorf("too few of the rules were met: %v", routes)
	}
}

// filtered compares what the pod saw with what the route's filters are to do.
func (s sent) filtered(e explained, a access) (bad []string) {
	expect := func(what, want, got string) {
		if want != got {
			bad = append(bad, fmt.Sprintf("%s at the pod is %q, want %q (explain: filters %v)", what, got, want, e.Filters))
		}
	}
	path, query, _ := strings.Cut(s.target, "?")
	if s.plain {
		want := seenPath(a.Route, path)
		if query != "" {
			want += "?" + query
		}
		expect("target", want, s.seen.Get("X-Seen-Uri"))
	}
	expect("client", s.from, s.seen.Get("X-Seen-Client"))
	if s.road == 1 {
		if len(e.Filters) > 0 {
			bad = append(bad, fmt.Sprintf("explain names filters on an Ingress that has none: %v", e.Filters))
		}
		expect("X-From", "", s.seen.Get("X-Seen-From"))
		return bad
	}
	expect("X-From", "default", s.seen.Get("X-Seen-From"))
	has := func(kind string) bool {
		return slices.ContainsFunc(e.Filters, func(f string) bool { return strings.HasPrefix(f, kind) })
	}
	for suffix, kind := range map[string]string{"/captured": "strip-prefix", "/rewritten": "rewrite-path", "/api": "prefix-path", "/coloured": "set-path"} {
		if strings.HasSuffix(a.Route, suffix) != has(kind) && !strings.Contains(a.Route, "-registered") {
			bad = append(bad, fmt.Sprintf("explain says filters %v", e.Filters))
		}
	}
	if strings.HasSuffix(a.Route, "/captured") && s.plain {
		expect("X-Order", strings.Split(path, "/")[2], s.seen.Get("X-Seen-Order"))
	}
	return bad
}
