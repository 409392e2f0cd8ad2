package app

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/source"
	"paifang/internal/source/springgw"
)

// springChain serves a file of routes beside instances of a registry, each as in a file services of the cases.
func springChain(t *testing.T, text string, services ...string) *chain {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "application.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	groups := springLoaded(t, springgw.Config{Paths: []string{dir}})
	for _, g := range groups {
		for _, d := range g.Objects.Diagnostics {
			t.Error(d)
		}
	}
	groups = append(groups, source.Group{Key: "listener", Objects: &model.Objects{Listeners: []model.Listener{
		{ID: "http", Class: "gateway", Protocol: model.HTTP, HostRule: model.HostFalls, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}}}})
	for _, line := range services {
		groups = append(groups, instanceGroup(line))
	}
	return newChain(t, groups)
}

// policyRoutes names filters of ours that keep something between requests, or need a secret or an upstream.
const policyRoutes = `
spring.cloud.gateway.routes:
- id: order
  uri: lb://order
  predicates: ["Path=/order/**"]
  filters: ["StripPrefix=1"]
  metadata:
    paifang-filters:
    - {kind: basic-auth, data: {auth: "ann:{PLAIN}secret"}, config: {realm: the shop}}
    paifang-filters-behind:
    - {kind: mirror, upstreams: ["lb://shadow"]}
- id: held
  uri: lb://order
  predicates: ["Path=/order"]
  order: -1
  metadata:
    paifang-filters:
    - {kind: concurrency-limit, config: {requests: 1, key: {by: header, header: X-Api-Key}}}
`

func TestSpringPolicies(t *testing.T) {
	up, copies := newScripted(t), newCopies(t)
	c := springChain(t, policyRoutes, "order "+up.l.Addr().String(), "shadow "+copies.Listener.Addr().String())
	ann := "> Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret"))
	const host = "> Host: a.test"
	exchange(t, 1, c.address(), up, []string{"> POST /order/x HTTP/1.1", host, ">", "> refused", "^ nothing", "< HTTP/1.1 401 Unauthorized", `< WWW-Authenticate: Basic realm="the shop"`})
	exchange(t, 2, c.address(), up, []string{"> POST /order/x HTTP/1.1", host, ann, ">", "> body", "^ POST /x HTTP/1.1", "^ body", "< HTTP/1.1 200 OK"})
	copies.are(t, "POST /x body")
	holdRequest(t, c.address())
	exchange(t, 3, c.address(), up, []string{"> GET /order HTTP/1.1", host, "> X-Api-Key: a", "^ nothing", "< HTTP/1.1 429 Too Many Requests"})
	exchange(t, 4, c.address(), up, []string{"> GET /order HTTP/1.1", host, "> X-Api-Key: b", "^ GET /order HTTP/1.1", "< HTTP/1.1 200 OK"})
}

// TestSpringPolicyPage serves the routes that the page shows.
func TestSpringPolicyPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/from-spring-cloud-gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## Policies that Spring does not have\n")
	_, block, ok := strings.Cut(rest, "```yaml\n")
	if block, _, _ = strings.Cut(block, "```"); !ok {
		t.Fatal("the page has no such block")
	}
	set, token := signed(t)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set) }))
	t.Cleanup(keys.Close)
	block = strings.NewReplacer("${KEYS_URL:https://login.test/keys}", keys.URL+"\n              loopback: true", "percent: 10", "percent: 100").Replace(block)
	up, copies := newScripted(t), newCopies(t)
	c := springChain(t, block, "order "+up.l.Addr().String(), "order-next "+copies.Listener.Addr().String())
	const get, host = "> GET /order/7 HTTP/1.1", "> Host: a.test"
	exchange(t, 1, c.address(), up, []string{get, host, "^ nothing", "< HTTP/1.1 401 Unauthorized"})
	exchange(t, 2, c.address(), up, []string{get, host, "> Authorization: Bearer " + token, "^ GET /7 HTTP/1.1", "^ X-User: ann", "< HTTP/1.1 200 OK"})
	copies.are(t, "GET /7 ")
}

// TestSpringPoliciesImported: a secret is in no document, which is said, and the upstream of copies is.
func TestSpringPoliciesImported(t *testing.T) {
	file := filepath.Join(t.TempDir(), "application.yml")
	if err := os.WriteFile(file, []byte(policyRoutes), 0o600); err != nil {
		t.Fatal(err)
	}
	text, imported, err := Import(t.Context(), Config{Registry: &Registry{}, Sources: Sources{Routes: []string{file}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	var lost []string
	for _, f := range imported.Findings {
		if f.Verdict.Verdict == springgw.Unsupported {
			lost = append(lost, f.Route+": "+f.Why)
		}
	}
	if len(lost) != 1 || !strings.HasPrefix(lost[0], "order: what is secret of the filter basic-auth is not written") {
		t.Errorf("lost: %q", lost)
	}
	if strings.Contains(string(text), "{PLAIN}") || !strings.Contains(string(text), "upstreams: [registry/public/DEFAULT_GROUP/shadow]") || !strings.Contains(string(text), "kind: concurrency-limit") {
		t.Errorf("%s", text)
	}
	// With the Secret it is whole.
	named := strings.Replace(string(text), "kind: basic-auth\n", "kind: basic-auth\n      secret: shop/users\n", 1)
	named += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: users, namespace: shop}\nstringData: {auth: \"ann:{PLAIN}secret\"}\n"
	read := false
	for _, g := range manifestGroups(t, []byte(named)) {
		for _, d := range g.Objects.Diagnostics {
			t.Error(d)
		}
		for _, r := range g.Objects.Routes {
			read = read || r.Filters[0].Kind == "basic-auth" && !r.Filters[0].Data.Empty()
		}
	}
	if !read {
		t.Errorf("the Secret is not the filter's:\n%s", named)
	}
}
