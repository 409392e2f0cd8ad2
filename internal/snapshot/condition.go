package snapshot

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"paifang/internal/http1"
	"paifang/internal/model"
)

// conditions are what a route asks besides the path.
type conditions struct {
	match      *model.Match
	fields     []fieldTest
	versions   []versionTest
	preflights bool // a filter of the route answers them, as requests with the method that they ask for
}

// fieldTest is a condition on the values that a name has in a place: one of them has to do.
type fieldTest struct {
	in    Place
	name  string
	value string
	any   bool
	none  bool           // no value at all will do, too
	whole *regexp.Regexp // in place of value
	start string         // text that every match of whole begins with
}

// newConditions returns nil for a match that asks nothing besides the path.
func newConditions(m *model.Match, preflights bool) (*conditions, error) {
	if m.Conditions() == 0 {
		return nil, nil
	}
	c := &conditions{match: m, preflights: preflights}
	for in, fields := range [...][]model.FieldMatch{InHeaders: m.Headers, InQuery: m.Query, InCookies: m.Cookies} {
		for _, f := range fields {
			t := fieldTest{in: Place(in), name: f.Name, value: f.Value, any: f.Present, none: f.OrAbsent}
			if f.Regex {
				if len(f.Value) > maxOfValue {
					return nil, fmt.Errorf("regular expression of %d bytes: at most %d", len(f.Value), maxOfValue)
				}
				re, err := regexp.Compile(`\A(?:` + f.Value + `)\z`)
				if err != nil {
					return nil, fmt.Errorf("regular expression %q for the value of %s: %w", f.Value, f.Name, err)
				}
				t.whole = re
				if start, fold := literalStart(re.String()); !fold {
					t.start = start
				}
			}
			c.fields = append(c.fields, t)
		}
	}
	for i := range m.Versions {
		c.versions = append(c.versions, newVersionTest(&m.Versions[i]))
	}
	return c, nil
}

// hold tells whether a request has all that is asked. It does not allocate.
func (c *conditions) hold(q Request) bool {
	m := c.match
	if len(m.Methods) > 0 && !slices.Contains(m.Methods, q.LookupMethod()) && !(c.preflights && m.TakesPreflight(q.LookupMethod(), preflightOf(q))) {
		return false
	}
	for i := range c.fields {
		if !c.fields[i].holds(q) {
			return false
		}
	}
	for i := range c.versions {
		if !c.versions[i].holds(q) {
			return false
		}
	}
	for i := range m.Addresses {
		if !m.Addresses[i].Contains(address(q, m.Addresses[i].Forwarded)) {
			return false
		}
	}
	if m.Time != (model.Window{}) && !m.Time.Holds(q.LookupTime()) {
		return false
	}
	for i := range m.Shares {
		if !m.Shares[i].Holds(q.LookupDraw(m.Shares[i].Group)) {
			return false
		}
	}
	return true
}

// preflightOf is the method that a preflight asks for, which says whose it is.
func preflightOf(q Request) string {
	if _, ok := q.LookupValue(InHeaders, "Origin", 0); !ok {
		return ""
	}
	method, _ := q.LookupValue(InHeaders, "Access-Control-Request-Method", 0)
	return method
}

// Value is LookupValue of a request that was read by http1.
func Value(r *http1.Request, in Place, name string, i int) (string, bool) {
	switch in {
	case InQuery:
		return http1.Parameter(r.RawQuery, name, i, &r.Mem)
	case InCookies:
		return http1.Cookie(&r.Fields, name, i)
	default:
		return r.Fields.Nth(name, i)
	}
}

func (t *fieldTest) holds(q Request) bool {
	for i := 0; ; i++ {
		v, ok := q.LookupValue(t.in, t.name, i)
		switch {
		case !ok:
			return t.none && i == 0
		case t.any, t.whole == nil && v == t.value, t.whole != nil && t.whole.MatchString(v):
			return true
		}
	}
}

// address is the one that a condition compares: see model.AddressMatch.
func address(q Request, forwarded int) netip.Addr {
	if forwarded == 0 {
		return q.LookupPeer()
	}
	return q.LookupForwarded(forwarded)
}

// Forwarded returns address n, from 1, from the right of a list, the first where it has fewer. Empty places count for nothing (RFC 9110,
// 5.6.1). One that cannot be read is the zero address, which lies in no range.
func Forwarded(list string, n int) netip.Addr {
	list = strings.TrimRight(list, blankPlaces)
	for range n - 1 {
		i := strings.LastIndexByte(list, ',')
		if i < 0 {
			break
		}
		before := strings.TrimRight(list[:i], blankPlaces)
		if before == "" {
			break
		}
		list = before
	}
	a, _ := netip.ParseAddr(strings.TrimLeft(list[strings.LastIndexByte(list, ',')+1:], " \t"))
	return a
}

// blankPlaces is what empty places of a list are made of.
const blankPlaces = " \t,"
