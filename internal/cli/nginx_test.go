package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// nginxCases are worlds; testdata/nginx-NAME.conf is each in nginx's words.
func nginxCases() map[string]*explaintest.State {
	return map[string]*explaintest.State{
		"plain":   explaintest.New(),
		"all":     everything(),
		"hostile": explaintest.New(hostile()),
	}
}

func nginxOrigin(line int) model.Origin {
	return model.Origin{Source: "manifest", Kind: "HTTPRoute", Namespace: "shop", Name: "web", File: "/example/6-web.yaml", Line: line}
}

// everything has each match, filter, action and state once.
func everything() *explaintest.State {
	filter := func(kind, config string) model.FilterSpec {
		return model.FilterSpec{Kind: kind, Config: json.RawMessage(config)}
	}
	to := func(weights ...int) model.Forward {
		f := model.Forward{}
		for i, id := range []model.UpstreamID{explaintest.OrderService, "kubernetes/shop/states:80", "kubernetes/shop/nobody:80"}[:len(weights)] {
			f.Targets = append(f.Targets, model.Target{Upstream: id, Weight: weights[i]})
		}
		return f
	}
	only := func(id model.UpstreamID) model.Forward {
		return model.Forward{Targets: []model.Target{{Upstream: id}}}
	}
	literal := only(explaintest.OrderService)
	literal.Host, literal.HostName, literal.Retry = model.HostLiteral, "inner.test", model.Retry{Attempts: -1}
	line := 0
	route := func(host model.Host, m model.Match, a model.Action, filters ...model.FilterSpec) model.Route {
		line++
		return model.Route{ID: model.RouteID(fmt.Sprintf("web/%d", line)), Origin: nginxOrigin(line), Attach: []model.Class{"ingress"}, Hosts: []model.Host{host}, Match: m,
			Filters: filters, Action: a}
	}
	path := func(kind model.PathKind, value string) model.Match {
		return model.Match{Path: model.PathMatch{Kind: kind, Value: value}}
	}
	canary := path(model.PathPrefix, "/api")
	canary.Methods = []string{"GET", "HEAD"}
	canary.Headers = []model.FieldMatch{{Name: "X-Canary", Value: "always"}, {Name: "X-Trace", Present: true}}
	canary.Query = []model.FieldMatch{{Name: "v", Value: "2"}}
	slow := route("web.test", path(model.PathExact, "/slow"), literal)
	slow.Timeouts = model.Timeouts{Connect: time.Second, Response: 1500 * time.Millisecond, Idle: time.Minute}
	strict := path(model.PathPattern, "/strict/{id}")
	strict.Path.Strict = true
	objects := model.Objects{
		Routes: []model.Route{
			slow,
			route("web.test", path(model.PathPrefix, "/api/"), to(0)),
			route("web.test", canary, to(80, 19, 1), filter("strip-prefix", `{"parts":1}`), filter("prefix-path", `{"prefix":"/v2"}`)),
			route("web.test", path(model.PathPattern, "/users/{id}/*.json"), only("kubernetes/shop/states:80"), filter("set-path", `{"template":"/u/{id}"}`)),
			route("web.test", strict, only("kubernetes/shop/nobody:80"), filter("set-path", `{"template":"/u"}`)),
			route("web.test", path(model.PathPattern, "/a/**/z/{*rest}"), only("kubernetes/shop/states:80"),
				filter("rewrite-path", `{"regexp":"^/a/(?P<rest>.*)","replacement":"/${rest}"}`)),
			route("web.test", path(model.PathPrefix, "/headers"), only(explaintest.OrderService),
				filter("request-headers", `{"set":[{"name":"X-Set","value":"a b"},{"name":"X-Id","value":"{id}"}],"add":[{"name":"X-Add","value":"1"}],"remove":["X-Gone"]}`),
				filter("response-headers", `{"set":[{"name":"X-Set","value":"a;b"}],"add":[{"name":"X-Add","value":"1"}],"remove":["Server"]}`)),
			route("web.test", path(model.PathPrefix, "/other-kind"), only(explaintest.OrderService), filter("rate-limit", `{"perSecond":5}`)),
			route("web.test", path(model.PathPrefix, "/secure"), only("https/static/api.example.test:443")),
			route("web.test", path(model.PathPrefix, "/old"), model.Redirect{Status: 301, Location: "https://web.test/new?a=b;c"}),
			route("web.test", path(model.PathPrefix, "/teapot"), model.Respond{Status: 418, Code: "teapot", Body: "short and stout"}),
			route("web.test", path(model.PathPrefix, "/missing"), only("kubernetes/shop/missing:80")),
			route("web.test", path(model.PathPrefix, "/unknown"), only("kubernetes/shop/unknown:80")),
			route("web.test", path(model.PathExact, "/slow"), to(0)), // lost
			route("*.one.test", path(model.PathAny, ""), only(explaintest.OrderService)),
			route("**.more.test", path(model.PathAny, ""), only(explaintest.OrderService)),
		},
		Certificates: []model.Certificate{{ID: "secret/shop/web-tls", Origin: nginxOrigin(40), Attach: []model.Class{"ingress"}, Hosts: []model.Host{"web.test"},
			Secret: "shop/web-tls", Chain: "CHAIN", Key: model.NewSecret("THE-KEY")}},
	}
	for _, name := range []string{"states", "nobody", "unknown"} {
		objects.Upstreams = append(objects.Upstreams, model.Upstream{ID: model.UpstreamID("kubernetes/shop/" + name + ":80"),
			Origin: model.Origin{Kind: "Service", Namespace: "shop", Name: name}, Endpoints: []model.EndpointsID{{Keeper: model.KeeperKubernetes, Name: "shop/" + name + ":80"}}})
	}
	objects.Upstreams = append(objects.Upstreams, model.Upstream{ID: "https/static/api.example.test:443", Origin: nginxOrigin(50), Endpoints: []model.EndpointsID{{Keeper: model.KeeperStatic, Name: "api.example.test:443"}},
		TLS: model.UpstreamTLS{Mode: model.TLSAlways, Name: "api.example.test"}})
	objects.TLSPolicies = []model.TLSPolicy{{ID: "clients", Origin: nginxOrigin(60), Attach: []model.Class{"ingress"}, Hosts: []model.Host{"web.test"}, ClientAuth: model.ClientUnverified},
		{ID: "broken", Origin: nginxOrigin(61), Attach: []model.Class{"ingress"}, Hosts: []model.Host{"*.one.test"}, ClientAuth: model.ClientRequired}}
	s := explaintest.New(objects)
	at := func(last int, weight int, share float64, state model.EndpointState, why string) explain.Endpoint {
		return explain.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 9, 9, byte(last)}), 80), Weight: weight, Share: share, State: state,
			Healthy: why == "", Why: why, Name: fmt.Sprintf("states-%d", last), Node: "node-1"}
	}
	s.ByID["kubernetes/shop/states:80"] = explain.Upstream{Known: true, Endpoints: []explain.Endpoint{
		at(1, 1500, 0.75, model.Ready, ""), at(2, 500, 0.25, model.Ready, ""), at(3, 1000, 0, model.Draining, ""), at(4, 1000, 0, model.Ready, "connection refused"),
		at(5, 0, 0, model.Ready, ""), at(6, 1000, 0, model.Disabled, "")}}
	s.ByID["kubernetes/shop/nobody:80"] = explain.Upstream{Known: true}
	return s
}

