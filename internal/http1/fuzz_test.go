package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// seeds are heads near every rule; the fuzzer mutates them.
var requestSeeds = []string{
	"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n",
	"\r\nPOST /a//b/../%7e%2e?q=%20 HTTP/1.1\r\nHost: Shop.Test.:8080\r\nContent-Length: 007\r\nExpect: 100-continue\r\n\r\n",
	"PUT http://shop.test/x;y HTTP/1.0\r\nHost: shop.test:80\r\nConnection: keep-alive, x-a\r\nX-A: b\tc\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n",
	"GET /chat HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: s\r\nA: b\r\n c\r\nContent-Length: 1, 1\r\n\r\n",
	"GET / HTTP/1.1\nHost: s\n\n",
	"CONNECT s:443 HTTP/1.1\r\nHost: s\r\n\r\n",
	"GET /\\..;/{a} HTTP/1.1\r\nHost: s\r\nX_A: 1\r\n\r\n",
}

// FuzzRequest: what is accepted has one meaning. Its printed form is accepted again, means the same, prints as
// itself, and contains one Host, at most one framing and no line end but CRLF.
func FuzzRequest(f *testing.F) {
	for _, s := range requestSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, n, err := parseRequest(t, string(in), &Limits{Underscores: DropUnderscores})
		if err != nil {
			return
		}
		if n > len(in) || !bytes.HasSuffix(in[:n], []byte("\r\n\r\n")) {
			t.Fatalf("head of %d bytes in %d", n, len(in))
		}
		c := Persist
		if r.Upgrade != "" {
			c = Upgrading
		}
		out := string(AppendRequest(nil, r, c))
		if r.Authority == "" {
			return // HTTP/1.0 without Host: the engine gives it one
		}
		again, m, err := parseRequest(t, out, nil)
		if err != nil || m != len(out) {
			t.Fatalf("%q printed as %q: %d, %v", in, out, m, err)
		}
		if again.Method != r.Method || again.Path != r.Path || again.RawQuery != r.RawQuery || again.Host != r.Host ||
			again.Authority != r.Authority || again.Body != r.Body || again.ContentLength != r.ContentLength {
			t.Fatalf("%q printed as %q means something else", in, out)
		}
		if second := string(AppendRequest(nil, again, c)); second != out {
			t.Fatalf("%q printed again is %q", out, second)
		}
		checkPrinted(t, out)
		checkRequestElsewhere(t, r, out)
	})
}

// checkRequestElsewhere fails unless another parser takes a printed request for the same: one that our upstreams may use.
func checkRequestElsewhere(t *testing.T, r *Request, out string) {
	t.Helper()
	got, err := http.ReadRequest(bufio.NewReader(strings.NewReader(out)))
	if err != nil && strings.Contains(err.Error(), "bad trailer key") {
		return // it minds a Trailer field that names what never comes
	}
	if err != nil {
		t.Fatalf("%q is refused elsewhere: %v", out, err)
	}
	target := r.WirePath()
	if r.HasQuery {
		target += "?" + r.RawQuery
	}
	length := r.ContentLength
	if r.Body == NoBody {
		length = 0
	}
	isChunked := len(got.TransferEncoding) == 1 && got.TransferEncoding[0] == "chunked"
	if got.Method != r.Method || got.RequestURI != target || got.Host != r.Authority || isChunked != (r.Body == ChunkedBody) || got.ContentLength != length {
		t.Fatalf("%q is %s %s of %s, %v %d elsewhere; here %s %s of %s, %v %d", out, got.Method, got.RequestURI, got.Host, got.TransferEncoding, got.ContentLength,
			r.Method, target, r.Authority, r.Body, length)
	}
}

