package dnsserver

import (
	"sync/atomic"

	"github.com/miekg/dns"
)

// codes is how many response codes are told apart: those of RFC 1035 and 2136 and BADVERS (RFC 6891) are below.
const codes = 24

// counts are of one transport each: UDP first. A question costs far more than the turn on a shared counter.
type counts struct {
	answered [2][codes]atomic.Uint64
	silent   [2]atomic.Uint64
}

// count counts an answer; nil: the packet was not worth one.
func (c *counts) count(answer []byte, udp bool) {
	i := 1
	if udp {
		i = 0
	}
	if answer == nil {
		c.silent[i].Add(1)
		return
	}
	c.answered[i][codeOf(answer)%codes].Add(1)
}

// codeOf is the response code of a message of ours. Its upper bits are in the TTL of the OPT record (RFC 6891, 6.1.3), which
// is the last record we write, and has no data: 11 bytes.
func codeOf(m []byte) int {
	code := int(m[3] & 15)
	if opt := len(m) - 11; m[11] > 0 && opt >= headerSize && m[opt] == 0 && m[opt+1] == 0 && m[opt+2] == byte(dns.TypeOPT) {
		code |= int(m[opt+5]) << 4
	}
	return code
}

// Count is how many questions were answered with a code over a transport.
type Count struct {
	Transport string // udp or tcp
	Code      string // NOERROR, NXDOMAIN, …; empty: the packet was no question, and was not answered
	Questions uint64
}

// Counts returns the codes that were given since the process began.
func (s *Server) Counts() []Count {
	var out []Count
	for i, transport := range [...]string{"udp", "tcp"} {
		for code := range codes {
			if n := s.counts.answered[i][code].Load(); n > 0 {
				out = append(out, Count{transport, nameOf(code), n})
			}
		}
		if n := s.counts.silent[i].Load(); n > 0 {
			out = append(out, Count{Transport: transport, Questions: n})
		}
	}
	return out
}

// nameOf is the name of a code. BADSIG and BADVERS share a number; signatures are not looked at here.
func nameOf(code int) string {
	if code == dns.RcodeBadVers {
		return "BADVERS"
	}
	if name, ok := dns.RcodeToString[code]; ok {
		return name
	}
	return "OTHER"
}
