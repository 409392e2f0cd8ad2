package translate

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// rewrites tells whether the target of an Ingress has an effect on a path.
func rewrites(r *annotation.Rewrite, path string) bool { return r.Target != "" && r.Same != path }

// regexHost tells whether every path of a host is an expression: one of its Ingresses says so, or rewrites a path. It is what
// ingress-nginx makes of a host, and the specification does not know.
func (b *builder) regexHost(host string) bool {
	for _, o := range b.find("regex/" + host) {
		v := o.Value.(*networkingv1.Ingress)
		if b.class(v) == served && b.likeNginx(v) && !b.isCanary(v) {
			return true
		}
	}
	return false
}

// makesRegex tells whether an Ingress makes the paths of a host expressions.
func makesRegex(v *networkingv1.Ingress, r *annotation.Rewrite, host string) bool {
	if r.Target == "" {
		return r.Regex && hasHost(v, host)
	}
	for _, rule := range v.Spec.Rules {
		if rule.Host != host || rule.HTTP == nil {
			continue
		}
		for _, p := range rule.HTTP.Paths {
			if r.Regex || rewrites(r, p.Path) {
				return true
			}
		}
	}
	return false
}

func hasHost(v *networkingv1.Ingress, host string) bool {
	for _, r := range v.Spec.Rules {
		if r.Host == host {
			return true
		}
	}
	return false
}

// matched is the condition of a path as the class has it. Under ingress-nginx a path of a host with expressions is one,
// whatever its type says; and one of type ImplementationSpecific is a text that paths begin with. Elsewhere an expression is
// what an Ingress with use-regex says with that type.
func (d *draft) matched(m model.PathMatch) model.PathMatch {
	specific := deref(d.path.PathType) == networkingv1.PathTypeImplementationSpecific
	switch {
	case d.nginx && d.regexHost(d.host), !d.nginx && specific && (d.set.Rewrite.Regex || rewrites(&d.set.Rewrite, d.path.Path)):
		return model.PathMatch{Kind: model.PathRegex, Value: unquoted(m.Value), IgnoreCase: true}
	case d.nginx && specific && m.Value != "/":
		return model.PathMatch{Kind: model.PathStart, Value: m.Value}
	}
	return m
}

// unquoted takes the backslash off a quote, which ingress-nginx's users may have put before it.
func unquoted(path string) string { return strings.ReplaceAll(path, `\"`, `"`) }

// told is what ingress-nginx tells upstreams beyond what is told anyway.
func (d *draft) told() {
	if d.nginx {
		tell := settings{"scheme": []string{"X-Forwarded-Scheme", "X-Scheme"}, "forwardedFor": []string{"X-Original-Forwarded-For"},
			"forwardedHost": []string{"X-Original-Forwarded-Host"}, "keepID": true}
		if d.whole.NoRequestID {
			tell["noID"] = true
		}
		d.filter("tell-origin", tell)
	}
}

// rewritten is rewrite-target: what is sent upstream, made of what the path's expression captured.
func (d *draft) rewritten() {
	if d.path == nil || !rewrites(&d.set.Rewrite, d.path.Path) {
		return
	}
	d.filter("set-path", struct {
		Template string `json:"template"`
	}{d.captures(d.set.Rewrite.Target)})
	if d.set.Rewrite.Prefix == "" {
		return
	}
	type header struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	d.filter("request-headers", struct {
		Set []header `json:"set"`
	}{[]header{{"X-Forwarded-Prefix", d.captures(d.set.Rewrite.Prefix)}}})
}

// captures puts the names of the groups of the path's expression into a template. A group that there is not is nothing, as
// in nginx, where the template would keep its name.
func (d *draft) captures(template string) string {
	var names []string
	if d.route.Match.Path.Kind == model.PathRegex {
		names = model.ParseExpression(d.route.Match.Path.Value).Groups()
	}
	for i := 1; i <= 9; i++ {
		name := ""
		switch {
		case i >= len(names):
		case names[i] != "":
			name = "{" + names[i] + "}"
		default:
			name = fmt.Sprintf("{%d}", i)
		}
		template = strings.ReplaceAll(template, fmt.Sprintf("{%d}", i), name)
	}
	if !strings.HasPrefix(template, "/") && !strings.HasPrefix(template, "{") {
		return "/" + template
	}
	return template
}
