package httpproxy

import (
	"net/netip"
	"strings"
	"testing"

	"paifang/internal/model"
)

// identityFields are what the upstream is told about the client, in the order in which the tables name them.
var identityFields = [...]string{"x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix", "forwarded", "x-request-id", "x-paifang-node"}

// claims are what a client may say about itself.
func claims() []string {
	return []string{
		"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test", "X-Forwarded-Port: 66.6", "X-Forwarded-Prefix: /evil", "X-Forwarded-Server: evil",
		"X-Forwarded-Scheme: https", "X-Forwarded-Ssl: on", "X-Forwarded-Client-Cert: evil", "X-Forwarded-Anything: evil", "Forwarded: for=6.6.6.6;host=evil.test;proto=https", "X-Real-IP: 6.6.6.6",
		"X-Request-ID: forged", "X-Original-URL: /admin", "X-Original-Host: evil.test", "X-Original-Forwarded-For: 6.6.6.6", "X-Rewrite-URL: /admin", "X-Scheme: https",
		"SSL-Client-Verify: SUCCESS", "SSL-Client-Subject-DN: CN=evil", "SSL-Client-Cert: evil", "Client-Cert: :evil:", "Client-Cert-Chain: :evil:", "X-SSL-Client-CN: evil", "X-Client-Cert: evil",
		"Proxy: http://evil.test", "X-Paifang-Node: evil",
	}
}

// TestNothingOfAnUntrustedClientSurvives: whatever it says about itself is gone, in every spelling, however often, and
// whether it names it in Connection or not; what the gateway says stands there once.
func TestNothingOfAnUntrustedClientSurvives(t *testing.T) {
	var names []string
	for _, c := range claims() {
		name, _, _ := strings.Cut(c, ":")
		names = append(names, name)
	}
	respell := func(change func(string) string) []string {
		var out []string
		for _, c := range claims() {
			name, value, _ := strings.Cut(c, ":")
			out = append(out, change(name)+":"+value)
		}
		return out
	}
	for what, c := range map[string]struct {
		fields  []string
		parsing model.Parsing
	}{
		"plain":                {fields: claims()},
		"upper case":           {fields: respell(strings.ToUpper)},
		"lower case":           {fields: respell(strings.ToLower)},
		"twice":                {fields: append(claims(), respell(strings.ToLower)...)},
		"named in Connection":  {fields: append(claims(), "Connection: "+strings.Join(names, ", "))},
		"named before":         {fields: append([]string{"Connection: close, " + strings.Join(names, ",")}, claims()...)},
		"Host named":           {fields: append(claims(), "Connection: Host, X-Paifang-Via, X-Paifang-Node")},
		"underscores, allowed": {fields: respell(func(s string) string { return strings.ReplaceAll(s, "-", "_") }), parsing: model.Parsing{Underscores: model.UnderscoresAllow}},
		"one underscore, allowed": {fields: append(claims(), respell(func(s string) string { return strings.Replace(s, "-", "_", 1) })...),
			parsing: model.Parsing{Underscores: model.UnderscoresAllow}},
		"underscores, dropped": {fields: respell(func(s string) string { return strings.ReplaceAll(s, "-", "_") }), parsing: model.Parsing{Underscores: model.UnderscoresDrop}},
	} {
		t.Run(what, func(t *testing.T) {
			s, rec := simple(t, echo, func(s *stand, _ *Config) { s.listeners[0].Parsing = c.parsing })
			h := s.dial().send(get("/", append(c.fields, "A: b")...)).receive("GET").echoed(t).Head
			_, port, _ := strings.Cut(s.addr("front"), ":")
			for i, want := range [...]string{"127.0.0.1", "127.0.0.1", "http", "shop.test", port, "", "", h["x-request-id"], "node-1"} {
				if h[identityFields[i]] != want {
					t.Errorf("%s is %q, want %q", identityFields[i], h[identityFields[i]], want)
				}
			}
			if len(h["x-request-id"]) != 32 || h["a"] != "b" || h["host"] != "shop.test" {
				t.Errorf("%v", h)
			}
			for _, bad := range []string{"evil", "6.6.6.6", "66.6", "forged", "SUCCESS", "/admin", "https"} {
				if seen := rec.seen(); strings.Contains(seen, bad) {
					t.Errorf("%q survives: %q", bad, seen)
				}
			}
		})
	}
}

