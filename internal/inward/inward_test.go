package inward

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for want, all := range map[Reach][]string{
		Outside:  {"10.1.2.3", "192.168.1.1", "203.0.113.7", "2001:db8::1", "fd00::1", "64:ff9b::10.1.2.3", "2002:a01:203::1", "::10.1.2.3", "64:ff9b:1::7f00:1", "2003:7f00:1::"},
		Nowhere:  {"0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:0.0.0.0", "64:ff9b::255.255.255.255", "2002::1", "64:ff9b::224.0.0.1"},
		Loopback: {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "2002:7fff:1::5", "::127.0.0.1"},
		Link:     {"169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.1.1", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::169.254.0.1"},
		Metadata: {"100.100.100.200", "192.0.0.192", "fd00:ec2::254", "64:ff9b::100.100.100.200", "2002:6464:64c8::", "::ffff:192.0.0.192"},
	} {
		for _, a := range all {
			if got := Of(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s: %d, want %d", a, got, want)
			}
		}
	}
	if Of(netip.Addr{}) != Nowhere {
		t.Error("no address leads somewhere")
	}
	if n := testing.AllocsPerRun(100, func() { _ = Of(netip.AddrFrom4([4]byte{10, 1, 2, 3})) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCarried(t *testing.T) {
	for a, want := range map[string]string{
		"::ffff:10.0.0.1": "10.0.0.1", "64:ff9b::10.0.0.1": "10.0.0.1", "2002:a00:1::9": "10.0.0.1", "::10.0.0.1": "10.0.0.1", "10.0.0.1": "", "2001:db8::10.0.0.1": "", "64:ff9b:1::10.0.0.1": "",
	} {
		got := ""
		if c := Carried(netip.MustParseAddr(a)); c.IsValid() {
			got = c.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
}
