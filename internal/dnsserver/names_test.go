package dnsserver

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"paifang/internal/model"
)

func TestNameCounts(t *testing.T) {
	s, addr := started(t, Options{})
	for _, q := range []*dns.Msg{
		question("shop.test.", dns.TypeA), question("SHOP.test.", dns.TypeA), question("shop.test.", dns.TypeAAAA),
		question("nobody.test.", dns.TypeA), question("example.org.", dns.TypeA),
	} {
		exchange(t, "udp", addr, q)
	}
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := c.Write(make([]byte, headerSize)); err != nil { // no question in it
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	want := map[model.Host]NameCount{"shop.test": {Name: "shop.test", Questions: 3}, "": {Questions: 3, Failed: 1, Denied: 2}}
	got := s.NameCounts()
	if len(got) != len(want) {
		t.Errorf("counted are %+v", got)
	}
	for _, g := range got {
		if g.Took <= 0 {
			t.Errorf("%q took no time", g.Name)
		}
		if g.Took = 0; g != want[g.Name] {
			t.Errorf("counted is %+v, want %+v", g, want[g.Name])
		}
	}
}

// However many names come and go, what is counted is bounded, and no question is lost.
func TestNameCountsAreBounded(t *testing.T) {
	s := New(Options{})
	for i := range maxCounted + 100 {
		s.names.add(model.Host(fmt.Sprintf("h%d.test", i)), dns.RcodeSuccess, 1)
	}
	all := s.NameCounts()
	sum := uint64(0)
	for _, c := range all {
		sum += c.Questions
	}
	if len(all) > maxCounted+1 || sum != maxCounted+100 {
		t.Errorf("%d names are counted, %d questions", len(all), sum)
	}
}
