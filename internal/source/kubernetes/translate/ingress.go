package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/installation"
)

// ingressHost makes the routes of an Ingress for one of its hosts, as the networking.k8s.io/v1 specification has it: Exact
// before Prefix, the longer path before the shorter, which model.CompareRoutes decides and not this function. "" is any
// host. A group for each Ingress keeps a change of one from being a change of all that share its host.
func (b *builder) ingressHost(host string, k Key) {
	o := b.get(k)
	if o == nil || !slices.Contains(ingressHosts(o.Value.(*networkingv1.Ingress)), host) {
		b.gone = true
		return
	}
	v := o.Value.(*networkingv1.Ingress)
	if b.class(v) != served || b.isCanary(v) {
		return
	}
	valid, hostLine := true, 0
	for i, r := range v.Spec.Rules {
		if r.Host != host {
			continue
		}
		at := fmt.Sprintf("spec.rules[%d]", i)
		if host != "" && hostLine == 0 {
			hostLine = o.line(at + ".host")
		}
		if why := invalidHost(host); why != "" {
			b.diagnose(o, at+".host", model.Error, model.CodeInvalid, "%q is not a host: %s", host, why)
			valid = false
			continue
		}
		if r.HTTP == nil {
			continue // the default backend takes the whole host
		}
		for j, p := range r.HTTP.Paths {
			b.path(o, at+fmt.Sprintf(".http.paths[%d]", j), fmt.Sprintf("%d/%d", i, j), host, p)
		}
	}
	if valid && b.store.reader.Has(v.Annotations) {
		b.hostRoutes(o, host)
	}
	if v.Spec.DefaultBackend != nil && valid {
		b.defaultBackend(o, host, v.Spec.DefaultBackend)
	}
	if valid {
		b.hostBackend(o, host)
		b.passthrough(o, host)
	}
	for j := range b.out.Routes {
		b.out.Routes[j].HostLine = hostLine
	}
}

// path makes the route of one path. What is wrong with it costs its siblings nothing.
func (b *builder) path(o *stored, at, id, host string, p networkingv1.HTTPIngressPath) {
	match, field, why := pathMatch(p)
	if why == "" && unusual(p) && b.likeNginx(o.Value.(*networkingv1.Ingress)) {
		const usual = "of type %s it may have letters, digits and / - _ . only; give it the type ImplementationSpecific, or set strict-validate-path-type to false"
		switch b.store.set.Paths {
		case installation.PathsRefused:
			field, why = "path", fmt.Sprintf("%q is refused: "+usual, p.Path, *p.PathType)
		case installation.PathsTold:
			b.diagnose(o, at+".path", model.Warning, model.CodeSettingDiffers, "%q is served, and ingress-nginx would not take the Ingress if it was applied now: "+usual, p.Path, *p.PathType)
		}
	}
	if why != "" {
		b.diagnose(o, at+"."+field, model.Error, model.CodeInvalid, "%s", why)
		return
	}
	r := b.route(o, id, host, o.at(at))
	d := b.draft(o, host, at, true)
	d.path = &p
	r.Match.Path = d.matched(match)
	d.slashed(o, id)
	d.finish(r, at+".backend", p.Backend)
}

// defaultBackend makes the route for what no rule matches: for any host, and for each host that the Ingress has rules
// for, where the most specific host would otherwise answer 404.
func (b *builder) defaultBackend(o *stored, host string, backend *networkingv1.IngressBackend) {
	id := "default"
	if host != "" {
		id += "/" + host
	}
	r := b.route(o, id, host, o.at("spec.defaultBackend"))
	r.Default = true
	b.draft(o, host, "spec.defaultBackend", host == "").finish(r, "spec.defaultBackend", *backend)
}

func (b *builder) route(o *stored, id, host string, origin model.Origin) model.Route {
	r := model.Route{
		ID:     model.RouteID("ingress/" + o.key.Namespace + "/" + o.key.Name + "/" + id),
		Origin: origin, Attach: []model.Class{b.store.opt.Attach}, Priority: b.store.opt.Priority,
	}
	if host != "" {
		r.Hosts = []model.Host{model.Host(host)}
	}
	return r
}

// invalidHost says why a rule's host is none that the API server would take, or "".
func invalidHost(host string) string {
	if host == "" {
		return ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return "it is an address; leave the host out to match any"
	}
	if strings.HasPrefix(host, "*") {
		if errs := validation.IsWildcardDNS1123Subdomain(host); len(errs) > 0 {
			return "a wildcard is *. before a name in lower case, and stands for one label"
		}
	} else if errs := validation.IsDNS1123Subdomain(host); len(errs) > 0 {
		return "a host is a name in lower case without port: letters, digits, - and ."
	}
	if err := model.Host(host).Validate(); err != nil {
		return err.Error()
	}
	return ""
}

// unusual tells whether a path is none that ingress-nginx takes for its type, whether it is read as an expression or not.
func unusual(p networkingv1.HTTPIngressPath) bool {
	return *p.PathType != networkingv1.PathTypeImplementationSpecific && strings.ContainsFunc(p.Path, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/-_.", r)
	})
}

// pathMatch reads path and pathType. ImplementationSpecific is Prefix, as in ingress-nginx without use-regex.
func pathMatch(p networkingv1.HTTPIngressPath) (m model.PathMatch, field, why string) {
	if p.PathType == nil {
		return m, "pathType", "is missing: one of Exact, Prefix, ImplementationSpecific"
	}
	m = model.PathMatch{Kind: model.PathPrefix, Value: p.Path}
	switch *p.PathType {
	case networkingv1.PathTypeExact:
		m.Kind = model.PathExact
	case networkingv1.PathTypePrefix:
	case networkingv1.PathTypeImplementationSpecific:
		if m.Value == "" {
			m.Value = "/"
		}
		if !strings.HasPrefix(m.Value, "/") {
			return m, "path", fmt.Sprintf("%q does not begin with /", m.Value)
		}
		return m, "", ""
	default:
		return m, "pathType", fmt.Sprintf("%q is none of Exact, Prefix, ImplementationSpecific", *p.PathType)
	}
	if !strings.HasPrefix(m.Value, "/") {
		return m, "path", fmt.Sprintf("%q does not begin with /", m.Value)
	}
	for _, bad := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(m.Value, bad) {
			return m, "path", fmt.Sprintf("%q contains %s, which no request has after its path is normalised", m.Value, bad)
		}
	}
	for _, bad := range []string{"/..", "/."} {
		if strings.HasSuffix(m.Value, bad) {
			return m, "path", fmt.Sprintf("%q ends in %s, which no request has after its path is normalised", m.Value, bad)
		}
	}
	return m, "", ""
}
