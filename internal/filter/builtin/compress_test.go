package builtin

import (
	"testing"

	"paifang/internal/filter"
)

func TestCompressIsChecked(t *testing.T) {
	for _, config := range []string{
		`{"codings":["deflate"]}`, `{"codings":["br","br"]}`, `{"level":10}`, `{"level":-1}`, `{"minSize":-1}`, `{"types":["html"]}`, `{"types":["+"]}`, `{"types":["a/b c"]}`, `{"other":1}`,
	} {
		if _, err := Kinds().Check(specOf("compress", config)); err == nil {
			t.Errorf("%s is taken", config)
		}
	}
	for _, config := range []string{`{}`, `{"codings":["gzip"],"level":9,"minSize":0,"types":["*","text/*","+json","text/html"]}`} {
		if _, err := Kinds().Check(specOf("compress", config)); err != nil {
			t.Error(config, err)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		field string
		want  bool
	}{
		{"text/html", true}, {"TEXT/HTML; charset=utf-8", true}, {"image/svg+xml", true}, {"application/x+JSON ;v=1", true},
		{"text/event-stream", false}, {"image/png", false}, {"application/grpc", false}, {"application/grpc+proto", false}, {"", false}, {"text", false},
	} {
		if got := typeIn(compressible(), c.field); got != c.want {
			t.Errorf("%q: %v", c.field, got)
		}
	}
	if !typeIn([]string{"text/*"}, "text/x") || typeIn([]string{"text/*"}, "text/") || !typeIn([]string{"*"}, "a/b") {
		t.Error("patterns")
	}
}

// TestCompressionsAreBounded: what is beyond the bound passes as it is, and nothing is counted for ever.
func TestCompressionsAreBounded(t *testing.T) {
	p := newPolicy(t, filter.NewShared(), specOf("compress", `{"minSize":0}`))
	var running []*filter.Exchange
	for range maxEncoders + 1 {
		x := p.ask("192.0.2.1", "GET /", "Accept-Encoding: gzip")
		x.Respond(200, "", "some text")
		p.chain.Response(x)
		running = append(running, x)
	}
	if last := running[maxEncoders]; last.Transformed() || last.Response.Fields.Has("Content-Encoding") || last.Response.Fields.Get("Vary") == "" {
		t.Errorf("%+v", last.Response)
	}
	for _, x := range running {
		x.Reset()
	}
	x := p.ask("192.0.2.1", "GET /", "Accept-Encoding: gzip")
	x.Respond(200, "", "some text")
	if p.chain.Response(x); !x.Transformed() {
		t.Error("what ended is counted")
	}
	x.Reset()
}