func checkPrinted(t *testing.T, out string) {
	t.Helper()
	head := strings.ToLower(out)
	for _, name := range []string{"\r\nhost:", "\r\ncontent-length:", "\r\ntransfer-encoding:"} {
		if strings.Count(head, name) > 1 {
			t.Fatalf("%q more than once in %q", name, out)
		}
	}
	if strings.Contains(head, "\r\ncontent-length:") && strings.Contains(head, "\r\ntransfer-encoding:") {
		t.Fatalf("two framings in %q", out)
	}
	rest := strings.ReplaceAll(out, "\r\n", "")
	if strings.ContainsAny(rest, "\r\n\x00") {
		t.Fatalf("a bare control in %q", out)
	}
}

// FuzzResponse: as FuzzRequest.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.0 404\r\nConnection: keep-alive, a\r\nA: b\r\n\r\n",
		"HTTP/1.1 200 \xfc\r\nTransfer-Encoding: chunked\r\nX_Y: z\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 304 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, isHead bool) {
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		r, n, err := parseResponse(t, string(in), method)
		if err != nil {
			return
		}
		if n > len(in) {
			t.Fatalf("head of %d bytes in %d", n, len(in))
		}
		out := string(AppendResponse(nil, r, Persist))
		again, m, err := parseResponse(t, out, method)
		if err != nil || m != len(out) || again.Status != r.Status || again.Body != r.Body && r.Body != NoBody || again.ContentLength != r.ContentLength {
			t.Fatalf("%q printed as %q: %v %d, %v", in, out, again.Body, again.ContentLength, err)
		}
		checkPrinted(t, out)
		checkResponseElsewhere(t, r, out, method)
	})
}

// checkResponseElsewhere fails unless another parser takes a printed response for the same: one that clients may use.
func checkResponseElsewhere(t *testing.T, r *Response, out, method string) {
	t.Helper()
	got, err := http.ReadResponse(bufio.NewReader(strings.NewReader(out)), &http.Request{Method: method})
	if err != nil && strings.Contains(err.Error(), "bad trailer key") {
		return
	}
	if err != nil {
		t.Fatalf("%q is refused elsewhere: %v", out, err)
	}
	isChunked := len(got.TransferEncoding) == 1 && got.TransferEncoding[0] == "chunked"
	if got.StatusCode != r.Status || r.Body == ChunkedBody != isChunked || r.Body == SizedBody && got.ContentLength != r.ContentLength ||
		r.Body == UntilClose && (got.ContentLength != -1 || isChunked) {
		t.Fatalf("%q is %d, %v %d elsewhere; here %d, %v %d", out, got.StatusCode, got.TransferEncoding, got.ContentLength, r.Status, r.Body, r.ContentLength)
	}
}

// FuzzChunked: the pieces a body arrives in do not matter, and what was read, printed, reads as the same.
func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"5\r\nhello\r\n0\r\n\r\n",
		"a;b=\"c\\\"\";d\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET ",
		"00f\r\n",
		"5 \r\nhello\r\n0\r\n\r\n",
		"5\nhello\n0\n\n",
		"ffffffffffffffff\r\n",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, piece int) {
		var head Fields
		head.Add("Trailer", "X")
		read := func(piece int) (*BodyReader, string, int, error) {
			b := new(BodyReader)
			b.Reset(ChunkedBody, -1, &head)
			data, n, err := readBody(b, string(in), piece)
			return b, data, n, err
		}
		a, data, n, err := read(len(in) + 1)
		b, data2, n2, err2 := read(max(1, piece&1023))
		if data != data2 || n != n2 || err != err2 || a.Done() != b.Done() || a.Received() != int64(len(data)) {
			t.Fatalf("%q: whole %q %d %v; by %d %q %d %v", in, data, n, err, piece, data2, n2, err2)
		}
		if !a.Done() {
			return
		}
		out := AppendTrailers(AppendChunk(nil, []byte(data)), a.Trailers())
		b.Reset(ChunkedBody, -1, &head)
		again, m, err := readBody(b, string(out), 5)
		if again != data || m != len(out) || err != nil || b.Trailers().Len() != a.Trailers().Len() {
			t.Fatalf("%q printed as %q: %q, %v", in, out, again, err)
		}
		// And elsewhere, as it was received too: who reads on finds the next request at the same place.
		for _, text := range []string{string(out), string(in[:n])} {
			head := "POST / HTTP/1.1\r\nHost: s\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n"
			left := bufio.NewReader(strings.NewReader(head + text + "next"))
			req, err := http.ReadRequest(left)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(req.Body)
			next, _ := io.ReadAll(left)
			if err != nil && text == string(out) || err == nil && (string(body) != data || string(next) != "next") {
				t.Fatalf("%q is %q and then %q elsewhere, %v; here %q", text, body, next, err, data)
			}
		}
	})
}

