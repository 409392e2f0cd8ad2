package app

import (
	"crypto/ed25519"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paifang/internal/filter/builtin"
	"paifang/internal/model"
	"paifang/internal/quota/quotatest"
	"paifang/internal/source"
	"paifang/internal/source/kubernetes/translate"
	"paifang/internal/source/manifest"
)

// filterPages are the pages about filters, one behind the other.
func filterPages(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"filters", "filters-access", "filters-limits", "filters-bodies", "filters-paths"} {
		text, err := os.ReadFile("../../docs/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// pageBlock is what a YAML block of these pages is shown to do.
type pageBlock struct {
	has     string            // words by which the block is known
	rewrite map[string]string // what of it cannot be had in a test
	ask     [][]string        // exchanges, see TestSpringCases
	held    bool              // a request with X-Api-Key: a is under way all the time
}

const getPage = "> GET /order HTTP/1.1"

// digestOfAnn is the right answer of ann, with the password "secret", to a challenge that nobody has made.
const digestOfAnn = `> Authorization: Digest username="ann", realm="the shop", nonce="old", uri="/order", qop=auth, nc=00000001, cnonce="x", response="a9de7add6ef713e45a9c2fe6a1fb7db4"`

// pageBlocks are the blocks of the pages, in their order. login is a service that knows those with X-Key: good, copies one that gets what is
// mirrored.
func pageBlocks(redis, keys, login, copies, token string) []pageBlock {
	const host = "> Host: shop.test"
	const postPage = "> POST /order HTTP/1.1"
	many, long := strings.Repeat("x", 2000), strings.Repeat("y", 300_000)
	return []pageBlock{
		{"name: order", map[string]string{"burst: 20": "burst: 0", "requests: 100": "requests: 1", "10.0.0.0/8": "127.0.0.1"}, [][]string{
			{getPage, host, "^ GET /order HTTP/1.1", "< HTTP/1.1 200 OK"},
			{getPage, host, "^ nothing", "< HTTP/1.1 429 Too Many Requests"}}, false},
		{"paifang.dev/filters", nil, [][]string{{getPage, host, "< HTTP/1.1 200 OK", "< X-Frame-Options: DENY"}}, false},
		{"kind: redirect", nil, [][]string{
			{"> GET /order/a?b=c HTTP/1.1", host, "^ nothing", "< HTTP/1.1 301 Moved Permanently", "< Location: https://www.shop.test/order/a?b=c"}}, false},
		{"kind: respond", nil, [][]string{
			{getPage, host, "^ nothing", "< HTTP/1.1 503 Service Unavailable", "< Retry-After: 3600", "< closed for the night"}}, false},
		{"kind: request-headers", nil, [][]string{
			{getPage, host, "> X-Debug: 1", "> X-Entry: forged", "> X-Team: blue", "!^ X-Debug", "!^ X-Entry: forged", "^ X-Entry: gateway", "^ X-Team: blue", "^ X-Tenant: blue"}}, false},
		{"- {name: X-Content-Type-Options", nil, [][]string{
			{getPage, host, "} HTTP/1.1 200 OK", "} X-Frame-Options: SAMEORIGIN", "} X-Powered-By: x", "< X-Content-Type-Options: nosniff", "< X-Frame-Options: SAMEORIGIN", "!< X-Frame-Options: DENY",
				"< Content-Security-Policy: default-src 'self' https:; object-src 'none'", "!< X-Powered-By", "!< Strict-Transport-Security"},
			{"> GET /other HTTP/1.1", host, "< HTTP/1.1 404 Not Found", "!< X-Frame-Options"}}, false},
		{"kind: tell-origin\n  config:\n    scheme", nil, [][]string{
			{getPage, host, "> X-Scheme: https", "> X-Forwarded-For: 192.0.2.1", "> X-Request-Id: mine", "^ X-Scheme: http", "^ X-Original-Forwarded-For: 192.0.2.1", "^ X-Request-ID: mine", "!^ X-Scheme: https"}}, false},
		{"keepID: true", nil, [][]string{{getPage, host, "> X-Request-Id: mine", "^ X-Request-ID: mine"}}, false},
		{"kind: request-query", nil, [][]string{
			{"> GET /order?debug=1&page=7&a=b HTTP/1.1", host, "^ GET /order?a=b&page=1&from=gateway HTTP/1.1"}}, false},
		{"kind: dedupe-response-headers", nil, [][]string{
			{getPage, host, "} HTTP/1.1 200 OK", "} X-Trace: a", "} X-Trace: b", "} X-Trace: a", "< X-Trace: a", "< X-Trace: b"}}, false},
		{"kind: rewrite-response-header", nil, [][]string{
			{getPage, host, "} HTTP/1.1 200 OK", "} X-Link: http://order.internal/7", "< X-Link: https://shop.test/7"}}, false},
		{"kind: rewrite-location", nil, [][]string{
			{getPage, host, "} HTTP/1.1 302 Found", "} Location: http://10.0.0.1:8080/order/7", "< Location: http://shop.test/order/7"},
			{getPage, host, "} HTTP/1.1 302 Found", "} Location: https://10.0.0.1:8443/order/7", "< Location: https://10.0.0.1:8443/order/7"}}, false},
		{"kind: status", nil, [][]string{
			{getPage, host, "} HTTP/1.1 500 Broken", "}", "} kept", "< HTTP/1.1 202 Accepted", "< X-Upstream-Status: 500", "< kept"}}, false},
		{"kind: header-limit", map[string]string{"bytes: 4096": "bytes: 100"}, [][]string{
			{getPage, host, "> X-Long: " + many, "^ nothing", "< HTTP/1.1 431 Request Header Fields Too Large", "< X-Too-Large: The header X-Long has 2006 bytes: at most 100"},
			{getPage, host, "> X-Long: x", "< HTTP/1.1 200 OK"}}, false},
		{"kind: api-version", nil, [][]string{
			{getPage, host, "> X-API-Version: 2", "< HTTP/1.1 200 OK"},
			{getPage, host, "> Accept: application/json;version=next", "^ nothing", "< HTTP/1.1 400 Bad Request", "< X-Paifang-Reason: version-unreadable"},
			{getPage, host, "^ nothing", "< HTTP/1.1 400 Bad Request", "< X-Paifang-Reason: version-unreadable"}}, false},
		{"kind: cors", nil, [][]string{
			{"> OPTIONS /order HTTP/1.1", host, "> Origin: https://a.partner.test", "> Access-Control-Request-Method: POST", "^ nothing", "< Access-Control-Allow-Origin: https://a.partner.test", "< Access-Control-Allow-Methods: GET, POST", "< Access-Control-Allow-Credentials: true", "< Access-Control-Max-Age: 600"},
			{getPage, host, "> Origin: https://shop.test", "< HTTP/1.1 200 OK", "< Access-Control-Allow-Origin: https://shop.test"},
			{getPage, host, "> Origin: https://evil.test", "!< Access-Control-Allow-Origin"}}, false},
		{"kind: addresses", map[string]string{"10.0.0.66": "127.0.0.2", "10.0.0.0/8": "127.0.0.0/30"}, [][]string{{getPage, host, "^ GET /order HTTP/1.1", "< HTTP/1.1 200 OK"}}, false},
		{"kind: basic-auth", nil, [][]string{
			{getPage, host, "^ nothing", "< HTTP/1.1 401 Unauthorized", `< WWW-Authenticate: Basic realm="the shop"`},
			{getPage, host, "> Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:no")), "^ nothing", "< HTTP/1.1 401 Unauthorized"},
			{getPage, host, "> Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ann:secret")), "!^ Authorization", "< HTTP/1.1 200 OK"}}, false},
		{"kind: digest-auth", nil, [][]string{
			{getPage, host, "^ nothing", "< HTTP/1.1 401 Unauthorized", "< X-Paifang-Reason: unauthorized"},
			{getPage, host, digestOfAnn, "^ nothing", "< HTTP/1.1 401 Unauthorized", "< X-Paifang-Reason: stale-nonce"}}, false}, // the password is right
		{"kind: external-auth", map[string]string{"url: https://login.test/check?uri={escaped-uri}": "url: " + login + "/check?uri={escaped-uri}\n    loopback: true"}, [][]string{
			{"> GET /order?a=b HTTP/1.1", host, "^ nothing", "< HTTP/1.1 302 Found", "< Location: https://login.test/start?rd=http://shop.test%2Forder%3Fa%3Db"},
			{getPage, host, "> X-Key: good", "> X-User: root", "^ X-User: ann", "!^ X-User: root", "< HTTP/1.1 200 OK"}}, false},
		{"kind: jwt", map[string]string{"url: https://login.test/keys": "url: " + keys + "\n    loopback: true"}, bearing(token), false},
		{"kind: client-certificate", nil, [][]string{
			{getPage, host, "> X-Client-Verify: SUCCESS", "> X-Client-Subject: CN=root", "^ X-Client-Verify: NONE", "!^ X-Client-Verify: SUCCESS", "!^ X-Client-Subject", "< HTTP/1.1 200 OK"}}, false},
		{"kind: rate-limit", map[string]string{"redis.shop.test:6379": redis, "requests: 1000": "requests: 1", "per: 1s": "per: 1h"}, [][]string{
			{getPage, host, "> X-Api-Key: a", "< HTTP/1.1 200 OK"},
			{getPage, host, "> X-Api-Key: a", "^ nothing", "< HTTP/1.1 429 Too Many Requests"},
			{getPage, host, "> X-Api-Key: b", "< HTTP/1.1 200 OK"}}, false},
		{"kind: concurrency-limit", map[string]string{"requests: 10": "requests: 1"}, [][]string{
			{getPage, host, "> X-Api-Key: a", "^ nothing", "< HTTP/1.1 429 Too Many Requests"},
			{getPage, host, "> X-Api-Key: b", "^ GET /order HTTP/1.1", "< HTTP/1.1 200 OK"}}, true},
		{"kind: circuit-breaker", nil, [][]string{{getPage, host, "} HTTP/1.1 500 Broken", "^ GET /order HTTP/1.1", "< HTTP/1.1 410 Gone", "< sorry"}}, false},
		{"kind: retry", nil, [][]string{
			{getPage, host, "} HTTP/1.1 503 Busy", "*4 GET /order HTTP/1.1", "< HTTP/1.1 503 Busy"},
			{postPage, host, ">", "> x", "} HTTP/1.1 503 Busy", "*1 POST /order HTTP/1.1", "< HTTP/1.1 503 Busy"},
			{getPage, host, "} HTTP/1.1 502 Broken", "*1 GET /order HTTP/1.1", "< HTTP/1.1 502 Broken"}}, false},
		{"kind: timeout", nil, [][]string{
			{getPage, host, "< HTTP/1.1 200 OK"},
			{getPage, host, "} DELAY 5000", "^ GET /order HTTP/1.1", "< HTTP/1.1 504 Gateway Timeout", "< X-Paifang-Reason: upstream-timeout"}}, false},
		{"kind: tell-failure", nil, [][]string{{getPage, host, "> X-Failure: x", "!^ X-Failure", "!^ X-Failed-For", "< HTTP/1.1 200 OK"}}, false},
		{"kind: reroute", nil, [][]string{{getPage, host, "^ nothing", "< HTTP/1.1 410 Gone", "< sorry"}}, false},
		{"kind: fault", map[string]string{"abortPercent: 0.5": "abortPercent: 100"}, [][]string{
			{getPage, host, "> X-Try-Faults: 1", "^ nothing", "< HTTP/1.1 503 Service Unavailable"},
			{getPage, host, "< HTTP/1.1 200 OK"}}, false},
		{"kind: mirror", map[string]string{"config:": "config:\n    loopback: true", "http://recorder.test:9000": copies, "percent: 10\n": "percent: 100\n"}, [][]string{
			{"> POST /order?a=b HTTP/1.1", host, ">", "> something", "^ POST /order?a=b HTTP/1.1", "^ something", "< HTTP/1.1 200 OK"}}, false},
		{"kind: body-limit", map[string]string{"bytes: 1048576": "bytes: 1000"}, [][]string{
			{postPage, host, ">", "> " + many, "^ nothing", "< HTTP/1.1 413 Content Too Large", "< X-Too-Large: The body has 2000 bytes: at most 1000"},
			{postPage, host, ">", "> short", "^ short", "< HTTP/1.1 200 OK"}}, false},
		{"kind: buffer-request", map[string]string{"limit: 1048576": "limit: 1000"}, [][]string{
			{postPage, host, ">", "> " + many, "^ nothing", "< HTTP/1.1 413 Content Too Large"},
			{postPage, host, ">", "> short", "^ short", "< HTTP/1.1 200 OK"}}, false},
		{"kind: compress", nil, [][]string{
			{getPage, host, "> Accept-Encoding: br", "} HTTP/1.1 200 OK", "} Content-Type: application/json", "}", "} " + many, "< Content-Encoding: br"},
			{getPage, host, "> Accept-Encoding: zstd", "} HTTP/1.1 200 OK", "} Content-Type: application/json", "}", "} " + many, "< Content-Encoding: zstd"},
			{getPage, host, "> Accept-Encoding: gzip, zstd, br", "} HTTP/1.1 200 OK", "} Content-Type: application/json", "}", "} " + many, "< Content-Encoding: br"},
			{getPage, host, "> Accept-Encoding: gzip", "} HTTP/1.1 200 OK", "} Content-Type: text/html", "}", "} " + many, "< Content-Encoding: gzip"},
			{getPage, host, "> Accept-Encoding: br", "} HTTP/1.1 200 OK", "} Content-Type: image/png", "}", "} " + many, "!< Content-Encoding"}}, false},
		{"kind: remove-json-attributes", nil, [][]string{
			{getPage, host, "} HTTP/1.1 200 OK", "} Content-Type: application/json", "}", `} {"a":{"password":"x"},"b":1}`, `< {"a":{},"b":1}`}}, false},
		{"kind: json-to-grpc", map[string]string{"Cg5zaG9wL29yZGVyLi4u": "DESCRIPTORS"}, [][]string{
			{"> POST /health HTTP/1.1", host, "> Content-Type: application/json", ">", `> {"service": "order"}`, "< HTTP/1.1 200 OK", "< Content-Type: application/json", `< {"status":"SERVING"}`},
			{"> POST /health HTTP/1.1", host, ">", `> {"service": "nobody"}`, "< HTTP/1.1 404 Not Found", `< {"code":5,"message":"unknown service"}`},
			{"> POST /health HTTP/1.1", host, ">", `> {"name": "order"}`, "< HTTP/1.1 400 Bad Request", "< X-Paifang-Reason: not-json"},
			{"> GET /health HTTP/1.1", host, "< HTTP/1.1 405 Method Not Allowed"}}, false},
		{"kind: response-cache", nil, [][]string{
			{getPage, host, "} HTTP/1.1 200 OK", "} Cache-Control: max-age=60", "}", "} kept", "^ GET /order HTTP/1.1", "< kept"},
			{getPage, host, "^ nothing", "< Age: 0", "< kept"},
			{"> GET /order?long HTTP/1.1", host, "} HTTP/1.1 200 OK", "} Cache-Control: max-age=60", "}", "} " + long, "< " + long},
			{"> GET /order?long HTTP/1.1", host, "^ nothing", "< " + long}}, false},
		{"kind: strip-prefix", nil, [][]string{
			{"> GET /order/7 HTTP/1.1", host, "^ GET /7 HTTP/1.1"}}, false},
		{"kind: prefix-path", nil, [][]string{
			{"> GET /order/7 HTTP/1.1", host, "^ GET /v2/order/7 HTTP/1.1"}}, false},
		{"kind: set-path", nil, [][]string{
			{"> GET /order/7 HTTP/1.1", host, "^ GET /v2/orders HTTP/1.1"}}, false},
		{"kind: rewrite-path", nil, [][]string{
			{"> GET /order/7/items HTTP/1.1", host, "^ GET /v2/7/items HTTP/1.1"},
			{"> GET /order/x HTTP/1.1", host, "^ GET /order/x HTTP/1.1"}}, false},
		{"naming:", nil, [][]string{
			{"> GET /order?a=b HTTP/1.1", host, "^ GET /order?a=b HTTP/1.1", "!^ Host: v2.shop.test", "< HTTP/1.1 200 OK"},
			{"> GET /order?a=b HTTP/1.1", host, "> X-Target: http://v2.shop.test:8080/new?c=d", "^ GET /new?c=d HTTP/1.1", "^ Host: v2.shop.test", "< HTTP/1.1 200 OK"},
			{getPage, host, "> X-Target: http://v2.shop.test/new", "^ nothing", "< HTTP/1.1 403 Forbidden", "< X-Paifang-Reason: target-not-declared"},
			{getPage, host, "> X-Target: v2.shop.test:8080", "^ nothing", "< HTTP/1.1 400 Bad Request", "< X-Paifang-Reason: target-invalid"}}, false},
	}
}

