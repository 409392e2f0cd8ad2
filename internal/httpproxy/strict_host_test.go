package httpproxy

import "strings"

// hostCases: the Host field (RFC 9112, 3.2; RFC 3986, 3.2.2).
func hostCases() []strictCase {
	ok := func(name, value, seen string) strictCase {
		return strictCase{name: name, send: host("Host: " + value), want: "open 200", seen: sentTo(seen, "GET /", "\n")}
	}
	bad := func(name, value string) strictCase {
		return strictCase{name: name, send: host("Host: " + value), want: "400 bad-host"}
	}
	return []strictCase{
		{name: "missing", send: host(), want: "400 no-host"},
		{name: "twice the same", send: host("Host: shop.test", "Host: shop.test"), want: "400 two-hosts"},
		{name: "two different", send: host("Host: shop.test", "Host: evil.test"), want: "400 two-hosts"},
		{name: "two in other spelling", send: host("Host: shop.test", "hOST: evil.test"), want: "400 two-hosts"},
		{name: "two, the second empty", send: host("Host: shop.test", "Host:"), want: "400 two-hosts"},
		{name: "space before the colon", send: host("Host : shop.test"), want: "400 space-before-colon"},
		{name: "folded", send: host("Host: shop.test", " evil.test"), want: "400 obs-fold"},
		{name: "second one folded away", send: host("Host: shop.test", "A: b", " Host: evil.test"), want: "400 obs-fold"},
		{name: "NUL", send: host("Host: shop.test\x00evil.test"), want: "400 bad-field-value"},
		{name: "bare CR", send: host("Host: shop.test\revil.test"), want: "400 bare-cr"},
		{name: "HTTP/1.0 without", send: "GET / HTTP/1.0\r\nA: b\r\n\r\n", want: "200", seen: "GET / HTTP/1.1\r\nHost: UPSTREAM\r\nA: b\r\n\r\n"},
		ok("upper case", "SHOP.Test", "shop.test"),
		ok("trailing dot", "shop.test.", "shop.test"),
		ok("trailing dot and port", "shop.test.:8080", "shop.test:8080"),
		ok("port", "shop.test:8080", "shop.test:8080"),
		ok("empty port", "shop.test:", "shop.test"),
		ok("zeros in the port", "shop.test:0080", "shop.test:80"),
		ok("white space around", " \tshop.test\t ", "shop.test"),
		ok("address", "127.0.0.1:80", "127.0.0.1:80"),
		ok("IPv6", "[2001:DB8::1]:80", "[2001:db8::1]:80"),
		ok("punycode", "XN--bcher-kva.test", "xn--bcher-kva.test"),
		ok("underscore", "my_shop.test", "my_shop.test"),
		bad("empty", ""),
		bad("two in a list", "shop.test,evil.test"),
		bad("two with a space", "shop.test evil.test"),
		bad("path", "shop.test/a"),
		bad("query", "shop.test?a"),
		bad("fragment", "shop.test#a"),
		bad("user", "admin@shop.test"),
		bad("scheme", "http://shop.test"),
		bad("backslash", `shop.test\evil`),
		bad("quote", `"shop.test"`),
		bad("percent", "shop%2etest"),
		bad("above 0x7F", "bücher.test"),
		bad("two dots", "shop..test"),
		bad("two trailing dots", "shop.test.."),
		bad("leading dot", ".shop.test"),
		bad("dot alone", "."),
		bad("wildcard", "*.shop.test"),
		bad("port too large", "shop.test:65536"),
		bad("port that is no number", "shop.test:80a"),
		bad("negative port", "shop.test:-1"),
		bad("two ports", "shop.test:80:80"),
		bad("port alone", ":80"),
		bad("IPv6 without brackets", "2001:db8::1"),
		bad("IPv6 with a zone", "[fe80::1%25eth0]"),
		bad("IPv6 with a bare zone", "[fe80::1%eth0]"),
		bad("IPv6 not closed", "[::1"),
		bad("IPv6 and more", "[::1]evil.test"),
		bad("IPv4 in brackets", "[127.0.0.1]"),
		bad("endless", strings.Repeat("a", 256)),
	}
}
