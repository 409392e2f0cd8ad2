package http1

import (
	"errors"
	"strings"
	"testing"
)

// parseRequest parses text whole, and again byte by byte, and fails if the two differ.
func parseRequest(t testing.TB, text string, lim *Limits) (*Request, int, error) {
	t.Helper()
	whole, pieces := new(Request), new(Request)
	whole.Reset()
	pieces.Reset()
	n, err := whole.Parse([]byte(text), lim)
	for i := max(0, len(text)-4096); i <= len(text); i++ {
		// A fresh buffer each time: no view of an earlier one may be used.
		m, perr := pieces.Parse([]byte(text[:i]), lim)
		if perr == ErrNeedMore && i < len(text) {
			continue
		}
		if perr != err || m != n {
			// Pieces may see a fault earlier than the whole does, never accept what the whole refuses or the other way.
			if (perr == nil) != (err == nil) || errors.Is(perr, ErrNeedMore) != errors.Is(err, ErrNeedMore) {
				t.Fatalf("%q: in pieces %d, %v; whole %d, %v", text, m, perr, n, err)
			}
		}
		break
	}
	return whole, n, err
}

const hostLine = "Host: shop.test\r\n"

func TestRequestFaults(t *testing.T) {
	key := "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	line := func(l string) string { return l + "\r\n" + hostLine + "\r\n" }
	with := func(f string) string { return "GET / HTTP/1.1\r\n" + hostLine + f + "\r\n" }
	post := func(f string) string { return "POST / HTTP/1.1\r\n" + hostLine + f + "\r\n" }
	for _, c := range []struct {
		in   string
		want Fault
	}{
		// The request line.
		{"GET / HTTP/1.1\nHost: shop.test\n\n", BareLF},
		{"GET / HTTP/1.1\n", BareLF},
		{"\n", BareLF},
		{"\r\n\r\nGET / HTTP/1.1\r\n", BadRequestLine},
		{"\x16\x03\x01\x02\x00\x01\x00", BadRequestLine},
		{line("GET / HTTP/1.2"), UnsupportedVersion},
		{line("GET / HTTP/2.0"), UnsupportedVersion},
		{line("GET / HTTP/0.9"), UnsupportedVersion},
		{line("GET / HTTP/1.10"), BadVersion},
		{line("GET / http/1.1"), BadVersion},
		{line("GET / HTTP/1.1 "), BadVersion},
		{line("GET / HTTP/1."), BadVersion},
		{line("GET / HTTQ/1.1"), BadVersion},
		{line("GET / "), BadVersion},
		{line("GET /"), BadVersion},
		{line("GET"), BadRequestLine},
		{line("GET "), BadRequestLine},
		{line("GET  / HTTP/1.1"), BadRequestLine},
		{line("GET /  HTTP/1.1"), BadRequestLine},
		{line("GET\t/ HTTP/1.1"), BadRequestLine},
		{line("GET /\tHTTP/1.1"), BadRequestLine},
		{line("GET /a b HTTP/1.1"), BadRequestLine},
		{line(" GET / HTTP/1.1"), BadRequestLine},
		{line("G(T / HTTP/1.1"), BadMethod},
		{line("G\x00T / HTTP/1.1"), BadMethod},
		{line(strings.Repeat("A", 33) + " / HTTP/1.1"), MethodTooLong},
		{line("GET /\x01 HTTP/1.1"), BadTarget},
		{line("GET /\x7f HTTP/1.1"), BadTarget},
		{line("GET /\xc3\xbc HTTP/1.1"), BadTarget},
		{line("GET /?\xc3\xbc HTTP/1.1"), BadTarget},
		{line("GET /a#b HTTP/1.1"), Fragment},
		{line("GET /?a#b HTTP/1.1"), Fragment},
		{line("GET /a\\b HTTP/1.1"), Backslash},
		{line("GET /%zz HTTP/1.1"), BadEscape},
		{line("GET /%4 HTTP/1.1"), BadEscape},
		{line("GET /% HTTP/1.1"), BadEscape},
		{line("GET /%00 HTTP/1.1"), EncodedNUL},
		{line("GET /a%2Fb HTTP/1.1"), EncodedSlash},
		{line("GET /a%2fb HTTP/1.1"), EncodedSlash},
		{line("GET /a%5cb HTTP/1.1"), EncodedSlash},
		{line("GET /a/..;x/b HTTP/1.1"), DotParameter},
		{line("GET /a/%2e%2e;x/b HTTP/1.1"), DotParameter},
		{line("GET /a/.; HTTP/1.1"), DotParameter},
		{line("GET http://other.test/ HTTP/1.1"), HostMismatch},
		{line("GET http://shop.test:81/ HTTP/1.1"), HostMismatch},
		{line("GET http://u@shop.test/ HTTP/1.1"), UserInfo},
		{line("GET http:///x HTTP/1.1"), BadHost},
		{line("GET ftp://shop.test/ HTTP/1.1"), BadTarget},
		{line("GET * HTTP/1.1"), BadTarget},
		{line("OPTIONS */x HTTP/1.1"), BadTarget},
		{line("GET shop.test:80 HTTP/1.1"), BadTarget},
		{line("GET x HTTP/1.1"), BadTarget},
		{line("CONNECT /x HTTP/1.1"), BadTarget},
		{line("CONNECT http://shop.test:80/ HTTP/1.1"), BadTarget},
		{line("CONNECT shop.test HTTP/1.1"), BadTarget},
		{line("CONNECT shop.test:443 HTTP/1.1"), ConnectMethod},
		{"GET /" + strings.Repeat("a", DefaultLine), TargetTooLong},
		{line("GET /" + strings.Repeat("a", DefaultLine) + " HTTP/1.1"), TargetTooLong},

		// Field lines.
		{"GET / HTTP/1.1\r\nHost: shop.test\nA: b\r\n\r\n", BareLF},
		{"GET / HTTP/1.1\r\nHost: shop.test\r\n\n", BareLF},
		{"GET / HTTP/1.1\r\r\nHost: shop.test\r\n\r\n", BadVersion},
		{with("A: b\rc\r\n"), BareCR},
		{with("A\r: b\r\n"), BareCR},
		{with("A: b\x00c\r\n"), BadFieldValue},
		{with("A: b\x7f\r\n"), BadFieldValue},
		{with("A: abcdefgh\x0b\r\n"), BadFieldValue},
		{with("A\x01: b\r\n"), BadFieldName},
		{with("A(b): c\r\n"), BadFieldName},
		{with("\xc3\xbc: c\r\n"), BadFieldName},
		{with(": b\r\n"), BadFieldName},
		{with("A : b\r\n"), SpaceBeforeColon},
		{with("A\t: b\r\n"), SpaceBeforeColon},
		{with("Transfer-Encoding : chunked\r\n"), SpaceBeforeColon},
		{with("A\r\n"), NoColon},
		{with("A b\r\n"), BadFieldName},
		{"GET / HTTP/1.1\r\n Host: shop.test\r\n\r\n", LeadingSpace},
		{with("A: b\r\n c\r\n"), ObsFold},
		{with("A: b\r\n\tc\r\n"), ObsFold},
		{"GET / HTTP/1.1\r\n\r\n", NoHost},
		{with(hostLine), TwoHosts},
		{with("Host: b.test\r\n"), TwoHosts},
		{"GET http://a.test/ HTTP/1.1\r\n\r\n", NoHost},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", BadHost},
		{"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", BadHost},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", BadHost},
		{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BadHost},
		{"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", BadHost},
		{"GET / HTTP/1.0\r\nHost: a?b\r\n\r\n", BadHost},
		{with("X_Real_IP: 1.2.3.4\r\n"), UnderscoreName},
		{with(strings.Repeat("A: b\r\n", DefaultFields)), TooManyFields},
		{with("A: " + strings.Repeat("b", DefaultLine) + "\r\n"), FieldTooLarge},
		{with(strings.Repeat("A: "+strings.Repeat("b", DefaultLine-3)+"\r\n", 2)), HeadTooLarge},
		{with("Expect: 200-ok\r\n"), UnknownExpectation},
		{post("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n"), UnknownExpectation},
		{with("Connection: " + strings.Repeat("a,", 65) + "\r\n"), BadConnection},
		{with("Connection: a b\r\n"), BadConnection},
		{with(upgrade), BadWebSocket},
		{with(upgrade + "Sec-WebSocket-Key: short==\r\n"), BadWebSocket},
		{with(upgrade + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n"), BadWebSocket},
		{post(upgrade + key), BadWebSocket},
		{with(upgrade + key + key), BadWebSocket},
		{with(upgrade), BadWebSocket},
		{"TRACE / HTTP/1.1\r\n" + hostLine + "Content-Length: 1\r\n\r\n", BodyForbidden},

		// Body framing.
		{post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), LengthAndCoding},
		{post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), LengthAndCoding},
		{post("Transfer-Encoding: identity\r\nContent-Length: 3\r\n"), LengthAndCoding},
		{post("Content-Length: 3\r\nContent-Length: 3\r\n"), TwoLengths},
		{post("Content-Length: 3\r\ncontent-length: 4\r\n"), TwoLengths},
		{post("Content-Length: 1,1\r\n"), BadLength},
		{post("Content-Length: 1, 1\r\n"), BadLength},
		{post("Content-Length: +1\r\n"), BadLength},
		{post("Content-Length: -1\r\n"), BadLength},
		{post("Content-Length: 0x1\r\n"), BadLength},
		{post("Content-Length:\r\n"), BadLength},
		{post("Content-Length: 1 1\r\n"), BadLength},
		{post("Content-Length: 9223372036854775808\r\n"), BadLength},
		{post("Content-Length: 18446744073709551617\r\n"), BadLength},
		{post("Transfer-Encoding: xchunked\r\n"), UnknownCoding},
		{post("Transfer-Encoding: identity\r\n"), UnknownCoding},
		{post("Transfer-Encoding: gzip, chunked\r\n"), BadCoding},
		{post("Transfer-Encoding: chunked, chunked\r\n"), BadCoding},
		{post("Transfer-Encoding: chunked,\r\n"), BadCoding},
		{post("Transfer-Encoding: \"chunked\"\r\n"), BadCoding},
		{post("Transfer-Encoding: chunked;q=1\r\n"), BadCoding},
		{post("Transfer-Encoding:\r\n"), BadCoding},
		{post("Transfer-Encoding: \x0bchunked\r\n"), BadFieldValue},
		{post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), TwoCodings},
		{post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), TwoCodings},
		{"POST / HTTP/1.0\r\n" + hostLine + "Transfer-Encoding: chunked\r\n\r\n", CodingInOldVersion},
	} {
		_, n, err := parseRequest(t, c.in, nil)
		if err != c.want || n != 0 {
			t.Errorf("%.120q: %d, %v; want %v", c.in, n, err, c.want)
		}
		if c.want.Status() < 400 || c.want.Code() == "" {
			t.Errorf("%v has no status or code", c.want)
		}
	}
}