func bearing(token string) [][]string {
	return [][]string{
		{getPage, "> Host: shop.test", "^ nothing", "< HTTP/1.1 401 Unauthorized"},
		{getPage, "> Host: shop.test", "> Authorization: Bearer " + token + "x", "^ nothing", "< HTTP/1.1 401 Unauthorized"},
		{getPage, "> Host: shop.test", "> Authorization: Bearer " + token, "> X-User: root", "^ X-User: ann", "^ X-Roles: a,b", "!^ X-User: root", "!^ Authorization", "< HTTP/1.1 200 OK"},
	}
}

// TestFilterPage has every YAML block of the pages accepted and asked, in place of Redis and of who publishes keys a fake.
func TestFilterPage(t *testing.T) {
	text := filterPages(t)
	set, token := signed(t)
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set) }))
	t.Cleanup(keys.Close)
	blocks := strings.Split(text, "```yaml\n")[1:]
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") != "good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-User", "ann")
	}))
	t.Cleanup(login.Close)
	copies := newCopies(t)
	want := pageBlocks(quotatest.New(t).Addr().String(), keys.URL, login.URL, copies.URL, token)
	if len(blocks) != len(want) {
		t.Fatalf("the page has %d blocks, and %d are known here", len(blocks), len(want))
	}
	for i, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		w := want[i]
		t.Run(w.has, func(t *testing.T) {
			if !strings.Contains(b, w.has) {
				t.Fatalf("the block is another one:\n%s", b)
			}
			for from, to := range w.rewrite {
				if !strings.Contains(b, from) {
					t.Fatalf("the block has no %q", from)
				}
				b = strings.Replace(b, from, to, 1)
			}
			askFilters(t, b, set, w.ask, w.held, model.Endpoint{Addr: netip.MustParseAddrPort(copies.Listener.Addr().String())})
			if w.has == "kind: mirror" {
				copies.are(t, "POST /in/order?a=b something", "POST /order?a=b something")
			}
		})
	}
}

