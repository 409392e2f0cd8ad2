package httpproxy

import (
	"fmt"
	"strings"

	"paifang/internal/model"
)

// sequenceCases: several requests on a connection, and what may stand between a request and its body.
func sequenceCases() []strictCase {
	pipelined := post("/a", "abc", "Content-Length: 3") + get("/b") + post("/c", hello, chunked) + get("/d", "Connection: close")
	return []strictCase{
		{name: "pipelined", send: pipelined, want: "200, 200, 200, 200",
			seen: sent("POST /a", "Content-Length: 3", "\nabc") + sent("GET /b") + sent("POST /c", chunked, "\n"+hello) + sent("GET /d")},
		{name: "empty line between", send: post("/a", "abc", "Content-Length: 3") + "\r\n" + get("/b"), want: "open 200, 200",
			seen: sent("POST /a", "Content-Length: 3", "\nabc") + sent("GET /b")},
		{name: "two empty lines between", send: get("/a") + "\r\n\r\n" + get("/b"), want: "200, 400 bad-request-line", seen: sent("GET /a")},
		{name: "body longer than its length", send: post("/a", "abcd", "Content-Length: 3") + get("/b"), want: "open 200, 200",
			seen: sent("POST /a", "Content-Length: 3", "\nabc") + sent("dGET /b")},
		{name: "body without a length", send: post("/a", "x=y") + "\r\n" + get("/b"), want: "200, 400 bad-method", seen: sent("POST /a")},
		{name: "body of an announced zero", send: post("/a", get("/b"), "Content-Length: 0"), want: "open 200, 200", seen: sent("POST /a", "Content-Length: 0") + sent("GET /b")},
		{name: "request in a chunk", send: post("/a", fmt.Sprintf("%x\r\n", len(smuggled))+smuggled+"\r\n0\r\n\r\n", chunked), want: "open 200", seen: sent("POST /a", chunked, "\n"+fmt.Sprintf("%x\r\n", len(smuggled))+smuggled+"\r\n0\r\n\r\n")},
		{name: "bad one after a good one", send: get("/a") + post("/b", "abc", "Content-Length: 3", chunked), want: "200, 400 length-and-coding", seen: sent("GET /a")},
		{name: "refused one between good ones", send: get("/a") + "GET /b HTTP/1.1\r\n\r\n" + get("/c"), want: "200, 400 no-host", seen: sent("GET /a")},
		{name: "bodies of GET in a row", send: strings.Repeat("GET /a HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc", 3), want: "open 200, 200, 200",
			seen: strings.Repeat(sent("GET /a", "Content-Length: 3", "\nabc"), 3)},
		{name: "expectation met", send: post("/a", "", "Expect: 100-continue", "Content-Length: 3"), more: []part{{"", "abc"}}, want: "open 200",
			seen: sent("POST /a", "Content-Length: 3", "\nabc")},
		{name: "expectation of one who does not wait", send: post("/a", "abc", "Expect: 100-continue", "Content-Length: 3"), want: "open 200", seen: sent("POST /a", "Content-Length: 3", "\nabc")},
		{name: "expectation in odd spelling", send: post("/a", "abc", "eXPECT: 100-Continue", "Content-Length: 3"), want: "open 200", seen: sent("POST /a", "Content-Length: 3", "\nabc")},
		{name: "expectation without a body", send: get("/a", "Expect: 100-continue"), want: "open 200", seen: sent("GET /a")},
		{name: "expectation of a body of zero", send: post("/a", "", "Expect: 100-continue", "Content-Length: 0"), want: "open 200", seen: sent("POST /a", "Content-Length: 0")},
		{name: "expectation in HTTP/1.0", send: "POST /a HTTP/1.0\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", want: "200", seen: sent("POST /a", "Content-Length: 3", "\nabc")},
		{name: "other expectation", send: post("/a", "abc", "Expect: 200-ok", "Content-Length: 3"), want: "417 unknown-expectation"},
		{name: "other expectation, no body", send: get("/a", "Expect: y"), want: "417 unknown-expectation"},
		{name: "two expectations", send: post("/a", "abc", "Expect: 100-continue, x", "Content-Length: 3"), want: "417 unknown-expectation"},
		{name: "second expectation in a field of its own", send: post("/a", "abc", "Expect: 100-continue", "Expect: x", "Content-Length: 3"), want: "417 unknown-expectation"},
		{name: "expectation with a NUL", send: post("/a", "abc", "Expect: 100-continue\x00", "Content-Length: 3"), want: "400 bad-field-value"},
		{name: "expectation and both framings", send: post("/a", hello, "Expect: 100-continue", "Content-Length: 3", chunked), want: "400 length-and-coding"},
		{name: "expectation of chunks", send: post("/a", "", "Expect: 100-continue", chunked), more: []part{{"", hello}}, want: "open 200", seen: sent("POST /a", chunked, "\n"+hello)},
	}
}

