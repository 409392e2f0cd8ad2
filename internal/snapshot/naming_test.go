package snapshot

import (
	"testing"

	"paifang/internal/model"
)

// namingRequest has one header, a host and variables.
type namingRequest struct {
	header, host string
	variables    map[string]string
}

func (q namingRequest) LookupValue(_ Place, _ string, _ int) (string, bool) {
	return q.header, q.header != ""
}
func (q namingRequest) LookupHost() string { return q.host }
func (q namingRequest) LookupVariable(name string) (string, bool) {
	v, ok := q.variables[name]
	return v, ok
}

func TestNaming(t *testing.T) {
	targets := func(weight int) []model.Target {
		return []model.Target{{Upstream: "a", Weight: weight, URIs: []string{"http://a.test"}}, {Upstream: "b", URIs: []string{"https://b.test:8443", "lb://b"}}}
	}
	header, must := model.Naming{Header: "X-To"}, model.Naming{Template: "{scheme}://{name}/v{n}?a=b"}
	hosts := model.Naming{Template: "lb://{name}", Hosts: []string{`(?P<name>[^.]+)\.one`, `(?P<name>b)\.two|(?P<other>c)\.two`}}
	v := func(scheme, name string) namingRequest {
		return namingRequest{variables: map[string]string{"scheme": scheme, "name": name, "n": "1"}}
	}
	for i, c := range []struct {
		naming model.Naming
		weight int
		q      namingRequest
		want   Named
		code   model.Code
	}{
		{header, 1, namingRequest{header: "http://A.test:80/x/y?q=1"}, Named{0, "/x/y", "q=1"}, ""},
		{header, 1, namingRequest{header: "https://b.test:8443"}, Named{1, "/", ""}, ""},
		{header, 1, namingRequest{}, Named{Target: -1}, ""},
		{header, 0, namingRequest{}, Named{}, CodeTargetMissing},
		{header, 1, namingRequest{header: "https://b.test"}, Named{}, CodeTargetUnknown},
		{header, 1, namingRequest{header: "lb://B"}, Named{}, CodeTargetUnknown},
		{header, 1, namingRequest{header: "b.test"}, Named{}, CodeTargetInvalid},
		{must, 0, v("https", "b.test:8443"), Named{1, "/v1", "a=b"}, ""},
		{must, 0, v("http", "a.test/.."), Named{0, "/../v1", "a=b"}, ""}, // the engine takes what is left of it
		{must, 0, v("http", "evil.test#@a.test"), Named{}, CodeTargetUnknown},
		{must, 0, v("http", "evil.test%2f"), Named{}, CodeTargetInvalid},
		{must, 0, namingRequest{}, Named{}, CodeTargetInvalid},
		{hosts, 0, namingRequest{host: "b.one"}, Named{1, "/", ""}, ""},
		{hosts, 0, namingRequest{host: "b.two"}, Named{1, "/", ""}, ""},
		{hosts, 0, namingRequest{host: "a.one"}, Named{}, CodeTargetUnknown},
		{hosts, 0, namingRequest{host: "b.one.evil"}, Named{}, CodeTargetInvalid},
		{hosts, 0, namingRequest{host: "b.one", variables: map[string]string{"name": "x"}}, Named{}, CodeTargetUnknown}, // of the path first
	} {
		r := model.Route{ID: "r", Attach: []model.Class{"web"}, Action: model.Forward{Targets: targets(c.weight), Naming: &c.naming}}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		out, err := NewRoute(&r)
		if err != nil {
			t.Fatal(err)
		}
		if got, code := out.Naming.Decide(c.q); got != c.want || code != c.code {
			t.Errorf("%d: %+v %q, want %+v %q", i, got, code, c.want, c.code)
		}
	}
}
