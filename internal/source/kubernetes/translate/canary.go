package translate

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// A canary Ingress has no routes of its own. It adds a second target, and lanes that lead there, to the routes of the Ingress
// with the same host, path and type of path.

// isCanary tells whether an Ingress is a canary.
func (b *builder) isCanary(v *networkingv1.Ingress) bool {
	if !b.store.reader.Has(v.Annotations) {
		return false
	}
	set, _ := b.store.reader.Read(v.Annotations)
	return set.Canary.On
}

// canaries are the canary Ingresses of a host that are served, the oldest first.
func (b *builder) canaries(host string) []*stored {
	return slices.DeleteFunc(b.find("canary/"+host), func(o *stored) bool { return b.class(o.Value.(*networkingv1.Ingress)) != served })
}

// joins tells which backend of a canary belongs to a place, and the field that it stands in. path is nil for a default
// backend.
func joins(v *networkingv1.Ingress, host string, path *networkingv1.HTTPIngressPath) (backend networkingv1.IngressBackend, field string, ok bool) {
	if path != nil {
		for i, r := range v.Spec.Rules {
			if r.Host != host || r.HTTP == nil {
				continue
			}
			for j, p := range r.HTTP.Paths {
				if p.Path == path.Path && deref(p.PathType) == deref(path.PathType) {
					return p.Backend, fmt.Sprintf("spec.rules[%d].http.paths[%d].backend", i, j), true
				}
			}
		}
	}
	if host == "" && v.Spec.DefaultBackend != nil {
		return *v.Spec.DefaultBackend, "spec.defaultBackend", true
	}
	return backend, "", false
}

// canary adds the target and the lanes of the first canary Ingress that joins the route.
func (d *draft) canary() {
	main, ok := d.route.Action.(model.Forward)
	if !ok {
		return
	}
	for _, o := range d.canaries(d.host) {
		v := o.Value.(*networkingv1.Ingress)
		backend, field, ok := joins(v, d.host, d.path)
		if !ok || sameService(backend, d.service) && o.key.Namespace == d.o.key.Namespace {
			continue
		}
		action, plain := d.backend(o, field, backend, false, "")
		if _, ok := action.(model.Forward); !ok {
			continue
		}
		if set, _ := d.settings(v, d.likeNginx(v)); set.Rejected {
			continue
		}
		set, _ := d.store.reader.Read(v.Annotations)
		own := d.canaryUpstream(v, &set, backend, *plain)
		name := o.key.Name
		if o.key.Namespace != d.o.key.Namespace {
			name = o.key.Namespace + "/" + name
		}
		lanes := lanesOf(&set.Canary, name, main.Targets[0].Upstream, own)
		d.forward(func(f *model.Forward) {
			f.Targets = []model.Target{{Upstream: f.Targets[0].Upstream, Weight: 1}, {Upstream: own}}
			if f.Lanes = lanes; set.Affinity.CanaryLegacy {
				f.LaneOrder = model.LanesFirst
			}
		})
		return
	}
}

// sameService tells whether two backends are one port of one Service.
func sameService(a, b networkingv1.IngressBackend) bool {
	return a.Service != nil && b.Service != nil && a.Service.Name == b.Service.Name && a.Service.Port == b.Service.Port
}

// canaryUpstream is the upstream of a canary's Service. The main Ingress says how it is spoken to and, unless the canary asks
// for the old way, how clients are kept; the canary itself how endpoints are chosen.
func (d *draft) canaryUpstream(v *networkingv1.Ingress, set *annotation.Settings, backend networkingv1.IngressBackend, plain model.Upstream) model.UpstreamID {
	mixed := *d.set
	mixed.Backend.Balance, mixed.Backend.HashBy = set.Backend.Balance, set.Backend.HashBy
	if set.Affinity.CanaryLegacy {
		mixed.Affinity = set.Affinity
	}
	as := *d
	as.set, as.service = &mixed, backend
	name := d.ingress.Name
	if v.Namespace == d.ingress.Namespace {
		name = v.Name + "~" + name
	} else {
		name = v.Namespace + "~" + v.Name + "~" + name
	}
	return as.named(plain, name)
}

// lanesOf are the rules of a canary in their order. The lane has the name of its Ingress.
func lanesOf(c *annotation.Canary, name string, main, canary model.UpstreamID) []model.Lane {
	var out []model.Lane
	add := func(to model.UpstreamID, l model.Lane) {
		l.Target, l.Name = to, l.Rule(name)
		out = append(out, l)
	}
	header := model.Lane{From: model.LaneHeader, Field: c.Header}
	switch {
	case c.Header == "":
	case c.HeaderValue != "":
		header.Value = c.HeaderValue
		add(canary, header)
	case c.HeaderPattern != "":
		header.Pattern = c.HeaderPattern
		add(canary, header)
	case c.BadPattern:
		header.Present = true
		add(main, header)
		out[0].Name += " with a pattern that is none"
	default:
		header.Value = "always"
		add(canary, header)
		header.Value = "never"
		add(main, header)
	}
	if c.Cookie != "" {
		cookie := model.Lane{From: model.LaneCookie, Field: c.Cookie, Value: "always"}
		add(canary, cookie)
		cookie.Value = "never"
		add(main, cookie)
	}
	if c.Weight > 0 {
		add(canary, model.Lane{From: model.LaneShare, Share: c.Weight, Of: c.Total})
	}
	return out
}

// canaryNotes says which places of a canary have no effect.
func (b *builder) canaryNotes(o *stored) {
	v := o.Value.(*networkingv1.Ingress)
	if v.Spec.DefaultBackend != nil {
		b.canaryPlace(o, "", nil, *v.Spec.DefaultBackend, "spec.defaultBackend")
	}
	for i, r := range v.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for j, p := range r.HTTP.Paths {
			b.canaryPlace(o, r.Host, &p, p.Backend, fmt.Sprintf("spec.rules[%d].http.paths[%d]", i, j))
		}
	}
}

// canaryPlace says why one place of a canary has no effect, if it has none.
func (b *builder) canaryPlace(o *stored, host string, path *networkingv1.HTTPIngressPath, backend networkingv1.IngressBackend, field string) {
	found := false
	for _, m := range b.find("host/" + host) {
		v := m.Value.(*networkingv1.Ingress)
		if m == o || b.class(v) != served || b.isCanary(v) {
			continue
		}
		main, _, ok := joins(v, host, path)
		if path == nil {
			ok = true // it joins every place of any host
		}
		if !ok {
			continue
		}
		found = true
		if sameService(main, backend) && m.key.Namespace == o.key.Namespace {
			b.diagnose(o, field, model.Warning, model.CodeIgnored, "leads to the service that %s %s leads to: a canary needs one of its own", v.Kind, m.key)
			return
		}
	}
	if !found {
		b.diagnose(o, field, model.Warning, model.CodeIgnored, "has no effect: no other Ingress has this host, path and type of path, and a canary only adds to one")
		return
	}
	for _, c := range b.canaries(host) {
		if c == o {
			return
		}
		if _, _, ok := joins(c.Value.(*networkingv1.Ingress), host, path); ok {
			b.diagnose(o, field, model.Warning, model.CodeIgnored, "has no effect: Ingress %s/%s is a canary for this place already, and one counts", c.key.Namespace, c.key.Name)
			return
		}
	}
}
