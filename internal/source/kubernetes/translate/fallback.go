package translate

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
)

// standIn is who answers in place of the endpoints of a route, and who that is in words.
type standIn struct {
	model.Fallback
	who string
}

// coversNone tells whether it answers where there is no endpoint: because it is told to, or because 503 is replaced.
func (s *standIn) coversNone() bool {
	return s.Upstream != "" && (s.Empty || s.Replaces(503))
}

// standsIn is custom-http-errors and default-backend of the route that is being made. Without a name of its own the installation's
// default backend answers; a service without endpoints is no reason for that one but by the 503 that is answered then.
func (d *draft) standsIn() (s standIn) {
	e := &d.set.Errors
	if d.service.Service == nil {
		return s
	}
	s.Fallback = model.Fallback{Statuses: e.Statuses, Path: "/", Fields: d.asked(), Credentials: true} // which ingress-nginx leaves it
	if e.Backend != "" {
		s.who, s.Empty = "default-backend "+e.Backend, true
		s.Upstream = d.ownDefault()
		return s
	}
	if len(e.Statuses) == 0 || !e.ForAll {
		return s
	}
	if o, p, code, _ := d.installedBackend(); code == "" { // that it is missing, the flag says
		s.who, s.Upstream = "the default backend of the installation", upstreamID(o.key.Namespace, o.key.Name, p.Port)
	}
	return s
}

// ownDefault is the first port of the service that default-backend names; "" where it cannot be asked, which is said.
func (d *draft) ownDefault() model.UpstreamID {
	name := d.set.Errors.Backend
	refuse := func(code model.Code, format string, args ...any) model.UpstreamID {
		if d.say {
			d.diagnose(d.o, annotationField(d.store.reader.Prefix()+"default-backend"), model.Error, code, format+": nobody answers in place of others", args...)
		}
		return ""
	}
	o := d.get(Key{KindService, d.o.key.Namespace, name})
	if o == nil {
		return refuse(model.CodeServiceMissing, "service %s/%s does not exist", d.o.key.Namespace, name)
	}
	v := o.Value.(*corev1.Service)
	ports := servicePorts(v)
	if d.refusesExternal(v) || len(ports) == 0 {
		return refuse(model.CodePortMissing, "service %s/%s has no port to ask", d.o.key.Namespace, name)
	}
	return d.upstream(o, v, ports[0]).ID
}

// replaced has the stand-in answer. A service that is missing is one without endpoints then, as for ingress-nginx.
func (d *draft) replaced() {
	s := &d.instead
	if s.Upstream == "" {
		return
	}
	if a, ok := d.route.Action.(model.Respond); ok && s.coversNone() && (a.Code == model.CodeServiceMissing || a.Code == model.CodePortMissing) {
		d.route.Action = model.Forward{Targets: []model.Target{{Upstream: d.nobody()}}}
	}
	d.forward(func(f *model.Forward) { f.Fallback = s.Fallback })
}

// nobody is an upstream that is known to have no endpoint, in place of a service that is missing.
func (d *draft) nobody() model.UpstreamID {
	name := d.o.key.Namespace + "/" + d.service.Service.Name + ":" + d.servicePort() + "@missing"
	list := model.EndpointsID{Keeper: model.KeeperKubernetes, Name: name}
	u := model.Upstream{ID: model.UpstreamID("kubernetes/" + name + "@" + d.ingress.Name), Origin: d.route.Origin, Priority: d.store.opt.Priority, Endpoints: []model.EndpointsID{list}}
	for _, known := range d.out.Upstreams {
		if known.ID == u.ID {
			return u.ID
		}
	}
	d.out.Upstreams = append(d.out.Upstreams, u)
	d.out.Endpoints = append(d.out.Endpoints, model.EndpointSet{List: list, Origin: d.route.Origin})
	return u.ID
}

// asked are the fields that tell a default backend what was asked, and of whom.
func (d *draft) asked() []model.FallbackField {
	return []model.FallbackField{
		{Name: "X-Code", Value: "{status}"}, {Name: "X-Format", Value: "{accept}"}, {Name: "X-Original-URI", Value: "{uri}"},
		{Name: "X-Namespace", Value: d.o.key.Namespace}, {Name: "X-Ingress-Name", Value: d.ingress.Name},
		{Name: "X-Service-Name", Value: d.service.Service.Name}, {Name: "X-Service-Port", Value: d.servicePort()},
	}
}

// servicePort is the port of the service as the Ingress names it.
func (d *draft) servicePort() string {
	if n := d.service.Service.Port.Number; n != 0 {
		return strconv.Itoa(int(n))
	}
	return d.service.Service.Port.Name
}
