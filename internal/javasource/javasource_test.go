package javasource

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestScan: declarations are found whatever is around them, and nothing that only looks like one.
func TestScan(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"src/main/java/Auth.java": `package shop; // class Comment implements GlobalFilter {
/* class Comment implements GlobalFilter {} */
import org.springframework.cloud.gateway.filter.GlobalFilter;
@Component("class Text implements GlobalFilter {")
public final class Auth<T extends Comparable<T>>
    implements java.io.Serializable, org.springframework.cloud.gateway.filter.GlobalFilter, Ordered {
  String s = "} \" {"; char c = '}'; String block = """
    } class Block implements GlobalFilter { \"""
    """;
  Class<?> k = Other.class;
  void filter() { response.setStatusCode(HttpStatus.UNAUTHORIZED); }
}
class Beside { Beside record; Object enum1; }`,
		"src/main/java/Factory.java": "class CheckSignatureGatewayFilterFactory extends AbstractGatewayFilterFactory<CheckSignatureGatewayFilterFactory.Config> {\n  static class Config {}\n}\n",
		"src/main/java/Derived.java": "record Late(int x) implements Base {}\nsealed abstract class Base2 extends Auth<String> permits Last, Other {}\nclass Last extends Base2 {}",
		"src/main/java/Config.java":  "class Config {\n  @Bean\n  public GlobalFilter lambda(Some a) throws Failure {\n    return (exchange, chain) -> chain.filter(exchange);\n  }\n  GlobalFilter field = lambda(null);\n  abstract GlobalFilter none(int a);\n  Object o = new GlobalFilter();\n}\n",
		"src/main/java/Beans.java": `class TimeRoutePredicateFactory extends AbstractRoutePredicateFactory<Object> {}
class Redis implements RouteDefinitionRepository {}
class Beans implements WebFilter {
  @Bean KeyResolver userKey() { return exchange -> null; }
  @Bean RouteLocator routes(RouteLocatorBuilder b) { return b.routes().route(r -> r.path("/a").uri("lb://a")).build(); }
  @Bean public SecurityWebFilterChain chain(ServerHttpSecurity http) { return http.build(); }
  WebFilterChain next(WebFilterChain c) { return c; }
  RouteLocatorBuilder builder() { return null; }
  @Bean public CorsWebFilter cors() { return new CorsWebFilter(new UrlBasedCorsConfigurationSource()); }
  static class Gray extends ReactiveLoadBalancerClientFilter {}
}`,
		"src/main/kotlin/Filters.kt": `package shop // class Comment : GlobalFilter
import org.springframework.cloud.gateway.filter.GlobalFilter
import x.KeyResolver
class KtFilter(val a: Int) : GlobalFilter, Ordered {
  override fun filter(e: ServerWebExchange): Mono<Void> { e.response.statusCode = HttpStatus.UNAUTHORIZED }
}
class SignGatewayFilterFactory : AbstractGatewayFilterFactory<Any>()
@Configuration class Beans {
  @Bean fun userKey(): KeyResolver = KeyResolver { null }
  @Bean fun routes(b: RouteLocatorBuilder) = b.routes { route { path("/a") } }
  fun other(c: String) = "GlobalFilter"
}`,
		"src/test/kotlin/T.kt":         "class Ignored : GlobalFilter",
		"src/main/java/Broken.java":    "class Broken implements GlobalFilter { String s = \"not closed\n class",
		"src/test/java/Ignored.java":   "class Ignored implements GlobalFilter {}",
		"src/main/resources/notes.txt": "class Ignored implements GlobalFilter {}",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Scan(dir)
	if err != nil || found.Java != 6 || found.Kotlin != 1 {
		t.Fatal(found.Java, found.Kotlin, err)
	}
	var got []string
	for _, d := range found.Declarations {
		got = append(got, fmt.Sprintf("%s:%d %s %s", filepath.Base(d.File), d.Line, d.Kind, d.Name))
		if d.Name == "Auth" && (!slices.Contains(d.Words, "UNAUTHORIZED") || slices.Contains(d.Words, "Beside") || len(d.Texts) != 2) {
			t.Errorf("Auth has the words %v and the texts %q", d.Words, d.Texts)
		}
	}
	want := []string{"Auth.java:5 global-filter Auth", "Beans.java:1 predicate-factory TimeRoutePredicateFactory", "Beans.java:2 routes Redis", "Beans.java:3 web-filter Beans",
		"Beans.java:4 key-resolver userKey", "Beans.java:5 routes routes", "Beans.java:6 security chain", "Beans.java:9 web-filter cors", "Beans.java:10 global-filter Gray", "Broken.java:1 global-filter Broken", "Config.java:3 global-filter lambda",
		"Derived.java:2 global-filter Base2", "Derived.java:3 global-filter Last", "Factory.java:1 filter-factory CheckSignatureGatewayFilterFactory",
		"Filters.kt:4 global-filter KtFilter", "Filters.kt:7 filter-factory SignGatewayFilterFactory", "Filters.kt:9 key-resolver userKey", "Filters.kt:10 routes routes"}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := Scan(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there is scanned")
	}
	if _, err := Scan(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no Java source") {
		t.Errorf("a directory without source is scanned: %v", err)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("class A implements GlobalFilter { \"\\\" ''' /* // \"\"\" }")
	f.Add("GlobalFilter a(b) {")
	f.Fuzz(func(t *testing.T, s string) {
		last := 1
		for _, x := range tokens(s) {
			if x.line < last || x.line > 1+strings.Count(s, "\n") {
				t.Fatalf("line %d after %d", x.line, last)
			}
			last = x.line
		}
		declarations([]file{{"a.java", tokens(s)}})
		mentions([]file{{"a.kt", tokens(s)}})
	})
}
