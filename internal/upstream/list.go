package upstream

import (
	"net/netip"
	"slices"
	"time"

	"paifang/internal/few"
	"paifang/internal/model"
)

// list is one list of addresses: the union of its contributions, and what is in doubt. The table's lock guards it.
type list struct {
	id            model.EndpointsID
	contributions []contribution // sorted by contributor
	doubted       map[netip.AddrPort]doubted
	users         few.Set[*Handle]
	merged        []model.Endpoint             // sorted by address, each once; replaced, never changed in place
	delivered     bool                         // a source has said something about it since the table was made
	changed       time.Time                    // when merged changed last
	joined        map[netip.AddrPort]time.Time // of those that came later than their list, where the source does not say
}

// contribution is what one contributor says.
type contribution struct {
	who  contributor
	sets []model.EndpointSet
}

// doubted is an address that was lost in a way that may be an accident.
type doubted struct {
	endpoint model.Endpoint
	until    time.Time
}

func newList(id model.EndpointsID) *list {
	return &list{id: id}
}

// of is the place of what a contributor says.
func (l *list) of(who contributor) (at int, is bool) {
	return slices.BinarySearchFunc(l.contributions, who, func(c contribution, who contributor) int { return c.who.compare(who) })
}

// contribute replaces what one contributor says and returns the addresses of which it now says something new and
// good: those it adds or changes. What it adds has joined now, unless this is the first it says while its keeper is still
// being listed (later: the keeper is known as a whole).
func (l *list) contribute(who contributor, sets []model.EndpointSet, doubt time.Duration, now time.Time, later bool) (fresh []netip.AddrPort) {
	l.delivered = l.delivered || !unread(sets)
	at, is := l.of(who)
	later = later || is
	had := map[netip.AddrPort]model.Endpoint{}
	if is {
		for _, s := range l.contributions[at].sets {
			for _, e := range s.Endpoints {
				had[e.Addr] = e
			}
		}
	}
	switch {
	case len(sets) == 0 && is:
		l.contributions = slices.Delete(l.contributions, at, at+1)
	case len(sets) == 0:
	case is:
		l.contributions[at].sets = sets
	default:
		l.contributions = slices.Insert(l.contributions, at, contribution{who, sets})
	}
	for _, s := range sets {
		for _, e := range s.Endpoints {
			old, was := had[e.Addr]
			if _, is := l.joined[e.Addr]; later && !was && !is && !l.has(e.Addr) {
				if l.joined == nil {
					l.joined = map[netip.AddrPort]time.Time{}
				}
				l.joined[e.Addr] = now
			}
			if e.State == model.Ready && !(was && sameEndpoint(old, e)) {
				fresh = append(fresh, e.Addr)
			}
		}
	}
	for _, s := range sets {
		for _, e := range s.Endpoints {
			delete(had, e.Addr)
		}
	}
	if doubt <= 0 {
		return fresh
	}
	for addr, e := range had {
		// What its source called unhealthy or disabled is not missed. What any contribution has is not lost: merge
		// drops its doubt.
		if e.State <= model.LastResort {
			e.State = model.LastResort
			if l.doubted == nil {
				l.doubted = map[netip.AddrPort]doubted{}
			}
			l.doubted[addr] = doubted{e, now.Add(doubt)}
		}
	}
	return fresh
}

// unread tells whether a contribution only says that the list is there.
func unread(sets []model.EndpointSet) bool {
	return len(sets) > 0 && !slices.ContainsFunc(sets, func(s model.EndpointSet) bool { return !s.Unread })
}

// unread tells whether nobody who names the list has read it.
func (l *list) unread() bool {
	for _, c := range l.contributions {
		if !unread(c.sets) {
			return false
		}
	}
	return len(l.contributions) > 0
}

// expire ends the doubts whose time has come and returns how long it is until the next one ends.
func (l *list) expire(now time.Time) (next time.Duration, changed bool) {
	next = time.Hour
	for addr, d := range l.doubted {
		left := d.until.Sub(now)
		if left <= 0 {
			delete(l.doubted, addr)
			changed = true
			continue
		}
		next = min(next, left)
	}
	return next, changed
}

// drop takes an address out of doubt: it has failed.
func (l *list) drop(addr netip.AddrPort) bool {
	_, ok := l.doubted[addr]
	delete(l.doubted, addr)
	return ok
}

// merge computes the union and tells whether it differs from before.
func (l *list) merge(now time.Time) bool {
	n := len(l.doubted)
	for _, c := range l.contributions {
		for _, s := range c.sets {
			n += len(s.Endpoints)
		}
	}
	all := make([]model.Endpoint, 0, n)
	for _, c := range l.contributions {
		for _, s := range c.sets {
			all = append(all, s.Endpoints...)
		}
	}
	listed := len(all)
	for _, d := range l.doubted {
		all = append(all, d.endpoint)
	}
	merged := union(all)
	l.date(merged)
	if listed < len(all) {
		for _, e := range merged {
			if e.State != model.LastResort {
				delete(l.doubted, e.Addr) // somebody else has it
			}
		}
	}
	if slices.EqualFunc(merged, l.merged, sameEndpoint) {
		return false
	}
	l.merged, l.changed = merged, now
	return true
}

// has tells whether an address is in the list.
func (l *list) has(addr netip.AddrPort) bool {
	_, ok := slices.BinarySearchFunc(l.merged, addr, func(e model.Endpoint, a netip.AddrPort) int { return e.Addr.Compare(a) })
	return ok
}

// date says since when endpoints are in the list whose sources do not say, and forgets those that are gone.
func (l *list) date(merged []model.Endpoint) {
	if len(l.joined) == 0 {
		return
	}
	gone := len(l.joined)
	for i := range merged {
		at, ok := l.joined[merged[i].Addr]
		if !ok {
			continue
		}
		gone--
		if merged[i].Since.IsZero() {
			merged[i].Since = at
		}
	}
	if gone == 0 {
		return
	}
	for addr := range l.joined {
		if !slices.ContainsFunc(merged, func(e model.Endpoint) bool { return e.Addr == addr }) {
			delete(l.joined, addr)
		}
	}
}

// union sorts endpoints by address and makes one of those that share it: the fields of the first, the most
// restrictive state. LastResort counts only where nobody says anything else.
func union(all []model.Endpoint) []model.Endpoint {
	slices.SortStableFunc(all, func(a, b model.Endpoint) int { return a.Addr.Compare(b.Addr) })
	out := all[:0]
	for _, e := range all {
		last := len(out) - 1
		if last < 0 || out[last].Addr != e.Addr {
			out = append(out, e)
			continue
		}
		switch o := &out[last]; {
		case e.State == model.LastResort:
		case o.State == model.LastResort:
			*o = e
		case e.State > o.State:
			o.State, o.Reason = e.State, e.Reason
		}
	}
	return out
}

// sameEndpoint compares everything that a source says of an endpoint.
func sameEndpoint(a, b model.Endpoint) bool {
	return a.Addr == b.Addr && a.Weight == b.Weight && a.State == b.State && a.Reason == b.Reason && a.Zone == b.Zone && a.Cluster == b.Cluster && a.Node == b.Node &&
		a.Name == b.Name && a.Secure == b.Secure && a.Since.Equal(b.Since) && slices.Equal(a.Tags, b.Tags)
}