func TestRequestTargets(t *testing.T) {
	for _, c := range []struct{ method, target, host, path, query, authority string }{
		{"GET", "/", "shop.test", "/", "", "shop.test"},
		{"GET", "/a/b?x=1&y=%2F", "Shop.TEST:80", "/a/b", "x=1&y=%2F", "shop.test:80"},
		{"GET", "/a?b?c", "shop.test.", "/a", "b?c", "shop.test"},
		{"GET", "/a?", "shop.test.:8080", "/a", "", "shop.test:8080"},
		{"GET", "//evil.test/x", "shop.test", "/evil.test/x", "", "shop.test"},
		{"GET", "/a//b///c/", "shop.test:", "/a/b/c/", "", "shop.test"},
		{"GET", "/a/./b/../c", "shop.test:0080", "/a/c", "", "shop.test:80"},
		{"GET", "/a/.", "s", "/a/", "", "s"},
		{"GET", "/a/..", "s", "/", "", "s"},
		{"GET", "/../../x", "s", "/x", "", "s"},
		{"GET", "/a/%2e%2E/b", "s", "/b", "", "s"},
		{"GET", "/a//../b", "s", "/b", "", "s"},
		{"GET", "/%61%7E%c3%bc%20", "s", "/a~%C3%BC%20", "", "s"},
		{"GET", "/.well-known/x", "s", "/.well-known/x", "", "s"},
		{"GET", "/...;x/a;b=c", "s", "/...;x/a;b=c", "", "s"},
		{"GET", "/{a}|^`\"<>", "s", "/%7Ba%7D%7C%5E%60%22%3C%3E", "", "s"},
		{"GET", "/%252e%252e/", "s", "/%252e%252e/", "", "s"},
		{"GET", "/a?../b//c", "s", "/a", "../b//c", "s"},
		{"OPTIONS", "*", "s", "*", "", "s"},
		{"OPTIONS", "http://s", "s", "*", "", "s"},
		{"GET", "http://SHOP.test", "shop.test:80", "/", "", "shop.test:80"},
		{"GET", "HTTPS://shop.test:443?q", "shop.test", "/", "q", "shop.test"},
		{"GET", "http://shop.test/a/../b", "shop.test", "/b", "", "shop.test"},
		{"get", "/", "[2001:DB8::1]:8080", "/", "", "[2001:db8::1]:8080"},
		{"GET", "/", "a_b.test", "/", "", "a_b.test"},
	} {
		r, _, err := parseRequest(t, c.method+" "+c.target+" HTTP/1.1\r\nHost: "+c.host+"\r\n\r\n", nil)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.target, err)
			continue
		}
		if r.Method != c.method || r.Target != c.target || r.Path != c.path || r.RawQuery != c.query || r.Authority != c.authority {
			t.Errorf("%s %s: got %q %q ?%q of %q", c.method, c.target, r.Method, r.Path, r.RawQuery, r.Authority)
		}
		if r.HasQuery != strings.Contains(c.target, "?") {
			t.Errorf("%s: HasQuery %v", c.target, r.HasQuery)
		}
	}
}

func TestRequestHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"a": true, "1.2.3.4": true, "1.2.3.4:65535": true, "[::1]": true, "[::ffff:1.2.3.4]:80": true,
		"xn--bcher-kva.test": true, "a-b": true,
		"a:65536": false, "a:8a": false, "a:-1": false, ":80": false, ".": false, ".a": false, "a..b": false, "a..": false,
		"[::1": false, "[fe80::1%25eth0]": false, "[fe80::1%eth0]": false, "[1.2.3.4]": false, "[::1]x": false,
		"[]": false, "::1": false, "a%2e": false, "a\\b": false, "b\xc3\xbccher": false, "a:80:80": false,
		"a'b": false, "a;b": false, "[::1].": false, strings.Repeat("a", 256): false,
	} {
		var r Request
		if err := r.SetAuthority(host); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", host, err, ok)
		}
	}
}

// One IPv6 address is one host, however it is spelt.
func TestHostsHaveOneForm(t *testing.T) {
	for want, spelt := range map[string][]string{
		"[2001:db8::1]":         {"[2001:db8::1]", "[2001:DB8::1]", "[2001:0db8:0:0:0:0:0:1]", "[2001:db8::0.0.0.1]", "[2001:db8:0:0::1]:"},
		"[2001:db8::1]:443":     {"[2001:db8::1]:443", "[2001:db8::0001]:0443"},
		"[::ffff:192.0.2.1]:80": {"[::ffff:192.0.2.1]:80", "[::FFFF:c000:201]:80", "[0:0:0:0:0:ffff:c000:0201]:80"},
		"shop.test:80":          {"Shop.TEST.:080"},
	} {
		for _, s := range spelt {
			var r Request
			if err := r.SetAuthority(s); err != nil || r.Authority != want || r.Host+portOf(r.Port) != want {
				t.Errorf("%s is %s, %s and %s, want %s; %v", s, r.Authority, r.Host, r.Port, want, err)
			}
		}
	}
}

