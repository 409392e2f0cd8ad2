package explain_test

import (
	"strings"
	"testing"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

// TestNamed: the target that a request names is followed, and one that it may not name is refused as the engine does.
func TestNamed(t *testing.T) {
	forward := model.Forward{Naming: &model.Naming{Template: "lb://{name}/x?a=b"}, Targets: []model.Target{{Upstream: explaintest.OrderService, URIs: []string{"lb://order"}}, {Upstream: explaintest.LBOrder, URIs: []string{"lb://nacos"}}}}
	s := explaintest.New(model.Objects{Routes: []model.Route{{ID: "named", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPattern, Value: "/to/{name}"}}, Action: forward}}})
	for _, c := range []struct {
		url, says string
		to        model.UpstreamID
		status    int
	}{
		{"http://shop.test/to/nacos", ", which the request names, with the path /x?a=b", explaintest.LBOrder, 0},
		{"http://shop.test/to/order", "order-service:80 (0 %)", explaintest.OrderService, 0},
		{"http://shop.test/to/other", ", refused: target-not-declared", "", 403},
		{"http://shop.test/to/a%20b", ", refused: target-invalid", "", 400},
	} {
		r, text := explained(t, s.World(), explain.Request{URL: c.url})
		if !strings.Contains(text, c.says) || r.Upstream != c.to || r.Status != c.status {
			t.Errorf("%s: to %s, %d\n%s\nwant %s, %q", c.url, r.Upstream, r.Status, text, c.to, c.says)
		}
	}
}