// TestKeysInSecret has the keys of tokens in a Secret that a Route of ours names.
func TestKeysInSecret(t *testing.T) {
	set, token := signed(t)
	const filters = `filters:
- kind: jwt
  secret: shop/keys
  config:
    issuer: https://login.test
    audiences: [shop]
    claims: [{claim: sub, header: X-User}, {claim: realm_access.roles, header: X-Roles}]
`
	askFilters(t, filters, set, bearing(token), false)
	refused := [][]string{{getPage, "> Host: shop.test", "> Authorization: Bearer " + token, "^ nothing", "< HTTP/1.1 503 Service Unavailable"}}
	askFilters(t, strings.Replace(filters, "shop/keys", "shop/gone", 1), set, refused, false)
	askFilters(t, "filters:\n- {kind: basic-auth, secret: shop/gone}\n", set, refused, false)
}

// TestAddressesRefuse: the block of the page refuses who is denied, though he is in a range that is allowed, and who is in none.
func TestAddressesRefuse(t *testing.T) {
	_, block, found := strings.Cut(filterPages(t), "```yaml\nfilters:\n- kind: addresses\n")
	block, _, _ = strings.Cut(block, "```")
	denied := strings.NewReplacer("10.0.0.66", "127.0.0.1", "10.0.0.0/8", "127.0.0.0/8").Replace(block)
	if !found || denied == block {
		t.Fatalf("the block is another one:\n%s", block)
	}
	for _, b := range []string{denied, block} {
		askFilters(t, "filters:\n- kind: addresses\n"+b, "", [][]string{{getPage, "> Host: shop.test", "^ nothing", "< HTTP/1.1 403 Forbidden"}}, false)
	}
}

