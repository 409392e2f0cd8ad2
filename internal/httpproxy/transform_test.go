package httpproxy

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"paifang/internal/filter/builtin"
	"paifang/internal/model"
)

func withBuiltin(_ *stand, c *Config) { c.Filters = builtin.Kinds() }

// having gives a route filters, "KIND CONFIG" each.
func having(filters ...string) func(*model.Route) {
	return func(r *model.Route) {
		for _, f := range filters {
			kind, config, _ := strings.Cut(f, " ")
			r.Filters = append(r.Filters, model.FilterSpec{Kind: kind, Config: json.RawMessage(config)})
		}
	}
}

func accepting(codings string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Accept-Encoding", codings) }
}

func decoded(t *testing.T, resp *http.Response, body string) string {
	t.Helper()
	var r io.Reader
	var err error
	switch c := resp.Header.Get("Content-Encoding"); c {
	case "gzip":
		r, err = gzip.NewReader(strings.NewReader(body))
	case "br":
		r = brotli.NewReader(strings.NewReader(body))
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(strings.NewReader(body), zstd.WithDecoderConcurrency(1)); err == nil {
			defer d.Close()
			r = d
		}
	default:
		return body
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTransforms sends every kind of body through filters that change it, over both versions of HTTP on both sides.
func TestTransforms(t *testing.T) {
	long := strings.Repeat("all work and no play makes a long body. ", 20_000)
	srv := newServer(t, nil, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Accept-Ranges", "bytes")
		switch r.URL.Path {
		case "/sized":
			w.Header().Set("Content-Length", strconv.Itoa(len(long)))
			_, _ = io.WriteString(w, long)
		case "/short":
			_, _ = io.WriteString(w, "short")
		case "/coded":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, long)
		case "/alone":
			w.Header().Set("Cache-Control", "private, No-Transform")
			_, _ = io.WriteString(w, long)
		case "/unsized":
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, long)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/json/a":
			w.Header().Set("Content-Type", "application/vnd.shop+json")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, `{"secret":1, "name":"x","in":{"secret":2}}`)
		case "/json/long":
			w.Header().Set("Content-Type", "application/json")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, `["`+long+`"]`)
		case "/json/coded":
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
		case "/json/none":
			w.Header().Set("Content-Type", "application/json")
		}
	})
	s := newStand(t, withBuiltin)
	s.list("u", srv.Addr().String())
	for _, up := range []struct {
		name string
		v    model.HTTPVersion
	}{{"1", ""}, {"2", model.H2C}} {
		cut := `strip-prefix {"parts":1}`
		s.route("plain"+up.name, "/"+up.name, "u"+up.name, having(cut, `compress {}`))
		s.speaks(up.v)
		s.routes[len(s.routes)-1].Upstreams[0].Endpoints[0].Name = "u"
		s.route("json"+up.name, "/"+up.name+"/json", "u"+up.name, having(cut, `compress {"minSize":0}`, `remove-json-attributes {"attributes":["secret"],"deep":true,"maxBytes":1000}`))
		s.speaks(up.v)
		s.routes[len(s.routes)-1].Upstreams[0].Endpoints[0].Name = "u"
	}
	s.publish()
	for name, c := range map[string]*http.Client{"1": http1Client(t, s.addr("front")), "2": http2Client(t, s.addr("front"))} {
		for _, up := range []string{"/1", "/2"} {
			for _, q := range []struct{ path, accept, coding, want string }{
				{"/sized", "gzip", "gzip", long}, {"/sized", "gzip, br", "br", long}, {"/sized", "gzip, br, zstd", "zstd", long},
				{"/unsized", "gzip", "gzip", long}, {"/unsized", "br", "br", long}, {"/unsized", "zstd", "zstd", long},
				{"/sized", "identity", "", long}, {"/short", "gzip", "", "short"}, {"/alone", "gzip", "", long}, {"/none", "gzip", "", ""},
				{"/json/a", "br", "br", `{ "name":"x","in":{}}`}, {"/json/a", "", "", `{ "name":"x","in":{}}`}, {"/json/none", "", "", ""},
			} {
				resp, body := do(t, c, "GET", "http://shop.test"+up+q.path, nil, accepting(q.accept))
				what := "HTTP/" + name + " to " + up + " " + q.path + " for " + q.accept
				if got := decoded(t, resp, body); resp.Header.Get("Content-Encoding") != q.coding || got != q.want {
					t.Errorf("%s: %d %v, %d bytes", what, resp.StatusCode, resp.Header, len(got))
				}
				weak := strings.HasPrefix(resp.Header.Get("ETag"), "W/")
				if changed := q.coding != "" || strings.HasPrefix(q.path, "/json"); weak != changed || resp.Header.Get("Accept-Ranges") == "" != changed {
					t.Errorf("%s: %v", what, resp.Header)
				}
				if varies := resp.Header.Get("Vary") == "Accept-Encoding"; varies != (q.path == "/sized" || q.path == "/unsized" || q.coding != "" || q.path == "/json/a" || q.path == "/json/none") {
					t.Errorf("%s: %v", what, resp.Header)
				}
			}
			for _, path := range []string{"/json/long", "/json/coded"} {
				resp, _ := do(t, c, "GET", "http://shop.test"+up+path, nil, accepting("gzip"))
				if resp.StatusCode != 502 || resp.Header.Get("X-Paifang-Reason") != "answer-not-changed" {
					t.Errorf("HTTP/%s to %s%s: %d %v", name, up, path, resp.StatusCode, resp.Header)
				}
			}
			resp, body := do(t, c, "GET", "http://shop.test"+up+"/coded", nil, accepting("gzip"))
			if body != long || resp.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("compressed twice: %v", resp.Header)
			}
			if resp, body := do(t, c, "HEAD", "http://shop.test"+up+"/sized", nil, accepting("gzip")); body != "" || resp.StatusCode != 200 || resp.Header.Get("Vary") == "" {
				t.Errorf("HEAD: %v", resp.Header)
			}
		}
	}
}

