package annotation_test

import (
	"strings"
	"testing"

	"paifang/internal/source/kubernetes/annotation"
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

func FuzzSnippet(f *testing.F) {
	f.Add(`add_header A "b;c"; location / { deny all; }`)
	r := annotation.NewReader("", annotation.Defaults())
	f.Fuzz(func(t *testing.T, text string) {
		if _, found := r.Read(map[string]string{annotation.DefaultPrefix + "/server-snippet": text}); len(found) != 1 || found[0].Verdict != annotation.Refused || len(found[0].Message) > 20_000 {
			t.Errorf("%+v", found)
		}
	})
}
