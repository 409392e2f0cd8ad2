package dnsserver

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// maxUDP is the longest answer over UDP in bytes: what passes everywhere without fragments (DNS flag day 2020).
const maxUDP = 1232

// headerSize is the length of the header in bytes (RFC 1035 section 4.1.1).
const headerSize = 12

// limit returns how long an answer to a UDP packet may be. A sender whose address could be forged gets at most three
// times what it sent, so that nobody gains by sending questions in another's name; what does not fit is asked again over TCP.
// A loopback address cannot be forged from outside.
func limit(from netip.Addr, size int) int {
	if from.IsLoopback() {
		return maxUDP
	}
	return 3 * size
}

// respond returns the answer to a packet, at most most bytes long, or nil where none is due: what is too short to be a
// message, and what is an answer itself. about is the published name that was found.
func respond(snap *snapshot.Snapshot, packet []byte, most int, udp bool) (out []byte, about model.Host) {
	if len(packet) < headerSize || packet[2]&0x80 != 0 {
		return nil, ""
	}
	var q dns.Msg
	switch {
	case packet[2]>>3&0x0f != dns.OpcodeQuery:
		return refusal(packet, dns.RcodeNotImplemented), ""
	case binary.BigEndian.Uint16(packet[4:]) != 1:
		return refusal(packet, dns.RcodeFormatError), "" // RFC 9619: exactly one question
	case q.Unpack(packet) != nil || len(q.Question) != 1:
		return refusal(packet, dns.RcodeFormatError), ""
	}
	size := most
	if udp {
		size = min(most, dns.MinMsgSize)
	}
	m := new(dns.Msg)
	m.SetReply(&q)
	m.Compress = true
	m.RecursionAvailable = false
	m.CheckingDisabled = false // nothing is validated here (RFC 4035 section 3.1.6)
	opt, ok := optOf(&q)
	switch {
	case !ok:
		m.Rcode = dns.RcodeFormatError
	case opt != nil:
		if udp {
			asked := max(int(opt.UDPSize()), dns.MinMsgSize) // less than 512 means 512 (RFC 6891 section 6.2.3)
			size = min(most, maxUDP, asked)
		}
		own := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		own.SetUDPSize(maxUDP)
		m.Extra = append(m.Extra, own)
		if opt.Version() != 0 {
			m.Rcode = dns.RcodeBadVers
			break
		}
		about = fill(snap, m)
	default:
		about = fill(snap, m)
	}
	return pack(m, packet, size), about
}

// optOf returns the OPT record of a question; ok is false when there are several or one with a name (RFC 6891 section 6.1.1).
func optOf(q *dns.Msg) (opt *dns.OPT, ok bool) {
	for _, rr := range q.Extra {
		o, is := rr.(*dns.OPT)
		if !is {
			continue
		}
		if opt != nil || o.Hdr.Name != "." {
			return nil, false
		}
		opt = o
	}
	return opt, true
}

// pack writes the message. Where it is longer than size, the answer is left out and TC is set: the client asks again over TCP.
func pack(m *dns.Msg, packet []byte, size int) []byte {
	out, err := m.Pack()
	if err != nil {
		return refusal(packet, dns.RcodeServerFailure)
	}
	if len(out) <= size {
		return out
	}
	m.Truncated = true
	m.Answer, m.Ns = nil, nil
	kept := m.Extra[:0]
	for _, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			kept = append(kept, rr)
		}
	}
	m.Extra = kept
	if out, err = m.Pack(); err == nil && len(out) <= size {
		return out
	}
	return refusal(packet, dns.RcodeFormatError)
}

// refusal is a header alone: the ID, the opcode and RD of the question, and the code.
func refusal(packet []byte, rcode int) []byte {
	out := make([]byte, headerSize)
	copy(out, packet[:2])
	out[2] = 0x80 | packet[2]&0x79 // QR, opcode, RD
	out[3] = byte(rcode)
	return out
}

// fill answers the one question of a reply, and returns the published name that it is about.
func fill(snap *snapshot.Snapshot, m *dns.Msg) model.Host {
	q := m.Question[0]
	switch {
	case q.Qtype == dns.TypeOPT:
		m.Rcode = dns.RcodeFormatError
		return ""
	case q.Qclass != dns.ClassINET:
		m.Rcode = dns.RcodeRefused
		return ""
	}
	a := Lookup(snap, q.Name, Type(q.Qtype))
	if a.Outcome == Declined {
		m.Rcode = dns.RcodeRefused
		return ""
	}
	m.Authoritative = true
	switch a.Outcome {
	case NoName:
		m.Rcode = dns.RcodeNameError
		fallthrough
	case NoData:
		m.Ns = []dns.RR{soa(snap, a.Zone, a.Zone.Name+".")}
		return a.Host
	}
	switch Type(q.Qtype) {
	case SOA:
		m.Answer = []dns.RR{soa(snap, a.Zone, q.Name)}
	case NS:
		server := serverOf(a.Zone)
		m.Answer = []dns.RR{&dns.NS{Hdr: header(q.Name, dns.TypeNS, a.TTL), Ns: server + "."}}
		for _, t := range []Type{A, AAAA} {
			if glue := Lookup(snap, server, t); glue.Outcome == Found {
				m.Extra = append(addresses(server+".", glue), m.Extra...)
			}
		}
	default:
		m.Answer = addresses(q.Name, a) // in the letters of the question, as DNS 0x20 wants them
	}
	return a.Host
}

func addresses(name string, a Answer) []dns.RR {
	out := make([]dns.RR, 0, len(a.Addrs))
	for _, addr := range a.Addrs {
		if addr.Is4() {
			out = append(out, &dns.A{Hdr: header(name, dns.TypeA, a.TTL), A: addr.AsSlice()})
		} else {
			out = append(out, &dns.AAAA{Hdr: header(name, dns.TypeAAAA, a.TTL), AAAA: addr.AsSlice()})
		}
	}
	return out
}

// soa is the start of authority. Its last field and its own TTL say how long a denial may be kept (RFC 2308 section 4);
// the others are for secondaries, which there are none of.
func soa(snap *snapshot.Snapshot, z *model.Zone, owner string) dns.RR {
	return &dns.SOA{
		Hdr: header(owner, dns.TypeSOA, ttlOf(z)),
		Ns:  serverOf(z) + ".", Mbox: mailOf(z) + ".",
		Serial:  uint32(snap.Version()),
		Refresh: 3600, Retry: 600, Expire: 86400,
		Minttl: seconds(ttlOf(z)),
	}
}

func header(name string, t uint16, ttl time.Duration) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET, Ttl: seconds(ttl)}
}

// seconds rounds up, so that a TTL under a second is not zero, and keeps to 31 bits (RFC 2181 section 8).
func seconds(d time.Duration) uint32 {
	return uint32(min((d+time.Second-1)/time.Second, 1<<31-1))
}
