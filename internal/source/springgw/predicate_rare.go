package springgw

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"paifang/internal/model"
)

// after means later than a moment, and not at it; before and between likewise.
func (c *condition) after(p *part) error  { return c.moments(p, "datetime", "") }
func (c *condition) before(p *part) error { return c.moments(p, "", "datetime") }
func (c *condition) between(p *part) error {
	return c.moments(p, "datetime1", "datetime2")
}

// moments reads the arguments of these names and narrows the window.
func (c *condition) moments(p *part, from, until string) error {
	var names []string
	for _, n := range []string{from, until} {
		if n != "" {
			names = append(names, n)
		}
	}
	values, extra, err := c.named(p, names)
	if err != nil {
		return err
	}
	if extra {
		return fmt.Errorf("wants %s and nothing more", strings.Join(names, " and "))
	}
	w := &c.match.Time
	if from != "" {
		t, err := moment(values[from])
		if err != nil {
			return err
		}
		if t = t.Add(1); t.After(w.From) {
			w.From = t
		}
	}
	if until != "" {
		t, err := moment(values[until])
		if err != nil {
			return err
		}
		if w.Until.IsZero() || t.Before(w.Until) {
			w.Until = t
		}
	}
	if !w.From.IsZero() && !w.Until.IsZero() && !w.From.Before(w.Until) {
		return errors.New("leaves no time at which the route serves")
	}
	return nil
}

// moment reads what Spring does: a date with time and offset, and the name of a zone behind it that adds nothing, or
// milliseconds since 1970.
func moment(text string) (time.Time, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	plain := text
	if i := strings.IndexByte(text, '['); i > 0 && strings.HasSuffix(text, "]") {
		plain = text[:i]
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, plain); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time with an offset, as 2026-01-20T17:42:47.789+08:00[Asia/Shanghai] is", text)
}

func (c *condition) remoteAddr(p *part) error {
	values, _, err := c.gathered(p, "sources")
	if err != nil {
		return err
	}
	return c.addresses(values, 0)
}

func (c *condition) forwardedAddr(p *part) error {
	values, named, err := c.gathered(p, "sources", "maxTrustedIndex")
	if err != nil {
		return err
	}
	index := 1
	if text := named["maxtrustedindex"]; text != "" {
		if index, err = strconv.Atoi(text); err != nil || index < 1 {
			return fmt.Errorf("maxTrustedIndex %q is not a number above 0", text)
		}
	}
	return c.addresses(values, index)
}

func (c *condition) addresses(values []string, forwarded int) error {
	m := model.AddressMatch{Forwarded: forwarded}
	for _, v := range values {
		p, err := netip.ParsePrefix(v)
		if err != nil {
			a, aerr := netip.ParseAddr(v)
			if aerr != nil {
				return fmt.Errorf("%q is neither an address nor a range like 10.0.0.0/8", v)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		m.Ranges = append(m.Ranges, p.Masked())
	}
	if len(m.Ranges) == 0 {
		return errors.New("names no range of addresses")
	}
	c.match.Addresses = append(c.match.Addresses, m)
	return nil
}

// weight is a part of a group that a route asks for.
type weight struct {
	group string
	parts int
}

func (c *condition) weight(p *part) error {
	w, err := readWeight(p)
	if err != nil {
		return err
	}
	c.weights = append(c.weights, w)
	_, _, err = c.named(p, []string{"group", "weight"}, "weight.group", "weight.weight")
	return err
}

func readWeight(p *part) (weight, error) {
	values, extra, err := p.named("group", "weight")
	if err != nil {
		return weight{}, err
	}
	if v := values["weight.group"]; v != "" { // in the long form
		values["group"], values["weight"] = v, values["weight.weight"]
	}
	w := weight{group: values["group"]}
	if w.group == "" || extra {
		return weight{}, errors.New("wants a group and a weight")
	}
	w.parts, err = strconv.Atoi(values["weight"])
	if err != nil || w.parts < 0 || w.parts > maxWeight {
		return weight{}, fmt.Errorf("weight %q is not a number from 0 to %d", values["weight"], maxWeight)
	}
	return w, nil
}

const maxWeight = 1_000_000

// groups are the weights of all routes, by group and in their order.
type groups map[string][]member

type member struct {
	route string
	parts int
}

// add takes the weights of one route in.
func (g groups) add(route string, predicates []part) {
	for i := range predicates {
		if predicates[i].name != "Weight" {
			continue
		}
		if w, err := readWeight(&predicates[i]); err == nil {
			g[w.group] = append(g[w.group], member{route, w.parts})
		}
	}
}

// shares are the draws that a route takes: each group is divided in the order of its routes. A group whose weights are all 0
// has none.
func (g groups) shares(route string, weights []weight) []model.Share {
	var out []model.Share
	for _, w := range weights {
		total, before, mine := 0, 0, 0
		seen := false
		for _, m := range g[w.group] {
			total += m.parts
			if m.route == route {
				mine, seen = m.parts, true
			}
			if !seen {
				before += m.parts
			}
		}
		s := model.Share{Group: w.group}
		if total > 0 {
			s.From, s.Until = before*model.ShareWhole/total, (before+mine)*model.ShareWhole/total
		}
		out = append(out, s)
	}
	return out
}
