package explain_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

const road1 = `http://shop.test/order/42 takes road 1: domain, SLB, ingress, service, pod
 1 client    GET http://shop.test/order/42
 2 dns       shop.test A 127.0.0.10 (3-ingress.yaml:9)
 3 slb       2 of 2 nodes healthy, round robin: next is node-1
 4 node      node-1 127.0.0.11:8080
 5 ingress   listener http on node-1 takes it
 6 route     host shop.test, /order Prefix, to order-service:80 (3-ingress.yaml:12); lost: / (shorter)
 7 upstream  order-service:80, 2 of 2 ready (by label app=order), round robin: next is 127.1.2.2:8080
 8 pod       order-b on node-2, reached from node-1 over the pod network; port 8080 is process 41233
 9 answer    not asked (--send asks)
`

const road2 = `http://gateway.test/order/42 takes road 2: gateway, registry, pod
 1 client    GET http://gateway.test/order/42
 2 dns       gateway.test A 127.0.0.20
 3 connect   127.0.0.20:8080, listener gateway
 4 route     order: Path=/order/** to lb://nacos-order-service (4-routes.yaml:6)
 5 registry  public/DEFAULT_GROUP/nacos-order-service: 2 instances, 2 healthy, revision 7 (the gateway's copy, 3 s old)
 6 endpoint  round robin: next is 127.1.1.2:8080
 7 pod       order-a on node-1; port 8080 is process 41230
 8 answer    not asked (--send asks)
`

// inB is a list of a second registry.
var inB = model.EndpointsID{Keeper: model.KeeperRegistry + "/b", Name: "dev/SHOP/order"}

