package explain_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"paifang/internal/explain"
	"paifang/internal/explain/explaintest"
)

func both(t *testing.T, columns int) string {
	t.Helper()
	w := explaintest.New().World()
	a, _ := explained(t, w, explain.Request{URL: "http://shop.test/order/42"})
	b, _ := explained(t, w, explain.Request{URL: "http://gateway.test/order/42"})
	var out strings.Builder
	if err := explain.FprintPair(&out, a, b, columns); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTwoBesideEachOther(t *testing.T) {
	const want = `http://shop.test/order/42 takes road 1: domain,     http://gateway.test/order/42 takes road 2:
SLB, ingress, service, pod                          gateway, registry, pod
 1 client    GET http://shop.test/order/42        ≠  1 client    GET http://gateway.test/order/42
 2 dns       shop.test A 127.0.0.10               ≠  2 dns       gateway.test A 127.0.0.20
             (3-ingress.yaml:9)
 3 slb       2 of 2 nodes healthy, round robin:   ≠
             next is node-1
 4 node      node-1 127.0.0.11:8080               ≠
 5 ingress   listener http on node-1 takes it     ≠  3 connect   127.0.0.20:8080, listener gateway
 6 route     host shop.test, /order Prefix, to    ≠  4 route     order: Path=/order/** to
             order-service:80                                    lb://nacos-order-service
             (3-ingress.yaml:12); lost: /                        (4-routes.yaml:6)
             (shorter)
`
	got := both(t, 101)
	if !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant it to begin with\n%s", got, want)
	}
	if !strings.HasSuffix(got, " 9 answer    not asked (--send asks)                 8 answer    not asked (--send asks)\n") {
		t.Errorf("the last line is marked or missing:\n%s", got)
	}
}

func TestBesideKeepsToItsWidth(t *testing.T) {
	for _, columns := range []int{72, 80, 101, 150, 300} {
		for line := range strings.Lines(both(t, columns)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("in %d columns a line has %d: %q", columns, n, line)
			}
		}
	}
}

func TestNarrowIsOneBelowTheOther(t *testing.T) {
	got := both(t, 40)
	if !strings.Contains(got, "≠  3 slb ") || strings.Count(got, "takes road") != 2 || !strings.Contains(got, "\n   9 answer") {
		t.Errorf("got\n%s", got)
	}
}
