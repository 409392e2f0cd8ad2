package springgw

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/from-spring-cloud-gateway.md and its translation")

// TestPage compares the tables of the page with the verdicts in the code; -update writes them.
func TestPage(t *testing.T) {
	for _, l := range []struct {
		page, head string
		words      map[Judgement]string
		kinds      map[string]string
		reasons    map[string]string // in another language; nil: as they are
	}{
		{"from-spring-cloud-gateway.md", "verdict | note", map[Judgement]string{Supported: "supported", Differs: "differs", Ignored: "ignored", Unsupported: "not supported"},
			map[string]string{"predicate": "Predicates", "filter": "Filters", "property": "Properties"}, nil},
		{"from-spring-cloud-gateway.zh-CN.md", "结论 | 说明", map[Judgement]string{Supported: "支持", Differs: "有差异", Ignored: "忽略", Unsupported: "不支持"},
			map[string]string{"predicate": "谓词", "filter": "过滤器", "property": "属性"}, chinese()},
	} {
		file := "../../../docs/" + l.page
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		const begin, end = "<!-- verdicts -->\n", "<!-- end of verdicts -->\n"
		before, rest, ok1 := strings.Cut(string(text), begin)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s: no place for the table", l.page)
		}
		var b strings.Builder
		for _, kind := range []string{"predicate", "filter", "property"} {
			fmt.Fprintf(&b, "\n### %s\n\n| | %s |\n|---|---|---|\n", l.kinds[kind], l.head)
			for _, v := range Verdicts() {
				if v.Kind == kind {
					fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, l.words[v.Verdict], strings.ReplaceAll(cmp.Or(l.reasons[v.Why], v.Why), "|", `\|`))
				}
			}
		}
		want := before + begin + b.String() + "\n" + end + after
		if want == string(text) {
			continue
		}
		if !*update {
			t.Errorf("docs/%s tells of other verdicts than the code: run go test ./internal/source/springgw -run TestPage -update", l.page)
		} else if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is not simply supported says why.
func TestVerdicts(t *testing.T) {
	for _, v := range Verdicts() {
		if v.Verdict != Supported && v.Why == "" {
			t.Errorf("%s %s is %s without a reason", v.Kind, v.Name, v.Verdict)
		}
	}
	o := load(t, Config{}, `spring:
  cloud:
    gateway.server.webflux:
      routes: []
      trusted-proxies: 10.*
      httpclient: {wiretap: true, poool: {}}
      metricss.enabled: true
      filter: {secure-headers: {disable: x-frame-options, disabled-headers: x}, retry.enabled: false, retry.times: 3, local-response-cache.enabled: true}
    loadbalancer.cache.ttl: 5s
  application.name: gw
server.port: 80
`)
	var got []string
	for _, d := range o.Diagnostics {
		got = append(got, fmt.Sprintf("%s %s %d", d.Field, d.Code, d.Origin.Line))
	}
	want := "spring.cloud.gateway.server.webflux.trusted-proxies ignored 5, spring.cloud.gateway.server.webflux.httpclient.wiretap ignored 6, " +
		"spring.cloud.gateway.server.webflux.httpclient.poool unsupported 6, spring.cloud.gateway.server.webflux.metricss unsupported 7, " +
		"spring.cloud.gateway.server.webflux.filter.secure-headers.disabled-headers unsupported 8, spring.cloud.gateway.server.webflux.filter.retry.enabled ignored 8, " +
		"spring.cloud.gateway.server.webflux.filter.retry.times unsupported 8, spring.cloud.loadbalancer.cache ignored 9, server.port ignored 11"
	if strings.Join(got, ", ") != want || !strings.Contains(fmt.Sprint(o.Diagnostics), "did you mean httpclient.pool?") || !strings.Contains(fmt.Sprint(o.Diagnostics), "write disable") {
		t.Errorf("%s\n%v", strings.Join(got, ", "), o.Diagnostics)
	}
}

// TestDifferencesOfRoutes: what differs with some arguments alone is no difference of routes without these.
func TestDifferencesOfRoutes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	text := `spring.data.redis.host: redis.test
spring.cloud.gateway.routes:
- id: a
  uri: lb://s
  predicates: ["Path=/a/{x}", "Host={sub}.a.test"]
  filters:
  - {name: RequestRateLimiter, args: {redis-rate-limiter.replenishRate: 1, key-resolver: "#{@ipKeyResolver}"}}
  - PrefixPath=/b
  - {name: Retry, args: {retries: 2}}
  - {name: Retry, args: {exceptions: java.io.IOException}}
  - FallbackHeaders
  - {name: FallbackHeaders, args: {header: X}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	imported, err := Import(Config{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range imported.Findings {
		if f.Route == "a" {
			got = append(got, f.Name+" "+string(f.Verdict.Verdict))
		}
	}
	if want := "Path supported, Host supported, RequestRateLimiter differs, PrefixPath supported, Retry supported, Retry differs, FallbackHeaders differs, FallbackHeaders unsupported"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %s: %+v", got, want, imported.Findings)
	}
}
