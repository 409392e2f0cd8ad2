package springgw

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestJava: each filter in Java has a line that says what may replace it.
func TestJava(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ body, kind, why string }{
		"Tokens":    {`Claims c = Jwts.parser().parse(token); r.setStatusCode(HttpStatus.UNAUTHORIZED);`, "GlobalFilter", "filter jwt"},
		"Signature": {`if (!ok) exchange.getResponse().setStatusCode(HttpStatus.FORBIDDEN);`, "Factory", "filter external-auth"},
		"Limits":    {`exchange.getResponse().setStatusCode(HttpStatus.TOO_MANY_REQUESTS);`, "GlobalFilter", "filter rate-limit"},
		"Addresses": {`String ip = r.getRemoteAddress().getHostString(); r.setStatusCode(HttpStatus.FORBIDDEN);`, "GlobalFilter", "filter addresses"},
		"Cors":      {`h.add("Access-Control-Allow-Origin", "*");`, "GlobalFilter", "filter cors"},
		"Wrap":      {`new ServerHttpResponseDecorator(r) { }; log.info("x");`, "GlobalFilter", "none: "},
		"Headers":   {`exchange.mutate().request(r -> r.header("X-A", "b"));`, "Factory", "request-headers"},
		"Log":       {`log.info("{}", exchange);`, "GlobalFilter", "access log"},
		"Ask":       {`webClient.get(); WebClient w;`, "GlobalFilter", "external-auth"},
		"Nothing":   {`return chain.filter(exchange);`, "GlobalFilter", "none is known"},
	} {
		class, kind := name, "implements GlobalFilter, Ordered"
		if c.kind == "Factory" {
			class, kind = name+"GatewayFilterFactory", "extends AbstractGatewayFilterFactory<Object>"
		}
		file := filepath.Join(dir, class+".java")
		if err := os.WriteFile(file, []byte("package a;\nclass "+class+" "+kind+" {\n void f() { "+c.body+" }\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		found, _, err := Java(file, nil)
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", name, found, err)
		}
		f := found[0]
		if f.Name != name || f.Line != 2 || f.Verdict.Verdict != Unsupported || !strings.Contains(f.Why, c.why) || (f.Kind == "filter-factory") != (c.kind == "Factory") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if all, read, err := Java(dir, nil); err != nil || len(all) != 10 || read != (JavaRead{Java: 10}) {
		t.Errorf("%d of 10, %v %v", len(all), read, err)
	}
}

// TestJavaBesideFilters: what else in Java decides about requests is lost too, but for what the configuration says in place of it.
func TestJavaBesideFilters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Beans.java")
	if err := os.WriteFile(file, []byte(`class TimeRoutePredicateFactory extends AbstractRoutePredicateFactory<Object> {}
class UserKeyResolver implements KeyResolver {}
class Beans {
  RouteLocator own() { return null; }
  KeyResolver byUser() { return null; }
  WebFilter gate() { return (e, c) -> { e.getResponse().setStatusCode(HttpStatus.FORBIDDEN); }; }
  SecurityWebFilterChain chain() { return null; }
  CorsWebFilter cors() { CorsConfiguration config = new CorsConfiguration(); return new CorsWebFilter(e -> config); }
}`), 0o600); err != nil {
		t.Fatal(err)
	}
	all, _, err := Java(file, map[string]string{"userKeyResolver": "{user}"})
	want := []struct {
		kind, name string
		verdict    Judgement
		why        string
	}{{"predicate-factory", "Time", Unsupported, "none: no route can name it"}, {"key-resolver", "UserKeyResolver", Differs, "{user}"}, {"routes", "own", Unsupported, "write them as definitions"},
		{"key-resolver", "byUser", Unsupported, "sources.spring.keyResolvers"}, {"web-filter", "gate", Unsupported, "external-auth"}, {"security", "chain", Unsupported, "jwt, basic-auth"}, {"web-filter", "cors", Unsupported, "globalcors"}}
	if err != nil || len(all) != len(want) {
		t.Fatalf("%+v %v", all, err)
	}
	for i, w := range want {
		if f := all[i]; f.Kind != w.kind || f.Name != w.name || f.Verdict.Verdict != w.verdict || !strings.Contains(f.Why, w.why) {
			t.Errorf("%+v, want %+v", f, w)
		}
	}
}

// TestJavaWithoutName: a file of Kotlin that is nothing but its extension has that for a name.
func TestJavaWithoutName(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".kt"), []byte("val r = KeyResolver { }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, _, err := Java(dir, nil); err != nil || len(found) != 1 || found[0].Name != ".kt" {
		t.Errorf("%v %v", found, err)
	}
}
