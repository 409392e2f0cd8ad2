package builtin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// TestDoubts: what is served and hardly does what was meant is said when the configuration is read, and nothing is said of the rest.
func TestDoubts(t *testing.T) {
	cors := specOf("cors", `{"origins":["https://shop.test"]}`)
	users := func(kind, list string) model.FilterSpec {
		return model.FilterSpec{Kind: kind, Config: []byte(`{"realm":"r"}`), Secret: "shop/users", Data: model.NewSecretData(map[string]string{"auth": list})}
	}
	good := users("basic-auth", "ann:"+bcryptOfSecret)
	list := func(s ...model.FilterSpec) []model.FilterSpec { return s }
	for _, c := range []struct {
		filters []model.FilterSpec
		want    string // "" = nothing
	}{
		{list(cors, good), ""},
		{list(good, cors), "1 filter cors: it stands behind basic-auth (filters[0])"},
		{list(users("digest-auth", "ann:r:"+strings.Repeat("0", 32)), cors), "1 filter cors: it stands behind digest-auth"},
		{list(specOf("jwt", `{"issuer":"x","url":"https://login.test/keys"}`), cors), "1 filter cors: it stands behind jwt"},
		{list(specOf("jwt", `{"issuer":"x","url":"https://login.test/keys","optional":true}`), cors), ""},
		{list(users("basic-auth", "ann:$6$x$y\n")), "0 filter basic-auth: nobody can log in: "},
		{list(users("basic-auth", "\n")), "0 filter basic-auth: nobody can log in: the list is empty"},
		{list(users("digest-auth", "nonsense")), "0 filter digest-auth: nobody can log in: "},
		{list(users("digest-auth", "ann:other:"+strings.Repeat("0", 32))), `0 filter digest-auth: nobody can log in: the list has nobody of realm "r"`},
		{list(specOf("jwt", `{"issuer":"x","url":"http://169.254.169.254/keys"}`)), "0 filter jwt: url: 169.254.169.254 is the address of a link"},
		{list(specOf("jwt", `{"issuer":"x","url":"http://169.254.169.254/keys","loopback":true}`)), "0 filter jwt: url: 169.254.169.254 is"},
		{list(specOf("jwt", `{"issuer":"x","url":"http://[::1]:80/keys"}`)), "0 filter jwt: url: ::1 is this machine"},
		{list(specOf("jwt", `{"issuer":"x","url":"http://[::1]/keys","loopback":true}`)), ""},
		{list(specOf("redirect", `{"path":"/new{id}"}`)), ""},
		{list(specOf("external-auth", `{"url":"http://127.0.0.1{uri}"}`)), "0 filter external-auth: url: 127.0.0.1 is this machine"},
		{list(specOf("external-auth", `{"url":"http://LOCALHOST:9000/x"}`)), "0 filter external-auth: url: LOCALHOST is this machine"},
		{list(specOf("external-auth", `{"url":"http://{host}/x"}`)), ""},
		{list(specOf("external-auth", `{"url":"http://10.0.0.1/x"}`)), ""},
		{list(specOf("external-auth", `{"url":"http://10.0.0.1/x?for={uri}"}`)), "0 filter external-auth: url: {uri} stands in its query"},
		{list(specOf("external-auth", `{"url":"http://10.0.0.1/x?for={path}"}`)), "0 filter external-auth: url: {path} stands in its query"},
		{list(specOf("external-auth", `{"url":"http://10.0.0.1{path}?for={escaped-uri}"}`)), ""},
		{list(specOf("mirror", `{"targets":[{"url":"http://10.0.0.1"},{"url":"https://[fe80::1]"}]}`)), "0 filter mirror: targets[1].url: [fe80::1] is the address of a link"},
		{list(specOf("rate-limit", `{"requests":1,"redis":{"addresses":["127.0.0.1:6379"]}}`)), ""},
		{list(specOf("rate-limit", `{"requests":1,"redis":{"addresses":["127.0.0.1:6379"],"outside":true}}`)), "0 filter rate-limit: redis.addresses[0]: 127.0.0.1 is this machine"},
		{list(specOf("rate-limit", `{"requests":1,"redis":{"addresses":["169.254.0.1:6379"]}}`)), "0 filter rate-limit: redis.addresses[0]: 169.254.0.1 is"},
	} {
		got, _, _ := Kinds().CheckRoute(c.filters, []string{"id"})
		if c.want == "" {
			if len(got) > 0 {
				t.Errorf("%v: %+v", c.filters, got)
			}
			continue
		}
		if len(got) != 1 || got[0].Severity != model.Warning || got[0].Code != model.CodeFilterDoubtful || !strings.HasPrefix(fmt.Sprint(got[0].At, " ", got[0].Message), c.want) {
			t.Errorf("%v: %+v, want %s", c.filters, got, c.want)
		}
	}
}

