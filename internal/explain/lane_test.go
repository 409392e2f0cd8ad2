package explain_test

import (
	"strings"
	"testing"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

// TestLanes: the rule that decides is named, and where chance or a cookie decides, that is told.
func TestLanes(t *testing.T) {
	forward := model.Forward{
		Targets: []model.Target{{Upstream: explaintest.OrderService, Weight: 1}, {Upstream: explaintest.LBOrder}},
		Lanes: []model.Lane{
			{Target: explaintest.LBOrder, Name: "by-header X-Gray: always", From: model.LaneHeader, Field: "X-Gray", Value: "always"},
			{Target: explaintest.OrderService, Name: "by-cookie gray=never", From: model.LaneCookie, Field: "gray", Value: "never"},
			{Target: explaintest.LBOrder, Name: "half of some", From: model.LaneShare, Share: 2, Of: 2, Hash: []model.HashPart{{From: model.HashQuery, Name: "user"}}},
			{Target: explaintest.LBOrder, Name: "weight", From: model.LaneShare, Share: 20, Of: 100},
		},
	}
	s := explaintest.New(model.Objects{Routes: []model.Route{{ID: "gray", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"},
		Match: model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/gray"}}, Action: forward}}})
	for _, c := range []struct {
		url, header string
		says        string
		to          model.UpstreamID
	}{
		{"http://shop.test/gray", "X-Gray: always", ", by by-header X-Gray: always", explaintest.LBOrder},
		{"http://shop.test/gray", "Cookie: gray=never", ", by by-cookie gray=never", explaintest.OrderService},
		{"http://shop.test/gray?user=7", "X-A: b", ", by half of some", explaintest.LBOrder},
		{"http://shop.test/gray", "X-A: b", ", by weight: chance takes 20 of 100 to ", explaintest.OrderService},
	} {
		r, text := explained(t, s.World(), explain.Request{URL: c.url, Headers: []string{c.header}})
		if !strings.Contains(text, c.says) || r.Upstream != c.to {
			t.Errorf("%s %s: to %s\n%s\nwant %s, %q", c.url, c.header, r.Upstream, text, c.to, c.says)
		}
	}
}
