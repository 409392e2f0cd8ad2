package springgw

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestSentinel: each rule becomes a limit of its route, or has a verdict that says why not.
func TestSentinel(t *testing.T) {
	const limited = `"scope":"object"}`
	for name, c := range map[string]struct{ rule, verdict, want string }{
		"all":         {`{"resource":"order","count":10}`, "supported", `rate-limit {"requests":10,"per":"1s","burst":9,"key":{"by":"all"},` + limited},
		"interval":    {`{"resource":"order","grade":1,"count":5,"intervalSec":60,"burst":2,"maxQueueingTimeoutMs":500}`, "supported", `rate-limit {"requests":5,"per":"60s","burst":6,"key":{"by":"all"},` + limited},
		"threads":     {`{"resource":"order","grade":0,"count":3}`, "supported", `concurrency-limit {"requests":3,"key":{"by":"all"},` + limited},
		"address":     {`{"resource":"order","count":1,"paramItem":{"parseStrategy":0}}`, "supported", `"key":{"by":"address"}`},
		"header":      {`{"resource":"order","count":1,"paramItem":{"parseStrategy":2,"fieldName":"X-User"}}`, "supported", `"key":{"by":"header","header":"X-User","without":"pass"}`},
		"query":       {`{"resource":"order","count":1,"paramItem":{"parseStrategy":3,"fieldName":"user"}}`, "supported", `"text":"{query.user}","without":"pass"`},
		"cookie":      {`{"resource":"order","count":1,"paramItem":{"parseStrategy":4,"fieldName":"sid"}}`, "supported", `"text":"{cookie.sid}","without":"pass"`},
		"host":        {`{"resource":"order","count":1,"paramItem":{"parseStrategy":1}}`, "supported", `"text":"{host}"`},
		"strategy":    {`{"resource":"order","count":1,"paramItem":{"parseStrategy":9}}`, "unsupported", "parseStrategy 9"},
		"exactly":     {`{"resource":"order","count":1,"paramItem":{"parseStrategy":2,"fieldName":"A","pattern":"x.y"}}`, "supported", `"header":"A","without":"pass","only":"x\\.y"}`},
		"containing":  {`{"resource":"order","count":1,"paramItem":{"parseStrategy":3,"fieldName":"A","pattern":"x","matchStrategy":3}}`, "supported", `"only":"(?s:.*)x(?s:.*)"}`},
		"expression":  {`{"resource":"order","count":1,"paramItem":{"parseStrategy":4,"fieldName":"A","pattern":"x|y\\d","matchStrategy":2}}`, "supported", `"only":"x|y\\d"}`},
		"of Java":     {`{"resource":"order","count":1,"paramItem":{"parseStrategy":2,"fieldName":"A","pattern":"(?=x)","matchStrategy":2}}`, "unsupported", "(?="},
		"prefix":      {`{"resource":"order","count":1,"paramItem":{"parseStrategy":2,"fieldName":"A","pattern":"x","matchStrategy":1}}`, "differs", "has no effect in Sentinel"},
		"address so":  {`{"resource":"order","count":1,"paramItem":{"parseStrategy":0,"pattern":"192.0.2.1"}}`, "supported", `{"by":"address","only":"192\\.0\\.2\\.1"}`},
		"host so":     {`{"resource":"order","count":1,"paramItem":{"parseStrategy":1,"pattern":"a:80"}}`, "supported", `"text":"{authority}","only":"a:80"}`},
		"no group":    {`{"resource":"apis","resourceMode":1,"count":1}`, "unsupported", "no group of APIs"},
		"mode":        {`{"resource":"apis","resourceMode":2,"count":1}`, "unsupported", "resourceMode"},
		"queue":       {`{"resource":"order","count":1,"controlBehavior":2}`, "unsupported", "queue"},
		"fraction":    {`{"resource":"order","count":0.5}`, "unsupported", "whole number"},
		"no route":    {`{"resource":"none","count":1}`, "unsupported", "no route"},
		"503":         {`{"resource":"bad","count":1}`, "unsupported", "no route"},
		"no rule":     {`7`, "unsupported", "rule 1"},
		"zero":        {`{"resource":"order","count":0}`, "unsupported", "count"},
		"no interval": {`{"resource":"order","count":1,"intervalSec":0}`, "unsupported", "intervalSec"},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"rules.json": "[" + c.rule + "]", "application.yml": `
spring.cloud:
  sentinel.datasource.gw.file: {file: "classpath: rules.json", rule-type: gw-flow}
  gateway.routes:
  - {id: order, uri: "lb://order", predicates: ["Path=/a,/b"], filters: [StripPrefix=1]}
  - {id: bad, uri: "lb://order", predicates: ["Path=/c"], filters: [None]}
`} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Import(Config{Paths: []string{filepath.Join(dir, "application.yml")}})
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, f := range got.Findings {
			if f.Kind == "sentinel" {
				said += string(f.Verdict.Verdict) + " " + f.Why
			}
		}
		limits := ""
		for _, r := range got.Objects.Routes {
			if len(r.Filters) == 3 { // it, StripPrefix, and what tells of that
				limits += r.Filters[0].Kind + " " + string(r.Filters[0].Config) + "\n"
			}
		}
		if !strings.HasPrefix(said, c.verdict) || !strings.Contains(said+limits, c.want) || (c.verdict == "unsupported") != (limits == "") {
			t.Errorf("%s: %s\n%s", name, said, limits)
		}
		if n := strings.Count(limits, "\n"); limits != "" && n != 2 {
			t.Errorf("%s: %d routes have the limit, want one for each path", name, n)
		}
	}
}