// TestSettingsOfAnIngress: what filters say of timeouts and further tries counts before the annotations of ingress-nginx.
func TestSettingsOfAnIngress(t *testing.T) {
	askFilters(t, `metadata:
  annotations:
    nginx.ingress.kubernetes.io/proxy-read-timeout: "60"
    nginx.ingress.kubernetes.io/proxy-next-upstream: http_503
    paifang.dev/filters: |
      - {kind: timeout, config: {response: 200ms}}
      - {kind: retry, config: {attempts: -1}}
`, "", [][]string{
		{getPage, "> Host: shop.test", "} DELAY 5000", "^ GET /order HTTP/1.1", "< HTTP/1.1 504 Gateway Timeout"},
		{getPage, "> Host: shop.test", "} HTTP/1.1 503 Busy", "*1 GET /order HTTP/1.1", "< HTTP/1.1 503 Busy"}}, false)
}

// TestKindsOnPage: every kind is shown in a block of one of them.
func TestKindsOnPage(t *testing.T) {
	text := filterPages(t)
	for _, k := range builtin.Kinds() {
		if !strings.Contains(text, "- kind: "+k.Name()+"\n") {
			t.Errorf("%s is in no block of the pages about filters", k.Name())
		}
	}
}

// askFilters serves a document, or the filters of one, and makes exchanges. The upstream next has the addresses of next.
func askFilters(t *testing.T, text, keys string, ask [][]string, held bool, next ...model.Endpoint) {
	t.Helper()
	switch {
	case strings.HasPrefix(text, "filters:"):
		text = "apiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: order}\nspec:\n  attach: [ingress]\n  hosts: [shop.test]\n  match: {path: {kind: Prefix, value: /order}}\n" +
			"  forward: {targets: [{upstream: order}]}\n" + indented(text)
	case strings.HasPrefix(text, "metadata:"):
		text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\n" + strings.Replace(text, "metadata:", "metadata:\n  name: web\n  namespace: shop", 1) +
			"spec: {rules: [{host: shop.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: order, port: {number: 80}}}}]}}]}\n"
	}
	sum := sha1.Sum([]byte("secret"))
	text += fmt.Sprintf(`---
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: shop}
stringData: {auth: "ann:{SHA}%s"}
---
apiVersion: v1
kind: Secret
metadata: {name: digests, namespace: shop}
stringData: {auth: "ann:the shop:4eae299c18bfe2d51a80bd0a5c30eeed"}
---
apiVersion: v1
kind: Secret
metadata: {name: redis, namespace: shop}
stringData: {password: secret}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
stringData: {jwks: %q}
---
apiVersion: v1
kind: Service
metadata: {name: order, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: order}
spec: {endpoints: [{keeper: static, name: order}]}
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: next}
spec: {endpoints: [{keeper: static, name: next}]}
---
apiVersion: paifang.dev/v1
kind: Upstream
metadata: {name: order-v2}
spec: {endpoints: [{keeper: static, name: order}]}
---
apiVersion: paifang.dev/v1
kind: Route
metadata: {name: sorry}
spec:
  attach: [ingress]
  hosts: [shop.test]
  match: {path: {kind: Exact, value: /sorry}}
  respond: {status: 410, body: sorry}
`, base64.StdEncoding.EncodeToString(sum[:]), keys)
	calls := "127.0.0.1:1"
	if strings.Contains(text, "DESCRIPTORS") {
		addr, descriptors := newCallServer(t)
		calls, text = addr, strings.Replace(text, "DESCRIPTORS", descriptorText(descriptors), 1)
	}
	file := filepath.Join(t.TempDir(), "all.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	groups, _, err := manifest.Load(manifest.Options{Paths: []string{file}, Translate: translate.Options{TakeUnclassed: true}})
	if err != nil {
		t.Fatal(err)
	}
	up := newScripted(t)
	at := []model.Endpoint{{Addr: netip.MustParseAddrPort(up.l.Addr().String())}}
	groups = append(groups, source.Group{Key: "ground", Objects: &model.Objects{
		Listeners: []model.Listener{{ID: "http", Class: "ingress", Protocol: model.HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}},
		Endpoints: []model.EndpointSet{
			{List: model.EndpointsID{Keeper: "static", Name: "order"}, Endpoints: at},
			{List: model.EndpointsID{Keeper: "static", Name: "next"}, Endpoints: next},
			{List: model.EndpointsID{Keeper: "static", Name: "health"}, Endpoints: []model.Endpoint{{Addr: netip.MustParseAddrPort(calls)}}},
			{List: model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "shop/order:80"}, Endpoints: at},
		}}})
	c := newChain(t, groups)
	if held {
		holdRequest(t, c.address())
	}
	for n, lines := range ask {
		exchange(t, n+1, c.address(), up, lines)
	}
}

