package translate

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

const passthroughAnnotation = "ssl-passthrough"

// passes tells whether TLS for the hosts of an Ingress is to be passed on.
func (b *builder) passes(v *networkingv1.Ingress) bool {
	if b.store.opt.Installed == nil || !b.store.opt.Installed.Passthrough || !b.store.reader.Has(v.Annotations) {
		return false
	}
	set, _ := b.settings(v, b.likeNginx(v))
	return set.TLS.Pass && !set.Rejected
}

// passthrough is ssl-passthrough for one host: its TLS goes to the Service of the path /, whatever else the Ingress says. The
// first Ingress of the host decides, as under ingress-nginx, also where it says nothing of it.
func (b *builder) passthrough(o *stored, host string) {
	v := o.Value.(*networkingv1.Ingress)
	if !b.passes(v) {
		return
	}
	at := annotationField(b.store.reader.Prefix() + passthroughAnnotation)
	if host == "" || strings.HasPrefix(host, "*") {
		b.diagnose(o, at, model.Warning, model.CodeAnnotationDiffers, "TLS for %s is ended here: server names are compared as a whole, and ingress-nginx passes no wildcard on", hostList([]model.Host{model.Host(host)}))
		return
	}
	if first := b.firstOf(host); first != nil && first.key != o.key {
		b.diagnose(o, at, model.Warning, model.CodeAnnotationDiffers, "TLS for %s is as Ingress %s/%s has it, which is the first of the host", host, first.key.Namespace, first.key.Name)
		return
	}
	field, backend := rootBackend(v, host)
	if backend == nil {
		b.diagnose(o, at, model.Error, model.CodeInvalid, "TLS for %s is ended here: it would go to the service of the path /, and there is none", host)
		return
	}
	_, up := b.backend(o, field, *backend, false, "")
	if up == nil {
		b.diagnose(o, at, model.Error, model.CodeUpstreamMissing, "TLS for %s is ended here: the service of the path / cannot be used", host)
		return
	}
	b.out.L4Routes = append(b.out.L4Routes, model.L4Route{
		ID: model.RouteID("ingress/" + o.key.Namespace + "/" + o.key.Name + "/passthrough/" + host), Origin: o.at(at),
		Attach: []model.Class{b.store.opt.Attach}, Priority: b.store.opt.Priority, Upstream: up.ID, ServerNames: []model.Host{model.Host(host)},
	})
	b.diagnose(o, at, model.Info, model.CodeAnnotationServed, "TLS for %s goes to %s as it comes: other paths, certificates and all other annotations count for HTTP in clear text only", host, up.ID)
}

// firstOf is the first of the Ingresses of a host that are served; canaries are none of them.
func (b *builder) firstOf(host string) *stored {
	for _, o := range b.find("host/" + host) {
		if v := o.Value.(*networkingv1.Ingress); b.class(v) == served && !b.isCanary(v) {
			return o
		}
	}
	return nil
}

// rootBackend is the backend of the path / of a host, with its field; nil where there is none. A path that is left out is /.
func rootBackend(v *networkingv1.Ingress, host string) (string, *networkingv1.IngressBackend) {
	for i, r := range v.Spec.Rules {
		if r.Host != host || r.HTTP == nil {
			continue
		}
		for j := range r.HTTP.Paths {
			if p := &r.HTTP.Paths[j]; p.Path == "/" || p.Path == "" {
				return fmt.Sprintf("spec.rules[%d].http.paths[%d].backend", i, j), &p.Backend
			}
		}
	}
	return "", nil
}
