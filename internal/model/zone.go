package model

import (
	"fmt"
	"net/netip"
	"time"
)

// Zone is a part of the DNS that we answer for. The hosts of routes inside it become records by themselves.
type Zone struct {
	Name    string        `json:"name"` // in lower case without trailing dot: "test"
	Origin  Origin        `json:"origin"`
	TTL     time.Duration `json:"ttl,omitempty"` // of records made from hosts; default 5s
	Server  string        `json:"server"`        // name in NS and SOA, inside the zone: "ns.test"
	Address []netip.Addr  `json:"address"`       // addresses of Server
	Mail    string        `json:"mail"`          // SOA RNAME as a name: "hostmaster.test"
	Records []Record      `json:"records,omitempty"`
}

// Record is one name with its addresses.
type Record struct {
	Name   string        `json:"name"` // absolute, without trailing dot; may begin with "*."
	Origin Origin        `json:"origin"`
	TTL    time.Duration `json:"ttl,omitempty"` // default: the zone's
	Addrs  []netip.Addr  `json:"addrs"`         // IPv4 answers A, IPv6 answers AAAA
}

// Validate reports the first field that its type does not allow.
func (z Zone) Validate() error {
	if err := Host(z.Name).Validate(); err != nil || z.Name == "" {
		return fieldError("name", fmt.Sprintf("%q is not a name", z.Name))
	}
	for i, r := range z.Records {
		if err := Host(r.Name).Validate(); err != nil || r.Name == "" {
			return fieldError(fmt.Sprintf("records[%d].name", i), fmt.Sprintf("%q is not a name", r.Name))
		}
	}
	return nil
}
