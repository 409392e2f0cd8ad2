package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"paifang/internal/model"
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

// rareObjects makes anew the short lists: listeners, L4 routes, certificates, zones, workloads.
func (c *compiler) rareObjects() {
	var o model.Objects
	for _, g := range c.next.Kept.Rare.All() {
		o.Listeners = append(o.Listeners, g.Listeners...)
		o.L4Routes = append(o.L4Routes, g.L4Routes...)
		o.Certificates = append(o.Certificates, g.Certificates...)
		o.Zones = append(o.Zones, g.Zones...)
		o.Workloads = append(o.Workloads, g.Workloads...)
		o.Locators = append(o.Locators, g.Locators...)
		o.Expectations = append(o.Expectations, g.Expectations...)
	}
	c.next.Declared = c.addresses(claimed(c, "listener", o.Listeners,
		func(l *model.Listener) string { return string(l.ID) },
		func(l *model.Listener) model.Origin { return l.Origin }, noPriority, func(l *model.Listener) error { return l.Validate() }))
	c.next.Listeners = slices.DeleteFunc(slices.Clone(c.next.Declared), func(l model.Listener) bool { return l.Stopped })
	c.expectations(o.Expectations)
	c.next.L4Routes = claimed(c, "l4route", o.L4Routes,
		func(r *model.L4Route) string { return string(r.ID) },
		func(r *model.L4Route) model.Origin { return r.Origin }, func(r *model.L4Route) int { return r.Priority }, func(r *model.L4Route) error { return r.Validate() })
	c.next.Certificates = claimed(c, "certificate", o.Certificates,
		func(x *model.Certificate) string { return string(x.ID) },
		func(x *model.Certificate) model.Origin { return x.Origin }, noPriority, func(x *model.Certificate) error { return x.Validate() })
	c.next.Zones = claimed(c, "zone", o.Zones,
		func(z *model.Zone) string { return z.Name },
		func(z *model.Zone) model.Origin { return z.Origin }, noPriority, func(z *model.Zone) error { return z.Validate() })
	c.next.Workloads = claimed(c, "workload", o.Workloads,
		func(w *model.Workload) string { return string(w.ID) },
		func(w *model.Workload) model.Origin { return w.Origin }, noPriority, func(w *model.Workload) error { return w.Validate() })
	c.next.Kept.Locators = claimed(c, "locator", o.Locators,
		func(l *model.Locator) string { return l.ID },
		func(l *model.Locator) model.Origin { return l.Origin }, noPriority, func(l *model.Locator) error { return l.Validate() })
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