func explained(t *testing.T, w explain.World, q explain.Request) (explain.Result, string) {
	t.Helper()
	r, err := explain.Explain(w, q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := explain.Fprint(&b, r); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

func TestBothRoadsAsDocumented(t *testing.T) {
	w := explaintest.New().World()
	for url, want := range map[string]string{"http://shop.test/order/42": road1, "http://gateway.test/order/42": road2} {
		_, got := explained(t, w, explain.Request{URL: url})
		if got != want {
			t.Errorf("%s prints\n%s\nwant\n%s", url, got, want)
		}
	}
}

func TestResultNamesWhatDecided(t *testing.T) {
	r, _ := explained(t, explaintest.New().World(), explain.Request{URL: "shop.test/order/42"})
	if r.Road != 1 || r.Route != "ingress/shop/shop/0/0" || r.Upstream != explaintest.OrderService || r.Endpoint != "127.1.2.2:8080" ||
		r.Listener != "node-1/http" || r.Node != "node-1" || r.Status != 0 {
		t.Errorf("result is %+v", r)
	}
	if r.Hops[5].Source != "3-ingress.yaml:12" || r.Hops[6].Source != "2-service.yaml:1" {
		t.Errorf("sources are %q and %q", r.Hops[5].Source, r.Hops[6].Source)
	}
	if cs := r.Hops[6].Candidates; len(cs) != 2 || cs[0].Share != 0.5 || cs[0].Chosen || !cs[1].Chosen {
		t.Errorf("candidates are %+v", cs)
	}
}

// ending is the part of a case that an explanation must have: lines, by the beginning of their hop.
type ending struct {
	name  string
	url   string
	with  []string // headers
	meth  string
	more  model.Objects
	edit  func(*explaintest.State)
	lines []string
	title string
}

func at(file string, line int) model.Origin {
	return model.Origin{Source: "manifest", Kind: "Ingress", Namespace: "shop", Name: "more", File: "/example/" + file, Line: line}
}

func cases() []ending {
	rejected := explaintest.IngressRoute("ingress/shop/more/0/0", "shop.test", "/pay", at("5-pay.yaml", 9), "kubernetes/shop/pay:80")
	missing := rejected
	missing.Action = model.Respond{Status: 503, Code: model.CodeServiceMissing}
	onlyPost := explaintest.IngressRoute("ingress/shop/more/1/0", "post.test", "/pay", at("5-pay.yaml", 9), explaintest.OrderService)
	onlyPost.Match.Methods = []string{"POST"}
	redirect := explaintest.IngressRoute("ingress/shop/more/2/0", "old.test", "/", at("5-pay.yaml", 9), explaintest.OrderService)
	redirect.Action = model.Redirect{Status: 308, Location: "https://shop.test/"}
	split := explaintest.IngressRoute("ingress/shop/more/3/0", "split.test", "/", at("5-pay.yaml", 9), explaintest.OrderService, explaintest.LBOrder)
	split.Action = model.Forward{Targets: []model.Target{{Upstream: explaintest.OrderService, Weight: 9}, {Upstream: explaintest.LBOrder, Weight: 1}}}
	split.Filters = []model.FilterSpec{{Kind: "strip-prefix", Config: []byte(`{"parts":1}`)}}
	slow := explaintest.IngressRoute("ingress/shop/more/6/0", "slow.test", "/", at("5-pay.yaml", 9), explaintest.OrderService)
	slow.Timeouts.Response = 5 * time.Second
	slow.Action = model.Forward{Targets: []model.Target{{Upstream: explaintest.OrderService}}, Retry: model.Retry{Attempts: 1, On: []model.RetryOn{model.RetryReset}}}
	foreign := explaintest.IngressRoute("ingress/shop/more/4/0", "shop.example", "/", at("5-pay.yaml", 9), explaintest.OrderService)
	static := explaintest.IngressRoute("ingress/shop/more/5/0", "static.test", "/", at("5-pay.yaml", 9), "springgw/http://10.1.2.3:80")
	list := model.EndpointsID{Keeper: model.KeeperStatic, Name: "http://10.1.2.3:80"}
	order := func(s *explaintest.State, change func(*explain.Upstream)) {
		u := s.ByID[explaintest.OrderService]
		change(&u)
		s.ByID[explaintest.OrderService] = u
	}
	return []ending{
		{name: "no such name", url: "http://shpo.test/", lines: []string{"dns       NXDOMAIN: zone test has no name shpo.test; there are shop.test, gateway.test",
			"answer    no connection: the name has no address; not asked (--send asks)"}, title: "http://shpo.test/ takes no road: it ends at hop 2, dns"},
		{name: "the zone itself", url: "http://test/", lines: []string{"dns       NODATA: the name test is there, but has no address; below it there are gateway.test, shop.test"}},
		{name: "outside our zones", url: "http://elsewhere.example/", lines: []string{"dns       elsewhere.example lies outside our zones (test), and no route names it"}},
		{name: "outside our zones, but served", url: "http://shop.example/", more: model.Objects{Routes: []model.Route{foreign}},
			lines: []string{"dns       shop.example lies outside our zones (test); the record to enter at its DNS host is A 127.0.0.10", "node      node-1 127.0.0.11:8080"}},
		{name: "no listener", url: "http://shop.test:9999/", lines: []string{"connect   no listener of ours has 127.0.0.10:9999; on 127.0.0.10 there are slb/http (TCP, port 8080), slb/https (TCP, port 8443)",
			"answer    no connection by us: nothing of ours listens there"}},
		{name: "an address with a Host", url: "http://127.0.0.12:8080/order/1", with: []string{"Host: shop.test"}, lines: []string{
			"client    GET http://127.0.0.12:8080/order/1, Host: shop.test", "dns       127.0.0.12 is an address: no name is asked for",
			"connect   127.0.0.12:8080, listener node-2", "route     host shop.test, /order Prefix", "pod       order-b on node-2; port 8080 is process 41233"},
			title: "http://127.0.0.12:8080/order/1 takes road 1: ingress, service, pod"},
		{name: "an attached process", url: "http://shop.test/order/1", edit: func(s *explaintest.State) {
			for i := range s.Running {
				s.Running[i].PID, s.Running[i].Attached = 0, true
			}
		}, lines: []string{"pod       order-b on node-2, reached from node-1 over the pod network; port 8080 is an attached process, which somebody else started"}},
		{name: "a host of the other road", url: "http://127.0.0.20:8080/x", with: []string{"Host: shop.test"}, lines: []string{
			"route     host * has no route for GET /x; there are Path=/order/** (4-routes.yaml:6); it is served at 127.0.0.10 (class ingress, route shop)",
			"answer    404 no-route"}},
		{name: "no such host", url: "http://127.0.0.11:8080/x", with: []string{"Host: nobody.test"}, lines: []string{
			"route     no route of listener node-1/http names host nobody.test; its hosts: shop.test", "answer    404 no-host"}},
		{name: "a condition that does not hold", url: "http://post.test/pay", more: model.Objects{Routes: []model.Route{onlyPost}}, lines: []string{
			"route     host post.test has no route for GET /pay; the path fits, other conditions do not: /pay Prefix, method POST (5-pay.yaml:9)"}},
		{name: "a condition that holds", url: "http://post.test/pay", meth: "POST", more: model.Objects{Routes: []model.Route{onlyPost}}, lines: []string{
			"route     host post.test, /pay Prefix, method POST, to order-service:80 (5-pay.yaml:9)"}},
		{name: "rejected by compile", url: "http://shop.test/pay/1", more: model.Objects{Routes: []model.Route{rejected}}, lines: []string{
			"route     host shop.test, /pay Prefix, rejected: upstream-missing: there is no upstream kubernetes/shop/pay:80: define it, or name another (5-pay.yaml:9)",
			"answer    503 upstream-missing"}},
		{name: "rejected by its source", url: "http://shop.test/pay/1", more: model.Objects{Routes: []model.Route{missing}, Diagnostics: []model.Diagnostic{
			{Origin: at("5-pay.yaml", 9), Severity: model.Error, Code: model.CodeServiceMissing, Message: "there is no Service shop/pay"}}}, lines: []string{
			"route     host shop.test, /pay Prefix, rejected: service-missing: there is no Service shop/pay (5-pay.yaml:9)", "answer    503 service-missing"}},
		{name: "a redirect", url: "http://old.test/", more: model.Objects{Routes: []model.Route{redirect}}, lines: []string{
			"route     host old.test, / Prefix, redirects to https://shop.test/ (5-pay.yaml:9)", "answer    308 to https://shop.test/"}},
		{name: "weights", url: "http://split.test/", more: model.Objects{Routes: []model.Route{split}}, lines: []string{
			`route     host split.test, / Prefix, to order-service:80 (90 %) or nacos-order-service (10 %); the next lines follow order-service:80, filters: strip-prefix {"parts":1} (5-pay.yaml:9)`}},
		{name: "settings", url: "http://slow.test/", more: model.Objects{Routes: []model.Route{slow}}, lines: []string{
			"route     host slow.test, / Prefix, to order-service:80, timeouts{response=5s} retry{attempts=1 on[reset]} (5-pay.yaml:9)"}},
		{name: "weights of endpoints", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			order(s, func(u *explain.Upstream) {
				u.Endpoints[0].Weight, u.Endpoints[0].Share, u.Endpoints[1].Share = 3000, 0.75, 0.25
			})
		}, lines: []string{"upstream  order-service:80, 2 of 2 ready (by label app=order), weighted round robin: next is 127.1.2.2:8080 (25 %), others: 127.1.1.2:8080 (75 %)"}},
		{name: "addresses that are written down", url: "http://static.test/", more: model.Objects{Routes: []model.Route{static},
			Upstreams: []model.Upstream{{ID: "springgw/http://10.1.2.3:80", Endpoints: []model.EndpointsID{list}}}}, edit: func(s *explaintest.State) {
			s.ByID["springgw/http://10.1.2.3:80"] = explain.Upstream{Known: true, Next: netip.MustParseAddrPort("10.1.2.3:80"),
				Endpoints: []explain.Endpoint{{Addr: netip.MustParseAddrPort("10.1.2.3:80"), Weight: 1000, Share: 1, Healthy: true}}}
		}, lines: []string{"endpoint  http://10.1.2.3:80, 1 of 1 ready, round robin: next is 10.1.2.3:80", "pod       10.1.2.3:80 is no pod that runs here"},
			title: "http://static.test/ takes neither road: its addresses are written down"},
		{name: "one node is down", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			u := s.ByID[explaintest.SLBNodes]
			u.Endpoints[0].Healthy, u.Endpoints[0].Why, u.Endpoints[0].Share = false, "connection refused", 0
			u.Next = netip.MustParseAddrPort("127.0.0.12:8080")
			s.ByID[explaintest.SLBNodes] = u
		}, lines: []string{"slb       1 of 2 nodes healthy (node-1: connection refused), round robin: next is node-2", "node      node-2 127.0.0.12:8080"}},
		{name: "no node is left", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			s.ByID[explaintest.SLBNodes] = explain.Upstream{Known: true}
		}, lines: []string{"slb       0 of 0 nodes healthy: nobody to lead to", "answer    no answer: the SLB closes the connection"}},
		{name: "one pod is not ready", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			order(s, func(u *explain.Upstream) {
				u.Endpoints[0].State, u.Endpoints[0].Why, u.Endpoints[0].Share = model.Unhealthy, "its readiness probe fails", 0
			})
		}, lines: []string{"upstream  order-service:80, 1 of 2 ready (by label app=order) [127.1.1.2:8080: its readiness probe fails], round robin: next is 127.1.2.2:8080"}},
		{name: "no pod is ready", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			order(s, func(u *explain.Upstream) { *u = explain.Upstream{Known: true} })
			s.Running[0].Ready, s.Running[0].Reason = false, "readiness: 503 from /ready"
			s.Running[1].Ready, s.Running[1].Phase, s.Running[1].Reason = false, "Waiting", "no program for image shop/order:1"
		}, lines: []string{"upstream  order-service:80 has no address (by label app=order): pod order-a is not ready (readiness: 503 from /ready), pod order-b is Waiting (no program for image shop/order:1)",
			"answer    503 no-endpoints"}},
		{name: "only a draining pod", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			order(s, func(u *explain.Upstream) {
				u.Endpoints[0].State, u.Endpoints[0].Share, u.Endpoints[1].State, u.Endpoints[1].Share = model.Unhealthy, 0, model.Draining, 1
			})
		}, lines: []string{"upstream  order-service:80, 0 of 2 ready (by label app=order) [127.1.1.2:8080: unhealthy, 127.1.2.2:8080: draining], round robin: next is 127.1.2.2:8080, draining since nothing is ready"}},
		{name: "a list that never came", url: "http://shop.test/order", edit: func(s *explaintest.State) {
			order(s, func(u *explain.Upstream) { *u = explain.Upstream{} })
		}, lines: []string{"upstream  order-service:80: addresses unknown, its source has not delivered them yet; a request waits for them, 1 s at most", "answer    503 endpoints-unknown"}},
		{name: "the registry is away", url: "http://gateway.test/order/1", edit: func(s *explaintest.State) {
			l := s.ByList[explaintest.Registry]
			l.Failed, l.Error, l.Heard = true, "connection refused", explaintest.Now.Add(-150*time.Second)
			s.ByList[explaintest.Registry] = l
		}, lines: []string{"registry  public/DEFAULT_GROUP/nacos-order-service: 2 instances, 2 healthy, revision 7 (the gateway's copy, 2 min old; the registry is away: connection refused)"}},
		{name: "an address of the second registry", url: "http://gateway.test/both", more: model.Objects{
			Upstreams: []model.Upstream{{ID: "lb/both", Endpoints: []model.EndpointsID{explaintest.Registry, inB}}},
			Routes: []model.Route{{ID: "both", Attach: []model.Class{"gateway"}, Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/both"}},
				Action: model.Forward{Targets: []model.Target{{Upstream: "lb/both"}}}}}},
			edit: func(s *explaintest.State) {
				at := netip.MustParseAddrPort("127.1.9.9:80")
				s.ByID["lb/both"] = explain.Upstream{Known: true, Next: at, Endpoints: []explain.Endpoint{{Addr: at, Weight: 1000, Healthy: true, Share: 1}}}
				s.ByList[inB] = explain.List{ID: inB, Known: true, Heard: explaintest.Now, Endpoints: []model.Endpoint{{Addr: at}}}
			}, lines: []string{"registry  dev/SHOP/order: 1 instance, 1 healthy (the gateway's copy, 0 s old); kept by registry/b, one of 2 registries that are asked for the service"}},
		{name: "the last instance is gone", url: "http://gateway.test/order/1", edit: func(s *explaintest.State) {
			s.ByID[explaintest.LBOrder] = explain.Upstream{Known: true}
			s.ByList[explaintest.Registry] = explain.List{ID: explaintest.Registry, Known: true}
		}, lines: []string{"registry  public/DEFAULT_GROUP/nacos-order-service: 0 instances, 0 healthy (the gateway's copy)", "endpoint  lb://nacos-order-service has no address", "answer    503 no-endpoints"},
			title: "http://gateway.test/order/1 takes road 2: gateway, registry, pod"},
		{name: "TLS without certificate", url: "https://127.0.0.11/order", lines: []string{"connect   127.0.0.11:8443, listener node-1/https, the default certificate (a client sends no server name for an address)"}},
		{name: "TLS with a broken certificate", url: "https://shop.test:8443/order", more: model.Objects{Certificates: []model.Certificate{
			{ID: "secret/shop/shop-tls", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"}, Secret: "shop/shop-tls"}}},
			edit: func(s *explaintest.State) {
				s.ByID["slb/nodes:https"] = explain.Upstream{Known: true, Next: netip.MustParseAddrPort("127.0.0.11:8443"),
					Endpoints: []explain.Endpoint{{Addr: netip.MustParseAddrPort("127.0.0.11:8443"), Weight: 1000, Share: 1, Healthy: true}}}
			}, lines: []string{"ingress   listener https on node-1 takes it, the default certificate (secret/shop/shop-tls cannot be served: "}},
		{name: "TLS with a secret that is told of", url: "https://shop.test:8443/order", more: model.Objects{Diagnostics: []model.Diagnostic{
			{Origin: model.Origin{Source: "manifest", Kind: "Ingress", Namespace: "shop", Name: "shop", File: "/example/3-ingress.yaml", Line: 5},
				Severity: model.Error, Code: model.CodeSecretMissing, Message: "there is no Secret shop/shop-tls"}}},
			lines: []string{"the default certificate (secret-missing: there is no Secret shop/shop-tls (3-ingress.yaml:5))"}},
		{name: "TLS that asks for a certificate", url: "https://127.0.0.11/order", more: model.Objects{TLSPolicies: []model.TLSPolicy{clients("")}}, lines: []string{
			"connect   127.0.0.11:8443, listener node-1/https, the default certificate (a client sends no server name for an address), a certificate of the client is required"}},
		{name: "other TLS rules", url: "https://127.0.0.11/order", with: []string{"Host: shop.test"}, more: model.Objects{TLSPolicies: []model.TLSPolicy{clients("shop.test")}}, lines: []string{
			"route     host shop.test has other TLS rules, or another certificate, than the connection, which was made for no server name", "answer    421 misdirected"}},
		{name: "client certificates in clear text", url: "http://127.0.0.11/order", with: []string{"Host: shop.test"}, more: model.Objects{TLSPolicies: []model.TLSPolicy{clients("shop.test")}}, lines: []string{
			"route     host shop.test wants certificates of clients, which there are none of in clear text", "answer    403 tls-required"}},
		{name: "a TLS policy that is wrong", url: "http://127.0.0.11/order", with: []string{"Host: shop.test"}, more: model.Objects{TLSPolicies: []model.TLSPolicy{{ID: "p", Origin: at("7-tls.yaml", 3),
			Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"}, ClientAuth: "on"}}}, lines: []string{
			"route     the TLS policy of host shop.test cannot be carried out: its requests are refused (7-tls.yaml:3)", "answer    503 invalid"}},
		{name: "clear text on a TLS port", url: "http://127.0.0.11:8443/", lines: []string{"connect   127.0.0.11:8443, listener node-1/https: clear text on a TLS port"}},
		{name: "a request that is refused", url: "http://shop.test/a%00b", lines: []string{"route     the request is refused as it is written: http1: ", "answer    400"}},
		{name: "chance between routes", url: "http://gateway.test/lot", with: []string{"Cookie: user=7"}, more: model.Objects{Routes: lots()}, lines: []string{
			"high: Path=/lot, Cookie=user, .+, Weight=g,80 %, by chance (high 80 %, low 20 %) to lb://nacos-order-service"}},
		{name: "a version", url: "http://gateway.test/api?v=1.4", more: model.Objects{Routes: []model.Route{{ID: "springgw/old", Attach: []model.Class{"gateway"}, Match: model.Match{
			Path: model.PathMatch{Kind: model.PathPattern, Value: "/api"}, Versions: []model.VersionMatch{{In: []model.VersionPlace{{Query: "v"}}, Is: "1.2+"}}}, Action: model.Respond{Status: 200}}}},
			lines: []string{"Version=1.2+"}},
		{name: "chance without the condition", url: "http://gateway.test/lot", more: model.Objects{Routes: lots()}, lines: []string{"404 no-route"}},
		{name: "a rule of a live cluster", url: "http://127.0.0.11/live", with: []string{"Host: live.test"}, more: model.Objects{Routes: []model.Route{{ID: "kubernetes/live",
			Origin: model.Origin{Source: "kubernetes", Kind: "Ingress", Namespace: "shop", Name: "live", Created: time.Unix(1, 0)}, Attach: []model.Class{"ingress"}, Hosts: []model.Host{"live.test"},
			Match: model.Match{Path: model.PathMatch{Kind: model.PathExact, Value: "/live"}}, Action: model.Forward{Targets: []model.Target{{Upstream: explaintest.LBOrder}}}}}},
			lines: []string{"(Ingress shop/live)"}},
		{name: "a dot segment", url: "http://shop.test/x/../order/42", lines: []string{"route     host shop.test, /order Prefix"}},
	}
}

// lots are two routes between which chance decides.
func lots() []model.Route {
	var out []model.Route
	for i, name := range []string{"high", "low"} {
		out = append(out, model.Route{ID: model.RouteID("springgw/" + name), Attach: []model.Class{"gateway"},
			Origin: model.Origin{Source: "springgw", Kind: "route", Name: name, File: "9-lots.yaml", Line: 3 + i},
			Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/lot"},
				Cookies: []model.FieldMatch{{Name: "user", Value: ".+", Regex: true}},
				Shares:  []model.Share{{Group: "g", From: i * 800_000, Until: 800_000 + i*200_000}}},
			Rank: model.Rank{Position: i + 1}, Action: model.Forward{Targets: []model.Target{{Upstream: explaintest.LBOrder}}, Host: model.HostEndpoint}})
	}
	return out
}

// clients is a policy that asks for certificates, signed by nobody that a client of these tests has one of.
func clients(host model.Host) model.TLSPolicy {
	return model.TLSPolicy{ID: "clients", Attach: []model.Class{"ingress"}, Hosts: []model.Host{host}, ClientAuth: model.ClientRequired, ClientCAs: clientsCA}
}

func TestEveryEndIsExplained(t *testing.T) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			s := explaintest.New(c.more)
			if c.edit != nil {
				c.edit(s)
			}
			r, text := explained(t, s.World(), explain.Request{URL: c.url, Method: c.meth, Headers: c.with})
			for _, line := range c.lines {
				if !strings.Contains(text, line) {
					t.Errorf("no line has\n%s\nin\n%s", line, text)
				}
			}
			if c.title != "" && r.Title != c.title {
				t.Errorf("title is %q, want %q", r.Title, c.title)
			}
			if last := r.Hops[len(r.Hops)-1]; last.Name != "answer" {
				t.Errorf("the last hop is %s", last.Name)
			}
		})
	}
}

