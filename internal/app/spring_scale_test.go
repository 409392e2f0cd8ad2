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
	value string // of every name
	looks int
}

func (c *counted) LookupMethod() string { return "GET" }
func (c *counted) LookupPath() string   { return c.path }
func (c *counted) LookupValue(_ snapshot.Place, _ string, i int) (string, bool) {
	c.looks++
	return c.value, i == 0
}
func (c *counted) LookupPeer() netip.Addr         { return netip.Addr{} }
func (c *counted) LookupForwarded(int) netip.Addr { return netip.Addr{} }
func (c *counted) LookupTime() time.Time          { return time.Time{} }
func (c *counted) LookupDraw(string) int          { return 0 }

// TestSpringRoutesByTheThousand has a request find its route among 10,000 with as many looks, and as few allocations, as among 10, whether
// routes are told apart by paths, by names of hosts, or by expressions for a header.
func TestSpringRoutesByTheThousand(t *testing.T) {
	for name, of := range map[string]struct {
		predicates string
		request    func(i int) (host string, q *counted)
	}{
		"paths": {"'Path=/team/service-%05d/**', 'Header=X-Any'", func(i int) (string, *counted) {
			return "any.test", &counted{path: fmt.Sprintf("/team/service-%05d/x/y", i), value: "x"}
		}},
		"patterns of hosts": {"'Host={tenant}.shop-%05d.test,api-*.**.pay-%05[1]d.test:80'", func(i int) (string, *counted) {
			host := fmt.Sprintf("one.shop-%05d.test", i)
			return host, &counted{path: "/", value: host}
		}},
		"expressions": {"'Path=/api/**', 'Header=X-Tenant, t%05d-[a-z]+'", func(i int) (string, *counted) {
			return "any.test", &counted{path: "/api/x", value: fmt.Sprintf("t%05d-north", i)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cost := func(n int) (looks int, allocations float64) {
				var b strings.Builder
				b.WriteString("spring.cloud.gateway.routes:\n")
				for i := range n {
					fmt.Fprintf(&b, "- {id: r%d, uri: 'lb://s%d', predicates: ["+of.predicates+"]}\n", i, i, i)
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
					host, q := of.request(i)
					found, ok := snapshot.Find(site, model.HostFalls, host, q)
					if want := fmt.Sprintf("r%d", i); !ok || found.Route.Origin.Name != want {
						t.Fatalf("%s %+v is taken by %v, want %s", host, q, found.Route, want)
					}
					looks = max(looks, q.looks)
				}
				host, q := of.request(n - 1)
				return looks, testing.AllocsPerRun(100, func() { snapshot.Find(site, model.HostFalls, host, q) })
			}
			few, allocations := cost(10)
			many, more := cost(10_000)
			t.Logf("of 10 routes %d looks at most, of 10,000 %d", few, many)
			if many > few || more > allocations {
				t.Errorf("%d looks and %.0f allocations among 10,000 routes, %d and %.0f among 10", many, more, few, allocations)
			}
		})
	}
}
