package app

import (
	"reflect"
	"testing"
	"time"

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
drain: 9s
http:
  connections: 100
  perAddress: 10
  timeouts: {proxyHeader: 1s, handshake: 2s, head: 3s, body: 4s, request: 5s, idle: 6s, write: 7s, connect: 8s, response: 10s, responseBody: 11s, upgraded: 12s, retired: 13s}
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
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	timeouts := httpproxy.Timeouts{Handshake: s(2), RequestHead: s(3), RequestBody: s(4), Request: s(5), Idle: s(6), Write: s(7), Connect: s(8), Drain: s(9), Response: s(10),
		ResponseBody: s(11), Upgraded: s(12), RetiredStream: s(13)}
	if got := c.HTTP.timeouts(c.Drain); got != timeouts {
		t.Errorf("%+v", got)
	}
	if got := c.HTTP.listeners(); got.MaxTotal != 100 || got.MaxPerSocket != 10 || got.HeaderTimeout != s(1) {
		t.Errorf("%+v", got)
	}
	if got := (&HTTP{}).timeouts(0); !reflect.DeepEqual(got, httpproxy.Timeouts{Drain: s(5)}) {
		t.Errorf("without settings the engine's defaults do not hold: %+v", got)
	}
}
