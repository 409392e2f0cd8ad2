package httpproxy

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"paifang/internal/model"
)

// framesOf writes frames down as an endpoint gets them, and answers each request once it is complete.
type framesOf struct {
	mu    sync.Mutex
	lines []string
	head  map[string]string // of the last request
}

func (f *framesOf) serve(t *testing.T) answerFunc {
	return func(nc net.Conn, b *bufio.Reader) {
		r, err := endpoint2(t, nc, b)
		for err == nil {
			var frame http2.Frame
			if frame, err = r.ReadFrame(); err != nil {
				return
			}
			line, ended := "", false
			switch h := frame.(type) {
			case *http2.MetaHeadersFrame:
				ended = h.StreamEnded()
				line = "HEADERS"
				f.mu.Lock()
				if len(h.PseudoFields()) > 0 {
					f.head = map[string]string{}
				}
				for _, x := range h.Fields {
					f.head[x.Name] += x.Value
				}
				f.mu.Unlock()
			case *http2.DataFrame:
				ended = h.StreamEnded()
				line = fmt.Sprintf("DATA %q", h.Data())
			default:
				continue
			}
			if ended {
				line += " end"
			}
			f.mu.Lock()
			f.lines = append(f.lines, line)
			f.mu.Unlock()
			if ended {
				r.headers(frame.Header().StreamID, true, ":status: 200")
			}
		}
	}
}

// take returns what came since the last time.
func (f *framesOf) take() (string, map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.lines, ", ")
	f.lines = nil
	return s, f.head
}

// TestHTTP2FramesToEndpoints: what a request becomes, from either version.
func TestHTTP2FramesToEndpoints(t *testing.T) {
	var got framesOf
	rec := newRecorder(t, got.serve(t))
	s := newStand(t, nil)
	s.list("u", rec.Addr().String())
	s.route("all", "/", "u")
	s.speaks(model.H2C)
	s.publish()
	for _, c := range []struct{ name, request, want string }{
		{"nothing", get("/a?b=c"), "HEADERS end"},
		{"head", "HEAD /a?b=c HTTP/1.1\r\nHost: shop.test\r\n\r\n", "HEADERS end"},
		{"length 0", post("/a?b=c", "", "Content-Length: 0"), "HEADERS end"},
		{"length", post("/a?b=c", "hello", "Content-Length: 5"), `HEADERS, DATA "hello" end`},
		{"chunks", post("/a?b=c", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), `HEADERS, DATA "hello" end`},
		{"no chunk", post("/a?b=c", "0\r\n\r\n", "Transfer-Encoding: chunked"), `HEADERS, DATA "" end`},
		{"trailers", post("/a?b=c", "2\r\nhi\r\n0\r\nX-Sum: 2\r\nHost: evil\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: X-Sum"), `HEADERS, DATA "hi", HEADERS end`},
		{"upgrade", get("/a?b=c", "Connection: upgrade, x-drop", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Drop: 1"), "HEADERS end"},
		{"te", get("/a?b=c", "TE: trailers, gzip", "Connection: te"), "HEADERS end"},
	} {
		r := s.dial().send(c.request).receive(strings.SplitN(c.request, " ", 2)[0])
		frames, head := got.take()
		if !strings.HasPrefix(r.status, "HTTP/1.1 200") || frames != c.want {
			t.Errorf("%s: %q, %s", c.name, r.status, frames)
		}
		te := ""
		if c.name == "te" {
			te = "trailers"
		}
		for k, v := range map[string]string{":scheme": "http", ":authority": "shop.test", ":path": "/a?b=c", ":method": strings.SplitN(c.request, " ", 2)[0],
			"x-forwarded-for": "127.0.0.1", "connection": "", "upgrade": "", "transfer-encoding": "", "te": te, "host": "", "x-drop": ""} {
			if head[k] != v {
				t.Errorf("%s: %s is %q, want %q", c.name, k, head[k], v)
			}
		}
		if c.name == "trailers" && head["x-sum"] != "2" {
			t.Errorf("%v", head)
		}
	}
	r := s.dial2()
	for i, c := range []struct {
		length string
		parts  []string
		want   string
	}{
		{"", nil, "HEADERS end"}, {"", []string{""}, `HEADERS, DATA "" end`}, {"", []string{"hello"}, `HEADERS, DATA "hello" end`},
		{"5", []string{"he", "llo"}, `HEADERS, DATA "hello" end`}, {"0", []string{""}, "HEADERS end"},
	} {
		id := uint32(2*i + 1)
		lines := []string{":method: POST", ":scheme: http", ":authority: shop.test", ":path: /", "cookie: a=1", "cookie: b=2", "te: trailers"}
		if c.length != "" {
			lines = append(lines, "content-length: "+c.length)
		}
		r.headers(id, c.parts == nil, lines...)
		for j, p := range c.parts {
			r.must(r.WriteData(id, j == len(c.parts)-1, []byte(p)))
		}
		if a := r.answers(1)[id]; a.status != "200" {
			t.Errorf("%+v", a)
		}
		frames, head := got.take()
		if frames = strings.Replace(frames, `"hello", DATA "" end`, `"hello" end`, 1); frames != c.want {
			t.Errorf("%v: %s, want %s", c.parts, frames, c.want)
		}
		if head["cookie"] != "a=1; b=2" || head["te"] != "trailers" || head["content-length"] != c.length {
			t.Errorf("%v", head)
		}
	}
	if n := rec.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}
