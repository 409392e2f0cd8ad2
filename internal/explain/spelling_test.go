package explain_test

import (
	"strings"
	"testing"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
	"paifang/internal/model"
)

// TestSpellings: the path that counts is told where it is not the one that was asked for, by the parsing of the listener
// that is reached.
func TestSpellings(t *testing.T) {
	for _, c := range []struct {
		url     string
		headers []string
		parsing model.Parsing
		says    string
		status  int
	}{
		{"http://shop.test/order/42", nil, model.Parsing{}, "/order Prefix, to order-service:80 (", 0},
		{"http://shop.test/x/../order/%7e", nil, model.Parsing{}, "to order-service:80, path /order/~ (", 0},
		{"http://shop.test/order%2F42", nil, model.Parsing{}, "%2F in the path: the client is sent to /order/42", 307},
		{"http://shop.test/order%2F42", nil, model.Parsing{EncodedSlashes: model.EncodedSlashesRefuse}, "refused as it is written", 400},
		{"http://shop.test/order%2F42", nil, model.Parsing{EncodedSlashes: model.EncodedSlashesDecode}, "/order Prefix, to order-service:80, path /order/42", 0},
		{"http://shop.test/order//42", nil, model.Parsing{Slashes: model.SlashesKeep}, "to order-service:80 (", 0},
		{"http://shop.test/order/42", []string{"X_A: b"}, model.Parsing{}, "refused as it is written", 400},
		{"http://shop.test/order/42", []string{"X_A: b"}, model.Parsing{Underscores: model.UnderscoresAllow}, "to order-service:80 (", 0},
	} {
		boot := explaintest.Bootstrap()
		for i := range boot.Listeners {
			boot.Listeners[i].Parsing = c.parsing
		}
		s := explaintest.New()
		s.Snapshot = explaintest.Compile(boot, explaintest.Ingress(), explaintest.Gateway())
		r, text := explained(t, s.World(), explain.Request{URL: c.url, Headers: c.headers})
		if !strings.Contains(text, c.says) || r.Status != c.status {
			t.Errorf("%s %v with %+v: status %d\n%s\nwant %d, %q", c.url, c.headers, c.parsing, r.Status, text, c.status, c.says)
		}
	}
	s := explaintest.New(model.Objects{Routes: []model.Route{{ID: "r", Attach: []model.Class{"ingress"}, Hosts: []model.Host{"shop.test"},
		Match:  model.Match{Path: model.PathMatch{Kind: model.PathPrefix, Value: "/received"}},
		Action: model.Forward{Targets: []model.Target{{Upstream: explaintest.OrderService}}, Target: model.TargetReceived}}}})
	for url, says := range map[string]string{
		"http://shop.test/received/%7e":      "path /received/~, sent as it came unless a filter changes it",
		"http://shop.test/received/./%7e":    "path /received/~, sent so: it differs from what came",
		"http://shop.test/received/a//b":     "path /received/a/b, sent so: it differs from what came",
		"http://shop.test/received/simple/a": "/received Prefix, to order-service:80;",
	} {
		if _, text := explained(t, s.World(), explain.Request{URL: url}); !strings.Contains(text, says) {
			t.Errorf("%s:\n%s\nwant %q", url, text, says)
		}
	}
}
