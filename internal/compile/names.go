package compile

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

const defaultTTL = 5 * time.Second

// names publishes the hosts that changed, or all of them where listeners or zones did: a host of a route leads to
// the addresses that the listeners of its class advertise.
func (c *compiler) names(all bool) {
	touched := map[model.Host]bool{}
	for p := range c.added {
		touched[p.host] = true
	}
	for p := range c.removed {
		touched[p.host] = true
	}
	for h := range c.renamed {
		touched[h] = true
	}
	if all {
		c.given()
		for n := range c.old.Names.All() {
			touched[n.Host] = true
		}
		for _, site := range c.next.Sites {
			for h := range site.All() {
				touched[h] = true
			}
		}
		for _, passed := range c.next.ServerNames {
			for h := range passed.All() {
				touched[h] = true
			}
		}
		for h := range c.next.Kept.Named {
			touched[h] = true
		}
	}
	c.unserved()
	delete(touched, "")
	if len(touched) == 0 {
		return
	}
	e := c.next.Names.Edit()
	for h := range touched {
		n, ds := c.name(h)
		e.Set(h, n)
		c.say("name "+string(h), ds)
	}
	c.next.Names = e.Names()
}

// How claims of a name are ranked, the first first.
const (
	ofRecord   = iota // a record of a zone
	ofRoute           // a host of a route, or a server name whose TLS is passed on
	ofListener        // a listener's own name
)

// given makes anew the index of what zones and listeners say of names.
func (c *compiler) given() {
	named := map[model.Host][]snapshot.Claim{}
	for _, z := range c.next.Zones {
		for _, r := range z.Records {
			h := model.Host(r.Name)
			named[h] = append(named[h], snapshot.Claim{Rank: ofRecord, Origin: r.Origin, Addrs: r.Addrs, TTL: r.TTL})
		}
	}
	for _, l := range c.next.Declared {
		addrs := sorted(l.Addresses())
		for _, h := range l.Names {
			named[h] = append(named[h], snapshot.Claim{Rank: ofListener, Origin: l.Origin, Class: l.EffectiveClass(), Addrs: addrs})
		}
	}
	c.next.Kept.Named = named
}

func (c *compiler) name(h model.Host) (*snapshot.Name, []model.Diagnostic) {
	claims := c.claimants(h)
	if len(claims) == 0 || len(c.next.Zones) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(claims, func(a, b snapshot.Claim) int {
		return cmp.Or(a.Rank-b.Rank, a.Origin.Before(b.Origin), cmp.Compare(a.Class, b.Class))
	})
	zone, ok := snapshot.ZoneOf(c.next.Zones, zoneName(h))
	if !ok {
		return nil, []model.Diagnostic{{Origin: claims[0].Origin, Severity: model.Info, Code: model.CodeHostOutsideZones,
			Message: fmt.Sprintf("host %s lies outside the zones that our DNS answers for: enter it at your DNS host, or add its zone", h)}}
	}
	win := claims[0]
	var ds []model.Diagnostic
	for _, x := range claims[1:] {
		if !slices.Equal(x.Addrs, win.Addrs) {
			ds = append(ds, model.Diagnostic{Origin: x.Origin, Severity: model.Warning, Code: model.CodeRecordTaken,
				Message: fmt.Sprintf("the name %s leads to %v for %s, so it does not lead to %v", h, win.Addrs, win.Origin, x.Addrs)})
		}
	}
	ttl := win.TTL
	if ttl == 0 {
		ttl = zone.TTL
	}
	if ttl == 0 {
		ttl = defaultTTL
	}
	return &snapshot.Name{Host: h, Addrs: win.Addrs, Origin: win.Origin, TTL: int(ttl / time.Second), Class: win.Class}, ds
}

func (c *compiler) claimants(h model.Host) []snapshot.Claim {
	out := slices.Clone(c.next.Kept.Named[h])
	for class, site := range c.next.Sites {
		t, ok := site.Get(h)
		if !ok {
			continue
		}
		if addrs := c.advertised(class); len(addrs) > 0 {
			first := t.First()
			origin := first.Origin
			if first.HostLine > 0 {
				origin.Line = first.HostLine
			}
			out = append(out, snapshot.Claim{Rank: ofRoute, Origin: origin, Class: class, Addrs: addrs})
		}
	}
	for class, passed := range c.next.ServerNames {
		if r, ok := passed.Get(h); ok {
			if addrs := c.advertised(class); len(addrs) > 0 {
				out = append(out, snapshot.Claim{Rank: ofRoute, Origin: r.Origin, Class: class, Addrs: addrs})
			}
		}
	}
	return out
}

// advertised is where the listeners of a class are to be found.
func (c *compiler) advertised(class model.Class) []netip.Addr {
	var out []netip.Addr
	for _, l := range c.next.Declared {
		if l.EffectiveClass() == class && (l.Protocol == model.HTTP || l.Protocol == model.HTTPS) {
			out = append(out, l.Addresses()...)
		}
	}
	return sorted(out)
}

func sorted(addrs []netip.Addr) []netip.Addr {
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// unserved says which classes have routes but no listener.
func (c *compiler) unserved() {
	var ds []model.Diagnostic
	for class := range c.next.Sites {
		if c.advertised(class) != nil {
			continue
		}
		ds = append(ds, model.Diagnostic{Severity: model.Warning, Code: model.CodeNoListener,
			Message: fmt.Sprintf("routes are attached to class %s, but no listener of that class is configured: they are served nowhere", class)})
	}
	c.say("classes", ds)
}
