package springgw

import (
	"os"
	"path/filepath"
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
		"header":      {`{"resource":"order","count":1,"paramItem":{"parseStrategy":2,"fieldName":"X-User"}}`, "differs", `"key":{"by":"header","header":"X-User"}`},
		"query":       {`{"resource":"order","count":1,"paramItem":{"parseStrategy":3,"fieldName":"user"}}`, "differs", `"text":"{query.user}"`},
		"cookie":      {`{"resource":"order","count":1,"paramItem":{"parseStrategy":4,"fieldName":"sid"}}`, "differs", `"text":"{cookie.sid}"`},
		"host":        {`{"resource":"order","count":1,"paramItem":{"parseStrategy":1}}`, "supported", `"text":"{host}"`},
		"strategy":    {`{"resource":"order","count":1,"paramItem":{"parseStrategy":9}}`, "unsupported", "parseStrategy 9"},
		"pattern":     {`{"resource":"order","count":1,"paramItem":{"parseStrategy":2,"fieldName":"A","pattern":"x","matchStrategy":0}}`, "unsupported", "pattern"},
		"group":       {`{"resource":"apis","resourceMode":1,"count":1}`, "unsupported", "group of APIs"},
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
			if len(r.Filters) == 2 {
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
