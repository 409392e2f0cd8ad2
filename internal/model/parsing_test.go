package model

import (
	"net/netip"
	"testing"
)

func TestParsingIsValidated(t *testing.T) {
	for _, c := range []struct {
		p     Parsing
		field string
	}{
		{Parsing{}, ""},
		{Parsing{Underscores: UnderscoresAllow, Slashes: SlashesKeep, EncodedSlashes: EncodedSlashesDecode, Head: 8192, Line: 4096, Fields: 50}, ""},
		{Parsing{Head: MaxHead, Line: MaxHead, Fields: MaxFields}, ""},
		{Parsing{Underscores: "ignore"}, "parsing.underscores"},
		{Parsing{Slashes: "fold"}, "parsing.slashes"},
		{Parsing{EncodedSlashes: "drop"}, "parsing.encodedSlashes"},
		{Parsing{Head: 100}, "parsing.head"},
		{Parsing{Head: MaxHead + 1}, "parsing.head"},
		{Parsing{Head: -1}, "parsing.head"},
		{Parsing{Line: -1}, "parsing.line"},
		{Parsing{Line: MaxHead + 1}, "parsing.line"},
		{Parsing{Fields: -1}, "parsing.fields"},
		{Parsing{Fields: MaxFields + 1}, "parsing.fields"},
	} {
		l := Listener{ID: "l", Protocol: HTTP, Bind: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}, Parsing: c.p}
		err := l.Validate()
		field := ""
		if f, ok := err.(*FieldError); ok {
			field = f.Field
		}
		if field != c.field || (err == nil) != (c.field == "") {
			t.Errorf("%+v: %v, want a fault in %q", c.p, err, c.field)
		}
	}
	e := Parsing{Head: 8192}.Effective()
	if e != (Parsing{UnderscoresRefuse, SlashesMerge, EncodedSlashesRedirect, 8192, 8192, 100}) {
		t.Errorf("%+v", e)
	}
}

func TestHopsNeedTrust(t *testing.T) {
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80")}
	for _, c := range []struct {
		trust Trust
		ok    bool
	}{
		{Trust{}, true}, {Trust{Hops: 1}, false}, {Trust{Hops: 1, ForwardedFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, true},
		{Trust{Hops: MaxHops + 1, ForwardedFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, false}, {Trust{Hops: -1}, false},
	} {
		if err := (Listener{ID: "l", Protocol: HTTP, Bind: at, Trust: c.trust}).Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.trust, err)
		}
	}
}

func TestLocationsStayOnTheirHost(t *testing.T) {
	for location, ok := range map[string]bool{"/a": true, "https://a.test/": true, "": false, "//evil.test/": false, `/\evil.test/`: false} {
		r := Route{ID: "r", Attach: []Class{"c"}, Action: Redirect{Status: 302, Location: location}}
		if err := r.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", location, err)
		}
	}
}
