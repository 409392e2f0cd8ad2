// Package snapshot is the compiled, immutable result that planes bind: an index from class and host to routes,
// upstreams, certificates, zones and names, workloads, and what was rejected and why. It holds no sockets, no
// goroutines and no clock. The Store publishes one generation after the other.
package snapshot

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/shard"
)

// Site is what the listeners of one class serve.
type Site = Hosts[*HostTable]

// Passed is what the HTTPS listeners of one class pass on without ending TLS, by server name.
type Passed = Hosts[*model.L4Route]

// Contents is everything a Snapshot is made of. Compile fills it; after New nobody may change it.
type Contents struct {
	Version      uint64
	Listeners    []model.Listener // that are to serve, sorted by ID
	Declared     []model.Listener // those, and the stopped ones
	Sites        map[model.Class]*Site
	L4Routes     []model.L4Route // in their total order
	ServerNames  map[model.Class]*Passed
	Upstreams    shard.Map[*model.Upstream]
	Certificates []model.Certificate // sorted by ID
	TLSPolicies  []model.TLSPolicy   // sorted by ID, those that refuse their hosts included
	Zones        []model.Zone        // sorted by name
	Names        Names
	Workloads    []model.Workload // sorted by ID
	Diagnostics  shard.Map[[]model.Diagnostic]
	InUse        shard.Map[model.EndpointsID] // lists of addresses that upstreams use, by their text
	Kept         Kept
}

// Kept is what compile carries from one generation to the next, so that the cost of one is that of what changed.
type Kept struct {
	Groups   shard.Map[*model.Objects]      // the input as it was
	Locators []model.Locator                // in force
	Located  shard.Map[*model.Objects]      // what locators were expanded to
	Routes   shard.Map[[]*Route]            // by group
	Rare     shard.Map[*model.Objects]      // groups with listeners, zones, certificates, L4 routes, workloads or locators
	Claims   shard.Map[[]*model.Upstream]   // by upstream ID: everyone who defines it, the first in the total order serves
	Users    shard.Map[shard.Map[struct{}]] // by upstream ID: groups whose routes name it
	Leads    shard.Map[shard.Map[struct{}]] // by path: groups with routes whose filters have requests looked up again with it
	Uses     shard.Map[int]                 // by list of addresses: how many upstreams use it
	Lists    shard.Map[model.Offer]         // offered by sources
	Named    map[model.Host][]Claim         // what zones and listeners say of names; never changed
}

// Claim is what somebody says of where a name leads.
type Claim struct {
	Rank   int // of those with different ranks the lower one counts
	Origin model.Origin
	Class  model.Class // of listeners; empty for a record of a zone
	Addrs  []netip.Addr
	TTL    time.Duration
}

// Snapshot is one generation.
type Snapshot struct{ c Contents }

// New freezes contents.
func New(c Contents) *Snapshot { return &Snapshot{c} }

// Empty is the snapshot before the first one: version 0, nothing in it.
func Empty() *Snapshot { return New(Contents{}) }

// Version grows by one with each generation.
func (s *Snapshot) Version() uint64 { return s.c.Version }

// Contents returns a copy of what the snapshot is made of, for compile to make the next one from.
func (s *Snapshot) Contents() Contents { return s.c }

// Listeners yields the listeners by ID.
func (s *Snapshot) Listeners() iter.Seq[model.Listener] { return slices.Values(s.c.Listeners) }

// Stopped yields the listeners that were stopped by hand, by ID: they are not served, and may come back.
func (s *Snapshot) Stopped() iter.Seq[model.Listener] {
	return func(yield func(model.Listener) bool) {
		for _, l := range s.c.Declared {
			if l.Stopped && !yield(l) {
				return
			}
		}
	}
}

// Listener returns a listener by its ID.
func (s *Snapshot) Listener(id model.ListenerID) (model.Listener, bool) {
	i, ok := slices.BinarySearchFunc(s.c.Listeners, id, func(l model.Listener, id model.ListenerID) int {
		return cmp.Compare(l.ID, id)
	})
	if !ok {
		return model.Listener{}, false
	}
	return s.c.Listeners[i], true
}

