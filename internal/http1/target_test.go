package http1

import (
	"strings"
	"testing"
)

// TestPathRules: for each target and rule the path that counts, the spelling that is sent on where the client's is
// asked for, and whether the two could be taken for different ones.
func TestPathRules(t *testing.T) {
	keep, decode, redirect := Limits{EncodedSlashes: KeepEncodedSlash}, Limits{EncodedSlashes: DecodeEncodedSlash}, Limits{EncodedSlashes: RedirectEncodedSlash}
	slashes := Limits{Slashes: KeepSlashes}
	for _, c := range []struct {
		lim        Limits
		target     string
		path, wire string
		moved      bool
		fault      Fault
	}{
		{Limits{}, "/a/b", "/a/b", "/a/b", false, 0},
		{Limits{}, "/%7ea/%c3%bc{x}|", "/~a/%C3%BC%7Bx%7D%7C", "/%7ea/%c3%bc{x}|", false, 0},
		{Limits{}, "/a%2eb", "/a.b", "/a%2eb", false, 0},
		{Limits{}, "/a/", "/a/", "/a/", false, 0},
		{Limits{}, "/a//b", "/a/b", "/a/b", false, 0},
		{Limits{}, "//a", "/a", "/a", false, 0},
		{Limits{}, "/a/./b", "/a/b", "/a/b", false, 0},
		{Limits{}, "/a/%2e%2E/b", "/b", "/b", false, 0},
		{Limits{}, "/a/..", "/", "/", false, 0},
		{Limits{}, "/a%2fb", "", "", false, EncodedSlash},
		{Limits{}, "/a%5Cb", "", "", false, EncodedSlash},
		{keep, "/a%2f..%2fb%5C/../c", "/c", "/c", false, 0},
		{keep, "/a%2fb", "/a%2Fb", "/a%2Fb", false, 0},
		{keep, "/a%5cb", "/a%5Cb", "/a%5Cb", false, 0},
		{decode, "/a%2Fb", "/a/b", "/a/b", false, 0},
		{decode, "/a%2F..%2Fb", "/b", "/b", false, 0},
		{decode, "/%2Fevil.test/", "/evil.test/", "/evil.test/", false, 0},
		{decode, "/a%252Fb", "/a%252Fb", "/a%252Fb", false, 0},
		{decode, "/a%5Cb", "", "", false, EncodedSlash},
		{decode, "/a%2F..;x", "", "", false, DotParameter},
		{redirect, "/a%2fb", "/a/b", "/a/b", true, 0},
		{redirect, "/a/b", "/a/b", "/a/b", false, 0},
		{redirect, "/a%5cb", "", "", false, EncodedSlash},
		{redirect, "/a?b=%2F", "/a", "/a", false, 0},
		{slashes, "/a//b", "/a//b", "/a//b", false, 0},
		{slashes, "/a//", "/a//", "/a//", false, 0},
		{slashes, "//evil.test/a", "/evil.test/a", "/evil.test/a", false, 0},
		{slashes, "///a", "/a", "/a", false, 0},
		{slashes, "/a//../b", "/a/b", "/a/b", false, 0},
		{slashes, "/a/..//b", "/b", "/b", false, 0},
		{slashes, "/a//%7e", "/a//~", "/a//%7e", false, 0},
		{Limits{Slashes: KeepSlashes, EncodedSlashes: DecodeEncodedSlash}, "/a/%2Fb", "/a//b", "/a//b", false, 0},
		{Limits{Slashes: KeepSlashes, EncodedSlashes: DecodeEncodedSlash}, "/%2F%2Fb", "/b", "/b", false, 0},
	} {
		r, _, err := parseRequest(t, "GET "+c.target+" HTTP/1.1\r\nHost: s\r\n\r\n", &c.lim)
		if err != c.fault.err() {
			t.Errorf("%+v %s: %v, want %v", c.lim, c.target, err, c.fault)
		}
		if err != nil {
			continue
		}
		if got := r.WirePath(); got != r.Path {
			t.Errorf("%+v %s: %q is sent though nobody asked for the client's spelling", c.lim, c.target, got)
		}
		r.SendAsReceived()
		if got := r.WirePath(); r.Path != c.path || got != c.wire || r.Moved != c.moved {
			t.Errorf("%+v %s: path %q, sent %q, moved %v", c.lim, c.target, r.Path, got, r.Moved)
		}
		if differs := c.wire != strings.SplitN(c.target, "?", 2)[0]; differs && !r.Differs {
			t.Errorf("%+v %s: another path is sent, and nobody is told", c.lim, c.target)
		}
		if err := r.SetPath("/x" + r.Path); err != nil || r.WirePath() != "/x"+c.path {
			t.Errorf("%+v %s: after a rewrite %q is sent, %v", c.lim, c.target, r.WirePath(), err)
		}
	}
}

// TestCountsAreCapped: what is cheap to send and dear to keep is refused before anybody keeps it.
func TestCountsAreCapped(t *testing.T) {
	query := func(n int) string { return "GET /?a" + strings.Repeat("&a", n-1) + " HTTP/1.1\r\nHost: s\r\n\r\n" }
	cookies := func(n int) string {
		return "GET / HTTP/1.1\r\nHost: s\r\nCookie: a=b\r\nCookie: a=b" + strings.Repeat("; a=b", n-2) + "\r\n\r\n"
	}
	for _, c := range []struct {
		in   string
		want error
	}{
		{query(maxParameters), nil}, {query(maxParameters + 1), TooManyParameters}, {cookies(maxCookies), nil}, {cookies(maxCookies + 1), TooManyCookies},
		{"GET /?" + strings.Repeat("x", 5000) + " HTTP/1.1\r\nHost: s\r\n\r\n", nil},
	} {
		if _, _, err := parseRequest(t, c.in, nil); err != c.want {
			t.Errorf("%.60q: %v, want %v", c.in, err, c.want)
		}
	}
}
