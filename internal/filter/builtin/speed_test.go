package builtin

import (
	"encoding/json"
	"testing"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

var typical = []byte("GET /api/user/42/orders?page=2 HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: test\r\nAccept: */*\r\nCookie: session=0123456789abcdef\r\nX-Debug: 1\r\n\r\n")

// loop is a route with filters of most kinds, as the engine runs them for each request.
func loop(t testing.TB) (*snapshot.Route, *filter.Chain) {
	t.Helper()
	var specs []model.FilterSpec
	for _, f := range []struct{ kind, config string }{
		{"strip-prefix", `{"parts":1}`},
		{"prefix-path", `{"prefix":"/v2"}`},
		{"set-path", `{"template":"/users/{id}/orders"}`},
		{"request-headers", `{"set":[{"name":"X-User","value":"{id}"}],"add":[{"name":"X-Road","value":"2"}],"remove":["X-Debug"]}`},
		{"response-headers", `{"set":[{"name":"X-Served-By","value":"gateway"}],"remove":["Server"]}`},
	} {
		specs = append(specs, model.FilterSpec{Kind: f.kind, Config: json.RawMessage(f.config)})
	}
	chain, err := Kinds().Bind(&model.Route{Filters: specs}, filter.NewShared(), clock{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := snapshot.NewRoute(&model.Route{ID: "r", Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/api/user/{id}/**"}}})
	if err != nil {
		t.Fatal(err)
	}
	return r, chain
}

// run is one request and its answer through the filters.
func run(t testing.TB, x *filter.Exchange, r *snapshot.Route, chain *filter.Chain) {
	x.Reset()
	if _, err := x.Request.Parse(typical, nil); err != nil {
		t.Fatal(err)
	}
	x.Bind(r)
	if chain.Request(x) != filter.Continue {
		t.Fatal("a filter responds")
	}
	x.Response.Reset()
	x.Response.Fields.Add("Server", "nginx")
	chain.Response(x)
}

func TestLoopDoesNotAllocate(t *testing.T) {
	r, chain := loop(t)
	x := &filter.Exchange{}
	if n := testing.AllocsPerRun(200, func() { run(t, x, r, chain) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if x.Request.Path != "/users/42/orders" || x.Request.Fields.Get("X-User") != "42" || x.Request.Fields.Has("X-Debug") ||
		x.Response.Fields.Get("X-Served-By") != "gateway" || x.Response.Fields.Has("Server") {
		t.Errorf("the filters did not do their work: %q %v %v", x.Request.Path, x.Request.Fields, x.Response.Fields)
	}
}

// BenchmarkLoop is what five filters add to a request, with the parsing of its head: ns/op without filters is the rest.
func BenchmarkLoop(b *testing.B) {
	r, chain := loop(b)
	for name, c := range map[string]*filter.Chain{"none": nil, "five": chain} {
		b.Run(name, func(b *testing.B) {
			x := &filter.Exchange{}
			b.ReportAllocs()
			for b.Loop() {
				run(b, x, r, c)
			}
		})
	}
}