// Every node is a process of its own in a split installation: the state that counts is that of the node which chooses.
func TestStateIsAskedOfTheNodeThatChooses(t *testing.T) {
	s := explaintest.New()
	explained(t, s.World(), explain.Request{URL: "http://shop.test/order"})
	if last := s.SawNodes[len(s.SawNodes)-1]; last != "node-1" {
		t.Errorf("the upstream was asked of %q, want node-1", last)
	}
}

func TestFilesAlone(t *testing.T) {
	w := explaintest.New().World()
	w.Upstreams, w.Lists, w.Pods = nil, nil, nil
	r, got := explained(t, w, explain.Request{URL: "http://shop.test/order/42"})
	want := `http://shop.test/order/42 takes road 1: domain, SLB, ingress, service, pod
 1 client    GET http://shop.test/order/42
 2 dns       shop.test A 127.0.0.10 (3-ingress.yaml:9)
 3 slb       slb/http takes it; which node it leads to is decided while it runs
 4 node      node-1 or one like it
 5 ingress   listener http on node-1 takes it
 6 route     host shop.test, /order Prefix, to order-service:80 (3-ingress.yaml:12); lost: / (shorter)
 7 upstream  order-service:80 (by label app=order); its addresses are known while it runs
 8 answer    not asked: these are files, and nothing runs
`
	if got != want || r.Road != 1 {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r, _ := explained(t, w, explain.Request{URL: "http://gateway.test/order/42"}); r.Road != 2 {
		t.Errorf("road is %d, want 2", r.Road)
	}
}

// What is stopped is not explained away: nobody answers names without the DNS, and nothing takes connections where the
// SLB was, though the nodes behind it are there.
func TestPieceIsStopped(t *testing.T) {
	without := func(ids ...model.ListenerID) explain.World {
		o := explaintest.Bootstrap()
		o.Listeners = slices.DeleteFunc(o.Listeners, func(l model.Listener) bool { return slices.Contains(ids, l.ID) })
		s := explaintest.New()
		s.Snapshot = explaintest.Compile(o, explaintest.Ingress(), explaintest.Gateway())
		return s.World()
	}
	r, got := explained(t, without("slb/http", "slb/https"), explain.Request{URL: "http://shop.test/order"})
	if !strings.Contains(got, " 3 connect   no listener of ours has 127.0.0.10 for http; node-1/http, node-1/https, node-2/http, node-2/https advertise it") ||
		r.Road != 0 || r.Endpoint != "" {
		t.Errorf("without the SLB:\n%s", got)
	}
	r, got = explained(t, without("dns"), explain.Request{URL: "http://shop.test/order"})
	if !strings.Contains(got, " 2 dns       nobody answers for zone test: our DNS does not run\n") || r.Road != 0 {
		t.Errorf("without the DNS:\n%s", got)
	}
	if r, got := explained(t, without("dns"), explain.Request{URL: "http://127.0.0.20/order/1"}); r.Road != 2 {
		t.Errorf("an address needs no DNS:\n%s", got)
	}
}

func TestBadQuestions(t *testing.T) {
	w := explaintest.New().World()
	for _, q := range []explain.Request{
		{URL: "ftp://shop.test/"}, {URL: "http:///x"}, {URL: "http://shop.test:0/"}, {URL: "http://shop.test:99999/"}, {URL: "http://a b/"},
		{URL: "http://shop.test/", Method: "GE T"}, {URL: "http://shop.test/", Headers: []string{"nonsense"}},
		{URL: "http://shop.test/", Headers: []string{"X: a\r\nY: b"}}, {URL: "http://shop.test/", Headers: []string{"Transfer-Encoding: chunked"}},
		{URL: "http://shop.test/" + strings.Repeat("x", 70<<10)}, {URL: "http://shop.test/a b"}, {URL: ""},
	} {
		if r, err := explain.Explain(w, q); err == nil {
			t.Errorf("%.60q is explained: %s", q.URL, r.Title)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("http://shop.test/order/42", "GET", "Host: x")
	f.Add("https://[::1]:8443/%zz?a=b#c", "POST", "X: y")
	f.Add("127.0.0.20/order", "", "")
	w := explaintest.New().World()
	f.Fuzz(func(t *testing.T, url, method, header string) {
		r, err := explain.Explain(w, explain.Request{URL: url, Method: method, Headers: []string{header}})
		if err == nil && (len(r.Hops) < 2 || r.Title == "") {
			t.Errorf("%q has %d hops and title %q", url, len(r.Hops), r.Title)
		}
	})
}

const clientsCA = `-----BEGIN CERTIFICATE-----
MIIBYDCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDEwxTaG9wIGNs
aWVudHMwIBcNNzAwMTAxMDAwMDAwWhgPMjEwMDAxMDEwMDAwMDBaMBcxFTATBgNV
BAMTDFNob3AgY2xpZW50czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNIVwGpv
4Nj9vjGRk1xW0Iwdp1W0+WvhVwxZmUyxRf5sutydFJdAGqHmnRssBM4Ml86K+fJb
NWCipPpBQ6V6nIijQjBAMA4GA1UdDwEB/wQEAwICBDAPBgNVHRMBAf8EBTADAQH/
MB0GA1UdDgQWBBR8BL3+CzOGhunTlZOoubjM9dIBrTAKBggqhkjOPQQDAgNHADBE
AiABxGVWEh4GEksSVCzdRmjLb6o8inr24Uf3i9ib3wNc8wIgeyE58gd06dnKKRqu
27o+06VK5g0sx+SLJbLS+oVyIGw=
-----END CERTIFICATE-----
`