// hostile is what somebody may write who may write rules, and would like others to read something else.
func hostile() model.Objects {
	const evil = "x\n}\nserver {\n listen 6666; # \u202e\u2028\x1b[2J"
	forward := model.Forward{Targets: []model.Target{{Upstream: explaintest.OrderService}}}
	var o model.Objects
	for i, path := range []string{"/a\"; return 200; #", "/" + evil, "/back\\slash\\", "/${host}", "/sp ace{2}", "/\\\"", "/';'"} {
		for _, kind := range []model.PathKind{model.PathExact, model.PathPrefix, model.PathPattern} {
			if kind == model.PathPattern && strings.ContainsAny(path, "{}") {
				continue
			}
			from := nginxOrigin(i + 1)
			from.Name = evil
			r := model.Route{ID: model.RouteID(fmt.Sprintf("evil/%d/%s", i, kind)), Origin: from, Attach: []model.Class{"ingress"}, Hosts: []model.Host{"evil.test"},
				Match: model.Match{Path: model.PathMatch{Kind: kind, Value: path}}, Action: forward}
			switch i {
			case 0:
				r.Action = model.Redirect{Status: 302, Location: "/\"; proxy_pass http://127.0.0.1:1; \""}
			case 1:
				r.Action = model.Respond{Status: 200, Body: evil}
			case 2:
				r.Action = model.Redirect{Status: 302, Location: "/$host\\"}
			case 3:
				r.Match.Headers = []model.FieldMatch{{Name: "X", Value: evil}}
			case 4:
				r.Filters = []model.FilterSpec{{Kind: "request-headers", Config: json.RawMessage(`{"set":[{"name":"X-$a","value":"\"; deny all; #"},{"name":"Y","value":"$host"}]}`)},
					{Kind: "made\nup", Config: json.RawMessage("{\n}")}, {Kind: "prefix-path", Config: json.RawMessage(`{"prefix":"/a?b#;"}`)}}
			}
			o.Routes = append(o.Routes, r)
		}
	}
	return o
}

func nginxOf(t *testing.T, s *explaintest.State, kinds ...adminapi.Kind) adminapi.View {
	t.Helper()
	p := &process{state: s}
	local := p.local()
	v, err := local.Read(context.Background(), kinds...)
	if err != nil {
		t.Fatal(err)
	}
	var again adminapi.View // as it comes over the API
	for _, k := range kinds {
		text, err := v.Encode(k)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "THE-KEY") {
			t.Fatalf("%s tells a key", k)
		}
		if err := again.Decode(k, text); err != nil {
			t.Fatal(err)
		}
	}
	return again
}

