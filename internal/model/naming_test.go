package model

import (
	"errors"
	"strings"
	"testing"
)

func TestNamedURI(t *testing.T) {
	for in, want := range map[string][2]string{
		"http://a.test": {"http://a.test", ""}, "HTTP://A.Test:80/x?y=%20#z": {"http://a.test", "/x?y=%20"}, "wss://a.test:443?q": {"https://a.test", "?q"},
		"ws://a.test.:8080/": {"http://a.test:8080", "/"}, "https://[::1]:8443/a": {"https://[::1]:8443", "/a"}, "https://a.test:80": {"https://a.test:80", ""},
		"lb://Order/x": {"lb://Order", "/x"}, "http://a.test#x": {"http://a.test", ""}, "http://a.test//b": {"http://a.test", "//b"},
		// None of these may be taken for a host that is declared.
		"": {}, "a.test": {}, "//a.test": {}, "http:a.test": {}, "http://": {}, "http:///x": {}, "http://a.test@evil.test": {}, "http://u:p@a.test/": {},
		"http://a.test\\@evil.test": {}, "http://a.test\n": {}, " http://a.test": {}, "http://a%2etest": {}, "http://a.test:x": {}, "http://[::1": {}, "http://:80": {}, "http://ä.test": {},
	} {
		named, rest, ok := NamedURI(in)
		if named != want[0] || rest != want[1] || ok != (want[0] != "") {
			t.Errorf("%q: %q %q %v, want %q", in, named, rest, ok, want)
		}
	}
}

func TestNaming(t *testing.T) {
	good := func() Forward {
		return Forward{Naming: &Naming{Header: "X-To"}, Targets: []Target{{Upstream: "a", Weight: 1, URIs: []string{"http://a.test"}},
			{Upstream: "b", URIs: []string{"https://b.test:8443", "lb://b"}, Host: HostLiteral, HostName: "b.test"}, {Upstream: "c", URIs: []string{"lb://c"}, Host: HostEndpoint}}}
	}
	for field, change := range map[string]func(*Forward){
		"":                           func(*Forward) {},
		"forward.naming":             func(f *Forward) { f.Naming.Template = "lb://{a}" },
		"forward.naming.header":      func(f *Forward) { f.Naming.Header = "X To" },
		"forward.naming.hosts[1]":    func(f *Forward) { f.Naming.Hosts = []string{"a", "("} },
		"forward.targets[0].uris[0]": func(f *Forward) { f.Naming = nil },
		"forward.targets[0].uris[1]": func(f *Forward) { f.Targets[0].URIs = append(f.Targets[0].URIs, "http://A.test/") },
		"forward.targets[1].uris[1]": func(f *Forward) { f.Targets[1].URIs[1] = "http://a.test" },
		"forward.targets[1].uris[1023]": func(f *Forward) {
			f.Targets[1].URIs = nil
			for i := range 1025 {
				f.Targets[1].URIs = append(f.Targets[1].URIs, "lb://"+strings.Repeat("x", i+1))
			}
		},
		"forward.targets[1].host": func(f *Forward) { f.Targets[1].HostName = "" },
		"forward.targets[2].host": func(f *Forward) { f.Targets[2].URIs = nil },
	} {
		f := good()
		change(&f)
		err := Route{ID: "r", Attach: []Class{"c"}, Action: f}.Validate()
		var at *FieldError
		if field == "" && err != nil || field != "" && (!errors.As(err, &at) || at.Field != field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	f := good()
	f.Targets = []Target{{Upstream: "a"}}
	if err := (Route{ID: "r", Attach: []Class{"c"}, Action: f}).Validate(); err == nil || !strings.Contains(err.Error(), "no target has a URI") {
		t.Error(err)
	}
}
