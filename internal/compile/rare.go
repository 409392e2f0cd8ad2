package compile

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// claimed is the objects of one kind with the first of each ID and what to say of the others.
func claimed[T any](c *compiler, kind string, all []T, id func(*T) string, origin func(*T) model.Origin, priority func(*T) int, check func(*T) error) []T {
	slices.SortFunc(all, func(a, b T) int {
		return cmp.Or(cmp.Compare(id(&a), id(&b)), cmp.Compare(priority(&a), priority(&b)), origin(&a).Before(origin(&b)),
			cmp.Compare(origin(&a).Source, origin(&b).Source))
	})
	var out []T
	var ds []model.Diagnostic
	for i := range all {
		x := &all[i]
		if err := check(x); err != nil {
			ds = append(ds, invalid(origin(x), err))
			continue
		}
		if n := len(out); n > 0 && id(&out[n-1]) == id(x) {
			ds = append(ds, model.Diagnostic{Origin: origin(x), Severity: model.Error, Code: model.CodeDuplicateID,
				Message: fmt.Sprintf("%s %s is already defined by %s", kind, id(x), origin(&out[n-1]))})
			continue
		}
		out = append(out, *x)
	}
	c.say(kind, ds)
	return out
}

func noPriority[T any](*T) int { return 0 }

// kinds is a set of the kinds of objects that are few and change seldom.
type kinds uint16

const (
	listeners kinds = 1 << iota
	l4Routes
	certificates
	policies
	zones
	workloads
	locators
	expectations
	defaults
)

// kindsOf tells which rare kinds a group has objects of.
func kindsOf(o *model.Objects) kinds { return changedKinds(&model.Objects{}, o) }

// changedKinds tells of which rare kinds two versions of a group, which may be nil, have different objects.
func changedKinds(a, b *model.Objects) (out kinds) {
	if a == nil {
		a = &model.Objects{}
	}
	if b == nil {
		b = &model.Objects{}
	}
	note(&out, listeners, a.Listeners, b.Listeners)
	note(&out, l4Routes, a.L4Routes, b.L4Routes)
	note(&out, certificates, a.Certificates, b.Certificates)
	note(&out, policies, a.TLSPolicies, b.TLSPolicies)
	note(&out, zones, a.Zones, b.Zones)
	note(&out, workloads, a.Workloads, b.Workloads)
	note(&out, locators, a.Locators, b.Locators)
	note(&out, expectations, a.Expectations, b.Expectations)
	note(&out, defaults, a.ListenerDefaults, b.ListenerDefaults)
	return out
}

func note[T any](out *kinds, k kinds, a, b []T) {
	if len(a)+len(b) > 0 && !reflect.DeepEqual(a, b) {
		*out |= k
	}
}

// rareObjects makes anew the short lists of the kinds that changed.
func (c *compiler) rareObjects(changed kinds) {
	if changed == 0 {
		return
	}
	var o model.Objects
	for _, g := range c.next.Kept.Rare.All() {
		o.Listeners = append(o.Listeners, g.Listeners...)
		o.L4Routes = append(o.L4Routes, g.L4Routes...)
		o.Certificates = append(o.Certificates, g.Certificates...)
		o.TLSPolicies = append(o.TLSPolicies, g.TLSPolicies...)
		o.Zones = append(o.Zones, g.Zones...)
		o.Workloads = append(o.Workloads, g.Workloads...)
		o.Locators = append(o.Locators, g.Locators...)
		o.Expectations = append(o.Expectations, g.Expectations...)
		o.ListenerDefaults = append(o.ListenerDefaults, g.ListenerDefaults...)
	}
	if changed&(listeners|defaults) != 0 {
		c.next.Declared = c.addresses(claimed(c, "listener", o.Listeners,
			func(l *model.Listener) string { return string(l.ID) },
			func(l *model.Listener) model.Origin { return l.Origin }, noPriority, func(l *model.Listener) error { return l.Validate() }))
		c.fillListeners(o.ListenerDefaults)
		c.next.Listeners = slices.DeleteFunc(slices.Clone(c.next.Declared), func(l model.Listener) bool { return l.Stopped })
	}
	if changed&(listeners|defaults|expectations) != 0 {
		c.expectations(o.Expectations)
	}
	if changed&l4Routes != 0 {
		c.next.L4Routes = claimed(c, "l4route", o.L4Routes,
			func(r *model.L4Route) string { return string(r.ID) },
			func(r *model.L4Route) model.Origin { return r.Origin }, func(r *model.L4Route) int { return r.Priority }, func(r *model.L4Route) error { return r.Validate() })
		c.passed()
	}
	if changed&certificates != 0 {
		c.next.Certificates = claimed(c, "certificate", o.Certificates,
			func(x *model.Certificate) string { return string(x.ID) },
			func(x *model.Certificate) model.Origin { return x.Origin }, noPriority, func(x *model.Certificate) error { return x.Validate() })
	}
	if changed&policies != 0 {
		c.next.TLSPolicies = c.policies(o.TLSPolicies)
	}
	if changed&zones != 0 {
		c.next.Zones = claimed(c, "zone", o.Zones,
			func(z *model.Zone) string { return z.Name },
			func(z *model.Zone) model.Origin { return z.Origin }, noPriority, func(z *model.Zone) error { return z.Validate() })
	}
	if changed&workloads != 0 {
		c.next.Workloads = claimed(c, "workload", o.Workloads,
			func(w *model.Workload) string { return string(w.ID) },
			func(w *model.Workload) model.Origin { return w.Origin }, noPriority, func(w *model.Workload) error { return w.Validate() })
	}
	if changed&locators != 0 {
		c.next.Kept.Locators = claimed(c, "locator", o.Locators,
			func(l *model.Locator) string { return l.ID },
			func(l *model.Locator) model.Origin { return l.Origin }, noPriority, func(l *model.Locator) error { return l.Validate() })
	}
}

