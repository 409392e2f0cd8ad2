package model

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FieldMatch is a condition on a header, query parameter or cookie: it is there, unless OrAbsent, and, unless Present, one of its
// values is Value.
type FieldMatch struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	Present bool   `json:"present,omitempty"` // any value will do
	// Regex makes Value an RE2 expression that a whole value matches.
	Regex bool `json:"regex,omitempty"`
	// OrAbsent makes a request do, too, that has no value of the name at all.
	OrAbsent bool `json:"orAbsent,omitempty"`
}

// AddressMatch is a condition on the client's address.
type AddressMatch struct {
	Ranges []netip.Prefix `json:"ranges"` // any of
	// Forwarded says which address is compared: 0 is that of the connection, or what a trusted PROXY header says in its
	// place; n is the nth from the right of the X-Forwarded-For that a trusted proxy in front has sent, the first where it
	// has fewer. A request without one is compared by its connection: what others write there does not count.
	Forwarded int `json:"forwarded,omitempty"`
}

// Window is a condition on the time of a request: not before From, and before Until. A zero end is open.
type Window struct {
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// ShareWhole is the number of draws of which a Share takes some.
const ShareWhole = 1_000_000

// Share is a condition of chance. Each request draws one number below ShareWhole for each group; the route takes it if the number is
// at least From and below Until. Routes whose shares of a group do not overlap thus divide it.
type Share struct {
	Group string `json:"group"`
	From  int    `json:"from"`
	Until int    `json:"until"`
}

// Holds tells whether a time is within the window.
func (w Window) Holds(now time.Time) bool {
	return !now.Before(w.From) && (w.Until.IsZero() || now.Before(w.Until))
}

// Holds tells whether a draw of the group is one of the share.
func (s Share) Holds(draw int) bool { return draw >= s.From && draw < s.Until }

// Contains tells whether an address lies in one of the ranges.
func (m AddressMatch) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(m.Ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Conditions counts what a match asks besides the path.
func (m *Match) Conditions() int {
	n := len(m.Headers) + len(m.Query) + len(m.Cookies) + len(m.Addresses) + len(m.Shares) + len(m.Versions)
	if len(m.Methods) > 0 {
		n++
	}
	if m.Time != (Window{}) {
		n++
	}
	return n
}

// TakesPreflight tells whether a request that the methods keep out is a preflight of one that they let in (Fetch standard, 3.2.2): a route with
// FilterCORS answers it.
func (m *Match) TakesPreflight(method, asked string) bool {
	return method == "OPTIONS" && slices.Contains(m.Methods, asked)
}

// Text says in words what a match asks besides the path: "method GET or HEAD, header X-User=7".
func (m *Match) Text() string {
	var out []string
	if len(m.Methods) > 0 {
		out = append(out, "method "+strings.Join(m.Methods, " or "))
	}
	for _, f := range m.Headers {
		out = append(out, "header "+f.String())
	}
	for _, f := range m.Query {
		out = append(out, "query "+f.String())
	}
	for _, f := range m.Cookies {
		out = append(out, "cookie "+f.String())
	}
	for _, a := range m.Addresses {
		var ranges []string
		for _, p := range a.Ranges {
			ranges = append(ranges, p.String())
		}
		text := "client in " + strings.Join(ranges, " or ")
		if a.Forwarded > 0 {
			text = fmt.Sprintf("X-Forwarded-For, %d from the right, in %s", a.Forwarded, strings.Join(ranges, " or "))
		}
		out = append(out, text)
	}
	if w := m.Time; !w.From.IsZero() {
		out = append(out, "from "+w.From.Format(time.RFC3339))
	}
	if w := m.Time; !w.Until.IsZero() {
		out = append(out, "until "+w.Until.Format(time.RFC3339))
	}
	for i := range m.Versions {
		out = append(out, m.Versions[i].String())
	}
	for _, s := range m.Shares {
		out = append(out, fmt.Sprintf("draws %d to %d of %s", s.From, s.Until, s.Group))
	}
	return strings.Join(out, ", ")
}

// String returns "name", "name=value" or "name~expression", with " or none" where a request without one will do; a value that is not
// plain to the eye stands in quotes.
func (m FieldMatch) String() string {
	if m.OrAbsent {
		m.OrAbsent = false
		return m.String() + " or none"
	}
	value := m.Value
	if q := strconv.QuoteToASCII(value); len(q) != len(value)+2 || strings.ContainsAny(value, " ,") {
		value = q
	}
	switch {
	case m.Present:
		return m.Name
	case m.Regex:
		return m.Name + "~" + m.Value
	default:
		return m.Name + "=" + value
	}
}

// SameConditions tells whether two matches ask the same besides the path.
func SameConditions(a, b *Match) bool {
	return slices.Equal(a.Methods, b.Methods) && slices.Equal(a.Headers, b.Headers) && slices.Equal(a.Query, b.Query) &&
		slices.Equal(a.Cookies, b.Cookies) && slices.Equal(a.Shares, b.Shares) &&
		a.Time.From.Equal(b.Time.From) && a.Time.Until.Equal(b.Time.Until) &&
		slices.EqualFunc(a.Addresses, b.Addresses, func(x, y AddressMatch) bool {
			return x.Forwarded == y.Forwarded && slices.Equal(x.Ranges, y.Ranges)
		}) && slices.EqualFunc(a.Versions, b.Versions, func(x, y VersionMatch) bool { return x.compare(y) == 0 })
}

// CompareConditions is some fixed order of what matches ask besides the path.
func CompareConditions(a, b *Match) int {
	return cmp.Or(slices.Compare(a.Methods, b.Methods),
		slices.CompareFunc(a.Headers, b.Headers, FieldMatch.compare),
		slices.CompareFunc(a.Query, b.Query, FieldMatch.compare),
		slices.CompareFunc(a.Cookies, b.Cookies, FieldMatch.compare),
		slices.CompareFunc(a.Addresses, b.Addresses, AddressMatch.compare),
		a.Time.From.Compare(b.Time.From), a.Time.Until.Compare(b.Time.Until),
		slices.CompareFunc(a.Shares, b.Shares, Share.compare),
		slices.CompareFunc(a.Versions, b.Versions, VersionMatch.compare))
}

func (m FieldMatch) compare(o FieldMatch) int {
	return cmp.Or(strings.Compare(m.Name, o.Name), strings.Compare(m.Value, o.Value), boolFirst(m.Present, o.Present), boolFirst(m.Regex, o.Regex),
		boolFirst(m.OrAbsent, o.OrAbsent))
}

func (m AddressMatch) compare(o AddressMatch) int {
	return cmp.Or(cmp.Compare(m.Forwarded, o.Forwarded), slices.CompareFunc(m.Ranges, o.Ranges, netip.Prefix.Compare))
}

func (s Share) compare(o Share) int {
	return cmp.Or(strings.Compare(s.Group, o.Group), cmp.Compare(s.From, o.From), cmp.Compare(s.Until, o.Until))
}

func (m *Match) validateConditions() error {
	if err := methods("match.methods", m.Methods); err != nil {
		return err
	}
	for _, list := range []struct {
		field  string
		fields []FieldMatch
	}{{"headers", m.Headers}, {"query", m.Query}, {"cookies", m.Cookies}} {
		for i, f := range list.fields {
			at := fmt.Sprintf("match.%s[%d]", list.field, i)
			switch {
			case f.Name == "":
				return fieldError(at+".name", "is empty")
			case f.Present && (f.Regex || f.Value != ""):
				return fieldError(at+".present", "is set beside a value: give one of them")
			case f.Present && f.OrAbsent:
				return fieldError(at+".orAbsent", "is set beside present: every request would do")
			}
		}
	}
	for i, a := range m.Addresses {
		at := fmt.Sprintf("match.addresses[%d]", i)
		if len(a.Ranges) == 0 {
			return fieldError(at+".ranges", "is empty: no address would do")
		}
		for j, p := range a.Ranges {
			if !p.IsValid() {
				return fieldError(fmt.Sprintf("%s.ranges[%d]", at, j), "is no range of addresses")
			}
		}
		if a.Forwarded < 0 {
			return fieldError(at+".forwarded", "is negative")
		}
	}
	if w := m.Time; !w.From.IsZero() && !w.Until.IsZero() && !w.From.Before(w.Until) {
		return fieldError("match.time", "ends before it begins")
	}
	for i := range m.Versions {
		if err := m.Versions[i].validate(); err != nil {
			return fieldError(fmt.Sprintf("match.versions[%d]", i), err.Error())
		}
	}
	for i, s := range m.Shares {
		at := fmt.Sprintf("match.shares[%d]", i)
		switch {
		case s.Group == "":
			return fieldError(at+".group", "is empty")
		case s.From < 0 || s.Until > ShareWhole || s.From > s.Until:
			return fieldError(at, fmt.Sprintf("from %d until %d is no part of 0 until %d", s.From, s.Until, ShareWhole))
		}
	}
	return nil
}
