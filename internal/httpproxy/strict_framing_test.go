package httpproxy

import (
	"fmt"
	"strings"
)

// lengthCases: Content-Length (RFC 9110, 8.6; RFC 9112, 6.2 and 6.3).
func lengthCases() []strictCase {
	bad := func(name, field, reason string) strictCase {
		return strictCase{name: name, send: post("/", "abc", field), want: "400 " + reason}
	}
	length := func(n string) string { return "Content-Length: " + n }
	body := func(method, name string) strictCase {
		return strictCase{name: name, send: strings.Replace(post("/", smuggled, length(fmt.Sprint(len(smuggled)))), "POST", method, 1), want: "open 200",
			seen: sent(method+" /", length(fmt.Sprint(len(smuggled))), "\n"+smuggled)}
	}
	return []strictCase{
		{name: "plain", send: post("/", "abc", length("3")), want: "open 200", seen: sent("POST /", length("3"), "\nabc")},
		{name: "zero", send: post("/", "", length("0")), want: "open 200", seen: sent("POST /", length("0"))},
		{name: "none", send: post("/", ""), want: "open 200", seen: sent("POST /")},
		{name: "leading zeros", send: post("/", "abc", length("0003")), want: "open 200", seen: sent("POST /", length("3"), "\nabc")},
		{name: "white space around", send: post("/", "abc", "Content-Length: \t3 \t"), want: "open 200", seen: sent("POST /", length("3"), "\nabc")},
		{name: "odd spelling of the name", send: post("/", "abc", "cONTENT-lENGTH: 3"), want: "open 200", seen: sent("POST /", length("3"), "\nabc")},
		{name: "HTTP/1.0", send: "POST / HTTP/1.0\r\nHost: shop.test\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc", want: "open 200", seen: sent("POST /", length("3"), "\nabc")},
		bad("twice the same", "Content-Length: 3\r\nContent-Length: 3", "two-lengths"),
		bad("two different", "Content-Length: 3\r\nContent-Length: 0", "two-lengths"),
		bad("two in other spelling", "Content-Length: 3\r\ncontent-length: 47", "two-lengths"),
		bad("second one empty", "Content-Length: 3\r\nContent-Length:", "two-lengths"),
		bad("list of the same", length("3,3"), "bad-length"),
		bad("list with a space", length("3, 3"), "bad-length"),
		bad("list of different", length("3, 0"), "bad-length"),
		bad("plus", length("+3"), "bad-length"),
		bad("minus", length("-3"), "bad-length"),
		bad("minus zero", length("-0"), "bad-length"),
		bad("hexadecimal", length("0x3"), "bad-length"),
		bad("letter", length("3a"), "bad-length"),
		bad("fraction", length("3.0"), "bad-length"),
		bad("exponent", length("3e0"), "bad-length"),
		bad("group separator", length("1_0"), "bad-length"),
		bad("quoted", length(`"3"`), "bad-length"),
		bad("parameter", length("3;a"), "bad-length"),
		bad("inner space", length("3 3"), "bad-length"),
		bad("empty", "Content-Length:", "bad-length"),
		bad("2^63", length("9223372036854775808"), "bad-length"),
		bad("2^64 + 3", length("18446744073709551619"), "bad-length"),
		bad("very many digits", length(strings.Repeat("9", 1000)), "bad-length"),
		bad("NUL", length("3\x00"), "bad-field-value"),
		bad("vertical tab", length("\x0b3"), "bad-field-value"),
		bad("space before the colon", "Content-Length : 3", "space-before-colon"),
		bad("folded", "Content-Length:\r\n 3", "obs-fold"),
		bad("folded behind another", "A: b\r\n Content-Length: 3", "obs-fold"),
		bad("bare LF before", "A: b\nContent-Length: 3", "bare-lf"),
		bad("bare CR before", "A: b\rContent-Length: 3", "bare-cr"),
		{name: "TRACE with a body", send: strings.Replace(post("/", "abc", length("3")), "POST", "TRACE", 1), want: "400 body-forbidden"},
		body("GET", "GET with a body that is a request"),
		body("DELETE", "DELETE with a body that is a request"),
		body("OPTIONS", "OPTIONS with a body that is a request"),
		body("POST", "POST with a body that is a request"),
		{name: "HEAD with a body", send: strings.Replace(post("/", "abc", length("3")), "POST", "HEAD", 1), want: "open HEAD 200", seen: sent("HEAD /", length("3"), "\nabc")},
	}
}

