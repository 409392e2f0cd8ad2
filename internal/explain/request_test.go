package explain

import (
	"net/netip"
	"testing"

	"paifang/internal/model"
)

// TestForwardedAsServed: of X-Forwarded-For as much is believed as the listener believes.
func TestForwardedAsServed(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		list string
		hops int
		peer string
		n    int
		want string
	}{
		{"192.0.2.1, 10.0.0.2", 0, "10.0.0.1", 1, "10.0.0.2"},
		{"192.0.2.1, 10.0.0.2", 0, "10.0.0.1", 2, "192.0.2.1"},
		{"192.0.2.1, 198.51.100.1", 0, "10.0.0.1", 2, "198.51.100.1"},
		{"192.0.2.1, 198.51.100.1", 2, "10.0.0.1", 2, "192.0.2.1"},
		{"192.0.2.1, 198.51.100.1, 10.0.0.2", 2, "10.0.0.1", 3, "198.51.100.1"},
		{"192.0.2.1, , 10.0.0.2,", 0, "10.0.0.1", 1<<31 - 1, "192.0.2.1"},
		{"192.0.2.1", 0, "198.51.100.1", 1, "198.51.100.1"},
		{"", 0, "10.0.0.1", 2, "10.0.0.1"},
	} {
		a := &asked{client: netip.MustParseAddr(c.peer), trust: model.Trust{ForwardedFrom: trusted, Hops: c.hops}}
		if c.list != "" {
			a.http.Fields.Add("X-Forwarded-For", c.list)
		}
		if got := a.LookupForwarded(c.n); got.String() != c.want {
			t.Errorf("%q, %d hops, from %s: address %d is %s, want %s", c.list, c.hops, c.peer, c.n, got, c.want)
		}
	}
}
