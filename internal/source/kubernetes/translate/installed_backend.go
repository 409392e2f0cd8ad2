package translate

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

// installedBackend is the first port of the Service of --default-backend-service.
func (b *builder) installedBackend() (o *stored, p corev1.ServicePort, code model.Code, why string) {
	svc := b.store.opt.Installed.DefaultBackend
	key := configMapKey(svc)
	key.Kind = KindService
	o = b.get(key)
	if o == nil {
		return nil, p, model.CodeServiceMissing, "service " + svc + " does not exist"
	}
	v := o.Value.(*corev1.Service)
	if b.refusesExternal(v) {
		return nil, p, model.CodeUnsupported, "service " + svc + " is of type ExternalName, which only a cluster looks up"
	}
	if len(v.Spec.Ports) == 0 {
		return nil, p, model.CodePortMissing, "service " + svc + " has no port"
	}
	return o, v.Spec.Ports[0], "", ""
}

// healthPath is what load balancers ask an address of ingress-nginx for.
const healthPath = "/healthz"

// healthy is what the server for hosts that nobody has answers them.
func (b *builder) healthy() {
	b.out.Routes = append(b.out.Routes, model.Route{
		ID: "installation/healthz", Origin: b.installedOrigin(), Attach: []model.Class{b.store.opt.Attach}, Priority: b.store.opt.Priority,
		Match: model.Match{Path: model.PathMatch{Kind: model.PathStart, Value: healthPath}}, Action: model.Respond{Status: 200},
	})
}

// wholeBackend is --default-backend-service, for requests for a host that nobody has.
func (b *builder) wholeBackend() {
	if b.store.opt.Installed.DefaultBackend == "" {
		return
	}
	if _, _, code, why := b.installedBackend(); code != "" {
		b.installedFault("default-backend-service", model.Error, code, why+": what nothing matches is answered with 404")
		return
	}
	b.leftOver(model.Route{ID: "installation/default", Origin: b.installedOrigin()})
}

// hostBackend is --default-backend-service for the paths of a host that none of its Ingresses has. Each of them says so: one that
// goes leaves the others'.
func (b *builder) hostBackend(o *stored, host string) {
	x := b.store.opt.Installed
	if x == nil || x.DefaultBackend == "" || host == "" || !b.likeNginx(o.Value.(*networkingv1.Ingress)) {
		return
	}
	if _, _, code, _ := b.installedBackend(); code == "" {
		b.leftOver(b.route(o, "installed/"+host, host, o.at("spec")))
	}
}

// leftOver sends what nothing else matches to the default backend: after every default backend of an Ingress.
func (b *builder) leftOver(r model.Route) {
	o, p, _, _ := b.installedBackend()
	r.Attach, r.Default, r.Priority = []model.Class{b.store.opt.Attach}, true, b.store.opt.Priority+1
	r.Action = model.Forward{Targets: []model.Target{{Upstream: upstreamID(o.key.Namespace, o.key.Name, p.Port)}}, Target: model.TargetReceived}
	b.out.Routes = append(b.out.Routes, r)
}