// TestSentinelGroups: rules for groups of APIs become limits of all routes that count together, for the paths of the group alone.
func TestSentinelGroups(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"rules.json": `[{"resource":"some","resourceMode":1,"count":5,"paramItem":{"parseStrategy":0}},{"resource":"bad","resourceMode":1,"count":1},{"resource":"none","resourceMode":1,"count":1}]`,
		"apis.json": `[{"apiName":"some","predicateItems":[{"pattern":"/a.b"},{"pattern":"/c/**","matchStrategy":1},{"pattern":"/d/\\d+","matchStrategy":2},{"items":[{"pattern":"/e"}]}]},
			{"apiName":"bad","predicateItems":[{"pattern":"(?=x)","matchStrategy":2}]},{"apiName":"none","predicateItems":[{"pattern":"/f","matchStrategy":1}]},{"predicateItems":[]},7]`,
		"application.yml": `
spring.cloud:
  sentinel.datasource:
    gw.file: {file: rules.json, rule-type: gw-flow}
    apis.file: {file: apis.json, rule-type: gw_api_group}
  gateway:
    discovery.locator.enabled: true
    routes:
    - {id: one, uri: "lb://order", predicates: ["Path=/a.b,/x"]}
    - {id: two, uri: "lb://order", predicates: ["Path=/c/**"]}
    - {id: lost, uri: "lb://order", predicates: ["Path=/l"], filters: [None]}
`} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Import(Config{Paths: []string{filepath.Join(dir, "application.yml")}})
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, f := range got.Findings {
		if f.Kind == "sentinel" {
			said[f.Name] += string(f.Verdict.Verdict) + " " + f.Why + ";"
		}
	}
	for name, want := range map[string][]string{
		"some": {"differs a group within a group", "supported ;"}, "bad": {"unsupported predicateItems[0]", "unsupported its group of APIs cannot be read"}, "none": {"unsupported it has no paths", "cannot be read: it has no paths"},
		"apis": {"group 4: apiName is missing", "group 5"},
	} {
		for _, w := range want {
			if !strings.Contains(said[name], w) {
				t.Errorf("%s: %q, want %q", name, said[name], w)
			}
		}
	}
	const want = `rate-limit {"requests":5,"per":"1s","burst":4,"key":{"by":"address"},"group":"sentinel some","paths":["/a\\.b","/c(?:/[^/]+)*/?","/d/\\d+"]}`
	limits := 0
	for _, r := range got.Objects.Routes {
		if len(r.Filters) > 0 && r.Filters[0].Kind+" "+string(r.Filters[0].Config) == want {
			limits++
		} else if r.Origin.Name != "lost" {
			t.Errorf("%s: %+v", r.ID, r.Filters)
		}
	}
	if l := got.Objects.Locators; limits != 3 || len(l) != 1 || len(l[0].Filters) == 0 || l[0].Filters[0].Kind+" "+string(l[0].Filters[0].Config) != want {
		t.Errorf("%d limits, and of services %+v", limits, l)
	}
}

