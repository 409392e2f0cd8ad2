package httpproxy

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"paifang/internal/model"
)

// TestHTTP2Strict: what a request of HTTP/2 may say, what it is answered, and which bytes an endpoint of HTTP/1.1 gets for it.
func TestHTTP2Strict(t *testing.T) {
	t.Parallel()
	pseudo := func(method, authority, path string, more ...string) []string {
		lines := []string{":method: " + method, ":scheme: http", ":path: " + path}
		if authority != "" {
			lines = append(lines, ":authority: "+authority)
		}
		return append(lines, more...)
	}
	many := func(n int) []string {
		var lines []string
		for i := range n {
			lines = append(lines, fmt.Sprintf("x-%d: y", i))
		}
		return pseudo("GET", "shop.test", "/", lines...)
	}
	for name, c := range map[string]struct {
		lines  []string
		status string // or "reset"
		reason string
		line   string // that the endpoint gets; empty: it gets nothing
		head   string // a field that it gets, "name: value"; "name:" alone: it does not
	}{
		"plain":                   {pseudo("GET", "shop.test", "/a?b=c"), "200", "", "GET /a?b=c HTTP/1.1", "host: shop.test"},
		"host alone":              {pseudo("GET", "", "/", "host: shop.test"), "200", "", "GET / HTTP/1.1", "host: shop.test"},
		"host and authority":      {pseudo("GET", "shop.test", "/x", "host: SHOP.test"), "200", "", "GET /x HTTP/1.1", "host: shop.test"},
		"default port":            {pseudo("GET", "shop.test:80", "/x", "host: shop.test"), "200", "", "GET /x HTTP/1.1", "host: shop.test"},
		"both, options":           {pseudo("OPTIONS", "shop.test", "*", "host: shop.test"), "200", "", "OPTIONS * HTTP/1.1", ""},
		"authority against host":  {pseudo("GET", "shop.test", "/", "host: evil.test"), "400", "host-mismatch", "", ""},
		"two hosts":               {pseudo("GET", "shop.test", "/", "host: shop.test", "host: shop.test"), "400", "two-hosts", "", ""},
		"no host at all":          {pseudo("GET", "", "/"), "400", "no-host", "", ""},
		"user info":               {pseudo("GET", "me@shop.test", "/"), "400", "bad-host", "", ""},
		"user info, and host":     {pseudo("GET", "me@shop.test", "/", "host: shop.test"), "400", "user-info", "", ""},
		"path in the authority":   {pseudo("GET", "shop.test/x", "/"), "400", "bad-host", "", ""},
		"path in it, and host":    {pseudo("GET", "shop.test/admin?", "/", "host: shop.test"), "400", "bad-host", "", ""},
		"query in it, and host":   {pseudo("GET", "shop.test?", "/", "host: shop.test"), "400", "bad-host", "", ""},
		"space in the authority":  {pseudo("GET", "shop.test evil", "/"), "400", "bad-host", "", ""},
		"long authority":          {pseudo("GET", strings.Repeat("a", 10_000), "/", "host: shop.test"), "400", "bad-host", "", ""},
		"upper case":              {pseudo("GET", "Shop.TEST.", "/"), "200", "", "GET / HTTP/1.1", "host: shop.test"},
		"dot segments":            {pseudo("GET", "shop.test", "/a/../../b/./%2e%2e/c//d"), "200", "", "GET /c/d HTTP/1.1", ""},
		"encoded slash":           {pseudo("GET", "shop.test", "/a%2fb"), "307", "encoded-slash-moved", "", ""},
		"encoded NUL":             {pseudo("GET", "shop.test", "/a%00"), "400", "encoded-nul", "", ""},
		"bad escape":              {pseudo("GET", "shop.test", "/%zz"), "400", "bad-escape", "", ""},
		"backslash":               {pseudo("GET", "shop.test", `/a\b`), "400", "backslash", "", ""},
		"fragment":                {pseudo("GET", "shop.test", "/a#b"), "400", "fragment", "", ""},
		"space in the path":       {pseudo("GET", "shop.test", "/a b"), "400", "bad-request-line", "", ""},
		"a request in the path":   {pseudo("GET", "shop.test", "/a HTTP/1.1"), "400", "bad-version", "", ""},
		"high byte":               {pseudo("GET", "shop.test", "/\xc3\xa9"), "400", "bad-target", "", ""},
		"star":                    {pseudo("GET", "shop.test", "*"), "400", "bad-target", "", ""},
		"method with a space":     {pseudo("GET /x", "shop.test", "/"), "400", "bad-request-line", "", ""},
		"empty method":            {pseudo("", "shop.test", "/"), "400", "bad-request-line", "", ""},
		"lower method":            {pseudo("get", "shop.test", "/"), "200", "", "get / HTTP/1.1", ""},
		"long method":             {pseudo(strings.Repeat("M", 40), "shop.test", "/"), "501", "method-too-long", "", ""},
		"connect":                 {[]string{":method: CONNECT", ":authority: shop.test:443"}, "501", "connect-method", "", ""},
		"underscore":              {pseudo("GET", "shop.test", "/", "x_real_ip: 1.2.3.4"), "400", "underscore-name", "", ""},
		"claims":                  {pseudo("GET", "shop.test", "/", "x-forwarded-for: 6.6.6.6", "x-real-ip: 6.6.6.6"), "200", "", "GET / HTTP/1.1", "x-forwarded-for: 127.0.0.1"},
		"te":                      {pseudo("GET", "shop.test", "/", "te: trailers"), "200", "", "GET / HTTP/1.1", "te:"},
		"cookies":                 {pseudo("GET", "shop.test", "/", "cookie: a=1", "x: y", "cookie: b=2;", "cookie: c=3"), "200", "", "GET / HTTP/1.1", "cookie: a=1; b=2; c=3"},
		"expect":                  {pseudo("GET", "shop.test", "/", "expect: nothing"), "417", "unknown-expectation", "", ""},
		"http2-settings":          {pseudo("GET", "shop.test", "/", "http2-settings: AAMAAABkAARAAAAAAAIAAAAA"), "200", "", "GET / HTTP/1.1", "http2-settings:"},
		"length 0":                {pseudo("POST", "shop.test", "/", "content-length: 0"), "200", "", "POST / HTTP/1.1", "content-length: 0"},
		"lengths that agree":      {pseudo("POST", "shop.test", "/", "content-length: 0", "content-length: 0"), "400", "two-lengths", "", ""},
		"as many fields as may":   {many(99), "200", "", "GET / HTTP/1.1", ""},
		"too many fields":         {many(110), "431", "too-many-fields", "", ""},
		"too large":               {pseudo("GET", "shop.test", "/", "x: "+strings.Repeat("y", 30_000), "z: "+strings.Repeat("y", 40_000)), "431", "head-too-large", "", ""},
		"line too large":          {pseudo("GET", "shop.test", "/", "x: "+strings.Repeat("y", 40_000)), "431", "field-too-large", "", ""},
		"target too large":        {pseudo("GET", "shop.test", "/"+strings.Repeat("y", 40_000)), "414", "target-too-long", "", ""},
		"connection":              {pseudo("GET", "shop.test", "/", "connection: x-real-ip"), "reset", "malformed", "", ""},
		"transfer-encoding":       {pseudo("POST", "shop.test", "/", "transfer-encoding: chunked"), "reset", "malformed", "", ""},
		"upgrade":                 {pseudo("GET", "shop.test", "/", "upgrade: websocket"), "reset", "malformed", "", ""},
		"te other":                {pseudo("GET", "shop.test", "/", "te: gzip"), "reset", "malformed", "", ""},
		"path without slash":      {pseudo("GET", "shop.test", "admin"), "reset", "malformed", "", ""},
		"absolute path":           {pseudo("GET", "shop.test", "http://evil.test/"), "reset", "malformed", "", ""},
		"empty path":              {pseudo("GET", "shop.test", ""), "reset", "malformed", "", ""},
		"scheme":                  {[]string{":method: GET", ":scheme: ftp", ":authority: shop.test", ":path: /"}, "reset", "malformed", "", ""},
		"websocket over a stream": {[]string{":method: CONNECT", ":scheme: http", ":authority: shop.test", ":path: /", ":protocol: websocket"}, "reset", "malformed", "", ""},
		"field after length":      {pseudo("GET", "shop.test", "/", "content-length: 5"), "reset", "malformed", "", ""},
		"line end in a value":     {pseudo("GET", "shop.test", "/", "x: y\r\nevil: 1"), "reset", "malformed", "", ""},
		"line end in the path":    {pseudo("GET", "shop.test", "/ HTTP/1.1\r\nevil: 1"), "reset", "malformed", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, rec := simple(t, echo, nil)
			r := s.dial2()
			r.headers(1, true, c.lines...)
			a := r.answers(1)[1]
			switch {
			case c.status == "reset":
				if a.reset == nil || *a.reset != http2.ErrCodeProtocol {
					t.Fatalf("%+v", a)
				}
				if l := s.last(1); l.Reason != c.reason || l.Status != 400 {
					t.Errorf("%+v", l)
				}
			case a.status != c.status || a.head["x-paifang-reason"] != c.reason:
				t.Fatalf("%+v", a)
			default:
				if l := s.last(1); fmt.Sprint(l.Status) != c.status || l.Reason != c.reason {
					t.Errorf("%+v", l)
				}
			}
			got := rec.requests()
			if c.line == "" {
				if seen := rec.seen(); seen != "" {
					t.Fatalf("the endpoint got %q", seen)
				}
				r.headers(3, true) // the connection goes on
				if a := r.answers(1)[3]; a.status != "200" {
					t.Errorf("the next stream: %+v", a)
				}
				return
			}
			if len(got) != 1 || got[0] != c.line {
				t.Fatalf("the endpoint got %q", got)
			}
			q, err := readRequest(bufio.NewReader(strings.NewReader(rec.seen())))
			if err != nil {
				t.Fatal(err)
			}
			if name, value, ok := strings.Cut(c.head, ":"); ok && q.head[name] != strings.TrimSpace(value) {
				t.Errorf("%s is %q, want %q", name, q.head[name], value)
			}
			for _, name := range []string{"connection", "keep-alive", "upgrade", "te"} {
				if v, ok := q.head[name]; ok {
					t.Errorf("%s: %s reached the endpoint", name, v)
				}
			}
		})
	}
}