// holdRequest has a request under way until the test ends: its body, which is too long to be read before anybody is asked, stays
// unfinished. It is counted when another one is refused.
func holdRequest(t *testing.T, at string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		// It may have been refused itself, for the one that asked before: then this one is held.
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "POST /order HTTP/1.1\r\nHost: shop.test\r\nX-Api-Key: a\r\nContent-Length: 100000\r\n\r\nhalf"); err != nil {
			t.Fatal(err)
		}
		answer := send(t, at, []string{"GET /order HTTP/1.1", "Host: shop.test", "X-Api-Key: a"})
		if strings.HasPrefix(answer[0], "HTTP/1.1 429 ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no request is refused beside the one that is held: %q", answer)
		}
	}
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

// signed is a key set, and a token that one of its keys signed.
func signed(t *testing.T) (set, token string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	claims, err := json.Marshal(map[string]any{"iss": "https://login.test", "aud": "shop", "sub": "ann", "scope": "orders read", "exp": time.Now().Add(time.Hour).Unix(),
		"realm_access": map[string]any{"roles": []string{"a", "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	text := encode([]byte(`{"alg":"EdDSA","kid":"one"}`)) + "." + encode(claims)
	return `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","use":"sig","x":"` + encode(public) + `"}]}`, text + "." + encode(ed25519.Sign(private, []byte(text)))
}
