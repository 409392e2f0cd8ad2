package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paifang/internal/model"
)

// word is any text that YAML or YAML 1.1 might take for something else, or any text at all.
var word = rapid.OneOf(
	rapid.SampledFrom([]string{"yes", "n", "null", "~", "1", "0x1f", "1e3", ".inf", "2026-01-02", "a: b", "- x", "#c", "{", "*a", "&a", "!t", "<<", "a\nb", "a\n\n", "\n", " x ", "\r\n", "%", "@", "`", "'", `"`, "\u0085", "\x00", "--- x", "..."}),
	rapid.String(),
	rapid.StringMatching(`[a-z][a-z0-9-]{0,8}`),
)

func full[T any](t *rapid.T, g *rapid.Generator[T], label string, most int) []T {
	s := rapid.SliceOfN(g, 0, most).Draw(t, label)
	if len(s) == 0 {
		return nil
	}
	return s
}

func texts[S ~string](t *rapid.T, label string) []S {
	var out []S
	for _, s := range full(t, word, label, 3) {
		out = append(out, S(s))
	}
	return out
}

var (
	span     = rapid.Map(rapid.Int64Range(0, 1e15), func(i int64) time.Duration { return time.Duration(i) })
	small    = rapid.IntRange(-5, 5)
	port     = rapid.Uint16()
	addr     = rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) })
	prefix   = rapid.Map(addr, func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 24) })
	addrPort = rapid.Custom(func(t *rapid.T) netip.AddrPort { return netip.AddrPortFrom(addr.Draw(t, "a"), port.Draw(t, "p")) })
	config   = rapid.SampledFrom([]string{``, `{}`, `[]`, `{"b":1,"a":[true,null,"x\ny",1.5,-3,{"z":"yes"}]}`, `"text"`, `[1e+300,18446744073709551615]`})
	name     = rapid.StringMatching(`[a-z][a-z0-9/.:-]{0,12}`)
)

func tags(t *rapid.T, label string) model.Tags {
	return model.NewTags(rapid.MapOfN(word, word, 0, 3).Draw(t, label))
}

func drawRoute(t *rapid.T) model.Route {
	field := rapid.Custom(func(t *rapid.T) model.FieldMatch {
		return model.FieldMatch{Name: word.Draw(t, "n"), Value: word.Draw(t, "v"), Present: rapid.Bool().Draw(t, "p")}
	})
	target := rapid.Custom(func(t *rapid.T) model.Target {
		return model.Target{Upstream: model.UpstreamID(name.Draw(t, "u")), Weight: small.Draw(t, "w")}
	})
	filter := rapid.Custom(func(t *rapid.T) model.FilterSpec {
		return model.FilterSpec{Kind: name.Draw(t, "k"), Config: json.RawMessage(config.Draw(t, "c"))}
	})
	place := rapid.Custom(func(t *rapid.T) model.VersionPlace {
		return model.VersionPlace{Header: word.Draw(t, "vh"), Segment: small.Draw(t, "vs"), MediaType: word.Draw(t, "vm")}
	})
	version := rapid.Custom(func(t *rapid.T) model.VersionMatch {
		return model.VersionMatch{In: full(t, place, "in", 2), Is: word.Draw(t, "is"), Default: word.Draw(t, "vd")}
	})
	r := model.Route{
		ID: model.RouteID(name.Draw(t, "id")), Attach: texts[model.Class](t, "attach"), Hosts: texts[model.Host](t, "hosts"),
		Match: model.Match{
			Path:    model.PathMatch{Kind: model.PathKind(word.Draw(t, "pk")), Value: word.Draw(t, "pv")},
			Methods: texts[string](t, "methods"), Headers: full(t, field, "h", 2), Query: full(t, field, "q", 2), Versions: full(t, version, "v", 2),
		},
		Rank: model.Rank{Order: small.Draw(t, "o"), Position: small.Draw(t, "p")}, Priority: small.Draw(t, "prio"),
		Filters:  full(t, filter, "filters", 2),
		Timeouts: model.Timeouts{Connect: span.Draw(t, "c"), Idle: span.Draw(t, "i"), Request: span.Draw(t, "rq")}, Default: rapid.Bool().Draw(t, "d"),
	}
	for i := range r.Filters {
		if len(r.Filters[i].Config) == 0 {
			r.Filters[i].Config = nil
		}
	}
	switch rapid.IntRange(0, 3).Draw(t, "action") {
	case 0:
		r.Action = model.Forward{Targets: full(t, target, "t", 3), Host: model.HostMode(word.Draw(t, "hm")), HostName: word.Draw(t, "hn"), Retry: drawRetry(t)}
	case 1:
		r.Action = model.Redirect{Status: small.Draw(t, "s"), Location: word.Draw(t, "l")}
	case 2:
		r.Action = model.Respond{Status: small.Draw(t, "s"), Code: model.Code(word.Draw(t, "co")), Body: word.Draw(t, "b")}
	}
	return r
}

