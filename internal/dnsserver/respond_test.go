package dnsserver

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func question(name string, t uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, t)
	return m
}

func wire(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask goes through respond as UDP from a client on loopback does.
func ask(t testing.TB, m *dns.Msg) *dns.Msg {
	t.Helper()
	out, _ := respond(testSnapshot(3), wire(t, m), maxUDP, true)
	r := new(dns.Msg)
	if err := r.Unpack(out); err != nil {
		t.Fatalf("answer %x: %v", out, err)
	}
	return r
}

func TestAnswerHasTheLettersOfTheQuestion(t *testing.T) {
	q := question("sHoP.TeSt.", dns.TypeA)
	r := ask(t, q)
	if !r.Response || !r.Authoritative || r.RecursionAvailable || !r.RecursionDesired || r.Truncated || r.Rcode != dns.RcodeSuccess || r.Id != q.Id {
		t.Errorf("header: %v", r.MsgHdr)
	}
	if len(r.Question) != 1 || r.Question[0].Name != "sHoP.TeSt." {
		t.Errorf("question: %v", r.Question)
	}
	if len(r.Answer) != 1 || len(r.Ns) != 0 || len(r.Extra) != 0 {
		t.Fatalf("sections: %v", r)
	}
	a, ok := r.Answer[0].(*dns.A)
	if !ok || a.Hdr.Name != "sHoP.TeSt." || a.A.String() != "127.0.0.10" || a.Hdr.Ttl != 7 {
		t.Errorf("answer: %v", r.Answer[0])
	}
}

func TestDenialsCarrySOA(t *testing.T) {
	for name, rcode := range map[string]int{"none.test.": dns.RcodeNameError, "b.c.test.": dns.RcodeSuccess} {
		r := ask(t, question(name, dns.TypeA))
		if r.Rcode != rcode || !r.Authoritative || len(r.Answer) != 0 || len(r.Ns) != 1 {
			t.Fatalf("%s: %v", name, r)
		}
		soa, ok := r.Ns[0].(*dns.SOA)
		if !ok || soa.Hdr.Name != "test." || soa.Ns != "ns.dns.test." || soa.Mbox != "hostmaster.test." || soa.Serial != 3 || soa.Minttl != 5 || soa.Hdr.Ttl != 5 {
			t.Errorf("%s: %v", name, r.Ns[0])
		}
	}
}

func TestApex(t *testing.T) {
	r := ask(t, question("test.", dns.TypeNS))
	if len(r.Answer) != 1 || r.Answer[0].(*dns.NS).Ns != "ns.dns.test." || len(r.Extra) != 2 {
		t.Errorf("NS: %v", r)
	}
	r = ask(t, question("test.", dns.TypeSOA))
	if len(r.Answer) != 1 || r.Answer[0].(*dns.SOA).Serial != 3 {
		t.Errorf("SOA: %v", r)
	}
	r = ask(t, question("child.test.", dns.TypeNS))
	if len(r.Answer) != 1 || r.Answer[0].(*dns.NS).Ns != "ns.child.test." || len(r.Extra) != 0 {
		t.Errorf("NS by default: %v", r)
	}
}

func TestRefused(t *testing.T) {
	chaos := question("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	chaosInside := question("shop.test.", dns.TypeA)
	chaosInside.Question[0].Qclass = dns.ClassANY
	ixfr := new(dns.Msg)
	ixfr.SetIxfr("test.", 1, "ns.test.", "x.test.")
	for what, q := range map[string]*dns.Msg{
		"outside": question("example.org.", dns.TypeA), "root": question(".", dns.TypeNS), "ANY": question("shop.test.", dns.TypeANY),
		"AXFR": question("test.", dns.TypeAXFR), "IXFR": ixfr, "CHAOS": chaos, "class ANY": chaosInside,
	} {
		r := ask(t, q)
		if r.Rcode != dns.RcodeRefused || r.Authoritative || len(r.Answer)+len(r.Ns)+len(r.Extra) != 0 {
			t.Errorf("%s: %v", what, r)
		}
	}
}

func TestMalformed(t *testing.T) {
	two := question("shop.test.", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	none := question("shop.test.", dns.TypeA)
	none.Question = nil
	notify, update := question("test.", dns.TypeSOA), question("test.", dns.TypeSOA)
	notify.Opcode, update.Opcode = dns.OpcodeNotify, dns.OpcodeUpdate
	twoOPT := question("shop.test.", dns.TypeA)
	twoOPT.SetEdns0(1232, false)
	twoOPT.Extra = append(twoOPT.Extra, twoOPT.Extra[0])
	version := question("shop.test.", dns.TypeA)
	version.SetEdns0(1232, false)
	version.IsEdns0().SetVersion(1)
	for what, c := range map[string]struct {
		q     *dns.Msg
		rcode int
	}{
		"two questions": {two, dns.RcodeFormatError}, "no question": {none, dns.RcodeFormatError}, "notify": {notify, dns.RcodeNotImplemented},
		"update": {update, dns.RcodeNotImplemented}, "two OPT": {twoOPT, dns.RcodeFormatError}, "EDNS 1": {version, dns.RcodeBadVers},
		"type OPT": {question("test.", dns.TypeOPT), dns.RcodeFormatError},
	} {
		if r := ask(t, c.q); r.Rcode != c.rcode || len(r.Answer) != 0 || r.Id != c.q.Id || r.Opcode != c.q.Opcode {
			t.Errorf("%s: %v", what, r)
		}
	}
	reply := wire(t, question("shop.test.", dns.TypeA))
	reply[2] |= 0x80
	for what, b := range map[string][]byte{"an answer": reply, "nothing": nil, "short": reply[:11]} {
		if out, _ := respond(testSnapshot(1), b, maxUDP, true); out != nil {
			t.Errorf("%s was answered: %x", what, out)
		}
	}
	cut := wire(t, question("shop.test.", dns.TypeA))
	if out, _ := respond(testSnapshot(1), cut[:len(cut)-3], maxUDP, true); len(out) != headerSize || out[3] != dns.RcodeFormatError {
		t.Errorf("a cut question: %x", out)
	}
	loop := append(append([]byte{}, cut[:12]...), 0xc0, 12, 0, 1, 0, 1)
	if out, _ := respond(testSnapshot(1), loop, maxUDP, true); len(out) != headerSize || out[3] != dns.RcodeFormatError {
		t.Errorf("a pointer to itself: %x", out)
	}
}

func TestSize(t *testing.T) {
	snap := testSnapshot(1)
	edns := func(size uint16) *dns.Msg {
		q := question("many.test.", dns.TypeA)
		q.SetEdns0(size, true)
		return q
	}
	for _, c := range []struct {
		q    *dns.Msg
		udp  bool
		most int // length allowed
		tc   bool
	}{
		{question("many.test.", dns.TypeA), true, 512, true},
		{edns(4096), true, 1232, true},
		{edns(100), true, 512, true},
		{question("many.test.", dns.TypeA), false, 65535, false},
		{edns(512), false, 65535, false},
	} {
		limit := maxUDP
		if !c.udp {
			limit = dns.MaxMsgSize
		}
		out, _ := respond(snap, wire(t, c.q), limit, c.udp)
		r := new(dns.Msg)
		if err := r.Unpack(out); err != nil {
			t.Fatal(err)
		}
		if len(out) > c.most || r.Truncated != c.tc || c.tc != (len(r.Answer) == 0) || !c.tc && len(r.Answer) != 100 {
			t.Errorf("%v: %d bytes, TC %v, %d answers", c.q.Extra, len(out), r.Truncated, len(r.Answer))
		}
		if (c.q.IsEdns0() == nil) != (r.IsEdns0() == nil) {
			t.Errorf("OPT: asked %v, answered %v", c.q.IsEdns0(), r.IsEdns0())
		}
		if o := r.IsEdns0(); o != nil && (o.UDPSize() != maxUDP || o.Version() != 0) {
			t.Errorf("OPT: %v", o)
		}
	}
}

func TestNoAmplification(t *testing.T) {
	snap := testSnapshot(1)
	stranger := netip.MustParseAddr("192.0.2.1")
	for _, name := range []string{".", "test.", "many.test.", "none.test.", "six.test.", "x.y.z.test.", "wide.test."} {
		for _, typ := range []uint16{dns.TypeA, dns.TypeNS, dns.TypeSOA, dns.TypeANY, dns.TypeTXT} {
			for _, size := range []uint16{0, 512, 4096} {
				q := question(name, typ)
				if size > 0 {
					q.SetEdns0(size, true)
				}
				packet := wire(t, q)
				if out, _ := respond(snap, packet, limit(stranger, len(packet)), true); len(out) > 3*len(packet) || out == nil {
					t.Errorf("%s %d: %d bytes for %d", name, typ, len(out), len(packet))
				}
			}
		}
	}
	packet := wire(t, question("shop.test.", dns.TypeA))
	r := new(dns.Msg)
	out, _ := respond(snap, packet, limit(stranger, len(packet)), true)
	if err := r.Unpack(out); err != nil || len(r.Answer) != 1 {
		t.Errorf("a usual answer does not fit: %v %v", r, err)
	}
}

// FuzzRespond sends raw packets: no crash, no answer to an answer, the ID kept, the length bounded, and always a message
// that others can read.
func FuzzRespond(f *testing.F) {
	for _, name := range []string{"shop.test.", ".", "a.b.c.test.", strings.Repeat("a.", 100) + "wide.test.", `\000\255.test.`} {
		for _, t := range []uint16{dns.TypeA, dns.TypeSOA, dns.TypeANY, dns.TypeOPT, 0} {
			q := question(name, t)
			if t == dns.TypeSOA {
				q.SetEdns0(1232, true)
			}
			b, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(b[:len(b)/2])
		}
	}
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0x0c, 0, 1, 0, 1})
	f.Add(bytes.Repeat([]byte{0xff}, 600))
	snap := testSnapshot(9)
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, udp := range []bool{true, false} {
			most := dns.MaxMsgSize
			if udp {
				most = 3 * len(packet)
			}
			out, _ := respond(snap, packet, most, udp)
			if len(packet) < headerSize || packet[2]&0x80 != 0 {
				if out != nil {
					t.Fatalf("answered %x", packet)
				}
				continue
			}
			if len(out) < headerSize || len(out) > most || udp && len(out) > maxUDP {
				t.Fatalf("%d bytes for %d", len(out), len(packet))
			}
			if binary.BigEndian.Uint16(out) != binary.BigEndian.Uint16(packet) || out[2]&0x80 == 0 || out[3]&0x80 != 0 {
				t.Fatalf("header %x for %x", out[:4], packet[:4])
			}
			if err := new(dns.Msg).Unpack(out); err != nil {
				t.Fatalf("answer %x: %v", out, err)
			}
		}
	})
}
