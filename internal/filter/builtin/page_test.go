package builtin

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestPage: every kind is on one of the pages, with every setting.
func TestPage(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/filters*.md")
	if err != nil || len(pages) < 5 {
		t.Fatal(pages, err)
	}
	sections := map[string]string{}
	for _, p := range pages {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Split(string(text), "\n## ")[1:] {
			title, body, _ := strings.Cut(s, "\n")
			for kind := range strings.SplitSeq(title, ", ") {
				sections[kind] = body
			}
		}
	}
	limits := sections["rate-limit"]
	for kind, config := range map[string]any{
		"redirect": Redirect{}, "respond": Respond{}, "cors": CORS{}, "addresses": Addresses{}, "basic-auth": BasicAuth{}, "digest-auth": DigestAuth{}, "external-auth": ExternalAuth{},
		"client-certificate": ClientCertificate{}, "rate-limit": RateLimit{}, "concurrency-limit": ConcurrencyLimit{}, "body-limit": BodyLimit{}, "buffer-request": BufferRequest{},
		"circuit-breaker": CircuitBreaker{}, "retry": Retry{}, "timeout": Timeout{}, "tell-failure": TellFailure{}, "reroute": Reroute{}, "response-cache": ResponseCache{}, "fault": Fault{}, "mirror": Mirror{}, "jwt": JWT{}, "compress": Compress{}, "remove-json-attributes": RemoveJSON{}, "json-to-grpc": JSONToGRPC{},
		"strip-prefix": StripPrefix{}, "prefix-path": PrefixPath{}, "set-path": SetPath{}, "rewrite-path": RewritePath{}, "request-headers": Headers{}, "response-headers": Headers{}, "header-limit": HeaderLimit{}, "api-version": APIVersion{},
	} {
		body, ok := sections[kind]
		if _, exists := Kinds().Kind(kind); !ok || !exists {
			t.Errorf("%s has no section, or is no kind", kind)
			continue
		}
		if kind == "concurrency-limit" {
			body += limits
		}
		v := reflect.TypeOf(config)
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(body, "`"+name+"`") && !strings.Contains(body, "`"+name+".") {
				t.Errorf("%s: the page does not tell of %s", kind, name)
			}
		}
	}
	for _, k := range Kinds() {
		if sections[k.Name()] == "" && !strings.Contains(sections["Paths"], "`"+k.Name()+"`") {
			t.Errorf("the page does not tell of %s", k.Name())
		}
	}
}