var statuses = rapid.Custom(func(t *rapid.T) model.StatusRange {
	from := rapid.IntRange(100, 599).Draw(t, "from")
	return model.StatusRange{From: from, To: rapid.IntRange(from, 599).Draw(t, "to")}
})

func drawRetry(t *rapid.T) model.Retry {
	return model.Retry{
		Attempts: small.Draw(t, "a"), On: texts[model.RetryOn](t, "on"), Statuses: full(t, statuses, "st", 3), NonIdempotent: rapid.Bool().Draw(t, "ni"),
		PerTry: span.Draw(t, "pt"), Backoff: model.Backoff{Base: span.Draw(t, "bb"), Most: span.Draw(t, "bm"), Factor: small.Draw(t, "bf"), Spread: small.Draw(t, "bs"), FromLast: rapid.Bool().Draw(t, "bl")},
		Budget: model.RetryBudget{Percent: small.Draw(t, "bp"), Least: small.Draw(t, "bl")},
	}
}

// drawSettings gives an upstream every setting it can have. A word may be empty, and a number none.
func drawSettings(t *rapid.T, u *model.Upstream) {
	part := rapid.Custom(func(t *rapid.T) model.HashPart {
		return model.HashPart{From: model.HashSource(word.Draw(t, "f")), Name: word.Draw(t, "n"), Text: word.Draw(t, "t")}
	})
	field := rapid.Custom(func(t *rapid.T) model.Tag { return model.Tag{Name: word.Draw(t, "n"), Value: word.Draw(t, "v")} })
	flag := rapid.Bool()
	u.Balance = model.Balance{Kind: model.BalanceKind(word.Draw(t, "bk")), Hash: full(t, part, "bh", 3), Decay: span.Draw(t, "bd"), Panic: small.Draw(t, "bp")}
	u.Affinity = model.Affinity{Mode: model.AffinityMode(word.Draw(t, "am")), Cookie: word.Draw(t, "ac"), Path: word.Draw(t, "ap"), Domain: word.Draw(t, "ad"),
		MaxAge: span.Draw(t, "aa"), SameSite: word.Draw(t, "as"), Secure: word.Draw(t, "ae"), Scripts: flag.Draw(t, "aj"), Move: flag.Draw(t, "av")}
	u.Zones = model.ZonePreference{Prefer: flag.Draw(t, "zp"), Enough: small.Draw(t, "ze"), Least: small.Draw(t, "zl")}
	u.SlowStart = model.SlowStart{Window: span.Draw(t, "sw"), Minimum: small.Draw(t, "sm"), Aggression: small.Draw(t, "sa")}
	h := &u.Health
	h.Host, h.Headers, h.Expect, h.Service, h.Jitter = word.Draw(t, "hh"), full(t, field, "hf", 2), full(t, statuses, "he", 2), word.Draw(t, "hs"), small.Draw(t, "hj")
	h.Port = port.Draw(t, "hp")
	h.Timeout, h.Fall = span.Draw(t, "ht"), small.Draw(t, "hl")
	u.Ejection = model.Ejection{Off: flag.Draw(t, "eo"), Failures: small.Draw(t, "ef"), GatewayErrors: small.Draw(t, "eg"), ServerErrors: small.Draw(t, "es"),
		SuccessRate: model.SuccessRate{On: flag.Draw(t, "ro"), Deviations: small.Draw(t, "rd"), Requests: small.Draw(t, "rr"), Endpoints: small.Draw(t, "re")},
		Interval:    span.Draw(t, "ei"), Base: span.Draw(t, "eb"), Most: span.Draw(t, "em"), Percent: small.Draw(t, "ep")}
	u.EmptyStatus = small.Draw(t, "empty")
	u.Limits = model.Limits{Connections: small.Draw(t, "lc"), EndpointConnections: small.Draw(t, "le"), Requests: small.Draw(t, "lr"), Pending: small.Draw(t, "lp"),
		Wait: span.Draw(t, "lw"), Retries: small.Draw(t, "lt")}
}

