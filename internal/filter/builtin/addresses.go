package builtin

import (
	"fmt"
	"net/netip"

	"paifang/internal/filter"
	"paifang/internal/model"
)

// CodeAddress is the code of the answer 403 to clients whose address may not ask.
const CodeAddress model.Code = "address-refused"

// Addresses configures "addresses": which clients may ask. The client is the one that the listener believes in: its peer, or
// whom a trusted proxy names. Deny is looked at first. With Allow, only those in it pass; a client whose address is not known
// does not pass.
type Addresses struct {
	Allow  []string `json:"allow,omitempty"`  // addresses, or ranges like 10.0.0.0/8
	Deny   []string `json:"deny,omitempty"`   // addresses, or ranges
	Status int      `json:"status,omitempty"` // of the refusal, 400 to 599; default 403
}

// maxRanges bounds each list: every request is held against all of it.
const maxRanges = 4096

// Validate refuses ranges that are none. One bad range makes the filter invalid, and its route is refused.
func (c Addresses) Validate() error {
	if len(c.Allow)+len(c.Deny) == 0 {
		return fmt.Errorf("neither allow nor deny is given")
	}
	if c.Status != 0 && (c.Status < 400 || c.Status > 599) {
		return fmt.Errorf("status is %d: want 400 to 599", c.Status)
	}
	if _, err := parseRanges("allow", c.Allow); err != nil {
		return err
	}
	_, err := parseRanges("deny", c.Deny)
	return err
}

// parseRanges reads addresses and ranges. A range of IPv4 written in IPv6 is one of IPv4, as clients' addresses are.
func parseRanges(field string, texts []string) (ranges, error) {
	if len(texts) > maxRanges {
		return nil, fmt.Errorf("%s has %d ranges: at most %d", field, len(texts), maxRanges)
	}
	var out ranges
	for i, s := range texts {
		p, err := parseRange(s)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func parseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is neither an address nor a range like 10.0.0.0/8", s)
	case p.Addr().Is4In6() && p.Bits() >= 96:
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// ranges are of clients' addresses.
type ranges []netip.Prefix

// has tells whether an address is in one of the ranges. The zero address is in none. On which of our links a client is makes it no other one.
func (r ranges) has(a netip.Addr) bool {
	a = a.WithZone("")
	for _, p := range r {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func addressesKind() filter.Kind {
	return filter.Define("addresses", func(c Addresses, _ filter.Env) (filter.Filter, error) {
		if c.Status == 0 {
			c.Status = 403
		}
		allow, err := parseRanges("allow", c.Allow)
		if err != nil {
			return nil, err
		}
		deny, err := parseRanges("deny", c.Deny)
		return &addresses{allow, deny, c.Status}, err
	})
}

type addresses struct {
	allow, deny ranges
	status      int
}

func (f *addresses) Request(x *filter.Exchange) filter.Verdict {
	if x.Client.IsValid() && !f.deny.has(x.Client) && (len(f.allow) == 0 || f.allow.has(x.Client)) {
		x.Admit(false)
		return filter.Continue
	}
	return x.Respond(f.status, CodeAddress, "This is not served here to everybody.\n")
}
