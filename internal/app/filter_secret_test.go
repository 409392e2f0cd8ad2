package app

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
)

// TestFilterSecrets: what is missing of a filter's Secret is found by check and while it is served, and heals when the Secret has it.
func TestFilterSecrets(t *testing.T) {
	route := func(name, filter string) string {
		return "---\napiVersion: paifang.dev/v1\nkind: Route\nmetadata: {name: " + name + "}\nspec:\n  attach: [gateway]\n  match: {path: {kind: Prefix, value: /" + name + "}}\n  respond: {status: 200}\n  filters:\n  - " + filter + "\n"
	}
	secret := func(name, key, value string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {namespace: shop, name: %s}\ndata: {%s: %q}\n", name, key, base64.StdEncoding.EncodeToString([]byte(value)))
	}
	cases := []struct{ name, filter, code, says string }{
		{"basic", "{kind: basic-auth, secret: shop/users}", "secret-invalid", `filter basic-auth: secret shop/users has no key "auth"`},
		{"digest", "{kind: digest-auth, secret: shop/users, config: {realm: r}}", "secret-invalid", `filter digest-auth: secret shop/users has no key "auth"`},
		{"gone", "{kind: basic-auth, secret: shop/gone}", "secret-missing", "secret shop/gone"},
		{"nobody", "{kind: basic-auth}", "invalid-filter", "filter basic-auth: names no secret"},
		{"keyless", "{kind: jwt, config: {issuer: x}}", "invalid-filter", "filter jwt: has neither url nor keys"},
		{"nokey", "{kind: jwt, secret: shop/users, config: {issuer: x}}", "secret-invalid", `secret shop/users has no key "jwks"`},
		{"nojson", "{kind: jwt, secret: shop/keys, config: {issuer: x, secretKey: nojson}}", "secret-invalid", `secret shop/keys has no key set under "nojson": jwks: read key set: it is no JSON`},
		{"redis", "{kind: rate-limit, secret: shop/users, config: {requests: 1, redis: {addresses: ['127.0.0.1:1']}}}", "secret-invalid", `has neither a key "password"`},
	}
	dir := t.TempDir()
	routes, secrets := filepath.Join(dir, "routes.yaml"), filepath.Join(dir, "secrets.yaml")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var all string
	for _, c := range cases {
		all += route(c.name, c.filter)
	}
	write(routes, all)
	write(secrets, secret("users", "other", "ann:{PLAIN}x")+secret("keys", "nojson", "{not json"))
	is := func(name, code, says string) func(model.Diagnostic) bool {
		return func(d model.Diagnostic) bool {
			return d.Severity == model.Error && d.Origin.Name == name && string(d.Code) == code && d.Field == "filters[0]" && strings.Contains(d.Message, says)
		}
	}
	manifests := Sources{Manifests: []string{routes, secrets}}
	checked, err := Offline(t.Context(), Config{Sources: manifests}, Adopt{})
	if err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, "", func(c *Config) { c.Sources.Manifests = manifests.Manifests })
	for _, c := range cases {
		if !slices.ContainsFunc(checked.snap.Diagnostics(), is(c.name, c.code, c.says)) {
			t.Errorf("check does not say of %s: %s %s:\n%v", c.name, c.code, c.says, checked.snap.Diagnostics())
		}
		if !slices.ContainsFunc(g.diagnostics(), is(c.name, c.code, c.says)) {
			t.Errorf("it is served without a word about %s:\n%v", c.name, g.diagnostics())
		}
		if status, _ := g.ask("GET", g.front+"/"+c.name); status != 503 {
			t.Errorf("%s: status %d", c.name, status)
		}
	}
	write(secrets, secret("users", "auth", "ann:{PLAIN}x"))
	until(t, "the Secret is there", func() bool { status, _ := g.ask("GET", g.front+"/basic"); return status == 401 })
	if slices.ContainsFunc(g.diagnostics(), func(d model.Diagnostic) bool { return d.Origin.Name == "basic" }) {
		t.Errorf("%v", g.diagnostics())
	}
}
