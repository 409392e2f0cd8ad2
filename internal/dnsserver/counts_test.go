package dnsserver

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestQuestionsAreCounted(t *testing.T) {
	s, addr := started(t, Options{})
	exchange(t, "udp", addr, question("shop.test.", dns.TypeA))
	exchange(t, "udp", addr, question("shop.test.", dns.TypeA))
	exchange(t, "udp", addr, question("none.test.", dns.TypeA))
	exchange(t, "tcp", addr, question("elsewhere.example.", dns.TypeA))
	newer := question("shop.test.", dns.TypeA)
	newer.SetEdns0(1232, false)
	newer.IsEdns0().SetVersion(1)
	exchange(t, "udp", addr, newer)
	plain := question("shop.test.", dns.TypeA)
	plain.SetEdns0(1232, false)
	exchange(t, "tcp", addr, plain)
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("noise")); err != nil {
		t.Fatal(err)
	}
	want := []Count{{"udp", "NOERROR", 2}, {"udp", "NXDOMAIN", 1}, {"udp", "BADVERS", 1}, {"udp", "", 1}, {"tcp", "NOERROR", 1}, {"tcp", "REFUSED", 1}}
	var got []Count
	for end := time.Now().Add(5 * time.Second); !slices.Equal(got, want); time.Sleep(time.Millisecond) {
		if got = s.Counts(); time.Now().After(end) {
			t.Fatalf("counted %v, want %v", got, want)
		}
	}
}