func TestNginx(t *testing.T) {
	for name, s := range nginxCases() {
		var b strings.Builder
		if err := printNginx(&b, nginxOf(t, s, nginxKinds()...), nginxScope{}); err != nil {
			t.Fatal(err)
		}
		got, file := b.String(), "testdata/nginx-"+name+".conf"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		for _, forbidden := range []string{"THE-KEY", "CHAIN", "\x1b", "\u202e", "\u2028", "\nserver {\n listen 6666"} {
			if strings.Contains(got, forbidden) {
				t.Errorf("%s shows %q", name, forbidden)
			}
		}
		if n, want := strings.Count(got, "\nserver {\n"), strings.Count(got, "\n# class "); n != want {
			t.Errorf("%s has %d servers for %d hosts", name, n, want)
		}
	}
}

// A real nginx, where there is one, takes the text as what it is made to look like.
func TestNginxReadsIt(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !fileExists(program) {
			t.Skip("there is no nginx on this machine: its syntax is not tested")
		}
	}
	for name := range nginxCases() {
		text, err := os.ReadFile("testdata/nginx-" + name + ".conf")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		var b strings.Builder
		fmt.Fprintf(&b, "pid %[1]s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n", dir)
		for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			fmt.Fprintf(&b, "%s_temp_path %s/%s;\n", temp, dir, temp)
		}
		// A test binds what it reads of: the addresses are made such as only this test has.
		listen := regexp.MustCompile(`(?m)^(    listen )127\.[0-9.]+:[0-9]+`).ReplaceAllString(string(text), "${1}unix:"+dir+"/socket")
		listen = dropRepeated(listen, "    listen ")
		fmt.Fprintf(&b, "%s}\n", listen)
		file := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out, err := exec.CommandContext(ctx, program, "-t", "-p", dir, "-c", file).CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("nginx does not take %s: %v\n%s", name, err, out)
		}
	}
}

func fileExists(name string) bool { _, err := os.Stat(name); return err == nil }

// dropRepeated leaves the first line that begins so in every block of lines.
func dropRepeated(text, prefix string) string {
	var out []string
	seen := false
	n := 0
	for _, line := range strings.Split(text, "\n") {
		if line == "server {" {
			seen, n = false, n+1
		}
		if strings.HasPrefix(line, prefix) {
			if seen {
				continue
			}
			seen = true
			line = strings.Replace(strings.Replace(line, "/socket", fmt.Sprintf("/%d", n), 1), " default_server", "", 1)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// A path pattern and its regular expression take the same paths.
func TestPatternAsRegexp(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b.c", "*", "{id}", "x*", "?b", "**", ""})
	part := rapid.SampledFrom([]string{"a", "b.c", "bxc", "xy", "x", "ab", "zz", ""})
	rapid.Check(t, func(t *rapid.T) {
		p := model.PathMatch{Kind: model.PathPattern, Strict: rapid.Bool().Draw(t, "strict"), Value: "/" + strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "pattern"), "/")}
		r, err := snapshot.NewRoute(&model.Route{ID: "r", Match: model.Match{Path: p}})
		if err != nil {
			t.Skip(err)
		}
		expression, err := regexp.Compile(patternRegexp(p))
		if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.Join(rapid.SliceOfN(part, 1, 5).Draw(t, "path"), "/")
		if path == "/" && (strings.HasSuffix(p.Value, "/**/") || strings.HasSuffix(p.Value, "/**/*") || strings.Contains(p.Value, "//")) {
			t.Skip("a pattern that means nothing: an empty segment beside any number of them")
		}
		table := snapshot.NewHostTable("", []*snapshot.Route{r})
		if want, got := len(table.Candidates(asked{path: path})) > 0, expression.MatchString(path); got != want {
			t.Fatalf("%s takes %s: %t; %s: %t", p.Value, path, want, expression, got)
		}
	})
}

// asked is a GET for a path.
type asked struct {
	snapshot.Request // nothing else is asked of it
	path             string
}

func (asked) LookupMethod() string { return "GET" }
func (a asked) LookupPath() string { return a.path }

// What is quoted is read back as it was, by nginx's rules (ngx_conf_file.c).
func TestQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[ -~é]*`).Draw(t, "text")
		q := quoted(s)
		if bare(s) {
			if q != s || strings.ContainsAny(s, " \"';{}#\\") {
				t.Fatalf("%q is written %s", s, q)
			}
			return
		}
		var back strings.Builder
		for i := 1; i < len(q)-1; i++ {
			if q[i] == '"' {
				t.Fatalf("%q is written %s, which ends early", s, q)
			}
			if q[i] == '\\' && strings.IndexByte(`"'\`, q[i+1]) >= 0 {
				i++
			} else if q[i] == '\\' && strings.IndexByte("trn", q[i+1]) >= 0 {
				t.Fatalf("%q is written %s, which has a control character", s, q)
			}
			back.WriteByte(q[i])
		}
		if back.String() != s {
			t.Fatalf("%q is written %s, read %q", s, q, back.String())
		}
	})
}
