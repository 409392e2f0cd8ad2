package dnsserver

import (
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Type is the type of a question, by its number (RFC 1035 section 3.2.2).
type Type uint16

// The types that are answered with data. All others are NODATA, or refused.
const (
	A    Type = Type(dns.TypeA)
	NS   Type = Type(dns.TypeNS)
	SOA  Type = Type(dns.TypeSOA)
	AAAA Type = Type(dns.TypeAAAA)
)

// String returns "A", "AAAA", "TYPE65280".
func (t Type) String() string { return dns.Type(t).String() }

// Outcome is what becomes of a question.
type Outcome string

// The outcomes.
const (
	Found    Outcome = "NOERROR"  // there is data
	NoData   Outcome = "NODATA"   // the name is there, data of this type is not (RFC 2308 section 2.2)
	NoName   Outcome = "NXDOMAIN" // neither the name nor anything below it is there (RFC 8020)
	Declined Outcome = "REFUSED"  // outside our zones, or a type that is not answered: ANY, transfers
)

// DefaultTTL is the life of answers of a zone that sets none, and of denials.
const DefaultTTL = 5 * time.Second

// Answer is what a question gets.
type Answer struct {
	Outcome Outcome
	Zone    *model.Zone // that answers; nil when Declined
	// Origin is that of the host, listener or record whose addresses these are; zero when there are none.
	Origin model.Origin
	Host   model.Host // the published name or wildcard that was found
	Addrs  []netip.Addr
	TTL    time.Duration
}

// Lookup answers a question for a name, in any case, with or without the trailing dot. It takes nothing and changes nothing.
func Lookup(snap *snapshot.Snapshot, name string, t Type) Answer {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	clean, tail := hostPart(name)
	zone, ok := snap.ZoneOf(tail)
	if !ok || isMeta(t) {
		return Answer{Outcome: Declined}
	}
	a := Answer{Zone: &zone, TTL: ttlOf(&zone)}
	if !clean {
		a.Outcome = NoName
		return a
	}
	apex := name == zone.Name
	if apex && (t == SOA || t == NS) {
		a.Outcome, a.Origin = Found, zone.Origin
		return a
	}
	found, exists := snap.Names().Lookup(name)
	switch {
	case found != nil:
		a.Host, a.Origin = found.Host, found.Origin
		if found.TTL > 0 {
			a.TTL = time.Duration(found.TTL) * time.Second
		}
		a.Addrs = ofType(found.Addrs, t)
	case name == serverOf(&zone):
		a.Host, a.Origin = model.Host(name), zone.Origin
		a.Addrs = ofType(zone.Address, t)
	case !apex && !exists && !aboveServer(snap, name):
		a.Outcome = NoName
		return a
	}
	a.Outcome = NoData
	if len(a.Addrs) > 0 {
		a.Outcome = Found
	}
	return a
}

// hostPart tells whether a name in presentation form is made of plain labels, and returns the part of it that is: what
// follows the last label with an escaped byte, which no host name has.
func hostPart(name string) (clean bool, tail string) {
	clean, from := true, 0
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == '\\':
			clean, from = false, len(name)
			i++ // the escaped byte, which may be a dot
		case name[i] == '.' && from == len(name):
			from = i + 1
		}
	}
	return clean, name[from:]
}

// aboveServer tells whether a name is an empty non-terminal above a zone or a zone's name server.
func aboveServer(snap *snapshot.Snapshot, name string) bool {
	for z := range snap.Zones() {
		if strings.HasSuffix(z.Name, "."+name) || strings.HasSuffix(serverOf(&z), "."+name) {
			return true
		}
	}
	return false
}

// isMeta tells of types that no zone holds: 128 to 255 are for questions alone (RFC 6895 section 3.1).
func isMeta(t Type) bool { return t >= 128 && t <= 255 || t == Type(dns.TypeOPT) }

func ofType(addrs []netip.Addr, t Type) []netip.Addr {
	if t != A && t != AAAA {
		return nil
	}
	var out []netip.Addr
	for _, a := range addrs {
		if a = a.Unmap(); a.Is4() == (t == A) {
			out = append(out, a)
		}
	}
	return out
}

// serverOf is the name in NS and SOA, by default ns.ZONE.
func serverOf(z *model.Zone) string {
	if z.Server != "" {
		return strings.TrimSuffix(strings.ToLower(z.Server), ".")
	}
	return "ns." + z.Name
}

// mailOf is the RNAME of the SOA, by default hostmaster.ZONE (RFC 2142 section 7).
func mailOf(z *model.Zone) string {
	if z.Mail != "" {
		return strings.TrimSuffix(z.Mail, ".")
	}
	return "hostmaster." + z.Name
}

func ttlOf(z *model.Zone) time.Duration {
	if z.TTL > 0 {
		return z.TTL
	}
	return DefaultTTL
}
