package httpproxy

import (
	"strings"

	"paifang/internal/http1"
)

// targetCases: paths and queries (RFC 9112, 3.2.1; RFC 3986, 6.2.2).
func targetCases() []strictCase {
	ok := func(name, target, seen string) strictCase {
		return strictCase{name: name, send: line("GET " + target + " HTTP/1.1"), want: "open 200", seen: sent("GET " + seen)}
	}
	bad := func(name, target, reason string) strictCase {
		return strictCase{name: name, send: line("GET " + target + " HTTP/1.1"), want: "400 " + reason}
	}
	return []strictCase{
		ok("two slashes in front are no authority", "//evil.test/x", "/evil.test/x"),
		ok("many slashes", "///a//b///c/", "/a/b/c/"),
		ok("dot segments", "/a/./b/../c", "/a/c"),
		ok("dot segment at the end", "/a/b/.", "/a/b/"),
		ok("two dots at the end", "/a/b/..", "/a/"),
		ok("two dots above the root", "/../../etc/passwd", "/etc/passwd"),
		ok("encoded dots", "/a/%2e%2E/b", "/b"),
		ok("half encoded dots", "/a/.%2e/b", "/b"),
		ok("encoded dots behind slashes", "/a//%2e%2e//b", "/b"),
		ok("three dots are a name", "/.../a", "/.../a"),
		ok("dots that are encoded twice", "/%252e%252e/a", "/%252e%252e/a"),
		ok("slash that is encoded twice", "/a%252fb", "/a%252fb"),
		ok("path parameter", "/a;b=c/d;e", "/a;b=c/d;e"),
		ok("dots behind a parameter", "/a;/../b", "/b"),
		ok("escapes of plain letters", "/%61%7E%2D", "/a~-"),
		ok("escapes in lower case", "/%c3%bc%20x", "/%C3%BC%20x"),
		ok("case of the path", "/AdMin", "/AdMin"),
		ok("quote, braces, bar", `/"{a}|^`+"`<>", "/%22%7Ba%7D%7C%5E%60%3C%3E"),
		ok("query is left alone", "/a?b=../..//%2F%5c%00{}|", "/a?b=../..//%2F%5c%00{}|"),
		ok("empty query", "/a?", "/a?"),
		ok("question mark in the query", "/a?b?c", "/a?b?c"),
		ok("asterisk in a path", "/*", "/*"),
		ok("at sign in a path", "/@evil.test", "/@evil.test"),
		ok("colon in a path", "/a:80/", "/a:80/"),
		bad("slash path parameter trick", "/a/..;/b", "dot-parameter"),
		bad("encoded dots with a parameter", "/a/%2e%2e;x/b", "dot-parameter"),
		bad("one dot with a parameter", "/a/.;/b", "dot-parameter"),
		bad("backslash", `/a\b`, "backslash"),
		bad("backslash as slash", `/a\..\b`, "backslash"),
		bad("encoded backslash", "/a%5Cb", "encoded-slash"),
		bad("encoded backslash and dots", "/a%5c..%5cb", "encoded-slash"),
		bad("encoded NUL", "/a%00.html", "encoded-nul"),
		bad("bad escape", "/%zz", "bad-escape"),
		bad("cut escape", "/%2", "bad-escape"),
		bad("lone percent", "/%", "bad-escape"),
		bad("unicode escape", "/%u002f", "bad-escape"),
		bad("fragment", "/a#b", "fragment"),
		bad("fragment in the query", "/a?b#c", "fragment"),
		bad("control byte", "/a\x01b", "bad-target"),
		bad("NUL", "/a\x00b", "bad-target"),
		bad("DEL", "/a\x7fb", "bad-target"),
		bad("byte above 0x7F", "/\xff", "bad-target"),
		bad("UTF-8", "/ü", "bad-target"),
		bad("UTF-8 in the query", "/?ü", "bad-target"),
		bad("overlong UTF-8 dot", "/\xc0\xae\xc0\xae/", "bad-target"),
		{name: "encoded slash is a redirect", send: line("GET /a%2Fb?c=%2F HTTP/1.1"), want: "open 307 encoded-slash-moved"},
		{name: "encoded slash and dots", send: line("GET /a%2f..%2f..%2fadmin HTTP/1.1"), want: "open 307 encoded-slash-moved"},
		{name: "encoded slash in front", send: line("GET /%2Fevil.test/ HTTP/1.1"), want: "open 307 encoded-slash-moved"},
		{name: "encoded slash of a POST", send: post("/a%2Fb", "hello", "Content-Length: 5"), want: "open 307 encoded-slash-moved"},
		{name: "OPTIONS for the server", send: line("OPTIONS * HTTP/1.1"), want: "open 200", seen: sent("OPTIONS *")},
		{name: "GET for the server", send: line("GET * HTTP/1.1"), want: "400 bad-target"},
		{name: "asterisk and more", send: line("OPTIONS */x HTTP/1.1"), want: "400 bad-target"},
		{name: "asterisk and a query", send: line("OPTIONS *?x HTTP/1.1"), want: "400 bad-target"},
		{name: "no slash in front", send: line("GET a HTTP/1.1"), want: "400 bad-target"},
		{name: "query alone", send: line("GET ?a HTTP/1.1"), want: "400 bad-target"},
		{name: "longest line", send: line("GET /" + strings.Repeat("a", http1.DefaultLine-len("GET / HTTP/1.1")) + " HTTP/1.1"), want: "open 200",
			seen: sent("GET /" + strings.Repeat("a", http1.DefaultLine-len("GET / HTTP/1.1")))},
		{name: "line too long", send: line("GET /" + strings.Repeat("a", http1.DefaultLine) + " HTTP/1.1"), want: "414 target-too-long"},
		{name: "too many parameters", send: line("GET /?" + strings.Repeat("a&", 1000) + " HTTP/1.1"), want: "400 too-many-parameters"},
	}
}

