package translate

import (
	"cmp"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// redirection is the configuration of a "redirect" filter.
type redirection struct {
	Status    int    `json:"status"`
	Location  string `json:"location,omitempty"`
	Scheme    string `json:"scheme,omitempty"`
	Host      string `json:"host,omitempty"`
	Port      int    `json:"port,omitempty"`
	Path      string `json:"path,omitempty"`
	CutSlash  bool   `json:"cutSlash,omitempty"`
	DropQuery bool   `json:"dropQuery,omitempty"`
	KeepQuery bool   `json:"keepQuery,omitempty"`
	ClearOnly bool   `json:"clearOnly,omitempty"`
}

// sent is permanent-redirect and temporal-redirect.
func (d *draft) sent() {
	for _, t := range []annotation.Target{d.set.Redirect.Temporal, d.set.Redirect.Permanent} {
		switch {
		case t.KeepPath:
			d.filter("redirect", redirection{Status: t.Status, Scheme: t.Scheme, Host: t.Host, Port: t.Port})
		case t.Location != "":
			d.filter("redirect", redirection{Status: t.Status, Location: t.Location})
		}
	}
}

// secured is ssl-redirect and force-ssl-redirect.
func (d *draft) secured() {
	r := &d.set.Redirect
	if d.beginsWith(d.whole.NoRedirect) {
		return
	}
	if r.ForceSSL || r.SSL && d.certified(d.host) {
		d.filter("redirect", redirection{Status: d.whole.RedirectCode, Scheme: "https", CutSlash: !r.KeepSlash, ClearOnly: true})
	}
}

// certified tells whether some Ingress names a certificate for a host. Under ingress-nginx any section on TLS does so for all hosts of its
// Ingress: where it names none for one of them, that is the default certificate.
func (b *builder) certified(host string) bool {
	if host == "" {
		return false
	}
	names := []string{host}
	if _, parent, ok := strings.Cut(host, "."); ok && !strings.HasPrefix(host, "*") {
		names = append(names, "*."+parent)
	}
	for _, n := range names {
		for _, o := range b.find("tlshost/" + n) {
			if b.class(o.Value.(*networkingv1.Ingress)) == served {
				return true
			}
		}
		for _, o := range b.find("tlsrule/" + n) {
			if v := o.Value.(*networkingv1.Ingress); b.class(v) == served && b.likeNginx(v) && !b.isCanary(v) {
				return true
			}
		}
	}
	return false
}

// tlsNames are the hosts that an Ingress names a certificate for.
func tlsNames(v *networkingv1.Ingress) []string {
	var out []string
	for _, t := range v.Spec.TLS {
		switch {
		case t.SecretName == "":
		case len(t.Hosts) > 0:
			out = append(out, t.Hosts...)
		default:
			out = append(out, ingressHosts(v)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hostRoutes are the routes that an Ingress makes for a host as a whole.
func (b *builder) hostRoutes(o *stored, host string) {
	d := b.draft(o, host, "metadata.annotations", true)
	r := &d.set.Redirect
	if d.set.Rejected {
		return // a redirect would be made of what is forbidden
	}
	if r.AppRoot != "" {
		to := b.route(o, "app-root", host, o.at("metadata.annotations"))
		to.Match.Path = model.PathMatch{Kind: model.PathExact, Value: "/"}
		to.Priority-- // before a path of its own, which it takes the place of
		d.place(to, redirection{Status: 302, Path: r.AppRoot, DropQuery: true})
	}
	if other := otherName(host); r.WWW && other != "" && len(b.find("host/"+other)) == 0 {
		to := b.route(o, "www", other, o.at("metadata.annotations"))
		d.place(to, redirection{Status: d.whole.RedirectCode, Host: host, CutSlash: true})
	}
}

// place adds a route that only redirects. Its action is never reached.
func (d *draft) place(r model.Route, to redirection) {
	d.route = &r
	d.filter("redirect", to)
	r.Action = model.Redirect{Status: to.Status, Location: cmp.Or(to.Path, to.Location, "/")}
	d.out.Routes = append(d.out.Routes, r)
}

// otherName is the host with www. before it, or without; "" for a wildcard.
func otherName(host string) string {
	if host == "" || strings.HasPrefix(host, "*") {
		return ""
	}
	if rest, ok := strings.CutPrefix(host, "www."); ok {
		return rest
	}
	return "www." + host
}

const wwwAnnotation = "from-to-www-redirect"

// wwwVerdict is what becomes of from-to-www-redirect on an Ingress: nothing where a host has no other name, or where that one has rules of
// its own.
func (b *builder) wwwVerdict(v *networkingv1.Ingress) (annotation.Verdict, string) {
	var all, without, taken []model.Host
	for _, host := range ingressHosts(v) {
		if host == "" && len(v.Spec.Rules) > 0 && v.Spec.DefaultBackend != nil {
			continue // of the default backend
		}
		all = append(all, model.Host(host))
		switch other := otherName(host); {
		case other == "":
			without = append(without, model.Host(host))
		case len(b.find("host/"+other)) > 0:
			taken = append(taken, model.Host(other))
		}
	}
	var why []string
	if len(without) > 0 {
		why = append(why, hostList(without)+" has no other name with www. or without")
	}
	if len(taken) > 0 {
		why = append(why, hostList(taken)+" has rules of its own")
	}
	switch {
	case len(why) == 0:
		return annotation.Supported, ""
	case len(without)+len(taken) == len(all):
		return annotation.Ignored, strings.Join(why, ", and ") + ", so nothing is redirected"
	default:
		return annotation.Differs, "nothing is redirected where " + strings.Join(why, ", and where ")
	}
}

// slashed sends who leaves out the slash at the end of a path to it, as nginx does where nothing else has the path.
func (d *draft) slashed(o *stored, id string) {
	if !d.nginx || d.set.Rejected || d.path == nil || len(d.path.Path) < 2 || !strings.HasSuffix(d.path.Path, "/") || strings.ContainsAny(d.path.Path, "{*?") || d.regexHost(d.host) {
		return
	}
	r := d.builder.route(o, id+"/slash", d.host, o.at(d.at))
	// A pattern, and after everything else: whatever says the path itself comes before it.
	r.Match.Path = model.PathMatch{Kind: model.PathPattern, Value: strings.TrimSuffix(d.path.Path, "/"), Strict: true}
	r.Priority++
	own := *d
	path := http1.EncodePath(d.path.Path)
	to := redirection{Status: 301, Path: path}
	if d.set.Redirect.Relative {
		to = redirection{Status: 301, Location: path, KeepQuery: true}
	}
	own.place(r, to)
}
