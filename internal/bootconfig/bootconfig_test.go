package bootconfig

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// files reads pairs of a name and a text.
func files(t *testing.T, texts ...string) []File {
	t.Helper()
	var out []File
	for i := 0; i < len(texts); i += 2 {
		docs, problems := Read(texts[i], []byte(texts[i+1]))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		out = append(out, File{texts[i], docs})
	}
	return out
}

func environ(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestSpellings(t *testing.T) {
	for _, text := range []string{
		"a:\n  bc-de: x\n  l: [1, 2]\n", "a.bcDe: x\na.l[0]: 1\na.l[1]: 2\n", "a:\n  bc_de: x\n  l:\n  - 1\n  - 2\n", "A.BC-DE: x\na: {l: '1,2'}\n",
	} {
		m := Merge(files(t, "f.yml", text), Settings{})
		if got := m.Root.Find("a.bc-de").Text(); got != "x" {
			t.Errorf("%s: %q", text, got)
		}
		if got := m.Root.Get("a", "l").Words(); fmt.Sprint(got) != "[1 2]" {
			t.Errorf("%s: %q", text, got)
		}
	}
	m := Merge(files(t, "f.yml", "cors:\n  '[/**]': x\n"), Settings{})
	if m.Root.Get("cors").Kids[0].Name != "/**" {
		t.Errorf("a key in brackets: %q", m.Root.Get("cors").Kids[0].Name)
	}
	var nothing *Property
	if nothing.Get("a").Find("b[0]").IsTrue() || nothing.List() != nil || nothing.Values() != nil || nothing.Text() != "" {
		t.Error("a property that nobody has set is something")
	}
}

func TestProperties(t *testing.T) {
	docs, problems := Read("application.properties", []byte("# one\nkey: v \\\n   w\nspaced  value\na.b\\:c = t\\u00e4\\uD83D\\uDE00\\n\nempty\npath=C\\:\\\\x\n#---\nspring.config.activate.on-profile=p\nkey=z\n"))
	if len(problems) > 0 || len(docs) != 2 {
		t.Fatal(docs, problems)
	}
	for key, want := range map[string]string{"key": "v w", "spaced": "value", "a.b:c": "tä😀", "empty": "", "path": `C:\x`} {
		if p := docs[0].Root.Find(key); p.Text() != want || !p.IsText() {
			t.Errorf("%s: %q, want %q", key, p.Text(), want)
		}
	}
	if line := docs[0].Root.Find("path").Line; line != 7 {
		t.Errorf("path stands in line %d", line)
	}
	if docs, _ := Read("x.properties", []byte("a=\xe4")); docs[0].Root.Find("a").Text() != "ä" {
		t.Error("ISO 8859-1 is not read")
	}
	if _, problems := Read("x.properties", []byte("a=1\nb=\\u12")); len(problems) != 1 || problems[0].Line != 2 {
		t.Errorf("%v", problems)
	}
	if m := Merge([]File{{"application.properties", docs}}, Settings{Profiles: []string{"p"}}); m.Root.Find("key").Text() != "z" {
		t.Errorf("%v", m)
	}
}

// TestCountedMappings: a mapping with the keys 0, 1, 2 is a list, as for Spring; one with other numbers is none.
func TestCountedMappings(t *testing.T) {
	docs, problems := Read("application.yml", []byte("list:\n  0: {id: a}\n  1: {id: b}\ncodes: {404: x, 500: y}\n"))
	if len(problems) > 0 || len(docs) != 1 {
		t.Fatal(docs, problems)
	}
	var ids []string
	for _, item := range docs[0].Root.Get("list").List() {
		ids = append(ids, item.Get("id").Text())
	}
	if !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("%q", ids)
	}
	if codes := docs[0].Root.Get("codes"); codes.IsList() || codes.Get("500").Text() != "y" {
		t.Error("codes are taken for a list")
	}
}