// TestChains: what a trusted proxy in front says is believed as far as it can know it. The peer is 127.0.0.1.
func TestChains(t *testing.T) {
	t.Parallel()
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, p := range list {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	by := model.Trust{ForwardedFrom: prefixes("127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32")}
	hops := func(n int) model.Trust { return model.Trust{ForwardedFrom: prefixes("127.0.0.1/32"), Hops: n} }
	for _, c := range []struct {
		name      string
		trust     model.Trust
		fields    []string
		chain     string
		client    string
		forwarded string
	}{
		{"nothing", by, nil, "127.0.0.1", "127.0.0.1", ""},
		{"one", by, []string{"X-Forwarded-For: 9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"forged in front", by, []string{"X-Forwarded-For: 6.6.6.6, 9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"trusted address forged in front", by, []string{"X-Forwarded-For: 10.0.0.9, 9.9.9.9, 10.0.0.1"}, "9.9.9.9, 10.0.0.1, 127.0.0.1", "9.9.9.9", ""},
		{"all trusted", by, []string{"X-Forwarded-For: 10.0.0.2, 10.0.0.1"}, "10.0.0.2, 10.0.0.1, 127.0.0.1", "10.0.0.2", ""},
		{"two fields", by, []string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"empty entries", by, []string{"X-Forwarded-For: 9.9.9.9,, ,10.0.0.1,"}, "9.9.9.9,, ,10.0.0.1, 127.0.0.1", "9.9.9.9", ""},
		{"empty", by, []string{"X-Forwarded-For:"}, "127.0.0.1", "127.0.0.1", ""},
		{"mapped address", by, []string{"X-Forwarded-For: 9.9.9.9, ::ffff:10.0.0.1"}, "9.9.9.9, ::ffff:10.0.0.1, 127.0.0.1", "9.9.9.9", ""},
		{"IPv6 with a port", by, []string{"X-Forwarded-For: 9.9.9.9, [2001:db8::1]:80"}, "9.9.9.9, [2001:db8::1]:80, 127.0.0.1", "9.9.9.9", ""},
		{"no address", by, []string{"X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.1"}, "unknown, 10.0.0.1, 127.0.0.1", "10.0.0.1", ""},
		{"zone", by, []string{"X-Forwarded-For: fe80::1%eth0"}, "fe80::1%eth0, 127.0.0.1", "127.0.0.1", ""},
		{"very long", by, []string{"X-Forwarded-For: " + strings.Repeat("6.6.6.6, ", 2000) + "9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"hop", hops(1), []string{"X-Forwarded-For: 6.6.6.6, 9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"two hops", hops(2), []string{"X-Forwarded-For: 6.6.6.6, 9.9.9.9, 172.16.0.1"}, "9.9.9.9, 172.16.0.1, 127.0.0.1", "9.9.9.9", ""},
		{"fewer entries than hops", hops(3), []string{"X-Forwarded-For: 9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"hops, and no address", hops(3), []string{"X-Forwarded-For: 6.6.6.6, x, 9.9.9.9"}, "x, 9.9.9.9, 127.0.0.1", "9.9.9.9", ""},
		{"hops that are not trusted", model.Trust{ForwardedFrom: prefixes("10.0.0.0/8"), Hops: 1}, []string{"X-Forwarded-For: 6.6.6.6"}, "127.0.0.1", "127.0.0.1", ""},

		{"Forwarded alone", by, []string{"Forwarded: for=9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", `for=9.9.9.9, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded, forged in front", by, []string{`Forwarded: for=6.6.6.6;host=evil.test, for="9.9.9.9:80";proto=https, For="[2001:db8::1]"`}, "9.9.9.9, 127.0.0.1", "9.9.9.9",
			`for="9.9.9.9:80";proto=https, For="[2001:db8::1]", for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded in two fields", by, []string{"Forwarded: for=6.6.6.6", "forwarded: for=9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", `for=9.9.9.9, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded with a comma in quotes", by, []string{`Forwarded: for=6.6.6.6, host="a, for=10.0.0.9";for=9.9.9.9`}, "9.9.9.9, 127.0.0.1", "9.9.9.9",
			`host="a, for=10.0.0.9";for=9.9.9.9, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded with a semicolon in quotes", by, []string{`Forwarded: host="a;for=6.6.6.6;b";for=9.9.9.9`}, "9.9.9.9, 127.0.0.1", "9.9.9.9",
			`host="a;for=6.6.6.6;b";for=9.9.9.9, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded, hidden", by, []string{"Forwarded: for=6.6.6.6, for=_gateway"}, "127.0.0.1", "127.0.0.1", `for=_gateway, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded without an end", by, []string{`Forwarded: for="9.9.9.9`}, "127.0.0.1", "127.0.0.1", ""},
		{"Forwarded beside the older field", by, []string{"X-Forwarded-For: 9.9.9.9", "Forwarded: for=6.6.6.6, for=9.9.9.9, for=10.0.0.1"}, "9.9.9.9, 127.0.0.1", "9.9.9.9",
			`for=9.9.9.9, for=10.0.0.1, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded of hops", hops(1), []string{"Forwarded: for=6.6.6.6, for=9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", `for=9.9.9.9, for=127.0.0.1;proto=http;host="shop.test"`},
		{"very long Forwarded", by, []string{"Forwarded: " + strings.Repeat("for=6.6.6.6,", 2000) + "for=9.9.9.9"}, "9.9.9.9, 127.0.0.1", "9.9.9.9", `for=9.9.9.9, for=127.0.0.1;proto=http;host="shop.test"`},
		{"Forwarded of nobody trusted", model.Trust{}, []string{"Forwarded: for=6.6.6.6"}, "127.0.0.1", "127.0.0.1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := simple(t, echo, func(s *stand, _ *Config) { s.listeners[0].Trust = c.trust })
			h := s.dial().send(get("/", c.fields...)).receive("GET").echoed(t).Head
			if h["x-forwarded-for"] != c.chain || h["x-real-ip"] != c.client || h["forwarded"] != c.forwarded {
				t.Errorf("chain %q, client %q, Forwarded %q\nwant  %q,        %q,           %q", h["x-forwarded-for"], h["x-real-ip"], h["forwarded"], c.chain, c.client, c.forwarded)
			}
			if a := s.last(1); a.Client.String() != c.client {
				t.Errorf("client %v in the log", a.Client)
			}
		})
	}
}

// TestTrustedValuesAreChecked: a trusted proxy's word is taken once, and only if it says something that can be so.
func TestTrustedValuesAreChecked(t *testing.T) {
	s, _ := simple(t, echo, func(s *stand, _ *Config) {
		s.listeners[0].Trust.ForwardedFrom = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		s.listeners[0].Parsing.Underscores = model.UnderscoresAllow
	})
	_, port, _ := strings.Cut(s.addr("front"), ":")
	c := s.dial()
	for _, x := range []struct{ field, name, want string }{
		{"X-Forwarded-Proto: https", "x-forwarded-proto", "https"},
		{"X-Forwarded-Proto: HTTPS", "x-forwarded-proto", "https"},
		{"X-Forwarded-Proto: https, http", "x-forwarded-proto", "http"},
		{"X-Forwarded-Proto: javascript", "x-forwarded-proto", "http"},
		{"X-Forwarded-Proto: https\r\nx-forwarded-proto: http", "x-forwarded-proto", "https"},
		{"X-Forwarded-Host: Outer.test:8443", "x-forwarded-host", "outer.test:8443"},
		{"X-Forwarded-Host: a.test, b.test", "x-forwarded-host", "shop.test"},
		{"X-Forwarded-Host: a@b", "x-forwarded-host", "shop.test"},
		{"Forwarded: for=9.9.9.9;proto=https;host=outer.test", "x-forwarded-proto", "https"},
		{"Forwarded: for=9.9.9.9;Proto=HTTPS", "x-forwarded-proto", "https"},
		{`Forwarded: for=_hidden;proto="https"`, "x-forwarded-proto", "https"},
		{"Forwarded: for=6.6.6.6;proto=https, for=9.9.9.9;proto=http", "x-forwarded-proto", "http"},
		{"Forwarded: for=6.6.6.6;proto=https, for=9.9.9.9", "x-forwarded-proto", "http"},
		{`Forwarded: for=9.9.9.9;host="a;proto=https;b"`, "x-forwarded-proto", "http"},
		{"Forwarded: for=9.9.9.9;proto=https\r\nX-Forwarded-Proto: http", "x-forwarded-proto", "http"},
		{"Forwarded: for=9.9.9.9;proto=https\r\nX-Forwarded-For: 9.9.9.9", "x-forwarded-proto", "http"},
		{`Forwarded: for=9.9.9.9;host="Outer.test:8443"`, "x-forwarded-host", "outer.test:8443"},
		{"Forwarded: for=9.9.9.9;host=a@b", "x-forwarded-host", "shop.test"},
		{"Forwarded: for=9.9.9.9;host=evil.test\r\nX-Forwarded-For: 9.9.9.9", "x-forwarded-host", "shop.test"},
		{"X-Forwarded-Port: 8443", "x-forwarded-port", "8443"},
		{"X-Forwarded-Port: 0", "x-forwarded-port", port},
		{"X-Forwarded-Port: +1", "x-forwarded-port", port},
		{"X-Forwarded-Port: 65536", "x-forwarded-port", port},
		{"X-Forwarded-Port: 80a", "x-forwarded-port", port},
		{"X-Forwarded-Prefix: /shop", "x-forwarded-prefix", "/shop"},
		{"X-Forwarded-Prefix: /a, /b", "x-forwarded-prefix", "/a, /b"},
		{"X-Forwarded-Prefix: //evil.test", "x-forwarded-prefix", ""},
		{"X-Forwarded-Prefix: /a, //evil.test", "x-forwarded-prefix", ""},
		{`X-Forwarded-Prefix: /\evil.test`, "x-forwarded-prefix", ""},
		{"X-Forwarded-Prefix: https://evil.test", "x-forwarded-prefix", ""},
		{"X-Forwarded-Prefix: evil", "x-forwarded-prefix", ""},
		{"X_Forwarded_Prefix: /evil", "x_forwarded_prefix", ""},
		{"X_Real_IP: 6.6.6.6", "x_real_ip", ""},
		{"X_Other: b", "x_other", "b"},
		{"X-Forwarded-Client-Cert: By=a", "x-forwarded-client-cert", "By=a"},
		{"Proxy: http://evil.test", "proxy", ""},
		{"X-Request-ID: abc", "x-request-id", "abc"},
	} {
		if h := c.send(get("/", x.field)).receive("GET").echoed(t).Head; h[x.name] != x.want {
			t.Errorf("%s: %s is %q, want %q", x.field, x.name, h[x.name], x.want)
		}
	}
}
