package springgw

import (
	"regexp"
	"strings"
	"testing"

	"paifang/internal/watch"
)

// TestRewrite has results as java.lang.String.replaceAll gives them.
func TestRewrite(t *testing.T) {
	for _, c := range []struct{ expression, replacement, path, want string }{
		{`/red/?(?<segment>.*)`, `/$\{segment}`, "/red/blue", "/blue"},
		{`/red/?(?<segment>.*)`, `/${segment}`, "/red/blue", "/blue"},
		{`/red/(.*)`, `/x/$1`, "/red/a/b", "/x/a/b"},
		{`/(.)b`, `/$12`, "/ab/cb", "/a2/c2"},
		{`/api/(?<v>v\d+)/(?<rest>.*)`, `/${rest}/${v}`, "/api/v12/users", "/users/v12"},
		{`/a`, `/\$1`, "/a/a", "/$1/$1"},
		{`/a`, `/b\\c`, "/a", `/b\c`},
		{`^/(?<p>.*)`, `/x/${p}`, "/a/b", "/x/a/b"},
		{`^(?<p>.*)`, `/x${p}`, "/a", "/x/a"},
		{`/a$`, ``, "/x/a", "/x"},
		{`(?i)/API`, `/v1`, "/api/x", "/v1/x"},
		{`/(?:a|b)`, `$0!`, "/a/b", "/a!/b!"},
		{`/\Qa.b\E`, `/c`, "/a.b/axb", "/c/axb"},
		{`/[a-c]{2}`, `/_`, "/ab/abc", "/_/_c"},
		{`/\p{Alpha}+\p{Digit}`, `/x`, "/ab1/é1", "/x/é1"},
		{`/\P{Alnum}`, `/y`, "/-/a", "/y/a"},
		{`/[\p{Upper}\h]+\x41\u0042`, `/z`, "/C AB", "/z"},
		{`/\p{Lu}\p{L}`, `/q`, "/Ab/ab", "/q/ab"},
		{`/a+?b??`, `/_`, "/aab", "/_ab"},
		{`/(a)(b)?`, `/$2$1`, "/a/ab", "/a/ba"},
	} {
		re, err := translateRegexp(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		replacement, err := re.replacement(strings.ReplaceAll(c.replacement, `$\`, "$"))
		if err != nil {
			t.Errorf("%s: %v", c.replacement, err)
			continue
		}
		if got := regexp.MustCompile(re.text).ReplaceAllString(c.path, replacement); got != c.want {
			t.Errorf("%s → %s of %s: got %s, want %s", c.expression, c.replacement, c.path, got, c.want)
		}
	}
}

func TestRefusedExpressions(t *testing.T) {
	for expression, says := range map[string]string{
		`/a(?=b)`: "look-ahead", `(?<!x)/a`: "look-behind", `(?>a)b`: "atomic", `/a*+b`: "possessive", `/a++`: "possessive", `/a?+`: "possessive", `/a{2}+`: "possessive", `(/a)\1`: `\1`, `(?<x>a)\k<x>`: `\k`,
		`/[a-z&&[^b]]`: "intersection", `/[a[bc]]`: "inside another", `/\Z`: `\Z`, `/\G`: `\G`, `/\R`: `\R`, `/\cA`: `\c`, `/\p{IsAlphabetic}`: "not supported", `/\p{javaLowerCase}`: "not supported", `/[\P{Alpha}]`: "inside a character class", `/\p{`: "no class", `/\p{InGreek}`: "not supported", `/\12`: `\1`, `/a{,3}`: "{",
		`/{a}`: "{", `(?<a_b>x)`: "", `(?<1a>x)`: "name of a group", `(?P<a>x)`: "begins with (?", `(?U)a`: "flags", `(?x)a`: "flags",
		`(.*)`: "nothing at all", `/*`: "nothing at all", `a|`: "nothing at all", `(?m)^a*`: "nothing at all", `/a\`: "backslash", `(`: "missing", `/ä`: "ASCII", `/[]a]`: "begins with ]",
		`/[\Qa\E]`: `\Q`, `\bx?`: "nothing at all",
	} {
		_, err := translateRegexp(expression)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", expression, err, says)
		}
	}
	re, err := translateRegexp(`/(?<a>x)(y)`)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{`$3`, `${b}`, `${`, `$x`, `a\`, `$`, `${}`} {
		if got, err := re.replacement(r); err == nil {
			t.Errorf("%s was taken as %s", r, got)
		}
	}
}

// FuzzRewrite: whatever is let through compiles, and its replacement is one that Go expands.
func FuzzRewrite(f *testing.F) {
	f.Add(`/red/?(?<segment>.*)`, `/${segment}`)
	f.Add(`[^]a-]\Q.\E{2,3}(?i:x)`, `\$1$0`)
	f.Fuzz(func(t *testing.T, expression, replacement string) {
		re, err := translateRegexp(expression)
		if err != nil {
			return
		}
		x := regexp.MustCompile(re.text)
		if r, err := re.replacement(replacement); err == nil {
			x.ReplaceAllString("/a/b/c", r)
		}
	})
}

// FuzzTake feeds files in both of their moments.
func FuzzTake(f *testing.F) {
	f.Add([]byte(routes("      - {id: a, uri: 'lb://s', predicates: ['Path=/a'], filters: ['StripPrefix=1']}\n")))
	f.Add([]byte("spring.cloud.gateway.routes[0].id: a\nspring.cloud.gateway.routes[99999999].id: b\nspring.cloud.gateway.routes[x.y: c\n"))
	f.Add([]byte("spring: &a {cloud: {gateway: {routes: [*b]}}}\n---\n: ["))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newReading(&Config{})
		for _, settled := range []bool{true, false, true} {
			r.take([]watch.File{{Path: "f.yaml", Data: data, Settled: settled}})
		}
		out := translate(Config{}.withDefaults(), r.applications(), nil, nil)
		for _, g := range out.groups {
			for _, route := range g.Objects.Routes {
				if route.Action == nil || len(route.Attach) == 0 {
					t.Fatalf("%+v", route)
				}
			}
		}
	})
}