// TestTransformOfOldClients: HTTP/1.0 has no chunks.
func TestTransformOfOldClients(t *testing.T) {
	s := newStand(t, withBuiltin)
	s.list("u", "127.0.0.1:1")
	s.route("say", "/", "u", having(`compress {"minSize":1}`, `respond {"status":200,"body":"said here","contentType":"text/plain"}`))
	s.publish()
	c := s.dial()
	r := c.send("GET / HTTP/1.0\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n").receive("GET")
	resp := &http.Response{Header: http.Header{"Content-Encoding": {r.head["content-encoding"]}}}
	if got := decoded(t, resp, r.body); got != "said here" || r.head["content-length"] != strconv.Itoa(len(r.body)) {
		t.Errorf("%+v", r)
	}
}

// TestTransformsLetStreamsFlow: what an upstream has said before it pauses reaches a client, compressed.
func TestTransformsLetStreamsFlow(t *testing.T) {
	more := make(chan struct{})
	srv := newServer(t, nil, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		for i := range 3 {
			_, _ = io.WriteString(w, strconv.Itoa(i)+"\n")
			w.(http.Flusher).Flush()
			<-more
		}
	})
	s := newStand(t, withBuiltin)
	s.list("u", srv.Addr().String())
	s.route("all", "/", "u", having(`compress {"types":["application/x-ndjson"]}`))
	s.publish()
	for _, c := range []*http.Client{http1Client(t, s.addr("front")), http2Client(t, s.addr("front"))} {
		r, err := http.NewRequest("GET", "http://shop.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(z)
		for i := range 3 {
			line, err := lines.ReadString('\n')
			if err != nil || line != strconv.Itoa(i)+"\n" {
				t.Fatalf("%q %v", line, err)
			}
			more <- struct{}{}
		}
		if _, err := lines.ReadByte(); err != io.EOF {
			t.Error(err)
		}
		resp.Body.Close()
	}
}
