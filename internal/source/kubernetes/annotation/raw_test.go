package annotation_test

import (
	"regexp"
	"strings"
	"testing"

	"paifang/internal/filter/builtin"
	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

func TestSnippetsAreReadAndNeverExecuted(t *testing.T) {
	r := annotation.NewReader("", annotation.Defaults())
	_, found := r.Read(map[string]string{annotation.DefaultPrefix + "/configuration-snippet": `
		# return 200;
		more_set_headers "X-A: b; return 500";
		if ($request_method = POST) { return 403; }
		proxy_set_header X-B c; proxy_set_header X-D e;
		access_by_lua_block { ngx.exit(1) }
		some_module on;`})
	if len(found) != 1 || found[0].Verdict != annotation.Refused {
		t.Fatalf("%+v", found)
	}
	want := []string{"more_set_headers: a response-headers", "if: a Route", "return: permanent-redirect", "proxy_set_header: a request-headers", "access_by_lua_block: nothing: programs", "some_module: nothing replaces it"}
	for _, w := range want {
		if strings.Count(found[0].Message, w) != 1 {
			t.Errorf("%q is not told once in %q", w, found[0].Message)
		}
	}
}

// TestReplacementsAct: whatever a snippet's directive is said to be replaced by is an annotation, a key, a flag or a filter that has its effect.
func TestReplacementsAct(t *testing.T) {
	acting := map[string]bool{"paifang": true} // of paifang.dev
	act := func(name string, v annotation.Verdict) {
		if v == annotation.Supported || v == annotation.Differs {
			acting[name] = true
		}
	}
	for _, a := range annotation.Table() {
		act(a.Name, a.Verdict)
	}
	for _, k := range installation.Keys() {
		act(k.Name, k.Verdict)
	}
	for _, f := range installation.Table() {
		act(f.Name, f.Verdict)
	}
	named := regexp.MustCompile(`[a-z0-9]+(?:-[a-z0-9]+)+`)
	filters := regexp.MustCompile(`\ban? ([a-z-]+)(?: or ([a-z-]+))? filter\b`)
	for _, snippet := range []string{"configuration-snippet", "auth-snippet", "stream-snippet"} {
		for directive, by := range annotation.Replacements(snippet) {
			rest := by
			for _, m := range filters.FindAllStringSubmatch(by, -1) {
				for _, kind := range m[1:] {
					if _, ok := builtin.Kinds().Kind(kind); kind != "" && !ok {
						t.Errorf("%s: %s: there is no filter %s", snippet, directive, kind)
					}
				}
				rest = strings.Replace(rest, m[0], "", 1)
			}
			for _, name := range named.FindAllString(rest, -1) {
				if !acting[name] {
					t.Errorf("%s: %s: %s has no effect, or does not exist", snippet, directive, name)
				}
			}
			if rest == by && !named.MatchString(by) && !strings.HasPrefix(by, "nothing") && !strings.HasPrefix(by, "a ") && !strings.HasPrefix(by, "the ") {
				t.Errorf("%s: %s: %q names nothing", snippet, directive, by)
			}
		}
	}
}

// TestEverySnippetIsReadByDirective, of annotations and of the ConfigMap alike.
func TestEverySnippetIsReadByDirective(t *testing.T) {
	r := annotation.NewReader("", annotation.Defaults())
	const text = "proxy_set_header X-A b; gzip on; no_such on;"
	read := map[string]string{}
	for _, name := range []string{"configuration-snippet", "server-snippet", "stream-snippet", "auth-snippet"} {
		_, found := r.Read(map[string]string{annotation.DefaultPrefix + "/" + name: text})
		read[name] = found[0].Message
	}
	for _, name := range []string{"main-snippet", "http-snippet", "server-snippet", "location-snippet", "stream-snippet", "global-auth-snippet"} {
		_, found := installation.Read(map[string]string{name: text})
		if found[0].Verdict != annotation.Refused {
			t.Errorf("%s: %+v", name, found)
		}
		read["key "+name] = found[0].Message
	}
	for name, said := range read {
		header := "proxy_set_header: a request-headers filter"
		if strings.HasSuffix(name, "auth-snippet") {
			header = "proxy_set_header: headers of an external-auth filter"
		}
		for _, want := range []string{header, "gzip: use-gzip of the ConfigMap", "no_such: nothing replaces it"} {
			if !strings.Contains(said, want) {
				t.Errorf("%s: %q does not say %q", name, said, want)
			}
		}
	}
}

func FuzzSnippet(f *testing.F) {
	f.Add(`add_header A "b;c"; location / { deny all; }`)
	r := annotation.NewReader("", annotation.Defaults())
	f.Fuzz(func(t *testing.T, text string) {
		if _, found := r.Read(map[string]string{annotation.DefaultPrefix + "/server-snippet": text}); len(found) != 1 || found[0].Verdict != annotation.Refused || len(found[0].Message) > 20_000 {
			t.Errorf("%+v", found)
		}
	})
}
