package springgw

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"paifang/internal/snapshot"
	"paifang/internal/watch"
)

// javaDot is a dot of Java's, which excludes all that ends a line.
const javaDot = `[^\n\r\x{85}\x{2028}\x{2029}]`

// TestJavaExpressions has what String.matches of JDK 17 says of texts.
func TestJavaExpressions(t *testing.T) {
	for expression, texts := range map[string][2]string{ // that match, and that do not, with blanks between
		`a.b`:                {"axb a\tb a北b", "a\rb a\u0085b a\u2028b a\u2029b a\nb"},
		`(?s)a.b`:            {"a\rb a\u2028b", "ab"},
		`(a(?s).b).`:         {"a\rbx", "a\rb\r"},
		`a(?s:.)b.`:          {"a\rbx", "a\rb\r"},
		`(?i)user-key`:       {"user-key USER-KEY", "u\u017fer-key user-\u212aey"},
		`(?i:user)-key`:      {"USER-key", "USER-KEY"},
		`((?i)us)er(?-i)-ke`: {"USer-ke", "USER-ke"},
		`(?i)[a-k]+`:         {"abK", "\u212a abl"},
		`(?i)[^k]+`:          {"\u212a a", "k K"},
		`(?i)[@-\[]+`:        {"ab@[", "` {"},
		`(?i)\x6b\u0073`:     {"ks KS", "k\u017f"},
		`(?i)\Qk.\E`:         {"k. K.", "kx \u212a."},
		`(?i)\w+`:            {"kS_", "\u212a \u017f"},
		`(?i)\p{Lower}+`:     {"abC", "ä"},
		`\S+`:                {"x\u00a0", "\x0b x\x0b"},
		`[^\S]+`:             {"\x0b \r", "x"},
		`[\Sa]+`:             {"xa", "\x0b"},
		`北.*`:                {"北京 北", "京 北\n"},
		`[一-龥]+`:             {"张三", "a"},
		`\u5f20.`:            {"张三", "张"},
		`(?i)ÄB`:             {"ÄB Äb", "äb"},
		`\é[é]`:              {"éé", "é"},
		`[+--]+`:             {"+,-", "."},
		`[a&-]+`:             {"a&-", "b"},
	} {
		re, err := compileJava(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		whole := regexp.MustCompile(`^(?:` + re.String() + `)$`)
		for i, list := range texts {
			for text := range strings.SplitSeq(list, " ") {
				if whole.MatchString(text) != (i == 0) {
					t.Errorf("%s, which is %s here: %q", expression, re, text)
				}
			}
		}
	}
	if _, err := compileFor(ofHost, `ä`); err == nil || !strings.Contains(err.Error(), "xn--") {
		t.Errorf("of a host: %v", err)
	}
}

// TestLinesOfExpressions has what Matcher.matches of JDK 17 says of all of these texts where an expression has the flag m. Where that cannot be had
// it is refused, with what to write.
func TestLinesOfExpressions(t *testing.T) {
	texts := []string{"", "a", "b", "A", "ab", "aa", "a\n", "a\nb", "\na", "a\r", "a\u0085", "a\u2028b", "axb", "^a$", "b\n", "\n"}
	for expression, match := range map[string][]string{
		`(?m)a.b`:          {"axb"},
		`(?m)a\nb`:         {"a\nb"},
		`(?m)^a$`:          {"a"},
		`(?m)(^a|^b)$`:     {"a", "b"},
		`(?m)^a$|^b$`:      {"a", "b"},
		`(?m:^a)b`:         {"ab"},
		`(?m)^a+$`:         {"a", "aa"},
		`(?m)^(?:a\n?)+$`:  {"a", "aa", "a\n"},
		`(?m)(^a)?b`:       {"b", "ab"},
		`(?im)^a$`:         {"a", "A"},
		`(?m)^(?-m)a$`:     {"a"},
		`(?ms)^.+$`:        {"a", "b", "A", "ab", "aa", "a\n", "a\nb", "\na", "a\r", "a\u0085", "a\u2028b", "axb", "^a$", "b\n", "\n"},
		`(?m)^a|b$`:        {"a", "b"},
		`(?m)(?s:.)$`:      {"a", "b", "A", "\n"},
		`a(?m)$`:           {"a"},
		`(?m)[^a]$`:        {"b", "A", "\n"},
		`(?m)\^a\$`:        {"^a$"},
		`(?m)^^a$$`:        {"a"},
		`(?m)(^)a`:         {"a"},
		`(?m)a($)`:         {"a"},
		`(?m)^(a|b\n)$`:    {"a", "b\n"},
		`(?m)^a{2}$`:       {"aa"},
		`(?m)^?a`:          {"a"},
		`(?m)^.*$`:         nil, // refused, as all below: an empty text
		`(?m)^$`:           nil,
		`(?m)^a\n^b$`:      nil,
		`(?m)a$\nb`:        nil,
		`(?m)(?:^.\n?)+`:   nil,
		`(?m)(?:x|a$)\nb`:  nil,
		`(?m)(?:x?|\n)^a+`: nil,
	} {
		re, err := compileJava(expression)
		if match == nil {
			if err == nil || !strings.Contains(err.Error(), "leave the flag m out") {
				t.Errorf("%s: %v, %v", expression, re, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		whole := regexp.MustCompile(`\A(?:` + re.String() + `)\z`)
		for _, text := range texts {
			if whole.MatchString(text) != slices.Contains(match, text) {
				t.Errorf("%s, which is %s here: %q", expression, re, text)
			}
		}
	}
	// A path has one line and is not empty.
	if re, err := translateRegexp(`(?m)^/a$`); err != nil || regexp.MustCompile(re.text).ReplaceAllString("/a", "/b") != "/b" || regexp.MustCompile(re.text).MatchString("/a/a") {
		t.Errorf("of a path: %v %v", re, err)
	}
	if re, err := compileFor(ofPart, `(?m)a$`); err == nil || !strings.Contains(err.Error(), "one line") {
		t.Errorf("of a header that is rewritten: %v %v", re, err)
	}
	if _, err := compileFor(ofPart, `(?m)a.b|ä`); err != nil {
		t.Error(err)
	}
}

// TestLongExpressions: what is within the bound as it is written, can be served.
func TestLongExpressions(t *testing.T) {
	words := strings.Repeat("iphone|opera mini|", 50)[:880]
	o := load(t, Config{}, "spring.cloud.gateway.routes:\n- {id: a, uri: 'lb://s', predicates: [{name: Header, args: {header: User-Agent, regexp: '(?i).*("+words+"x).*'}}]}\n"+
		"- {id: b, uri: 'lb://s', predicates: ['Host={x:(?i)(?:"+strings.ReplaceAll(words, " ", "-")+"x)}.a.test'], filters: ['AddRequestHeader=X-M, {x}']}\n")
	if len(o.Routes) != 2 {
		t.Errorf("%d routes, %v", len(o.Routes), o.Diagnostics)
	}
	for i := range o.Routes {
		if _, err := snapshot.NewRoute(&o.Routes[i]); err != nil {
			t.Errorf("%s: %v", o.Routes[i].Origin.Name, err)
		}
	}
}

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
		`(.*)`: "nothing at all", `/*`: "nothing at all", `a|`: "nothing at all", `(?m)a*$`: "nothing at all", `/a\`: "backslash", `(`: "missing", `/ä`: "ASCII", `/[]a]`: "begins with ]",
		`/[\Qa\E]`: `\Q`, `\bx?`: "nothing at all",
	} {
		_, err := translateRegexp(expression)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", expression, err, says)
		}
	}
	for expression, says := range map[string]string{
		`(?i)\p{Lu}`: "with the flag i", `a(?i)*`: "nothing stands in front", `\uD83D`: "half of a character", `[\d-z]`: "", `[z-a]`: "no range", `[a`: "not closed", `(?d)^a$`: "flags", `[a-\d]`: `\d`,
	} {
		if re, err := compileJava(expression); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v %v, want %q", expression, re, err, says)
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
