package httpproxy

import "strings"

// chunkCases: the framing of chunks (RFC 9112, 7.1). Extensions are never forwarded.
func chunkCases() []strictCase {
	ok := func(name, body, seen string) strictCase {
		return strictCase{name: name, send: post("/", body, chunked), want: "open 200", seen: sent("POST /", chunked, "\n"+seen)}
	}
	bad := func(name, body, reason string) strictCase {
		return strictCase{name: name, send: post("/", body, chunked), want: "400 " + reason}
	}
	late := func(name, body, reason string) strictCase {
		head := sent("POST /", chunked, "\n5\r\nhello\r\n")
		return strictCase{name: name + ", when the upstream has the first", send: post("/", "5\r\nhello\r\n", chunked),
			more: []part{{head, body}}, want: "400 " + reason, seen: head}
	}
	return []strictCase{
		ok("nothing", "0\r\n\r\n", "0\r\n\r\n"),
		ok("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
		ok("upper case", "A\r\n0123456789\r\n0\r\n\r\n", "a\r\n0123456789\r\n0\r\n\r\n"),
		ok("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", hello),
		ok("extension", "5;a\r\nhello\r\n0\r\n\r\n", hello),
		ok("extension with a value", "5;a=b;c=\"d; \\\"\"\r\nhello\r\n0;e=f\r\n\r\n", hello),
		ok("extension that looks like a size", "5;0\r\nhello\r\n0\r\n\r\n", hello),
		ok("data that looks like the end", "9\r\n\r\n0\r\n\r\nGE\r\n0\r\n\r\n", "9\r\n\r\n0\r\n\r\nGE\r\n0\r\n\r\n"),
		bad("bare LF after the size", "5\nhello\r\n0\r\n\r\n", "bare-lf"),
		bad("bare LF after the data", "5\r\nhello\n0\r\n\r\n", "bad-chunk-end"),
		bad("bare LF throughout", "5\nhello\n0\n\n", "bare-lf"),
		bad("bare CR after the size", "5\rhello\r\n0\r\n\r\n", "bare-cr"),
		bad("bare CR after the data", "5\r\nhello\r0\r\n\r\n", "bad-chunk-end"),
		bad("CR CR LF after the size", "5\r\r\nhello\r\n0\r\n\r\n", "bare-cr"),
		bad("nothing after the data", "5\r\nhello0\r\n\r\n", "bad-chunk-end"),
		bad("more data than its size", "5\r\nhello!\r\n0\r\n\r\n", "bad-chunk-end"),
		bad("less data than its size", "7\r\nhello\r\n0\r\n\r\n", "bad-chunk-end"),
		bad("0x", "0x5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("plus", "+5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("minus", "-5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("minus zero", "-0\r\n\r\n", "bad-chunk-size"),
		bad("space before", " 5\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("space behind", "5 \r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("tab behind", "5\t\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("space before the extension", "5 ;a\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("empty", "\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("extension alone", ";a\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("no digit", "g\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("group separator", "1_0\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("2^63", "8000000000000000\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("all ones", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "bad-chunk-size"),
		bad("extension without a name", "5;\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("extension without a value", "5;a=\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("space in an extension", "5;a b\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("control byte in an extension", "5;a\x00\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("control byte in quotes", "5;a=\"\x01\"\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("line end in quotes", "5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("quotes without an end", "5;a=\"b\r\nhello\r\n0\r\n\r\n", "bad-chunk-extension"),
		bad("bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", "bare-lf"),
		bad("bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", "bare-cr"),
		{name: "one long extension", send: post("/", "5;"+strings.Repeat("a", 17<<10)+"\r\nhello\r\n0\r\n\r\n", chunked), want: "400 chunk-extensions-too-large",
			cut: sent("POST /", chunked, "\n"+hello)},
		{name: "extensions without end", send: post("/", strings.Repeat("1;abcdefghijklmnopqrstuvwxyz\r\nx\r\n", 700)+"0\r\n\r\n", chunked), want: "400 chunk-extensions-too-large",
			cut: sent("POST /", chunked, "\n"+strings.Repeat("1\r\nx\r\n", 700)+"0\r\n\r\n")},
		bad("a length in front", "hello", "bad-chunk-size"),
		late("bad size", "zz\r\n", "bad-chunk-size"),
		late("bad end", "5\r\nworldX", "bad-chunk-end"),
		late("bare LF", "5\nworld\n", "bare-lf"),
		late("bad trailer", "0\r\nA : b\r\n\r\n", "space-before-colon"),
	}
}

// trailerCases: fields after the last chunk (RFC 9110, 6.5; RFC 9112, 7.1.2). What was declared and may be one is
// forwarded; everything else is dropped, and never seen as a field of the head.
func trailerCases() []strictCase {
	with := func(name, declared, trailers, seen string) strictCase {
		return strictCase{name: name, send: post("/", "5\r\nhello\r\n0\r\n"+trailers+"\r\n", "Trailer: "+declared, chunked), want: "open 200",
			seen: sent("POST /", "Trailer: "+declared, chunked, "\n5\r\nhello\r\n0\r\n"+seen+"\r\n")}
	}
	bad := func(name, trailers, reason string) strictCase {
		return strictCase{name: name, send: post("/", "5\r\nhello\r\n0\r\n"+trailers, "Trailer: A", chunked), want: reason,
			cut: sent("POST /", "Trailer: A", chunked, "\n5\r\nhello\r\n0\r\n")}
	}
	return []strictCase{
		with("declared", "X-Sum", "X-Sum: 7\r\n", "X-Sum: 7\r\n"),
		with("several", "X-Sum, x-b", "X-B: c\r\nX-Sum: 7\r\n", "X-B: c\r\nX-Sum: 7\r\n"),
		with("not declared", "X-Sum", "X-Other: 7\r\n", ""),
		with("framing", "Content-Length, Transfer-Encoding", "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", ""),
		with("host", "Host", "Host: evil.test\r\n", ""),
		with("credentials", "Authorization, Cookie", "Authorization: Basic eA==\r\nCookie: a=b\r\n", ""),
		with("identity", "X-Forwarded-For, X-Real-IP, Forwarded", "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n", ""),
		with("control", "Connection, Upgrade, TE, Expect", "Connection: close\r\nUpgrade: foo\r\nTE: trailers\r\nExpect: 100-continue\r\n", ""),
		with("paths", "X-Original-URL, X-Rewrite-URL", "X-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n", ""),
		with("method", "X-HTTP-Method-Override", "X-HTTP-Method-Override: DELETE\r\n", ""),
		with("underscore", "X_Sum", "X_Sum: 7\r\n", ""),
		{name: "without Trailer", send: post("/", "5\r\nhello\r\n0\r\nA: b\r\n\r\n", chunked), want: "open 200", seen: sent("POST /", chunked, "\n"+hello)},
		bad("a request in their place", "GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\n", "400 bad-field-name"),
		bad("bare LF", "A: b\n\r\n", "400 bare-lf"),
		bad("bare CR", "A: b\rc\r\n\r\n", "400 bare-cr"),
		bad("folded", "A: b\r\n c\r\n\r\n", "400 obs-fold"),
		bad("space before the colon", "A : b\r\n\r\n", "400 space-before-colon"),
		bad("NUL", "A: \x00\r\n\r\n", "400 bad-field-value"),
		bad("too many", strings.Repeat("A: b\r\n", 33)+"\r\n", "431 too-many-fields"),
		bad("too large", "A: "+strings.Repeat("b", 9<<10)+"\r\n\r\n", "431 head-too-large"),
		bad("without end", strings.Repeat("a", 20<<10), "431 head-too-large"),
	}
}
