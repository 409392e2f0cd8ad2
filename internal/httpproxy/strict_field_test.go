package httpproxy

import (
	"fmt"
	"strings"

	"paifang/internal/http1"
)

// fieldCases: field lines (RFC 9110, 5; RFC 9112, 5).
func fieldCases() []strictCase {
	ok := func(name, field string, seen ...string) strictCase {
		return strictCase{name: name, send: get("/", field), want: "open 200", seen: sent("GET /", seen...)}
	}
	bad := func(name, field, reason string) strictCase {
		return strictCase{name: name, send: get("/", field), want: "400 " + reason}
	}
	return []strictCase{
		ok("empty value", "A:", "A: "),
		ok("white space around a value", "A: \t b c \t", "A: b c"),
		ok("tab in a value", "A: b\tc", "A: b\tc"),
		ok("bytes above 0x7F in a value", "A: b\xc3\xbc\xff", "A: b\xc3\xbc\xff"),
		ok("every byte of a token", "!#$%&'*+-.^`|~: a", "!#$%&'*+-.^`|~: a"),
		ok("twice", "A: b\r\nA: c\r\na: d", "A: b", "A: c", "a: d"),
		ok("looks like a request", "A: GET /smuggled HTTP/1.1", "A: GET /smuggled HTTP/1.1"),
		ok("Proxy of CGI", "Proxy: http://evil.test/"),
		bad("NUL in a value", "A: b\x00c", "bad-field-value"),
		bad("NUL alone", "A: \x00", "bad-field-value"),
		bad("control byte in a value", "A: b\x01c", "bad-field-value"),
		bad("vertical tab in a value", "A: b\x0bc", "bad-field-value"),
		bad("form feed in a value", "A: b\x0cc", "bad-field-value"),
		bad("escape in a value", "A: \x1b[31m", "bad-field-value"),
		bad("DEL in a value", "A: b\x7f", "bad-field-value"),
		bad("bare CR in a value", "A: b\rTransfer-Encoding: chunked", "bare-cr"),
		bad("bare CR at the end of a value", "A: b\r", "bare-cr"),
		bad("bare CR before a name", "\rA: b", "bare-cr"),
		bad("bare LF in a value", "A: b\nTransfer-Encoding: chunked", "bare-lf"),
		bad("NUL in a name", "A\x00B: c", "bad-field-name"),
		bad("control byte in a name", "A\x01: c", "bad-field-name"),
		bad("space in a name", "A B: c", "space-before-colon"),
		bad("space before the colon", "A : b", "space-before-colon"),
		bad("tab before the colon", "A\t: b", "space-before-colon"),
		bad("byte above 0x7F in a name", "\xc3\xa9: c", "bad-field-name"),
		bad("parenthesis in a name", "A(b): c", "bad-field-name"),
		bad("quote in a name", `"A": c`, "bad-field-name"),
		bad("slash in a name", "A/B: c", "bad-field-name"),
		bad("no name", ": c", "bad-field-name"),
		bad("no colon", "A", "no-colon"),
		bad("word without a colon", "A b", "bad-field-name"),
		bad("folded with a space", "A: b\r\n c", "obs-fold"),
		bad("folded with a tab", "A: b\r\n\tc", "obs-fold"),
		bad("folded with nothing", "A: b\r\n ", "obs-fold"),
		bad("underscore", "X_Real_IP: 6.6.6.6", "underscore-name"),
		bad("underscore in a framing name", "Content_Length: 5", "underscore-name"),
		{name: "space before the first field", send: "GET / HTTP/1.1\r\n Host: shop.test\r\n\r\n", want: "400 leading-space"},
		{name: "tab before the first field", send: "GET / HTTP/1.1\r\n\tA: b\r\nHost: shop.test\r\n\r\n", want: "400 leading-space"},
		{name: "line of white space before the first field", send: "GET / HTTP/1.1\r\n \r\nHost: shop.test\r\n\r\n", want: "400 leading-space"},
		{name: "line of white space at the end", send: "GET / HTTP/1.1\r\nHost: shop.test\r\n \r\n\r\n", want: "400 obs-fold"},
	}
}