// TestNode has numbers told from texts: by quotes in YAML, and by what they look like where there are none to see.
func TestNode(t *testing.T) {
	const want = `{"a":["1",2,true,"x"],"b":{"c-d":{}},"n":5,"u":"${none}","e":""}`
	m := Merge(files(t, "f.yml", "x: {a: ['1', 2, on, \"${w}\"], b: {c-d: {}}, n: \"${n:5}\", u: \"${none}\", e: \"${none:}\"}\nw: x\n"), Settings{})
	if got := string(m.Root.Get("x").Node().JSON()); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	m = Merge(files(t, "f.properties", "x.a[0]=1.5\nx.a[1]=text\nx.b=true\nx.c=~\n"), Settings{})
	if got := string(m.Root.Get("x").Node().JSON()); got != `{"a":[1.5,"text"],"b":true,"c":"~"}` {
		t.Error(got)
	}
	a, b := files(t, "f.yml", "x: 1\n")[0].Documents[0].Root, files(t, "f.yml", "x: '1'\n")[0].Documents[0].Root
	if a.Equal(b) || !a.Equal(files(t, "f.yml", "x: 1\n")[0].Documents[0].Root) {
		t.Error("a number is no text")
	}
}

func TestProfiles(t *testing.T) {
	const text = "key: base\nlist: [a, b, c]\nmap: {x: 1, y: 1}\n---\nspring.config.activate.on-profile: prod\nkey: prod\nlist: [p]\nmap: {y: 2}\n---\nspring:\n  profiles: dev\nkey: dev\n"
	for profile, want := range map[string]string{"": "base [a b c] 1 1", "prod": "prod [p] 1 2", "dev": "dev [a b c] 1 1", "prod,dev": "dev [p] 1 2", "dev,prod": "dev [p] 1 2"} {
		s := Settings{Environ: environ("SPRING_PROFILES_ACTIVE", profile)}
		m := Merge(files(t, "application.yml", text), s)
		got := fmt.Sprint(m.Root.Get("key").Text(), " ", m.Root.Get("list").Words(), " ", m.Root.Find("map.x").Text(), " ", m.Root.Find("map.y").Text())
		if got != want {
			t.Errorf("profile %q: %s, want %s", profile, got, want)
		}
		if len(m.LeftOut)+len(m.Profiles) < 2 || len(m.Problems) > 0 {
			t.Errorf("profile %q: left out %v, active %v, problems %v", profile, m.LeftOut, m.Profiles, m.Problems)
		}
	}
	for name, c := range map[string]struct {
		settings Settings
		text     string
		want     string
	}{
		"settings":    {Settings{Profiles: []string{"a"}, Environ: environ("SPRING_PROFILES_ACTIVE", "b")}, "spring.profiles.active: c", "[a]"},
		"properties":  {Settings{Properties: map[string]string{"spring.profiles.active": "a"}, Environ: environ("SPRING_PROFILES_ACTIVE", "b")}, "", "[a]"},
		"environment": {Settings{Environ: environ("SPRING_PROFILES_ACTIVE", "b, c")}, "spring.profiles.active: d", "[b c]"},
		"file":        {Settings{}, "spring.profiles.active: [d, e]", "[d e]"},
		"placeholder": {Settings{Environ: environ("STAGE", "qa")}, "spring.profiles.active: ${STAGE:dev}", "[qa]"},
		"groups":      {Settings{}, "spring.profiles:\n  active: prod\n  include: base\n  group.prod: [db, mq]", "[base prod db mq]"},
		"default":     {Settings{}, "a: b", "[default]"},
	} {
		if m := Merge(files(t, "application.yml", c.text+"\n"), c.settings); fmt.Sprint(m.Profiles) != c.want {
			t.Errorf("%s: %v, want %s", name, m.Profiles, c.want)
		}
	}
}

func TestProfileExpressions(t *testing.T) {
	for expression, want := range map[string]string{
		"a": "true", "x": "false", "!x": "true", "a & b": "true", "a & x": "false", "x | b": "true", "a & (x | b)": "true", "!(a&b)": "false", "!!a": "true",
		"a & b | x": "mixed", "a &": "missing", "(a": "not closed", "a b": "more than", "": "missing", strings.Repeat("(", 60) + "a": "too deep",
	} {
		ok, err := holds([]string{expression}, []string{"a", "b"})
		got := fmt.Sprint(ok)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", expression, got, want)
		}
	}
}

