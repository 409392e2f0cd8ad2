package translate

import (
	"encoding/json"
	"reflect"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
	"paifang/internal/source/kubernetes/installation"
)

// draft is the route of one path of an Ingress while the annotations have their effect on it. What an effect adds to
// route.Filters runs in the order of effects.
type draft struct {
	*builder
	o       *stored
	ingress *networkingv1.Ingress
	set     *annotation.Settings
	nginx   bool                          // the class behaves as ingress-nginx where that and the specification differ
	whole   installation.Settings         // what holds for all Ingresses of the class
	host    string                        // "" = any
	path    *networkingv1.HTTPIngressPath // nil for a default backend
	service networkingv1.IngressBackend   // that the path names
	at      string                        // field of the path, or of the default backend
	say     bool                          // diagnose: only one of several routes of one backend does
	route   *model.Route
	instead standIn // where there is one
}

// effects are what annotations do to a route, in the order of nginx' phases, which decides what of several answers is given.
// Each family has its own in a file of its own.
func effects() []func(*draft) {
	return []func(*draft){
		(*draft).compressed,
		(*draft).answered,
		(*draft).clientTLS,
		(*draft).limited,
		(*draft).cors,
		(*draft).sent,
		(*draft).secured,
		(*draft).limits,
		(*draft).addresses,
		(*draft).loggedIn,
		(*draft).told,
		(*draft).externalAuth,
		(*draft).mirrored,
		(*draft).setForEndpoints,
		(*draft).ownFilters,
		(*draft).rewritten,
		(*draft).canary,
		(*draft).vhost,
		(*draft).replaced,
		(*draft).timed,
		(*draft).again,
		(*draft).gathered,
		(*draft).spelled,
		(*draft).traced,
	}
}

// upstreamEffects are what annotations do to the upstream of a route: an Ingress that wants anything of the kind has
// upstreams of its own for its services.
func upstreamEffects() []func(*draft, *model.Upstream) {
	return []func(*draft, *model.Upstream){
		(*draft).clusterAddress, (*draft).balanced, (*draft).kept, (*draft).spoken, (*draft).verified,
	}
}

// draft begins the route of a path.
func (b *builder) draft(o *stored, host, at string, say bool) *draft {
	v := o.Value.(*networkingv1.Ingress)
	nginx := b.likeNginx(v)
	set, _ := b.settings(v, nginx)
	whole := installation.Defaults()
	if nginx {
		whole = b.store.set
	}
	return &draft{builder: b, o: o, ingress: v, set: &set, nginx: nginx, whole: whole, host: host, at: at, say: say}
}

// settings are what an Ingress says, on top of what holds for its class.
func (b *builder) settings(v *networkingv1.Ingress, nginx bool) (annotation.Settings, []annotation.Finding) {
	if nginx {
		return b.store.nginx.Read(v.Annotations)
	}
	return b.store.reader.Read(v.Annotations)
}

// finish leads the route to its backend, lets the annotations have their effect and adds it to its group.
func (d *draft) finish(r model.Route, field string, backend networkingv1.IngressBackend) {
	d.route, d.service = &r, backend
	d.instead = d.standsIn()
	answer := "answered with 503"
	if d.instead.coversNone() {
		answer = d.instead.who + " answers in its place"
	}
	action, plain := d.backend(d.o, field, backend, d.say, answer)
	r.Action = action
	if plain != nil {
		r.Action = model.Forward{Targets: []model.Target{{Upstream: d.ownUpstream(*plain)}}}
	}
	for _, effect := range effects() {
		effect(d)
	}
	if d.set.Denied != "" {
		r.Action, r.Filters = model.Respond{Status: 503, Code: model.CodeDenied}, nil
	}
	d.out.Routes = append(d.out.Routes, r)
}

// forward changes the forward of a route that has one.
func (d *draft) forward(change func(*model.Forward)) {
	if f, ok := d.route.Action.(model.Forward); ok {
		change(&f)
		d.route.Action = f
	}
}

// filter adds a filter behind those that were added before.
func (d *draft) filter(kind string, config any) {
	text, err := json.Marshal(config)
	if err != nil { // of values that are made for it: one that has no text form is a mistake here
		d.diagnose(d.o, d.at, model.Error, model.CodeInvalidFilter, "filter %s: %v", kind, err)
		return
	}
	d.route.Filters = append(d.route.Filters, model.FilterSpec{Kind: kind, Config: text})
}

// spelled gives a forward the spelling of the path that the class wants. nginx sends a path that it does not rewrite as
// it came.
func (d *draft) spelled() {
	if d.nginx {
		d.forward(func(f *model.Forward) { f.Target = model.TargetReceived })
	}
}

// ownUpstream returns the upstream to forward to: that of the Service, or one of this Ingress' own where its annotations
// ask for something.
func (d *draft) ownUpstream(plain model.Upstream) model.UpstreamID {
	return d.named(plain, d.ingress.Name)
}

// named is ownUpstream with the name by which the Ingress' own one is told from others of its Service.
func (d *draft) named(plain model.Upstream, name string) model.UpstreamID {
	own := plain
	for _, effect := range upstreamEffects() {
		effect(d, &own)
	}
	if reflect.DeepEqual(own, plain) {
		return plain.ID
	}
	own.ID += "@" + model.UpstreamID(name)
	own.Offer = "" // the Service's own upstream says that once
	if !slices.ContainsFunc(d.out.Upstreams, func(u model.Upstream) bool { return u.ID == own.ID }) {
		d.out.Upstreams = append(d.out.Upstreams, own)
	}
	return own.ID
}