// FuzzTarget: a normal path is its own normal form and has nothing left that a server could read in another way. A path
// that differs from it in nothing but spelling decodes to the same bytes, segment by segment.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{
		"/", "/a/b", "/a/../b", "/%2e%2e/", "//a//", "/a%2fb", "/%5c", "/..;/a", "/%00", "/%zz", "/\\", "/a b", "/%C3%bc", "/.%2e", "/a/.;x", "/%25%32%65",
		"/a%2f..%2f..%2fb", "/a//..//b", "/%2f%2fb", "/%2e%2f", "/{a}|%7e",
	} {
		for rules := range uint8(8) {
			f.Add(s, rules)
		}
	}
	f.Fuzz(func(t *testing.T, in string, choice uint8) {
		rules := pathRules{Slashes(choice & 1), EncodedSlashes(choice >> 1 & 3)}
		var mem Arena
		p, done, fault := normalise(in, &mem, rules)
		if fault != 0 {
			return
		}
		if again, more, fault := normalise(p, &mem, rules); fault != 0 || again != p || more&^keptSlash != 0 {
			t.Fatalf("%q is %q is %q, %v %v", in, p, again, more, fault)
		}
		if p[0] != '/' || strings.HasPrefix(p, "//") || rules.slashes == MergeSlashes && strings.Contains(p, "//") || strings.ContainsAny(p, "\\ ?#\"<>") {
			t.Fatalf("%q is %q", in, p)
		}
		for seg := range strings.SplitSeq(p, "/") {
			name, _, _ := strings.Cut(seg, ";")
			if name == "." || name == ".." {
				t.Fatalf("%q is %q", in, p)
			}
		}
		upper := strings.ToUpper(p)
		for _, esc := range []string{"%00", "%2E", "%41", "%7E"} {
			if strings.Contains(upper, esc) {
				t.Fatalf("%q is %q", in, p)
			}
		}
		if slash := strings.Contains(upper, "%2F") || strings.Contains(upper, "%5C"); slash != (done&keptSlash != 0 && slash) || slash && rules.encoded != KeepEncodedSlash {
			t.Fatalf("%q is %q, %b", in, p, done)
		}
		if done == 0 {
			checkSpelling(t, in, p, rules.slashes == KeepSlashes)
		}
		// Received as a target it gives the same path.
		lim := Limits{Slashes: rules.slashes, EncodedSlashes: rules.encoded}
		if r, _, err := parseRequest(t, "GET "+p+" HTTP/1.1\r\nHost: s\r\n\r\n", &lim); err != TargetTooLong && (err != nil || r.Path != p || r.Moved) {
			t.Fatalf("%q: received as %q, %v", p, r.Path, err)
		}
	})
}

// checkSpelling fails unless two paths have the same segments for every server, whether it decodes before or after it
// divides, and whether it merges slashes and takes dots or not.
func checkSpelling(t *testing.T, a, b string, empties bool) {
	t.Helper()
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	if len(as) != len(bs) {
		t.Fatalf("%q and %q are spellings of one path", a, b)
	}
	for i := range as {
		x, err := url.PathUnescape(as[i])
		y, err2 := url.PathUnescape(bs[i])
		if err != nil || err2 != nil || x != y || x == "." || x == ".." || x == "" && !empties && i > 0 && i < len(as)-1 || strings.ContainsAny(x, "/\\\x00") {
			t.Fatalf("%q and %q are spellings of one path: segments %q and %q", a, b, x, y)
		}
	}
}
