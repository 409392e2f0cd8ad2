package compile

import (
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
	if all {
		for n := range c.old.Names.All() {
			touched[n.Host] = true
		}
		for _, site := range c.next.Sites {
			for h := range site.All() {
				touched[h] = true
			}
		}
		for _, l := range c.next.Declared {
			for _, n := range l.Names {
				touched[n] = true
			}
		}
		for _, z := range c.next.Zones {
			for _, r := range z.Records {
				touched[model.Host(r.Name)] = true
			}
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

// claimant is somebody who says where a name leads.
type claimant struct {
	rank   int // 0 a record of the zone, 1 a host of a route, 2 a listener's own name
	origin model.Origin
	class  model.Class
	addrs  []netip.Addr
	ttl    time.Duration
}

func (c *compiler) name(h model.Host) (*snapshot.Name, []model.Diagnostic) {
	claims := c.claimants(h)
	if len(claims) == 0 || len(c.next.Zones) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(claims, func(a, b claimant) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return a.origin.Before(b.origin)
	})
	zone, ok := snapshot.ZoneOf(c.next.Zones, zoneName(h))
	if !ok {
		return nil, []model.Diagnostic{{Origin: claims[0].origin, Severity: model.Info, Code: model.CodeHostOutsideZones,
			Message: fmt.Sprintf("host %s lies outside the zones that our DNS answers for: enter it at your DNS host, or add its zone", h)}}
	}
	win := claims[0]
	var ds []model.Diagnostic
	for _, x := range claims[1:] {
		if !slices.Equal(x.addrs, win.addrs) {
			ds = append(ds, model.Diagnostic{Origin: x.origin, Severity: model.Warning, Code: model.CodeRecordTaken,
				Message: fmt.Sprintf("the name %s leads to %v for %s, so it does not lead to %v", h, win.addrs, win.origin, x.addrs)})
		}
	}
	ttl := win.ttl
	if ttl == 0 {
		ttl = zone.TTL
	}
	if ttl == 0 {
		ttl = defaultTTL
	}
	return &snapshot.Name{Host: h, Addrs: win.addrs, Origin: win.origin, TTL: int(ttl / time.Second), Class: win.class}, ds
}

func (c *compiler) claimants(h model.Host) []claimant {
	var out []claimant
	for _, z := range c.next.Zones {
		for _, r := range z.Records {
			if model.Host(r.Name) == h {
				out = append(out, claimant{0, r.Origin, "", r.Addrs, r.TTL})
			}
		}
	}
	for class, site := range c.next.Sites {
		t, ok := site.Get(h)
		if !ok {
			continue
		}
		if addrs := c.advertised(class); len(addrs) > 0 {
			origin := t.Routes[0].Origin
			if line := t.Routes[0].HostLine; line > 0 {
				origin.Line = line
			}
			out = append(out, claimant{1, origin, class, addrs, 0})
		}
	}
	for _, l := range c.next.Declared {
		if slices.Contains(l.Names, h) {
			out = append(out, claimant{2, l.Origin, l.EffectiveClass(), sorted(l.Addresses()), 0})
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
