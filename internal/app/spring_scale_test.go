package app

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/source"
	"paifang/internal/source/springgw"
)

// counted is a request that counts how often a route asks it for something: that is how many are looked at.
type counted struct {
	path  string
	looks int
}

func (c *counted) LookupMethod() string { return "GET" }
func (c *counted) LookupPath() string   { return c.path }
func (c *counted) LookupValue(snapshot.Place, string, int) (string, bool) {
	c.looks++
	return "x", true
}
func (c *counted) LookupPeer() netip.Addr         { return netip.Addr{} }
func (c *counted) LookupForwarded(int) netip.Addr { return netip.Addr{} }
func (c *counted) LookupTime() time.Time          { return time.Time{} }
func (c *counted) LookupDraw(string) int          { return 0 }

// TestSpringRoutesByTheThousand has a request find its route among 10,000 with as many looks, and as few allocations, as among 10.
func TestSpringRoutesByTheThousand(t *testing.T) {
	cost := func(n int) (looks int, allocations float64) {
		var b strings.Builder
		b.WriteString("spring.cloud.gateway.routes:\n")
		for i := range n {
			fmt.Fprintf(&b, "- {id: r%d, uri: 'lb://s%d', predicates: ['Path=/team-%d/service-%d/**', 'Header=X-Any'], filters: ['StripPrefix=2']}\n", i, i, i%7, i)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "routes.yml"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		groups, err := springgw.Load(springgw.Config{Paths: []string{dir}})
		if err != nil {
			t.Fatal(err)
		}
		site := compiled(map[string][]source.Group{"springgw": groups}).Load().Site("gateway")
		for i := range n {
			q := &counted{path: fmt.Sprintf("/team-%d/service-%d/x/y", i%7, i)}
			found, ok := snapshot.Find(site, model.HostFalls, "any.test", q)
			if want := fmt.Sprintf("r%d", i); !ok || found.Route.Origin.Name != want {
				t.Fatalf("%s is taken by %v, want %s", q.path, found.Route, want)
			}
			looks = max(looks, q.looks)
		}
		q := &counted{path: fmt.Sprintf("/team-%d/service-%d/x/y", (n-1)%7, n-1)}
		return looks, testing.AllocsPerRun(100, func() { snapshot.Find(site, model.HostFalls, "any.test", q) })
	}
	few, allocations := cost(10)
	many, more := cost(10_000)
	t.Logf("of 10 routes %d looks at most, of 10,000 %d", few, many)
	if many > few || more > allocations {
		t.Errorf("%d looks and %.0f allocations among 10,000 routes, %d and %.0f among 10", many, more, few, allocations)
	}
}