// drawBalancing gives some services settings of their own, perhaps none.
func drawBalancing(t *rapid.T) map[string]model.Upstream {
	var out map[string]model.Upstream
	for i := range rapid.IntRange(0, 2).Draw(t, "services") {
		if i == 0 {
			out = map[string]model.Upstream{}
		}
		var u model.Upstream
		if rapid.Bool().Draw(t, "settings") {
			drawSettings(t, &u)
		}
		out[name.Draw(t, "service")] = u
	}
	return out
}

func drawObjects(t *rapid.T) model.Objects {
	record := rapid.Custom(func(t *rapid.T) model.Record {
		return model.Record{Name: name.Draw(t, "n"), TTL: span.Draw(t, "t"), Addrs: full(t, addr, "a", 2)}
	})
	endpoint := rapid.Custom(func(t *rapid.T) model.Endpoint {
		return model.Endpoint{
			Addr: addrPort.Draw(t, "a"), Weight: model.Weight(rapid.Int32Range(-1, 1_000_000).Draw(t, "w")),
			State: model.EndpointState(rapid.Uint8Range(0, 4).Draw(t, "s")), Zone: word.Draw(t, "z"), Secure: rapid.Bool().Draw(t, "sec"),
			Since: time.Unix(0, rapid.Int64Range(1, 1<<60).Draw(t, "since")).UTC(), Tags: tags(t, "tags"),
		}
	})
	list := rapid.Custom(func(t *rapid.T) model.EndpointsID {
		return model.EndpointsID{Keeper: word.Draw(t, "k"), Name: word.Draw(t, "n")}
	})
	var o model.Objects
	for range rapid.IntRange(0, 2).Draw(t, "listeners") {
		o.Listeners = append(o.Listeners, model.Listener{
			ID: model.ListenerID(name.Draw(t, "id")), Class: model.Class(word.Draw(t, "c")), Bind: full(t, addrPort, "b", 2),
			Advertise: full(t, addr, "ad", 2), Names: texts[model.Host](t, "names"), Protocol: model.HTTP,
			Trust: model.Trust{ProxyFrom: full(t, prefix, "pf", 2)}, Node: word.Draw(t, "node"),
			TLS: model.ListenerTLS{MinVersion: model.TLSVersion(word.Draw(t, "min")), Ciphers: texts[string](t, "ciphers")},
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "routes") {
		o.Routes = append(o.Routes, drawRoute(t))
	}
	for range rapid.IntRange(0, 2).Draw(t, "others") {
		o.L4Routes = append(o.L4Routes, model.L4Route{ID: model.RouteID(name.Draw(t, "id")), Attach: texts[model.Class](t, "a"), Upstream: "u"})
		o.Upstreams = append(o.Upstreams, model.Upstream{
			ID: model.UpstreamID(name.Draw(t, "id")), Endpoints: full(t, list, "e", 2), Select: tags(t, "sel"),
			Health: model.HealthCheck{Kind: model.HealthHTTP, Path: word.Draw(t, "p"), Interval: span.Draw(t, "i"), Rise: small.Draw(t, "r")},
			Dial:   model.Dial{From: addr.Draw(t, "f"), Proxy: model.ProxyV2},
			TLS:    model.UpstreamTLS{Mode: model.TLSAlways, Name: word.Draw(t, "tn"), CA: word.Draw(t, "ca"), SkipVerify: rapid.Bool().Draw(t, "skip")},
		})
		drawSettings(t, &o.Upstreams[len(o.Upstreams)-1])
		o.Endpoints = append(o.Endpoints, model.EndpointSet{List: model.EndpointsID{Keeper: "k", Name: name.Draw(t, "n")}, Revision: rapid.Uint64().Draw(t, "r"), Endpoints: full(t, endpoint, "eps", 3)})
		o.Certificates = append(o.Certificates, model.Certificate{ID: model.CertificateID(name.Draw(t, "id")), Attach: texts[model.Class](t, "a"), Hosts: texts[model.Host](t, "h"), Secret: "ns/name"})
		o.TLSPolicies = append(o.TLSPolicies, model.TLSPolicy{ID: model.TLSPolicyID(name.Draw(t, "id")), Attach: texts[model.Class](t, "a"), Hosts: texts[model.Host](t, "h"),
			ClientAuth: model.ClientAuth(word.Draw(t, "ca")), ClientCAs: word.Draw(t, "cas"), Depth: small.Draw(t, "d"), AnswerFailures: rapid.Bool().Draw(t, "af"), MaxVersion: model.TLS12})
		o.Locators = append(o.Locators, model.Locator{ID: name.Draw(t, "id"), Keeper: word.Draw(t, "k"), Prefix: word.Draw(t, "p"), LowerCase: rapid.Bool().Draw(t, "l"), Except: texts[string](t, "x"), BalancingOf: drawBalancing(t)})
		o.Zones = append(o.Zones, model.Zone{Name: name.Draw(t, "n"), TTL: span.Draw(t, "t"), Server: word.Draw(t, "s"), Address: full(t, addr, "a", 2), Records: full(t, record, "rec", 2)})
		o.Workloads = append(o.Workloads, model.Workload{
			ID: model.WorkloadID(name.Draw(t, "id")), Name: word.Draw(t, "n"), Replicas: small.Draw(t, "r"), Labels: tags(t, "l"), Grace: span.Draw(t, "g"),
			Container: model.Container{Command: texts[string](t, "c"), Env: []model.EnvVar{{Name: "A", Value: word.Draw(t, "v")}}, Readiness: &model.Probe{Kind: model.ProbeTCP, Port: port.Draw(t, "p"), Period: span.Draw(t, "pe")}},
			Serves:    []model.Serves{{Port: port.Draw(t, "sp")}}, Template: word.Draw(t, "t"),
		})
	}
	return o
}

// parseAll reads what Print wrote and takes the origins off again.
func parseAll(text []byte) (model.Objects, error) {
	docs, problems := Split("f", text)
	var all model.Objects
	for _, d := range docs {
		o, p := Parse(d, "test")
		problems = append(problems, p...)
		all.Listeners = append(all.Listeners, o.Listeners...)
		all.Routes = append(all.Routes, o.Routes...)
		all.L4Routes = append(all.L4Routes, o.L4Routes...)
		all.Upstreams = append(all.Upstreams, o.Upstreams...)
		all.Endpoints = append(all.Endpoints, o.Endpoints...)
		all.Certificates = append(all.Certificates, o.Certificates...)
		all.TLSPolicies = append(all.TLSPolicies, o.TLSPolicies...)
		all.Locators = append(all.Locators, o.Locators...)
		all.Zones = append(all.Zones, o.Zones...)
		all.Workloads = append(all.Workloads, o.Workloads...)
	}
	if len(problems) > 0 {
		return all, fmt.Errorf("%v", problems)
	}
	clearOrigins(reflect.ValueOf(&all).Elem())
	return all, nil
}

func clearOrigins(v reflect.Value) {
	switch {
	case v.Type() == originType:
		v.SetZero()
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			clearOrigins(v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.NumField() > 0 && v.Field(0).CanSet():
		for i := range v.NumField() {
			clearOrigins(v.Field(i))
		}
	}
}

func TestParsePrintIsAFixedPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObjects(t)
		first, err := Print(o)
		if err != nil {
			t.Fatal(err)
		}
		read, err := parseAll(first)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		second, err := Print(read)
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Fatalf("first\n%s\nsecond\n%s", first, second)
		}
		if !reflect.DeepEqual(o, read) {
			t.Fatalf("wrote %+v\n read %+v\n%s", o, read, first)
		}
	})
}