// TestHTTP2Bodies: what the bytes of bodies become in HTTP/1.1.
func TestHTTP2Bodies(t *testing.T) {
	post := func(more ...string) []string {
		return append([]string{":method: POST", ":scheme: http", ":authority: shop.test", ":path: /"}, more...)
	}
	for name, c := range map[string]struct {
		send func(r *raw2)
		want string // the end of what the endpoint gets
		line string // of the answer
	}{
		"known": {func(r *raw2) {
			r.headers(1, false, post("content-length: 5")...)
			r.must(r.WriteData(1, true, []byte("hello")))
		}, "Content-Length: 5\r\n\r\nhello", "200"},
		"known, in parts": {func(r *raw2) {
			r.headers(1, false, post("content-length: 5")...)
			r.must(r.WriteDataPadded(1, false, []byte("he"), make([]byte, 9)))
			r.must(r.WriteData(1, false, []byte("llo")))
			r.must(r.WriteData(1, true, nil))
		}, "Content-Length: 5\r\n\r\nhello", "200"},
		"unknown": {func(r *raw2) {
			r.headers(1, false, post()...)
			r.must(r.WriteData(1, true, []byte("hello")))
		}, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200"},
		"unknown and empty": {func(r *raw2) {
			r.headers(1, false, post()...)
			r.must(r.WriteData(1, true, nil))
		}, "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "200"},
		"none": {func(r *raw2) { r.headers(1, true, post()...) }, "\r\n\r\n", "200"},
		"trailers": {func(r *raw2) {
			r.headers(1, false, post("trailer: x-sum, host")...)
			r.must(r.WriteData(1, false, []byte("hello")))
			r.headers2(1, "x-sum: 5", "host: evil.test", "x-other: 1")
		}, "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n", "200"},
		"a request in the body": {func(r *raw2) {
			r.headers(1, false, post()...)
			r.must(r.WriteData(1, true, []byte("0\r\n\r\nGET /evil HTTP/1.1\r\nHost: x\r\n\r\n")))
		}, "0\r\n\r\n", "200"},
		"too much": {func(r *raw2) {
			r.headers(1, false, post("content-length: 5")...)
			r.must(r.WriteData(1, false, []byte("hello!")))
		}, "", "reset"},
		"too little": {func(r *raw2) {
			r.headers(1, false, post("content-length: 5")...)
			r.must(r.WriteData(1, true, []byte("hell")))
		}, "", "reset"},
	} {
		t.Run(name, func(t *testing.T) {
			s, rec := simple(t, echo, nil)
			r := s.dial2()
			c.send(r)
			a := r.answers(1)[1]
			if c.line == "reset" {
				if a.reset == nil || *a.reset != http2.ErrCodeProtocol || len(rec.requests()) > 0 {
					t.Errorf("%+v, %q", a, rec.seen())
				}
				return
			}
			if a.status != c.line || !strings.HasSuffix(rec.seen(), c.want) || len(rec.requests()) != 1 {
				t.Errorf("%+v, %q", a, rec.seen())
			}
		})
	}
}

// headers2 sends trailers.
func (r *raw2) headers2(id uint32, lines ...string) {
	r.t.Helper()
	r.buf.Reset()
	for _, l := range lines {
		n, v, _ := strings.Cut(l, ": ")
		_ = r.enc.WriteField(field2(n, v))
	}
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.buf.Bytes(), EndStream: true, EndHeaders: true}))
}