// Site returns what the listeners of a class serve; never nil.
func (s *Snapshot) Site(class model.Class) *Site {
	if site := s.c.Sites[class]; site != nil {
		return site
	}
	return &Site{}
}

// Classes returns the classes that have routes, sorted.
func (s *Snapshot) Classes() []model.Class {
	out := make([]model.Class, 0, len(s.c.Sites))
	for c := range s.c.Sites {
		out = append(out, c)
	}
	slices.Sort(out)
	return out
}

// Tables returns the host tables of a class, the most specific host first. It sorts: for those who list.
func (s *Snapshot) Tables(class model.Class) []*HostTable {
	var out []*HostTable
	for _, t := range s.Site(class).All() {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *HostTable) int { return a.Host.Compare(b.Host) })
	return out
}

// L4Routes returns the L4 routes of a class that take every connection, in their total order; the first one serves.
func (s *Snapshot) L4Routes(class model.Class) []model.L4Route {
	var out []model.L4Route
	for _, r := range s.c.L4Routes {
		if len(r.ServerNames) == 0 && slices.Contains(r.Attach, class) {
			out = append(out, r)
		}
	}
	return out
}

// Passed returns what the HTTPS listeners of a class pass on by server name; never nil.
func (s *Snapshot) Passed(class model.Class) *Passed {
	if p := s.c.ServerNames[class]; p != nil {
		return p
	}
	return &Passed{}
}

// Upstream returns an upstream by its ID.
func (s *Snapshot) Upstream(id model.UpstreamID) (*model.Upstream, bool) {
	return s.c.Upstreams.Get(string(id))
}

// Upstreams yields all upstreams, sorted by ID.
func (s *Snapshot) Upstreams() iter.Seq[*model.Upstream] {
	return func(yield func(*model.Upstream) bool) {
		for _, u := range s.c.Upstreams.Sorted() {
			if !yield(u) {
				return
			}
		}
	}
}

// Certificates yields the certificates of a class, sorted by ID.
func (s *Snapshot) Certificates(class model.Class) iter.Seq[model.Certificate] {
	return func(yield func(model.Certificate) bool) {
		for _, c := range s.c.Certificates {
			if slices.Contains(c.Attach, class) && !yield(c) {
				return
			}
		}
	}
}

// SameTLS tells whether certificates and TLS policies are those of another snapshot, without a look at each. False says
// nothing.
func (s *Snapshot) SameTLS(o *Snapshot) bool {
	return same(s.c.Certificates, o.c.Certificates) && same(s.c.TLSPolicies, o.c.TLSPolicies)
}

