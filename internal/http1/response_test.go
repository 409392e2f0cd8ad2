package http1

import (
	"errors"
	"strings"
	"testing"
)

func parseResponse(t testing.TB, text, method string) (*Response, int, error) {
	t.Helper()
	whole, pieces := new(Response), new(Response)
	whole.Reset()
	pieces.Reset()
	n, err := whole.Parse([]byte(text), nil, method)
	for i := 0; i <= len(text); i++ {
		m, perr := pieces.Parse([]byte(text[:i]), nil, method)
		if perr == ErrNeedMore && i < len(text) {
			continue
		}
		if (perr == nil) != (err == nil) || perr == nil && m != n || errors.Is(perr, ErrNeedMore) != errors.Is(err, ErrNeedMore) {
			t.Fatalf("%q: in pieces %d, %v; whole %d, %v", text, m, perr, n, err)
		}
		break
	}
	return whole, n, err
}

func TestResponseFaults(t *testing.T) {
	ok := func(f string) string { return "HTTP/1.1 200 OK\r\n" + f + "\r\n" }
	for _, c := range []struct {
		in   string
		want Fault
	}{
		{"HTTP/1.1 200 OK\nA: b\n\n", BareLF},
		{"HTTP/1.1 200 OK\r\nA: b\n\r\n", BareLF},
		{"\r\n" + ok(""), BadStatusLine},
		{"SSH-2.0-OpenSSH\r\n", BadStatusLine},
		{"HTTP/1.1 20 OK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 2000 OK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 2x0 OK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 099 OK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1  200 OK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 200\tOK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 200 O\x00K\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 200 O\rK\r\n\r\n", BareCR},
		{"HTTP/1.2 200 OK\r\n\r\n", UnsupportedVersion},
		{"HTTP/2 200 OK\r\n\r\n", BadStatusLine},
		{"HTTP/1.1\r\n\r\n", BadStatusLine},
		{"HTTP/1.1 " + strings.Repeat("x", DefaultLine), BadStatusLine},
		{ok("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), LengthAndCoding},
		{ok("Content-Length: 1\r\nContent-Length: 1\r\n"), TwoLengths},
		{ok("Content-Length: 1\r\nContent-Length: 2\r\n"), TwoLengths},
		{ok("Content-Length: 1, 1\r\n"), BadLength},
		{ok("Content-Length: -1\r\n"), BadLength},
		{ok("Transfer-Encoding: gzip, chunked\r\n"), BadCoding},
		{ok("Transfer-Encoding: gzip\r\n"), UnknownCoding},
		{ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), TwoCodings},
		{"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CodingInOldVersion},
		{"HTTP/1.1 204 No\r\nContent-Length: 1\r\n\r\n", BodyForbidden},
		{"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", BodyForbidden},
		{"HTTP/1.1 100 Go\r\nContent-Length: 1\r\n\r\n", BodyForbidden},
		{ok("A : b\r\n"), SpaceBeforeColon},
		{ok("A: b\r\n c\r\n"), ObsFold},
		{ok("A: b\x00\r\n"), BadFieldValue},
		{ok("Set-Cookie: a=b\rX: y\r\n"), BareCR},
		{ok(strings.Repeat("A: b\r\n", 101)), TooManyFields},
	} {
		if _, _, err := parseResponse(t, c.in, "GET"); err != c.want {
			t.Errorf("%.100q: %v, want %v", c.in, err, c.want)
		}
	}
}

func TestResponseMeaning(t *testing.T) {
	for _, c := range []struct {
		in, method string
		body       Framing
		length     int64
		keep       bool
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", SizedBody, 5, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "GET", SizedBody, 0, false},
		{"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", ChunkedBody, -1, true},
		{"HTTP/1.1 200 \r\n\r\n", "GET", UntilClose, -1, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", SizedBody, 5, false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", "GET", SizedBody, 5, true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", NoBody, 5, true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", NoBody, -1, true},
		{"HTTP/1.1 200 OK\r\n\r\n", "HEAD", NoBody, -1, true},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", NoBody, 5, true},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", NoBody, -1, true},
		{"HTTP/1.1 100 Continue\r\n\r\n", "GET", NoBody, -1, true},
		{"HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n", "GET", SizedBody, 0, true},
	} {
		r, n, err := parseResponse(t, c.in, c.method)
		if err != nil || n != len(c.in) || r.Body != c.body || r.ContentLength != c.length || r.KeepAlive != c.keep {
			t.Errorf("%s %q: %v %d %v, %d of %d, %v", c.method, c.in, r.Body, r.ContentLength, r.KeepAlive, n, len(c.in), err)
		}
	}
	r, _, err := parseResponse(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET")
	if err != nil || r.Upgrade != "websocket" || r.Interim() {
		t.Errorf("%+v, %v", r, err)
	}
	if r, _, _ := parseResponse(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "GET"); !r.Interim() {
		t.Error("103 is not interim")
	}
}

func TestResponsePrint(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP/1.0 200 Fine\r\nContent-Length: 05\r\nConnection: X-Gone\r\nX-Gone: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\nKeep-Alive: timeout=5\r\n\r\n": "HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n": "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n":               "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
		"HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n":         "HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\n":         "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
	} {
		r, _, err := parseResponse(t, in, "GET")
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendResponse(nil, r, Persist)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	var r Response
	r.Reset()
	r.Status = 503
	r.Fields.Add("Content-Type", "text/plain")
	for c, want := range map[Connection]string{
		Persist:   "",
		Close:     "Connection: close\r\n",
		KeepAlive: "Connection: keep-alive\r\n",
	} {
		want = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n" + want + "\r\n"
		if got := string(AppendResponse(nil, &r, c)); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	r.Status, r.Upgrade = 101, "websocket"
	want := "HTTP/1.1 101 Switching Protocols\r\nContent-Type: text/plain\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
	if got := string(AppendResponse(nil, &r, Upgrading)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if Reason(418) != "Unknown" || Reason(-1) != "Unknown" || Reason(511) != "Network Authentication Required" || Reason(499) == "Unknown" {
		t.Error("reasons are wrong")
	}
}