// upgradeCases: requests to change the protocol (RFC 9110, 7.8; RFC 6455, 4.2.1). The upstream answers 200 to each.
func upgradeCases() []strictCase {
	key := "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	ask := func(protocol string) string { return "Connection: Upgrade\r\nUpgrade: " + protocol }
	bad := func(name string, fields ...string) strictCase {
		return strictCase{name: name, send: get("/", fields...), want: "400 bad-websocket"}
	}
	stripped := func(name string, fields ...string) strictCase {
		return strictCase{name: name, send: get("/", append(fields, "A: b")...), want: "open 200", seen: sent("GET /", "A: b")}
	}
	return []strictCase{
		{name: "WebSocket that is refused", send: get("/", ask("websocket"), key), want: "open 200", seen: sent("GET /", key, "Connection: upgrade", "Upgrade: websocket")},
		{name: "WebSocket that is refused, and a request behind it", send: get("/", ask("WebSocket"), key) + get("/b"), want: "open 200, 200",
			seen: sent("GET /", key, "Connection: upgrade", "Upgrade: WebSocket") + sent("GET /b")},
		{name: "another protocol", send: get("/", ask("foo/1.0")), want: "open 200", seen: sent("GET /", "Connection: upgrade", "Upgrade: foo/1.0")},
		{name: "first of two protocols", send: get("/", ask("foo, bar")), want: "open 200", seen: sent("GET /", "Connection: upgrade", "Upgrade: foo")},
		bad("no key", ask("websocket")),
		bad("no key, odd spelling", ask("WEBSOCKET")),
		bad("empty key", ask("websocket"), "Sec-WebSocket-Key:"),
		bad("short key", ask("websocket"), "Sec-WebSocket-Key: c2hvcnQ="),
		bad("long key", ask("websocket"), "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSEhIQ=="),
		bad("key that is no base64", ask("websocket"), "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="),
		bad("key with bits left over", ask("websocket"), "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="),
		bad("key without its padding", ask("websocket"), "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"),
		bad("two keys", ask("websocket"), key, key),
		{name: "WebSocket by POST", send: strings.Replace(get("/", ask("websocket"), key), "GET", "POST", 1), want: "400 bad-websocket"},
		stripped("h2c", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
		stripped("h2c in odd spelling", "Connection: upgrade, http2-settings", "Upgrade: H2C", "http2-settings: AAMAAABk"),
		stripped("h2c and its like", ask("h2c, h2, HTTP/2.0")),
		stripped("not named in Connection", "Upgrade: websocket"),
		stripped("Connection alone", "Connection: Upgrade"),
		stripped("two fields", "Connection: Upgrade", "Upgrade: foo", "Upgrade: websocket"),
		stripped("no token", ask("foo bar")),
		{name: "h2c before WebSocket", send: get("/", ask("h2c, websocket"), key), want: "open 200", seen: sent("GET /", key, "Connection: upgrade", "Upgrade: websocket")},
		{name: "HTTP/1.0", send: "GET / HTTP/1.0\r\nHost: shop.test\r\n" + ask("websocket") + "\r\n" + key + "\r\n\r\n", want: "200", seen: sent("GET /", key)},
		{name: "with a body", send: post("/", "abc", ask("foo"), "Content-Length: 3"), want: "open 200", seen: sent("POST /", "Content-Length: 3", "\nabc")},
		{name: "with a body of chunks", send: post("/", hello, ask("foo"), chunked), want: "open 200", seen: sent("POST /", chunked, "\n"+hello)},
		{name: "with both framings", send: post("/", hello, ask("websocket"), key, chunked, "Content-Length: 3"), want: "400 length-and-coding"},
	}
}

// modeCases: what a listener's parsing changes, and what it never does.
func modeCases() []strictCase {
	drop, allow := model.Parsing{Underscores: model.UnderscoresDrop}, model.Parsing{Underscores: model.UnderscoresAllow}
	refuse, decode, keep := model.Parsing{EncodedSlashes: model.EncodedSlashesRefuse}, model.Parsing{EncodedSlashes: model.EncodedSlashesDecode}, model.Parsing{EncodedSlashes: model.EncodedSlashesKeep}
	slashes, small := model.Parsing{Slashes: model.SlashesKeep}, model.Parsing{Head: 1024, Line: 512, Fields: 5}
	ok := func(name string, p model.Parsing, target, seen string) strictCase {
		return strictCase{name: name, parsing: p, send: line("GET " + target + " HTTP/1.1"), want: "open 200", seen: sent("GET " + seen)}
	}
	return []strictCase{
		{name: "underscores dropped", parsing: drop, send: get("/", "X_Real_IP: 6.6.6.6", "A: b", "_: c"), want: "open 200", seen: sent("GET /", "A: b")},
		{name: "framing with an underscore dropped", parsing: drop, send: post("/", get("/b"), "Content_Length: 44"), want: "open 200, 200", seen: sent("POST /") + sent("GET /b")},
		{name: "coding with an underscore dropped", parsing: drop, send: post("/", "abc", "Transfer_Encoding: chunked", "Content-Length: 3"), want: "open 200", seen: sent("POST /", "Content-Length: 3", "\nabc")},
		{name: "underscores allowed", parsing: allow, send: get("/", "X_A: 1", "X-B: 2"), want: "open 200", seen: sent("GET /", "X_A: 1", "X-B: 2")},
		{name: "underscore beside its twin", parsing: allow, send: get("/", "X_A: 1", "x-a: 2", "x_A: 3"), want: "open 200", seen: sent("GET /", "x-a: 2")},
		{name: "identity with underscores", parsing: allow, want: "open 200", seen: sent("GET /", "A: b"),
			send: get("/", "X_Forwarded_For: 6.6.6.6", "x-forwarded_proto: https", "X_Real_IP: 6.6.6.6", "x_forwarded_prefix: /x", "X_Original_URL: /admin", "SSL_Client_Verify: SUCCESS", "A: b")},
		{name: "framing with underscores is no framing", parsing: allow, send: post("/", "abc", "Content_Length: 0", "Content-Length: 3"), want: "open 200", seen: sent("POST /", "Content-Length: 3", "\nabc")},
		{name: "encoded slash refused", parsing: refuse, send: line("GET /a%2fb HTTP/1.1"), want: "400 encoded-slash"},
		ok("encoded slash decoded", decode, "/a%2fb%2F..%2fc", "/a/c"),
		ok("encoded slash decoded in front", decode, "/%2Fevil.test", "/evil.test"),
		ok("encoded slash kept", keep, "/a%2fb/../c%5c", "/c%5C"),
		ok("encoded slash and dots kept", keep, "/a%2f..%2fb", "/a%2F..%2Fb"),
		{name: "encoded backslash is not decoded", parsing: decode, send: line("GET /a%5cb HTTP/1.1"), want: "400 encoded-slash"},
		{name: "encoded NUL is never taken", parsing: keep, send: line("GET /%00 HTTP/1.1"), want: "400 encoded-nul"},
		{name: "backslash is never taken", parsing: keep, send: line(`GET /a\b HTTP/1.1`), want: "400 backslash"},
		ok("slashes kept", slashes, "/a//b///", "/a//b///"),
		ok("slashes kept, but in front", slashes, "//evil.test//a", "/evil.test//a"),
		ok("slashes kept, and dots behind them", slashes, "/a/..//evil.test", "/evil.test"),
		{name: "fewer fields", parsing: small, send: get("/", "A: 1", "B: 2", "C: 3", "D: 4"), want: "open 200", seen: sent("GET /", "A: 1", "B: 2", "C: 3", "D: 4")},
		{name: "too many of fewer fields", parsing: small, send: get("/", "A: 1", "B: 2", "C: 3", "D: 4", "E: 5"), want: "431 too-many-fields"},
		{name: "shorter line", parsing: small, send: get("/", "A: "+strings.Repeat("b", 510)), want: "431 field-too-large"},
		{name: "shorter target", parsing: small, send: get("/" + strings.Repeat("b", 510)), want: "414 target-too-long"},
		{name: "smaller head", parsing: small, send: get("/", "A: "+strings.Repeat("b", 500), "B: "+strings.Repeat("b", 500)), want: "431 head-too-large"},
	}
}