func same[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// TLSPolicies yields the TLS policies of a class, sorted by ID.
func (s *Snapshot) TLSPolicies(class model.Class) iter.Seq[model.TLSPolicy] {
	return func(yield func(model.TLSPolicy) bool) {
		for _, p := range s.c.TLSPolicies {
			if slices.Contains(p.Attach, class) && !yield(p) {
				return
			}
		}
	}
}

// Zones yields the zones that our DNS answers for, sorted by name.
func (s *Snapshot) Zones() iter.Seq[model.Zone] { return slices.Values(s.c.Zones) }

// ZoneOf returns the most specific zone that a name lies in.
func (s *Snapshot) ZoneOf(name string) (model.Zone, bool) { return ZoneOf(s.c.Zones, name) }

// ZoneOf returns the most specific of zones that a name lies in.
func ZoneOf(zones []model.Zone, name string) (best model.Zone, found bool) {
	for _, z := range zones {
		if (name == z.Name || strings.HasSuffix(name, "."+z.Name)) && len(z.Name) > len(best.Name) {
			best, found = z, true
		}
	}
	return best, found
}

// Names are the names that our DNS answers with addresses.
func (s *Snapshot) Names() *Names { return &s.c.Names }

// Workloads yields what has to run, sorted by ID.
func (s *Snapshot) Workloads() iter.Seq[model.Workload] { return slices.Values(s.c.Workloads) }

// Diagnostics returns everything that was found wrong, in the total order of diagnostics.
func (s *Snapshot) Diagnostics() []model.Diagnostic {
	var out []model.Diagnostic
	for _, ds := range s.c.Diagnostics.All() {
		out = append(out, ds...)
	}
	slices.SortFunc(out, model.CompareDiagnostics)
	return out
}

// DiagnosticsSince returns the entries in which two snapshots differ, as they were in the older one and as they are now,
// both in the total order, at the cost of what differs. What stands in both did not change.
func (s *Snapshot) DiagnosticsSince(old *Snapshot) (before, now []model.Diagnostic) {
	for c := range s.c.Diagnostics.Changes(old.c.Diagnostics) {
		before = append(before, c.Old...)
		now = append(now, c.New...)
	}
	slices.SortFunc(before, model.CompareDiagnostics)
	slices.SortFunc(now, model.CompareDiagnostics)
	return before, now
}

// InUse returns the lists of addresses that upstreams use, sorted.
func (s *Snapshot) InUse() []model.EndpointsID {
	var out []model.EndpointsID
	for _, id := range s.c.InUse.All() {
		out = append(out, id)
	}
	slices.SortFunc(out, model.EndpointsID.Compare)
	return out
}

// Name is a published name: a host of a route, a listener's own name, or a record of a zone.
type Name struct {
	Host   model.Host // may be a wildcard
	Addrs  []netip.Addr
	Origin model.Origin
	TTL    int // seconds
	Class  model.Class
}

// Names holds published names for exact, wildcard and empty-non-terminal questions.
type Names struct {
	hosts Hosts[*Name]
	below shard.Map[int] // how many published names lie below a name
}

// All yields the names, sorted by text.
func (n *Names) All() iter.Seq[*Name] {
	return func(yield func(*Name) bool) {
		var all []*Name
		for _, x := range n.hosts.All() {
			all = append(all, x)
		}
		slices.SortFunc(all, func(a, b *Name) int { return cmp.Compare(a.Host, b.Host) })
		for _, x := range all {
			if !yield(x) {
				return
			}
		}
	}
}

// Lookup returns what is published for a name in lower case without trailing dot. exists tells NODATA from
// NXDOMAIN: the name is there, or others are below it (RFC 8020).
func (n *Names) Lookup(name string) (found *Name, exists bool) {
	if x, ok := n.hosts.exact.Get(name); ok {
		return x, true
	}
	if c, _ := n.below.Get(name); c > 0 {
		return nil, true
	}
	first := true
	for rest := name; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return nil, false
		}
		rest = rest[dot+1:]
		if first {
			if x, ok := n.hosts.one.Get(rest); ok {
				return x, true
			}
			first = false
		}
		if x, ok := n.hosts.more.Get(rest); ok {
			return x, true
		}
	}
}

// Get returns the name published under a pattern.
func (n *Names) Get(host model.Host) (*Name, bool) { return n.hosts.Get(host) }

// NamesEditor makes the next version of Names.
type NamesEditor struct {
	hosts *HostsEditor[*Name]
	below *shard.Editor[int]
	old   Hosts[*Name]
	set   map[model.Host]bool
}

// Edit begins a next version.
func (n *Names) Edit() *NamesEditor {
	return &NamesEditor{n.hosts.Edit(), n.below.Edit(), n.hosts, map[model.Host]bool{}}
}

// Set publishes a name, or takes it back where x is nil.
func (e *NamesEditor) Set(host model.Host, x *Name) {
	_, had := e.old.Get(host)
	if was, ok := e.set[host]; ok {
		had = was
	}
	switch {
	case x == nil && had:
		e.hosts.Delete(host)
		e.count(host, -1)
	case x != nil:
		e.hosts.Set(host, x)
		if !had {
			e.count(host, +1)
		}
	}
	e.set[host] = x != nil
}

func (e *NamesEditor) count(host model.Host, by int) {
	rest := string(host)
	for {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			return
		}
		rest = rest[dot+1:]
		n, _ := e.below.Get(rest)
		if n+by == 0 {
			e.below.Delete(rest)
		} else {
			e.below.Set(rest, n+by)
		}
	}
}

// Names returns the version as edited.
func (e *NamesEditor) Names() Names { return Names{e.hosts.Hosts(), e.below.Map()} }