func TestPlaceholders(t *testing.T) {
	s := Settings{Properties: map[string]string{"given.one": "g1", "both": "property"}, Environ: environ("MY_HOST_NAME", "env", "BOTH", "environment", "OTHER_DB", "db")}
	const tail = "\nfile-key: f\nnested: <${given.one}>\nlist: [l0, l1]\nloop1: ${loop2}\nloop2: ${loop1}\n"
	for text, want := range map[string]string{
		"plain": "plain", "${given.one}": "g1", "${GIVEN_ONE}": "${GIVEN_ONE}", "${my.host-name}": "env", "${MY_HOST_NAME}": "env", "${other.db}": "db",
		"${file-key}": "f", "${fileKey}": "f", "${list[1]}": "l1", "a${file-key}b${nested}c": "afb<g1>c", "${both}": "property",
		"${none:default}": "default", "${none:}": "", "${none:a:b}": "a:b", "${none:${file-key}}": "f", "${none:${non:x}}": "x", "${no${none:ne}:y}": "y",
		"${none:{b}}": "{b}", "http://${none:h}:${none:80}/": "http://h:80/",
		"${none}": "${none}", "/$\\{segment}": "/$\\{segment}", "${": "${", "${a": "${a", "$": "$", "${}": "${}",
		"${loop1}": "!leads back",
	} {
		m := Merge(files(t, "a.yml", "key: '"+text+"'"+tail), s)
		if problem, is := strings.CutPrefix(want, "!"); is {
			if len(m.Problems) != 3 || !strings.Contains(m.Problems[0].Message, problem) || m.Problems[0].Line == 0 { // the two keys of the loop as well
				t.Errorf("%s: %v", text, m.Problems)
			}
			continue
		}
		if got := m.Root.Get("key").Text(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	// What a few bytes come to is bounded.
	var b strings.Builder
	fmt.Fprintf(&b, "a0: %s\n", strings.Repeat("x", 100))
	for i := range 15 {
		fmt.Fprintf(&b, "a%d: ${a%d}${a%d}\n", i+1, i, i)
	}
	if m := Merge(files(t, "a.yml", b.String()), s); len(m.Problems) == 0 {
		t.Error("three megabytes are made of 15 lines")
	}
}

func TestApplications(t *testing.T) {
	got := Applications([]string{"d/routes.yml", "d/application-prod.yml", "d/application.properties", "d/application.yml", "d/bootstrap.yml", "d/application-dev.yml",
		"e/application-prod.yml", "e/other-prod.yaml", "d/bootstrap-dev.yml"})
	want := [][]string{
		{"d/bootstrap.yml", "d/application.yml", "d/application.properties", "d/bootstrap-dev.yml", "d/application-dev.yml", "d/application-prod.yml"},
		{"d/routes.yml"}, {"e/application-prod.yml"}, {"e/other-prod.yaml"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	m := Merge(files(t, "d/application.yml", "key: base\nother: o\n", "d/application-dev.yml", "key: dev\n", "d/application-prod.yml", "key: prod\n"), Settings{Profiles: []string{"dev"}})
	if m.Root.Get("key").Text() != "dev" || m.Root.Get("key").File != "d/application-dev.yml" || m.Root.Get("other").Text() != "o" {
		t.Errorf("%+v", m.Root.Get("key"))
	}
	both := files(t, "d/application.yml", "key: base\n", "d/application-a.yml", "key: a\n", "d/application-b.yml", "key: b\n")
	for _, active := range [][]string{{"a", "b"}, {"b", "a"}} {
		if m := Merge(both, Settings{Profiles: active}); m.Root.Get("key").Text() != active[1] {
			t.Errorf("%v: the profile that is named last does not win", active)
		}
	}
	// A file for a profile that stands alone is read.
	if m := Merge(files(t, "e/application-prod.yml", "key: prod\n"), Settings{}); m.Root.Get("key").Text() != "prod" {
		t.Error("a file for a profile without its base is left out")
	}
	for base, want := range map[string]bool{"a.yml": true, "a.yaml": true, "a.properties": true, ".a.yml": false, "a.txt": false} {
		if Accept(base) != want {
			t.Errorf("%s: %v", base, !want)
		}
	}
}

// FuzzRead reads anything, as both kinds of file, and fills it in.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a: ${b:${a}}\nb.c[3]: x\n---\nspring.config.activate.on-profile: '!(a&b)'\n"))
	f.Add([]byte("a=1\\\n b\n#---\nc[0].d = ${a}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		for _, name := range []string{"application.yml", "application.properties"} {
			docs, _ := Read(name, data)
			m := Merge([]File{{name, docs}, {"application-x.yml", docs}}, Settings{Profiles: []string{"x"}})
			m.Root.Values()
		}
	})
}
