package model

import (
	"strings"
	"testing"
)

func TestFastCGI(t *testing.T) {
	r := &FastCGIRequest{Script: "/a/index.php", Path: "/a/", Query: "q=1", Target: "/a/?q=1", Method: "GET", Host: "shop.test"}
	p := FastCGIParam{Name: "A", Value: "{method} {host}{path} /srv{script}?{query} {target}."}
	if got := p.Of(r); got != "GET shop.test/a/ /srv/a/index.php?q=1 /a/?q=1." {
		t.Error(got)
	}
	of := func(change func(*Upstream)) Upstream {
		u := Upstream{ID: "u", Endpoints: []EndpointsID{{Keeper: "manifest", Name: "a"}}, Protocol: FCGI, FastCGI: FastCGI{Index: "index.php", Params: []FastCGIParam{p}}}
		change(&u)
		return u
	}
	if err := of(func(*Upstream) {}).Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Upstream){
		"protocol is not fastcgi": func(u *Upstream) { u.Protocol = H2C },
		"tls.mode":                func(u *Upstream) { u.TLS.Mode = TLSAlways },
		"by tcp alone":            func(u *Upstream) { u.Health.Kind = HealthHTTP },
		"fastcgi.index":           func(u *Upstream) { u.FastCGI.Index = "a\n" },
		"at most 100":             func(u *Upstream) { u.FastCGI.Params = make([]FastCGIParam, 101) },
		"fastcgi.params[0].name":  func(u *Upstream) { u.FastCGI.Params = []FastCGIParam{{Name: "a b"}} },
		"has {nope}":              func(u *Upstream) { u.FastCGI.Params = []FastCGIParam{{Name: "A", Value: "x{nope}"}} },
		"has {script":             func(u *Upstream) { u.FastCGI.Params = []FastCGIParam{{Name: "A", Value: "x{script"}} },
	} {
		if err := of(change).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
