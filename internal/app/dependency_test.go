package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/quota/quotatest"
)

// TestDependenciesAreShown: a limit that each process counts for itself, because Redis refuses, answers as always; metrics and diagnostics
// say so, and no longer when Redis is well.
func TestDependenciesAreShown(t *testing.T) {
	redis := quotatest.New(t)
	redis.Need(quotatest.Needs{Password: "right"})
	at := redis.Addr().String()
	file := filepath.Join(t.TempDir(), "limited.yaml")
	text := "apiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: limited}\nspec:\n  attach: [gateway]\n  match: {path: {kind: Prefix, value: /limited}}\n  respond: {status: 200}\n" +
		"  filters:\n  - kind: rate-limit\n    config: {requests: 1000000, redis: {addresses: ['" + at + "']}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, "", func(c *Config) { c.Sources.Manifests = []string{file} })
	told := func() bool {
		for _, d := range g.diagnostics() {
			if d.Code == codeDependencyAway {
				if !strings.Contains(d.Message, "each process counts for itself") || !strings.Contains(d.Message, "NOPERM") || d.Origin.Name != "rate-limit "+at {
					t.Errorf("%+v", d)
				}
				return true
			}
		}
		return false
	}
	ask := func() {
		if status, _ := g.ask("GET", g.front+"/limited"); status != 200 {
			t.Errorf("status %d", status)
		}
	}
	if p := g.metrics(); p.Sum("paifang_filter_dependency_away", `filter="rate-limit"`, `address="`+at+`"`) != 0 || told() {
		t.Error("it is away before anybody asked")
	}
	until(t, "it is told", func() bool { ask(); return told() })
	if p := g.metrics(); p.Sum("paifang_filter_dependency_away", `address="`+at+`"`) != 1 || p.Sum("paifang_filter_dependency_failures_total", `filter="rate-limit"`) < 1 {
		t.Error("metrics do not say so")
	}
	redis.Need(quotatest.Needs{})
	for end := time.Now().Add(time.Minute); told(); ask() { // it is well again when nothing has failed for 5 s
		if time.Now().After(end) {
			t.Fatal("never: it is back")
		}
	}
	if g.metrics().Sum("paifang_filter_dependency_away") != 0 {
		t.Error("metrics say that it is away")
	}
}