// hopCases: what concerns one connection stays on it, and what Connection names goes, unless somebody else relies on it
// (RFC 9110, 7.6.1).
func hopCases() []strictCase {
	ok := func(name string, fields []string, seen ...string) strictCase {
		return strictCase{name: name, send: get("/", fields...), want: "open 200", seen: sent("GET /", seen...)}
	}
	last := func(name string, fields ...string) strictCase {
		return strictCase{name: name, send: get("/", fields...), want: "200", seen: sent("GET /")}
	}
	return []strictCase{
		ok("fields of the connection", []string{"Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers", "Upgrade: foo", "HTTP2-Settings: AAMAAABk", "A: b"}, "A: b"),
		ok("credentials for a proxy", []string{"Proxy-Authorization: Basic eA==", "Proxy-Authenticate: Basic", "A: b"}, "A: b"),
		ok("named field", []string{"Connection: x-a", "X-A: b", "X-B: c"}, "X-B: c"),
		ok("named in other spelling", []string{"CONNECTION: X-a", "x-A: b", "X-A: c", "X-AB: d"}, "X-AB: d"),
		ok("named before it comes", []string{"X-A: b", "Connection: keep-alive,,  x-a ,"}),
		ok("named in two lists", []string{"Connection: x-a", "Connection: x-b", "X-A: b", "X-B: c", "X-C: d"}, "X-C: d"),
		ok("named, and there is none", []string{"Connection: x-a"}),
		ok("names what identifies", []string{"Connection: Cookie, Authorization, Origin", "Cookie: a=b", "Authorization: Basic eA==", "Origin: https://a.test"},
			"Cookie: a=b", "Authorization: Basic eA==", "Origin: https://a.test"),
		ok("names Host", []string{"Connection: Host"}),
		ok("names what caches go by", []string{"Connection: cache-control, via", "Cache-Control: no-cache", "Via: 1.1 a"}, "Cache-Control: no-cache", "Via: 1.1 a"),
		{name: "names Content-Length", send: post("/", "abc", "Connection: Content-Length", "Content-Length: 3"), want: "open 200", seen: sent("POST /", "Content-Length: 3", "\nabc")},
		{name: "names Transfer-Encoding", send: post("/", hello, "Connection: Transfer-Encoding", chunked), want: "open 200", seen: sent("POST /", chunked, "\n"+hello)},
		{name: "names a field of content", send: post("/", "abc", "Connection: Content-Type", "Content-Type: a/b", "Content-Length: 3"), want: "open 200",
			seen: sent("POST /", "Content-Type: a/b", "Content-Length: 3", "\nabc")},
		last("close", "Connection: close"),
		last("close in upper case", "Connection: CLOSE"),
		last("close among others", "Connection: keep-alive, close"),
		last("close in a second field", "Connection: keep-alive", "Connection: close"),
		{name: "too many options", send: get("/", "Connection: "+strings.Repeat("a,", 65)), want: "400 bad-connection"},
		{name: "option that is no token", send: get("/", "Connection: a b"), want: "400 bad-connection"},
		{name: "quoted option", send: get("/", `Connection: "close"`), want: "400 bad-connection"},
	}
}

// sizeCases: what heads may weigh. Everything above is 431 (RFC 6585, 5), and nothing of it is forwarded.
func sizeCases() []strictCase {
	count := func(n int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("A%d: b", i))
		}
		return out
	}
	long := "A: " + strings.Repeat("b", http1.DefaultLine-len("A: "))
	head := get("/", long, "B: ")
	fill := strings.Repeat("c", http1.DefaultHead-len(head))
	return []strictCase{
		{name: "most fields", send: get("/", count(99)...), want: "open 200", seen: sent("GET /", count(99)...)},
		{name: "a field too many", send: get("/", count(100)...), want: "431 too-many-fields"},
		{name: "very many fields", send: get("/", count(10_000)...), want: "431 too-many-fields"},
		{name: "many empty fields", send: get("/", strings.Split(strings.Repeat("A:\n", 200), "\n")[:200]...), want: "431 too-many-fields"},
		{name: "longest field", send: get("/", long), want: "open 200", seen: sent("GET /", long)},
		{name: "field too long", send: get("/", long+"b"), want: "431 field-too-large"},
		{name: "name too long", send: get("/", strings.Repeat("A", http1.DefaultLine)+": b"), want: "431 field-too-large"},
		{name: "largest head", send: get("/", long, "B: "+fill), want: "open 200", seen: sent("GET /", long, "B: "+fill)},
		{name: "head too large", send: get("/", long, "B: "+fill+"c"), want: "431 head-too-large"},
		{name: "most cookies", send: get("/", "Cookie: a=b"+strings.Repeat("; a=b", 999)), want: "open 200", seen: sent("GET /", "Cookie: a=b"+strings.Repeat("; a=b", 999))},
		{name: "too many cookies", send: get("/", "Cookie: a=b"+strings.Repeat("; a=b", 1000)), want: "431 too-many-cookies"},
		{name: "too many cookies in several fields", send: get("/", "Cookie: a=b"+strings.Repeat(";", 500), "cookie: "+strings.Repeat(";", 500)), want: "431 too-many-cookies"},
	}
}