// codingCases: Transfer-Encoding (RFC 9112, 6.1 and 7).
func codingCases() []strictCase {
	bad := func(name, reason string, fields ...string) strictCase {
		return strictCase{name: name, send: post("/", hello, fields...), want: reason}
	}
	ok := func(name, field string) strictCase {
		return strictCase{name: name, send: post("/", hello, field), want: "open 200", seen: sent("POST /", chunked, "\n"+hello)}
	}
	coding := func(v string) string { return "Transfer-Encoding: " + v }
	return []strictCase{
		ok("plain", chunked),
		ok("upper case", coding("CHUNKED")),
		ok("odd spelling of the name", "tRANSFER-eNCODING: chunked"),
		ok("white space around", "Transfer-Encoding:\t chunked \t"),
		ok("no space after the colon", "Transfer-Encoding:chunked"),
		bad("with a length before", "400 length-and-coding", "Content-Length: 5", chunked),
		bad("with a length behind", "400 length-and-coding", chunked, "Content-Length: 5"),
		bad("with a length of zero", "400 length-and-coding", "Content-Length: 0", chunked),
		bad("identity with a length", "400 length-and-coding", "Content-Length: 5", coding("identity")),
		bad("unknown with a length", "400 length-and-coding", "Content-Length: 5", coding("x")),
		bad("with a length in HTTP/1.0 spelling", "400 length-and-coding", chunked, "content-length:5"),
		bad("twice", "400 two-codings", chunked, chunked),
		bad("chunked, then identity", "400 two-codings", chunked, coding("identity")),
		bad("identity, then chunked", "400 two-codings", coding("identity"), chunked),
		bad("second one empty", "400 two-codings", chunked, "Transfer-Encoding:"),
		bad("identity", "501 unknown-coding", coding("identity")),
		bad("gzip", "501 unknown-coding", coding("gzip")),
		bad("xchunked", "501 unknown-coding", coding("xchunked")),
		bad("chunkedx", "501 unknown-coding", coding("chunkedx")),
		bad("chunke", "501 unknown-coding", coding("chunke")),
		bad("gzip, chunked", "400 bad-coding", coding("gzip, chunked")),
		bad("chunked, gzip", "400 bad-coding", coding("chunked, gzip")),
		bad("chunked, chunked", "400 bad-coding", coding("chunked, chunked")),
		bad("chunked, identity", "400 bad-coding", coding("chunked, identity")),
		bad("trailing comma", "400 bad-coding", coding("chunked,")),
		bad("leading comma", "400 bad-coding", coding(", chunked")),
		bad("parameter", "400 bad-coding", coding("chunked;q=1")),
		bad("two words", "400 bad-coding", coding("chunked x")),
		bad("double quotes", "400 bad-coding", coding(`"chunked"`)),
		bad("single quotes", "501 unknown-coding", coding("'chunked'")),
		bad("empty", "400 bad-coding", "Transfer-Encoding:"),
		bad("byte above 0x7F", "400 bad-coding", coding("chunked\xa0")),
		bad("Kelvin sign", "400 bad-coding", coding("chun\xe2\x84\xaaed")),
		bad("NUL", "400 bad-field-value", coding("chunked\x00")),
		bad("vertical tab in front", "400 bad-field-value", coding("\x0bchunked")),
		bad("space before the colon", "400 space-before-colon", "Transfer-Encoding : chunked"),
		bad("tab before the colon", "400 space-before-colon", "Transfer-Encoding\t: chunked"),
		bad("NUL in the name", "400 bad-field-name", "Transfer-Encoding\x00: chunked"),
		bad("underscore in the name", "400 underscore-name", "Transfer_Encoding: chunked"),
		bad("folded", "400 obs-fold", "Transfer-Encoding:\r\n chunked"),
		bad("folded, second coding", "400 obs-fold", "Transfer-Encoding: chunked\r\n , identity"),
		bad("folded behind another", "400 obs-fold", "A: b\r\n Transfer-Encoding: chunked"),
		bad("bare LF before", "400 bare-lf", "A: b\nTransfer-Encoding: chunked"),
		bad("bare CR before", "400 bare-cr", "A: b\rTransfer-Encoding: chunked"),
		{name: "HTTP/1.0", send: strings.Replace(post("/", hello, chunked), "HTTP/1.1", "HTTP/1.0", 1), want: "400 coding-in-old-version"},
		{name: "HTTP/1.0 with a length", send: strings.Replace(post("/", hello, chunked, "Content-Length: 5"), "HTTP/1.1", "HTTP/1.0", 1), want: "400 length-and-coding"},
		{name: "GET", send: strings.Replace(post("/", hello, chunked), "POST", "GET", 1), want: "open 200", seen: sent("GET /", chunked, "\n"+hello)},
		{name: "TRACE", send: strings.Replace(post("/", hello, chunked), "POST", "TRACE", 1), want: "400 body-forbidden"},
	}
}
