package app

import (
	"testing"

	"paifang/internal/httpproxy"
	"paifang/internal/model"
)

// TestEdgeSettingsArrive: what the file says is what listeners and engine are given.
func TestEdgeSettingsArrive(t *testing.T) {
	c, err := ParseConfig("f.yaml", []byte(`
ingress:
  nodes: [{name: n1, http: "127.0.0.11:80", https: "127.0.0.11:443"}]
  trusted: [10.0.0.0/8]
  hops: 2
  parsing: {underscores: drop, slashes: keep, encodedSlashes: decode, head: 8192, line: 4096, fields: 50}
gateway: {http: "127.0.0.20:80", service: "-", proxyFrom: [10.0.0.1/32], parsing: {underscores: allow}}
bodies: {dir: /var/tmp, total: 7}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := model.Parsing{Underscores: "drop", Slashes: "keep", EncodedSlashes: "decode", Head: 8192, Line: 4096, Fields: 50}
	seen := 0
	for _, p := range pieces(&c) {
		for _, l := range p.objects.Listeners {
			seen++
			switch {
			case l.Node == "n1" && (l.Parsing != want || l.Trust.Hops != 2 || len(l.Trust.ForwardedFrom) != 1),
				l.Node == "gateway" && (l.Parsing != model.Parsing{Underscores: "allow"} || l.Trust.Hops != 0 || len(l.Trust.ProxyFrom) != 1):
				t.Errorf("%+v", l)
			}
		}
	}
	if seen != 3 {
		t.Errorf("%d listeners", seen)
	}
	if got := c.Bodies.spill(); got != (httpproxy.Spill{Dir: "/var/tmp", Total: 7 << 20}) {
		t.Errorf("%+v %+v", got, c.Bodies)
	}
}