func TestPrint(t *testing.T) {
	o := model.Objects{
		Certificates: []model.Certificate{
			{ID: "a", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"}, Secret: "shop/tls", Chain: "PEM", Key: model.NewSecret("very secret")},
			{ID: "b", Attach: []model.Class{"ingress"}, Hosts: []model.Host{""}, Key: model.NewSecret("very secret")},
		},
		Routes: []model.Route{{
			ID: "r", Origin: model.Origin{Kind: "Ingress", Namespace: "shop", Name: "web", File: "3.yaml", Line: 9}, Attach: []model.Class{"ingress"},
			Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/"}}, Action: model.Respond{Status: 503, Code: model.CodeServiceMissing},
			Timeouts: model.Timeouts{Response: 5 * time.Second},
		}},
		Endpoints: []model.EndpointSet{{
			List: model.EndpointsID{Keeper: "static", Name: "x"},
			Endpoints: []model.Endpoint{
				{Addr: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 500}, {Addr: netip.MustParseAddrPort("[::1]:80"), Weight: model.WeightNone, State: model.Draining},
			},
		}},
	}
	got, err := PrintWithOrigins(o)
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: paifang.dev/v1
kind: Certificate
metadata:
  name: a
spec:
  attach: [ingress]
  hosts: [shop.test]
  secret: shop/tls
---
apiVersion: paifang.dev/v1
kind: Certificate
metadata:
  name: b
spec:
  attach: [ingress]
  hosts: [""]
  key: '[redacted]'
---
# from Ingress shop/web (3.yaml:9)
apiVersion: paifang.dev/v1
kind: Route
metadata:
  name: r
  namespace: shop
spec:
  attach: [ingress]
  match:
    path:
      kind: Prefix
      value: /
  timeouts:
    response: 5s
  respond:
    status: 503
    code: service-missing
---
apiVersion: paifang.dev/v1
kind: Endpoints
metadata:
  name: static:x
spec:
  list:
    keeper: static
    name: x
  endpoints:
    - addr: 10.0.0.1:80
      weight: 0.5
    - addr: '[::1]:80'
      weight: 0
      state: draining
`
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
}

// TestSecretsAreNamedAndNotPrinted: what came from a Secret is not written down.
func TestSecretsAreNamedAndNotPrinted(t *testing.T) {
	got, err := Print(model.Objects{
		TLSPolicies: []model.TLSPolicy{{ID: "p", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"}, ClientAuth: model.ClientRequired, CASecret: "shop/ca", ClientCAs: "PEM", ClientCRLs: "PEM"}},
		Upstreams: []model.Upstream{
			{ID: "u", TLS: model.UpstreamTLS{Mode: model.TLSAlways, CASecret: "shop/ca", CA: "PEM", ClientSecret: "shop/me", Chain: "PEM", Key: model.NewSecret("very secret")}},
			{ID: "v", TLS: model.UpstreamTLS{Chain: "PEM", Key: model.NewSecret("very secret")}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: paifang.dev/v1
kind: TLSPolicy
metadata:
  name: p
spec:
  attach: [ingress]
  hosts: [shop.test]
  clientAuth: required
  caSecret: shop/ca
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata:
  name: u
spec:
  tls:
    mode: always
    caSecret: shop/ca
    clientSecret: shop/me
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata:
  name: v
spec:
  tls:
    key: '[redacted]'
`
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
}

// TestPolicyThatCannotBeReadRefuses: a typing error must not open a host.
func TestPolicyThatCannotBeReadRefuses(t *testing.T) {
	docs, _ := Split("f", []byte("apiVersion: paifang.dev/v1\nkind: TLSPolicy\nmetadata: {name: p}\nspec:\n  attach: [ingress]\n  hosts: [shop.test]\n  clientAuht: required\n"))
	o, problems := Parse(docs[0], "test")
	if len(problems) != 1 || len(o.TLSPolicies) != 1 {
		t.Fatalf("%v %v", problems, o)
	}
	if p := o.TLSPolicies[0]; p.Reject != model.CodeUnreadable || p.ID != "p" || len(p.Hosts) != 1 || p.ClientAuth != "" {
		t.Errorf("%+v", p)
	}
}

func TestParseProblems(t *testing.T) {
	const head = "apiVersion: paifang.dev/v1\n"
	for in, want := range map[string]string{
		head + "kind: Rout\nmetadata: {name: x}\nspec: {}":                                     `f:2: kind: "Rout" is no kind of paifang.dev/v1: did you mean Route?`,
		head + "kind: Route\nspec: {}":                                                         `f:1: metadata.name: is missing`,
		head + "kind: Route\nmetadata: {name: x}\nspec:\n  id: y":                              `f:5: spec.id: unknown field`,
		head + "kind: Route\nmetadata: {name: x}\nspec:\n  origin: {file: y}":                  `f:5: spec.origin: unknown field`,
		head + "kind: Route\nmetadata: {name: x}\nspec:\n  forwards: {}":                       `f:5: spec.forwards: unknown field: did you mean "forward"?`,
		head + "kind: Route\nmetadata: {name: x}\nspec: {forward: {}, respond: {}}":            `f:4: spec: has more than one of forward, redirect, respond`,
		head + "kind: Listener\nmetadata: {name: x}\nspec:\n  bind: [nowhere]":                 `f:5: spec.bind[0]: not an ip:port`,
		head + "kind: Certificate\nmetadata: {name: x}\nspec:\n  secret: tls":                  `f:5: spec.secret: name the TLS Secret as namespace/name`,
		head + "kind: Certificate\nmetadata: {name: x}\nspec:\n  secret: a/b\n  key: k":        `f:6: spec.key: a secret is not written here: name a Secret instead`,
		head + "kind: TLSPolicy\nmetadata: {name: x}\nspec:\n  caSecret: ca":                   `f:5: spec.caSecret: name the Secret as namespace/name`,
		head + "kind: TLSPolicy\nmetadata: {name: x}\nspec:\n  caSecret: a/b\n  clientCRLs: x": `f:6: spec.clientCRLs: revocation lists are read from ca.crl of the Secret that caSecret names: give them there`,
		head + "kind: Upstream\nmetadata: {name: x}\nspec:\n  tls: {chain: x}":                 `f:5: spec.tls.chain: unknown field`,
		head + "kind: Upstream\nmetadata: {name: x}\nspec:\n  tls: {key: x}":                   `f:5: spec.tls.key: a secret is not written here: name a Secret instead`,
		head + "kind: Endpoints\nmetadata: {name: x}\nspec:\n  endpoints: [{weight: 5000}]":    `f:5: spec.endpoints[0].weight: want a number from 0 to 1000, of which 1 is the default`,
		head + "kind: Endpoints\nmetadata: {name: x}\nspec:\n  endpoints:\n  - state: gone":    `f:6: spec.endpoints[0].state: endpoint state "gone": want ready, draining, last-resort, unhealthy or disabled`,
	} {
		docs, _ := Split("f", []byte(in))
		o, p := Parse(docs[0], "test")
		if len(p) != 1 || p[0].Error() != want || o.HasRules() {
			t.Errorf("%s\n got %v\nwant %v", in, p, want)
		}
	}
}

func FuzzSplitAndDecode(f *testing.F) {
	f.Add([]byte(ingress))
	f.Add([]byte("a: &a [*a]\n---\n? {a: b}\n: c\n--- x\n...\n"))
	f.Add([]byte("<<: [{a: 1}, {a: 2}]\na: !!binary aGk=\nb: 0o17\nc: 1:30\n"))
	f.Add([]byte("apiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: r}\nspec:\n  match: {path: {kind: Exact, value: /}}\n  filters: [{kind: x, config: {a: 1.50}}]\n  respond: {status: 200}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, problems := Split("f", data)
		lines := 1 // YAML knows more line breaks than one
		for _, c := range string(data) {
			if strings.ContainsRune("\n\r\u0085\u2028\u2029", c) {
				lines++
			}
		}
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines+1 {
				t.Errorf("line %d of %d: %v", p.Line, lines, p)
			}
		}
		for _, d := range docs {
			if raw := d.Root.JSON(); !json.Valid(raw) {
				t.Errorf("not JSON: %q", raw)
			}
			var s sample
			for _, p := range Decode(d, &s) {
				if p.Line < 1 || p.Line > lines || d.Line(p.Field) < 1 {
					t.Errorf("line %d of %d: %v", p.Line, lines, p)
				}
			}
			o, bad := Parse(d, "x")
			if len(bad) > 0 {
				continue
			}
			first, err := Print(o)
			if err != nil {
				t.Fatal(err)
			}
			read, err := parseAll(first)
			if err != nil {
				t.Fatalf("%v\n%s", err, first)
			}
			if second, err := Print(read); err != nil || string(first) != string(second) && len(o.Endpoints) == 0 && o.HasRules() {
				t.Errorf("%v: first\n%s\nsecond\n%s", err, first, second)
			}
		}
	})
}