// TestUnknownVariables: a variable that the route does not have refuses the route, with those that it has; behind a backslash it is text.
func TestUnknownVariables(t *testing.T) {
	list := func(s ...model.FilterSpec) []model.FilterSpec { return s }
	cors := specOf("cors", `{"origins":["https://shop.test"]}`)
	for _, c := range []struct {
		filters []model.FilterSpec
		want    string
	}{
		{list(specOf("redirect", `{"path":"/new{x}"}`)), `0 filter redirect: {x} in "/new{x}" is no variable`},
		{list(cors, specOf("request-headers", `{"set":[{"name":"X-A","value":"{id} {\"a\":1} {}"},{"name":"X-B","value":"{id}{nope}"}]}`)), "1 filter request-headers: {nope} in"},
		{list(specOf("request-query", `{"add":[{"name":"a","value":"{q}"}]}`)), "0 filter request-query: {q} in"},
		{list(specOf("set-path", `{"template":"/{p}"}`)), "0 filter set-path: {p} in"},
		{list(specOf("prefix-path", `{"prefix":"/{p}"}`)), "0 filter prefix-path: {p} in"},
		{list(specOf("circuit-breaker", `{"fallback":{"path":"/{f}"}}`)), "0 filter circuit-breaker: {f} in"},
	} {
		got, _, _ := Kinds().CheckRoute(c.filters, []string{"", "id", "sub"})
		if len(got) != 1 || got[0].Severity != model.Error || got[0].Code != model.CodeInvalidFilter || !strings.HasPrefix(fmt.Sprint(got[0].At, " ", got[0].Message), c.want) ||
			!strings.HasSuffix(got[0].Message, "which has id, sub") {
			t.Errorf("%+v, want %s", got, c.want)
		}
	}
	if got, _, _ := Kinds().CheckRoute(list(specOf("redirect", `{"path":"/{x}"}`)), nil); len(got) != 1 || !strings.HasSuffix(got[0].Message, "which has none") {
		t.Errorf("%+v", got)
	}
	quoted := list(specOf("redirect", `{"location":"/a?b=\\{x}"}`), specOf("response-headers", `{"set":[{"name":"Link-Template","value":"</\\{x}>"}]}`))
	if got, _, _ := Kinds().CheckRoute(quoted, nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := newPolicy(t, filter.NewShared(), quoted[0]).ask("192.0.2.1", "GET /").Response.Fields.Get("Location"); got != "/a?b={x}" {
		t.Errorf("it leads to %q", got)
	}
}

// TestRerouted: which paths filters may have requests looked up again with, as far as that is known before there are any.
func TestRerouted(t *testing.T) {
	_, paths, _ := Kinds().CheckRoute([]model.FilterSpec{
		specOf("strip-prefix", `{"parts":1}`), specOf("reroute", `{"path":"/a"}`), specOf("reroute", ``),
		specOf("circuit-breaker", `{"fallback":{"path":"/b"}}`), specOf("circuit-breaker", `{"fallback":{"path":"/b/{id}"}}`),
		specOf("circuit-breaker", `{"fallback":{"status":500}}`), specOf("circuit-breaker", ``),
	}, []string{"id"})
	if want := []model.FilterPath{{At: 1, Path: "/a"}, {At: 3, Path: "/b"}}; !slices.Equal(paths, want) {
		t.Errorf("%v, want %v", paths, want)
	}
}

// TestReplacements that name a group which the expression does not have, or that no header can have, are refused.
func TestReplacements(t *testing.T) {
	for replacement, taken := range map[string]bool{
		"/a": true, "/$1": true, "/${1}x": true, "/$rest": true, "/${rest}/": true, "/$0": true, "/$$9": true, "/$": true, "/$/": true, "/${": true,
		"/$2": false, "/${2}": false, "/$1x": false, "/${nope}": false, "/$nope": false, "/$$$9": false, "/$01": false, "/$1é": false,
	} {
		for _, s := range []model.FilterSpec{
			specOf("rewrite-path", fmt.Sprintf(`{"regexp":"/(?P<rest>.*)","replacement":%q}`, replacement)),
			specOf("rewrite-response-header", fmt.Sprintf(`{"name":"X-A","regexp":"/(?P<rest>.*)","replacement":%q}`, replacement)),
		} {
			if code, err := Kinds().Check(s); (err == nil) != taken || !taken && (code != model.CodeInvalidFilter || !strings.Contains(err.Error(), "replacement: the expression has no group")) {
				t.Errorf("%s: %s %v", s.Config, code, err)
			}
		}
	}
	if _, err := Kinds().Check(specOf("rewrite-response-header", `{"name":"X-A","regexp":"a","replacement":"b\r\nX-Evil: 1"}`)); err == nil || !strings.Contains(err.Error(), "line break") {
		t.Error(err)
	}
}