func portOf(p string) string {
	if p == "" {
		return ""
	}
	return ":" + p
}

func TestRequestMeaning(t *testing.T) {
	head := func(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }
	r, n, err := parseRequest(t, "\r\n"+head("POST /x HTTP/1.1", "hOST: s", "Content-Length:  007\t", "Expect: 100-Continue",
		"Connection: Keep-Alive")+"rest of it", nil)
	if err != nil || n != len("\r\n")+len(head("POST /x HTTP/1.1", "hOST: s", "Content-Length:  007\t", "Expect: 100-Continue", "Connection: Keep-Alive")) {
		t.Fatal(n, err)
	}
	if r.Body != SizedBody || r.ContentLength != 7 || !r.Expect100 || !r.KeepAlive || r.Minor != 1 {
		t.Errorf("%+v", r)
	}
	r, _, _ = parseRequest(t, head("POST / HTTP/1.1", "Host: s", "Transfer-Encoding: CHUNKED", "Connection: x, CLOSE"), nil)
	if r.Body != ChunkedBody || r.ContentLength != -1 || r.KeepAlive {
		t.Errorf("%+v", r)
	}
	r, _, err = parseRequest(t, head("GET / HTTP/1.0", "Expect: x", "Upgrade: websocket", "Connection: upgrade"), nil)
	if err != nil || r.Host != "" || r.KeepAlive || r.Upgrade != "" || r.Body != NoBody || r.Expect100 {
		t.Errorf("%+v, %v", r, err)
	}
	r, _, _ = parseRequest(t, head("GET / HTTP/1.0", "Connection: keep-alive"), nil)
	if !r.KeepAlive {
		t.Error("HTTP/1.0 with keep-alive is not kept")
	}
	ws := []string{"GET / HTTP/1.1", "Host: s", "Connection: keep-alive, Upgrade", "Upgrade: h2c, WebSocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	r, _, err = parseRequest(t, head(ws...), nil)
	if err != nil || r.Upgrade != "WebSocket" {
		t.Errorf("upgrade %q, %v", r.Upgrade, err)
	}
	r, _, err = parseRequest(t, head("GET / HTTP/1.1", "Host: s", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), nil)
	if err != nil || r.Upgrade != "" {
		t.Errorf("h2c: upgrade %q, %v", r.Upgrade, err)
	}
	if out := string(AppendRequest(nil, r, Persist)); strings.Contains(strings.ToLower(out), "h2c") || strings.Contains(out, "Settings") {
		t.Errorf("h2c is forwarded: %q", out)
	}
	for in, want := range map[string]string{"h2c": "", "H2C, h2": "", "HTTP/2.0": "", "h2c, http/3, foo/1.0": "foo/1.0", "foo bar": "", "foo/": "", "\"foo\"": "", "a/b/c": "", ", foo": "foo"} {
		r, _, err := parseRequest(t, head("GET / HTTP/1.1", "Host: s", "Connection: Upgrade", "Upgrade: "+in), nil)
		if err != nil || r.Upgrade != want {
			t.Errorf("Upgrade %q: %q, %v", in, r.Upgrade, err)
		}
	}
	r, _, err = parseRequest(t, head("POST / HTTP/1.1", "Host: s", "Connection: Upgrade", "Upgrade: foo", "Content-Length: 1"), nil)
	if err != nil || r.Upgrade != "" {
		t.Errorf("upgrade with a body: %q, %v", r.Upgrade, err)
	}
	r, _, err = parseRequest(t, head("GET / HTTP/1.1", "Host: s", "Expect: 100-continue"), nil)
	if err != nil || r.Expect100 {
		t.Errorf("expectation without a body: %v, %v", r.Expect100, err)
	}
}

func TestUnderscores(t *testing.T) {
	in := "GET / HTTP/1.1\r\nHost: s\r\nX_Real_IP: 6.6.6.6\r\nX-Real-IP: 1.1.1.1\r\nx_b: 1\r\n\r\n"
	r, _, err := parseRequest(t, in, &Limits{Underscores: DropUnderscores})
	if err != nil || r.Fields.Len() != 2 || r.Fields.Get("x-real-ip") != "1.1.1.1" {
		t.Errorf("drop: %v %v", r.Fields, err)
	}
	r, _, err = parseRequest(t, in, &Limits{Underscores: KeepUnderscores})
	if err != nil || r.Fields.Len() != 3 || r.Fields.Has("X_Real_IP") || !r.Fields.Has("X_B") {
		t.Errorf("keep: %v %v", r.Fields, err)
	}
	r.Fields.Set("X-B", "2")
	if r.Fields.Len() != 3 || r.Fields.Get("x-b") != "2" {
		t.Errorf("a set field has a twin: %v", r.Fields)
	}
}

func TestLimitsAreExact(t *testing.T) {
	lim := &Limits{Head: 60, Line: 30, Fields: 2}
	ok := "GET / HTTP/1.1\r\nHost: shop.test\r\nA: 45678901234\r\n\r\n"
	if _, _, err := parseRequest(t, ok, lim); err != nil {
		t.Error(err)
	}
	if _, n, err := parseRequest(t, "\r\n"+strings.Replace(ok, "A: ", "A: 234567890", 1), lim); err != nil || n != 62 {
		t.Error(len(ok), n, err)
	}
	for want, in := range map[Fault]string{
		HeadTooLarge:  strings.Replace(ok, "A: ", "A: 1234567890", 1),
		FieldTooLarge: "GET / HTTP/1.1\r\nA: 3456789012345678901234567890\r\n\r\n",
		TargetTooLong: "GET /678901234567890 HTTP/1.1  \r\n\r\n",
		TooManyFields: "GET / HTTP/1.1\r\nHost: s\r\nA:\r\nB:\r\n\r\n",
	} {
		if _, _, err := parseRequest(t, in, lim); err != want {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
}

func TestScanIsLinear(t *testing.T) {
	// A head that arrives byte by byte must not be searched from its start each time.
	var r Request
	r.Reset()
	head := []byte("GET / HTTP/1.1\r\nHost: s\r\nA: " + strings.Repeat("b", 20000) + "\r\n\r\n")
	for i := range head {
		if _, err := r.Parse(head[:i], nil); err != ErrNeedMore {
			t.Fatal(i, err)
		}
		if r.scan.seen != i {
			t.Fatalf("searched up to %d of %d", r.scan.seen, i)
		}
	}
	if n, err := r.Parse(head, nil); n != len(head) || err != nil {
		t.Fatal(n, err)
	}
}