// TestUpstreamsPage: the examples of the page are read as they stand, and no setting is missing on it.
func TestUpstreamsPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/upstreams.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	blocks := strings.Split(page, "```yaml\n")[1:]
	for _, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		o, err := parseAll([]byte(b))
		if err != nil || len(o.Upstreams)+len(o.Routes) == 0 {
			t.Errorf("%v in\n%s", err, b)
		}
		for _, u := range o.Upstreams {
			if err := u.Validate(); err != nil {
				t.Error(err)
			}
		}
		for _, r := range o.Routes {
			if err := errors.Join(r.Validate(), r.ValidateEffect()); err != nil {
				t.Error(err)
			}
		}
	}
	if len(blocks) == 0 {
		t.Error("the page has no examples")
	}
	for prefix, part := range map[string]any{
		"balance.": model.Balance{}, "balance.hash[].": model.HashPart{}, "affinity.": model.Affinity{}, "zones.": model.ZonePreference{}, "prefer.": model.TagPreference{}, "slowStart.": model.SlowStart{},
		"health.": model.HealthCheck{}, "ejection.": model.Ejection{}, "ejection.successRate.": model.SuccessRate{}, "limits.": model.Limits{},
		"": model.Retry{}, "backoff.": model.Backoff{}, "budget.": model.RetryBudget{}, "\x00": model.Timeouts{},
	} {
		for _, name := range (typeCache{}).of(reflect.TypeOf(part)).names {
			if prefix == "\x00" {
				name = "| `" + name + "` |"
			} else {
				name = "`" + prefix + name
			}
			if !strings.Contains(page, name) {
				t.Errorf("the page does not tell of %s", name)
			}
		}
	}
}
