package dnsserver

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

// names are what the tests publish.
var names = map[model.Host][]netip.Addr{
	"shop.test":            addrs("127.0.0.10"),
	"*.shop.test":          addrs("127.0.0.11"),
	"**.wide.test":         addrs("127.0.0.12"),
	"deep.x.wide.test":     addrs("127.0.0.13"),
	"six.test":             addrs("::1", "127.0.0.14"),
	"only6.test":           addrs("fd00::6"),
	"a.b.c.test":           addrs("127.0.0.15"),
	"test":                 addrs("127.0.0.16"),
	"www.child.test":       addrs("127.0.0.17"),
	"outside.example":      addrs("127.0.0.18"),
	"many.test":            manyAddrs(100),
	"xn--bcher-kva.test":   addrs("127.0.0.19"),
	"_acme.challenge.test": addrs("127.0.0.20"),
}

func manyAddrs(n int) []netip.Addr {
	var out []netip.Addr
	for i := range n {
		out = append(out, netip.AddrFrom4([4]byte{127, 9, 0, byte(i)}))
	}
	return out
}

func testSnapshot(version uint64, listeners ...model.Listener) *snapshot.Snapshot {
	e := new(snapshot.Names).Edit()
	for h, a := range names {
		n := &snapshot.Name{Host: h, Addrs: a, Origin: model.Origin{Name: string(h)}, TTL: 7}
		if h == "six.test" {
			n.TTL = 0
		}
		e.Set(h, n)
	}
	return snapshot.New(snapshot.Contents{
		Version:   version,
		Listeners: listeners,
		Names:     e.Names(),
		Zones: []model.Zone{
			{Name: "child.test"},
			{Name: "far.down.other"},
			{Name: "test", Server: "ns.dns.test", Address: addrs("127.0.0.1", "::1"), Mail: "hostmaster.test", TTL: 5 * time.Second},
		},
	})
}

func TestLookup(t *testing.T) {
	snap := testSnapshot(3)
	for _, c := range []struct {
		name    string
		t       Type
		outcome Outcome
		addr    string
		host    model.Host
		zone    string
	}{
		{"shop.test", A, Found, "127.0.0.10", "shop.test", "test"},
		{"SHOP.Test.", A, Found, "127.0.0.10", "shop.test", "test"},
		{"shop.test", AAAA, NoData, "", "shop.test", "test"},
		{"shop.test", Type(16), NoData, "", "shop.test", "test"},
		{"shop.test", Type(65), NoData, "", "shop.test", "test"},
		{"shop.test", SOA, NoData, "", "shop.test", "test"},
		{"shop.test", NS, NoData, "", "shop.test", "test"},
		{"a.shop.test", A, Found, "127.0.0.11", "*.shop.test", "test"},
		{"a.b.shop.test", A, NoName, "", "", "test"}, // a host wildcard is one label
		{"a.wide.test", A, Found, "127.0.0.12", "**.wide.test", "test"},
		{"a.b.c.wide.test", A, Found, "127.0.0.12", "**.wide.test", "test"},
		{"wide.test", A, NoData, "", "", "test"},
		{"deep.x.wide.test", A, Found, "127.0.0.13", "deep.x.wide.test", "test"},
		{"x.wide.test", A, NoData, "", "", "test"}, // an empty non-terminal hides the wildcard (RFC 4592 section 4.4)
		{"six.test", AAAA, Found, "::1", "six.test", "test"},
		{"six.test", A, Found, "127.0.0.14", "six.test", "test"},
		{"only6.test", A, NoData, "", "only6.test", "test"},
		{"b.c.test", A, NoData, "", "", "test"},
		{"c.test", A, NoData, "", "", "test"},
		{"x.c.test", A, NoName, "", "", "test"},
		{"none.test", A, NoName, "", "", "test"},
		{"none.test", SOA, NoName, "", "", "test"},
		{"test", A, Found, "127.0.0.16", "test", "test"},
		{"test", AAAA, NoData, "", "test", "test"},
		{"test", SOA, Found, "", "", "test"},
		{"test", NS, Found, "", "", "test"},
		{"ns.dns.test", A, Found, "127.0.0.1", "ns.dns.test", "test"},
		{"ns.dns.test", AAAA, Found, "::1", "ns.dns.test", "test"},
		{"dns.test", A, NoData, "", "", "test"},
		{"www.child.test", A, Found, "127.0.0.17", "www.child.test", "child.test"},
		{"x.child.test", A, NoName, "", "", "child.test"},
		{"child.test", A, NoData, "", "", "child.test"},
		{"child.test", NS, Found, "", "", "child.test"},
		{"ns.child.test", A, NoData, "", "ns.child.test", "child.test"},
		{"_acme.challenge.test", A, Found, "127.0.0.20", "_acme.challenge.test", "test"},
		{"down.other", A, Declined, "", "", ""},
		{"outside.example", A, Declined, "", "", ""}, // published, yet not in a zone
		{"mytest", A, Declined, "", "", ""},
		{"", A, Declined, "", "", ""},
		{".", SOA, Declined, "", "", ""},
		{"shop.test", Type(255), Declined, "", "", ""},
		{"test", Type(252), Declined, "", "", ""},
		{"test", Type(251), Declined, "", "", ""},
		{`a\.shop.test`, A, NoName, "", "", "test"}, // one label "a.shop"
		{`a\.b.shop.test`, A, NoName, "", "", "test"},
		{`x\.test`, A, Declined, "", "", ""},
		{`x\\.test`, A, NoName, "", "", "test"},
		{`x\000.wide.test`, A, NoName, "", "", "test"},
		{`\`, A, Declined, "", "", ""},
	} {
		got := Lookup(snap, c.name, c.t)
		addr, zone := "", ""
		if len(got.Addrs) > 0 {
			addr = got.Addrs[0].String()
		}
		if got.Zone != nil {
			zone = got.Zone.Name
		}
		if got.Outcome != c.outcome || addr != c.addr || got.Host != c.host || zone != c.zone {
			t.Errorf("%s %s: got %s %q of %q in %q, want %s %q of %q in %q", c.name, c.t, got.Outcome, addr, got.Host, zone, c.outcome, c.addr, c.host, c.zone)
		}
	}
	if got := Lookup(snap, "shop.test", A); got.TTL != 7*time.Second || got.Origin.Name != "shop.test" {
		t.Errorf("TTL %v, origin %v", got.TTL, got.Origin)
	}
	if got := Lookup(snap, "six.test", A); got.TTL != DefaultTTL {
		t.Errorf("TTL %v", got.TTL)
	}
	if got := Lookup(snapshot.Empty(), "shop.test", A); got.Outcome != Declined {
		t.Errorf("the empty snapshot answers %v", got)
	}
}