// passed gives each server name of a class to the route that comes first.
func (c *compiler) passed() {
	var routes []*model.L4Route
	for i := range c.next.L4Routes {
		if r := &c.next.L4Routes[i]; len(r.ServerNames) > 0 {
			routes = append(routes, r)
		}
	}
	slices.SortFunc(routes, model.CompareL4Routes)
	editors := map[model.Class]*snapshot.HostsEditor[*model.L4Route]{}
	first := map[place]*model.L4Route{}
	var ds []model.Diagnostic
	for _, r := range routes {
		for _, class := range r.Attach {
			e := editors[class]
			if e == nil {
				e = (&snapshot.Passed{}).Edit()
				editors[class] = e
			}
			for _, h := range r.ServerNames {
				by := first[place{class, h}]
				if by == nil {
					first[place{class, h}] = r
					e.Set(h, r)
				} else if by != r {
					ds = append(ds, model.Diagnostic{Origin: r.Origin, Field: "serverNames", Severity: model.Error, Code: model.CodeDuplicateRoute,
						Message: fmt.Sprintf("TLS for %s on listeners of class %s is passed on by %s already, which comes first", h, class, by.Origin)})
				}
			}
		}
	}
	c.renamed = map[model.Host]bool{}
	for at := range first {
		c.renamed[at.host] = true
	}
	for _, p := range c.old.ServerNames {
		for h := range p.All() {
			c.renamed[h] = true
		}
	}
	c.next.ServerNames = map[model.Class]*snapshot.Passed{}
	for class, e := range editors {
		p := e.Hosts()
		c.next.ServerNames[class] = &p
	}
	c.say("l4route server names", ds)
}

// addresses takes out listeners on an address that another one, first by ID, already has.
func (c *compiler) addresses(all []model.Listener) []model.Listener {
	type socket struct {
		network, addr string
	}
	taken := map[socket]model.ListenerID{}
	var out []model.Listener
	var ds []model.Diagnostic
next:
	for _, l := range all {
		networks := []string{"tcp"}
		switch l.Protocol {
		case model.UDP:
			networks = []string{"udp"}
		case model.DNS:
			networks = []string{"tcp", "udp"}
		}
		for _, b := range l.Bind {
			for _, n := range networks {
				if by, ok := taken[socket{n, b.String()}]; ok && b.Port() != 0 {
					ds = append(ds, model.Diagnostic{Origin: l.Origin, Field: "bind", Severity: model.Error, Code: model.CodeListenerHostTaken,
						Message: fmt.Sprintf("%s %s already belongs to listener %s: give %s another address", n, b, by, l.ID)})
					continue next
				}
			}
		}
		for _, b := range l.Bind {
			for _, n := range networks {
				taken[socket{n, b.String()}] = l.ID
			}
		}
		out = append(out, l)
	}
	c.say("listener addresses", ds)
	return out
}

// zoneName is a name as zones have it.
func zoneName(h model.Host) string {
	return strings.TrimPrefix(strings.TrimPrefix(string(h), "*"), "*.")
}