// TestHTTP2LargeBodyIsNeverCompleted: a body that breaks off is never whole for the endpoint.
func TestHTTP2LargeBodyIsNeverCompleted(t *testing.T) {
	s, rec := simple(t, echo, nil)
	r := s.dial2()
	r.headers(1, false, ":method: POST", ":scheme: http", ":authority: shop.test", ":path: /", "content-length: 100000")
	for range 3 {
		r.must(r.WriteData(1, false, make([]byte, 16<<10)))
	}
	eventually(t, func() bool { return strings.Contains(rec.seen(), "\r\n\r\n") })
	r.must(r.WriteData(1, true, []byte("end"))) // far from 100,000
	if a := r.answers(1)[1]; a.reset == nil || *a.reset != http2.ErrCodeProtocol {
		t.Errorf("%+v", a)
	}
	if a := s.last(1); a.Status == 200 || a.Reason != string(CodeClientLeft) {
		t.Errorf("%+v", a)
	}
	if n := len(rec.requests()); n != 0 {
		t.Errorf("%d requests are whole", n)
	}
}

// TestHTTP2HostileEndpoint: what an endpoint of HTTP/2 must not answer fails its request, and neither its connection nor that of
// the client.
func TestHTTP2HostileEndpoint(t *testing.T) {
	ok := ":status: 200"
	for name, c := range map[string]struct {
		send   func(r *raw2, id uint32)
		status string
		reason string
	}{
		"no status":  {func(r *raw2, id uint32) { r.headers(id, true, ":path: /", "a: b") }, "502", "upstream-protocol"},
		"connection": {func(r *raw2, id uint32) { r.headers(id, true, ok, "connection: close") }, "502", "upstream-protocol"},
		"line end":   {func(r *raw2, id uint32) { r.headers(id, true, ok, "a: b\r\nc: d") }, "502", "upstream-protocol"},
		"switching":  {func(r *raw2, id uint32) { r.headers(id, false, ":status: 101", "upgrade: x") }, "502", "upstream-protocol"},
		"many fields": {func(r *raw2, id uint32) {
			r.headers(id, true, append([]string{ok}, strings.Fields(strings.Repeat("x:y ", 200))...)...)
		}, "502", "upstream-protocol"},
		"reset":      {func(r *raw2, id uint32) { r.must(r.WriteRSTStream(id, http2.ErrCodeInternal)) }, "502", "upstream-reset"},
		"refused":    {func(r *raw2, id uint32) { r.must(r.WriteRSTStream(id, http2.ErrCodeRefusedStream)) }, "502", "upstream-reset"},
		"data first": {func(r *raw2, id uint32) { r.must(r.WriteData(id, true, []byte("x"))) }, "502", "upstream-protocol"},
		"interim for ever": {func(r *raw2, id uint32) {
			for range 40 {
				r.headers(id, false, ":status: 103", "a: b")
			}
		}, "502", "upstream-protocol"},
		"wrong length": {func(r *raw2, id uint32) { r.headers(id, true, ok, "content-length: 5") }, "502", "upstream-protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t, func(nc net.Conn, b *bufio.Reader) {
				r, err := endpoint2(t, nc, b)
				for err == nil {
					var f http2.Frame
					if f, err = r.ReadFrame(); err != nil {
						return
					}
					switch h, is := f.(*http2.MetaHeadersFrame); {
					case !is:
					case h.PseudoValue("path") == "/bad":
						c.send(r, h.StreamID)
					default:
						r.headers(h.StreamID, true, ok, "x: fine")
					}
				}
			})
			s := newStand(t, nil)
			s.list("u", rec.Addr().String())
			s.route("all", "/", "u")
			s.speaks(model.H2C)
			s.publish()
			r := s.dial2()
			r.headers(1, true, ":method: GET", ":scheme: http", ":authority: shop.test", ":path: /bad")
			if a := r.answers(1)[1]; a.status != c.status || a.head["x-paifang-reason"] != c.reason {
				t.Errorf("%+v", a)
			}
			r.headers(3, true)
			if a := r.answers(1)[3]; a.status != "200" || a.head["x"] != "fine" {
				t.Errorf("the next stream: %+v", a)
			}
			if n := rec.connections(); n != 1 {
				t.Errorf("%d connections to the endpoint", n)
			}
		})
	}
}
