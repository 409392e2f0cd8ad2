package translate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

// backend is the action of a route: forward to the Service's port, or 503 with a code where that cannot be. The route
// stays either way, so that its host and path are not taken by another one. With say, what is wrong is diagnosed too, with
// what is answered then. The upstream is that of the forward, as the Service has it.
func (b *builder) backend(o *stored, at string, backend networkingv1.IngressBackend, say bool, answer string) (model.Action, *model.Upstream) {
	refuse := func(field string, code model.Code, format string, args ...any) (model.Action, *model.Upstream) {
		if say {
			b.diagnose(o, at+field, model.Error, code, "%s; %s", fmt.Sprintf(format, args...), answer)
		}
		return model.Respond{Status: 503, Code: code}, nil
	}
	if backend.Service == nil {
		if backend.Resource != nil {
			return refuse(".resource", model.CodeUnsupported, "a resource as backend is not supported: name a service")
		}
		return refuse("", model.CodeInvalid, "has no service")
	}
	name, ns := backend.Service.Name, o.key.Namespace
	svc := b.get(Key{KindService, ns, name})
	if svc == nil {
		return refuse(".service.name", model.CodeServiceMissing, "service %s/%s does not exist", ns, name)
	}
	v := svc.Value.(*corev1.Service)
	if b.refusesExternal(v) {
		return refuse(".service.name", model.CodeUnsupported, "service %s/%s is of type ExternalName, which only a cluster looks up", ns, name)
	}
	want := backend.Service.Port
	for _, p := range servicePorts(v) {
		if want.Name != "" && want.Name == p.Name || want.Name == "" && want.Number == p.Port {
			u := b.upstream(svc, v, p)
			return model.Forward{Targets: []model.Target{{Upstream: u.ID}}}, &u
		}
	}
	switch {
	case want.Name != "":
		return refuse(".service.port.name", model.CodePortMissing, "service %s/%s has no port named %q", ns, name, want.Name)
	case want.Number != 0:
		return refuse(".service.port.number", model.CodePortMissing, "service %s/%s has no port %d", ns, name, want.Number)
	default:
		return refuse(".service", model.CodePortMissing, "names no port of service %s/%s", ns, name)
	}
}

func upstreamID(ns, name string, port int32) model.UpstreamID {
	return model.UpstreamID(fmt.Sprintf("kubernetes/%s/%s:%d", ns, name, port))
}

// listID names the list of addresses behind a port of a Service.
func listID(ns, name string, port int32) model.EndpointsID {
	return model.EndpointsID{Keeper: model.KeeperKubernetes, Name: fmt.Sprintf("%s/%s:%d", ns, name, port)}
}
