package http1

import (
	"strings"
	"testing"
)

var typicalRequest = []byte("GET /order/42/items?page=2 HTTP/1.1\r\nHost: shop.test:8080\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n" +
	"X-Forwarded-For: 6.6.6.6\r\nIf-None-Match: \"abc\"\r\n\r\n")

var typicalResponse = []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n" +
	"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\nCache-Control: no-store\r\n\r\n")

// exchange is what a proxy does with one request and its response.
func exchange(tb testing.TB, req *Request, resp *Response, body *BodyReader, out []byte) []byte {
	req.Reset()
	resp.Reset()
	if _, err := req.Parse(typicalRequest, nil); err != nil {
		tb.Fatal(err)
	}
	req.Fields.Set("X-Forwarded-For", req.Mem.Join("127.0.0.1", ", ", req.Fields.Get("x-forwarded-for")))
	req.Fields.Set("X-Forwarded-Proto", "http")
	for v := range req.Fields.Values("cookie") {
		if v == "" {
			tb.Fatal("cookie is empty")
		}
	}
	if v, ok := Parameter(req.RawQuery, "page", 0, &req.Mem); !ok || v != "2" {
		tb.Fatal(v)
	}
	if err := req.SetPath(req.Path[len("/order"):]); err != nil {
		tb.Fatal(err)
	}
	out = AppendRequest(out[:0], req, Persist)
	if _, err := resp.Parse(typicalResponse, nil, req.Method); err != nil {
		tb.Fatal(err)
	}
	body.Reset(resp.Body, resp.ContentLength, &resp.Fields)
	in := []byte("5\r\nhello\r\n0\r\n\r\n")
	resp.Fields.Del("server")
	out = AppendResponse(out[:0], resp, Persist)
	for len(in) > 0 {
		data, n, err := body.Next(in)
		if err != nil {
			tb.Fatal(err)
		}
		out = AppendChunk(out, data)
		in = in[n:]
	}
	return AppendTrailers(out, body.Trailers())
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	var req Request
	var resp Response
	var body BodyReader
	out := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(200, func() { out = exchange(t, &req, &resp, &body, out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if !strings.HasSuffix(string(out), "\r\n\r\n5\r\nhello\r\n0\r\n\r\n") {
		t.Errorf("%q", out)
	}
}

func TestFaultsDoNotAllocate(t *testing.T) {
	var req Request
	in := []byte("GET / HTTP/1.1\nHost: s\n\n")
	if n := testing.AllocsPerRun(200, func() {
		req.Reset()
		if _, err := req.Parse(in, nil); err != BareLF {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParseRequest(b *testing.B) {
	var req Request
	b.SetBytes(int64(len(typicalRequest)))
	b.ReportAllocs()
	for b.Loop() {
		req.Reset()
		if _, err := req.Parse(typicalRequest, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	var resp Response
	b.ReportAllocs()
	for b.Loop() {
		resp.Reset()
		if _, err := resp.Parse(typicalResponse, nil, "GET"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	var req Request
	req.Reset()
	if _, err := req.Parse(typicalRequest, nil); err != nil {
		b.Fatal(err)
	}
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out = AppendRequest(out[:0], &req, Persist)
	}
}

func BenchmarkExchange(b *testing.B) {
	var req Request
	var resp Response
	var body BodyReader
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out = exchange(b, &req, &resp, &body, out)
	}
}