// TestSentinelInNacos asks for what is there, as it is named there, and only if it may.
func TestSentinelInNacos(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	text := `
spring.cloud:
  sentinel.datasource:
    gw.nacos: {server-addr: "nacos.test:8848", namespace: ns, dataId: rules, groupId: G, username: u, password: "${p:w}", rule-type: gw-flow}
    plain.nacos: {data-id: more, rule-type: gw-flow, data-type: json}
    gone.nacos: {data-id: gone, rule-type: gw-flow}
    endpoint.nacos: {data-id: x, endpoint: e, rule-type: gw-flow}
    nameless.nacos: {rule-type: gw-flow}
    open.nacos: {data-id: "${x}", rule-type: gw-flow}
    other.redis: {rule-type: gw-flow}
  gateway.routes:
  - {id: order, uri: "lb://order", predicates: ["Path=/a"]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lost := func(ask func(RuleItem) (string, error)) (int, string, Imported) {
		got, err := Import(Config{Paths: []string{file}, Rules: ask})
		if err != nil {
			t.Fatal(err)
		}
		n, said := 0, ""
		for _, f := range got.Findings {
			if f.Kind == "sentinel" && f.Verdict.Verdict == Unsupported {
				n++
				said += f.Name + ": " + f.Why + "\n"
			}
		}
		return n, said, got
	}
	if n, said, _ := lost(nil); n != 7 || strings.Count(said, "give --nacos") != 3 {
		t.Errorf("without asking %d are lost:\n%s", n, said)
	}
	var asked []RuleItem
	n, said, got := lost(func(r RuleItem) (string, error) {
		asked = append(asked, r)
		if r.DataID == "gone" {
			return "", errNoText
		}
		return `[{"resource":"order","count":` + strconv.Itoa(len(asked)) + `}]`, nil
	})
	want := []RuleItem{{"nacos.test:8848", "ns", "G", "rules", "u", "w"}, {"localhost:8848", "", "DEFAULT_GROUP", "more", "", ""}, {"localhost:8848", "", "DEFAULT_GROUP", "gone", "", ""}}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %+v", asked)
	}
	if n != 5 || !strings.Contains(said, "gone of group DEFAULT_GROUP at localhost:8848: there is no such configuration") || len(got.Objects.Routes[0].Filters) != 2 {
		t.Errorf("%d are lost:\n%s%+v", n, said, got.Objects.Routes[0].Filters)
	}
}

func TestAntPattern(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		has, not []string
	}{
		{"/**", []string{"/", "/a", "/a/", "/a/b"}, nil},
		{"/a/**", []string{"/a", "/a/", "/a/b", "/a/b/c/"}, []string{"/", "/ab", "/b/a"}},
		{"/a/*", []string{"/a/", "/a/b"}, []string{"/a", "/a/b/", "/a/b/c"}},
		{"/a/*/", []string{"/a/b/"}, []string{"/a/b", "/a/b/c/"}},
		{"/a/**/b", []string{"/a/b", "/a/x/b", "/a/x/y/b"}, []string{"/a", "/ab", "/a/b/c", "/a/xb"}},
		{"/a?.*x", []string{"/ab.x", "/ab.cx"}, []string{"/a.x", "/a/.x", "/ab.c", "/abbx"}},
		{"/ü*", []string{"/üb"}, []string{"/u"}},
	} {
		text, err := antPattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(`\A(?:` + text + `)\z`)
		for _, path := range c.has {
			if !re.MatchString(path) {
				t.Errorf("%s does not have %s: %s", c.pattern, path, text)
			}
		}
		for _, path := range c.not {
			if re.MatchString(path) {
				t.Errorf("%s has %s: %s", c.pattern, path, text)
			}
		}
	}
	if text, err := antPattern("/a"); text != "" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	for _, bad := range []string{"a/*", "/{a}/*"} {
		if _, err := antPattern(bad); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