// absoluteCases: a target that names a host, against Host (RFC 9112, 3.2.2).
func absoluteCases() []strictCase {
	ok := func(name, target, seen string) strictCase {
		return strictCase{name: name, send: line("GET " + target + " HTTP/1.1"), want: "open 200", seen: sent("GET " + seen)}
	}
	bad := func(name, target, reason string) strictCase {
		return strictCase{name: name, send: line("GET " + target + " HTTP/1.1"), want: "400 " + reason}
	}
	return []strictCase{
		ok("same host", "http://shop.test/a?b", "/a?b"),
		ok("no path", "http://shop.test", "/"),
		ok("query without a path", "http://shop.test?a", "/?a"),
		ok("upper case", "HTTP://SHOP.TEST/a", "/a"),
		ok("default port", "http://shop.test:80/a", "/a"),
		ok("default port of https", "https://shop.test:443/a", "/a"),
		ok("trailing dot", "http://shop.test./a", "/a"),
		ok("dots and slashes", "http://shop.test//a/../b", "/b"),
		ok("URL in the query", "/?u=http://evil.test/", "/?u=http://evil.test/"),
		ok("URL in the path", "/http://evil.test/", "/http:/evil.test/"),
		bad("other host", "http://evil.test/", "host-mismatch"),
		bad("other port", "http://shop.test:8080/", "host-mismatch"),
		bad("http on the port of https", "http://shop.test:443/", "host-mismatch"),
		bad("user", "http://admin@shop.test/", "user-info"),
		bad("user that looks like a host", "http://shop.test@evil.test/", "user-info"),
		bad("user and password", "http://a:b@shop.test/", "user-info"),
		bad("no host", "http:///a", "bad-host"),
		bad("one slash", "http:/shop.test/a", "bad-target"),
		bad("no slashes", "http:shop.test", "bad-target"),
		bad("another scheme", "ftp://shop.test/", "bad-target"),
		bad("file", "file:///etc/passwd", "bad-target"),
		bad("authority alone", "shop.test:80", "bad-target"),
		bad("backslash in the authority", `http://shop.test\@evil.test/`, "user-info"),
		bad("encoded byte in the authority", "http://shop%2etest/", "bad-host"),
		{name: "without Host", send: "GET http://shop.test/ HTTP/1.1\r\n\r\n", want: "400 no-host"},
		{name: "HTTP/1.0 without Host", send: "GET http://shop.test/a HTTP/1.0\r\n\r\n", want: "200", seen: sent("GET /a")},
		{name: "OPTIONS for the server", send: line("OPTIONS http://shop.test HTTP/1.1"), want: "open 200", seen: sent("OPTIONS *")},
	}
}
