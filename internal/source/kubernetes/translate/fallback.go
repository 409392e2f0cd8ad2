package translate

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
)

// replaced is custom-http-errors and default-backend: who answers in place of the service's endpoints, and where the service is
// missing.
func (d *draft) replaced() {
	e := &d.set.Errors
	if e.Backend == "" || d.service.Service == nil {
		return
	}
	field := annotationField(d.store.reader.Prefix() + "default-backend")
	say := func(code model.Code, format string, args ...any) {
		if d.say {
			d.diagnose(d.o, field, model.Error, code, format, args...)
		}
	}
	o := d.get(Key{KindService, d.o.key.Namespace, e.Backend})
	if o == nil {
		say(model.CodeServiceMissing, "service %s/%s does not exist: nobody answers in place of others", d.o.key.Namespace, e.Backend)
		return
	}
	v := o.Value.(*corev1.Service)
	ports := servicePorts(v)
	if d.refusesExternal(v) || len(ports) == 0 {
		say(model.CodePortMissing, "service %s/%s has no port to ask: nobody answers in place of others", d.o.key.Namespace, e.Backend)
		return
	}
	instead := d.upstream(o, v, ports[0]).ID
	fields := []model.FallbackField{
		{Name: "X-Code", Value: "{status}"}, {Name: "X-Format", Value: "{accept}"}, {Name: "X-Original-URI", Value: "{uri}"},
		{Name: "X-Namespace", Value: d.o.key.Namespace}, {Name: "X-Ingress-Name", Value: d.ingress.Name},
		{Name: "X-Service-Name", Value: d.service.Service.Name}, {Name: "X-Service-Port", Value: d.servicePort()},
	}
	if a, missing := d.route.Action.(model.Respond); missing && (a.Code == model.CodeServiceMissing || a.Code == model.CodePortMissing) {
		d.insteadOfNone(instead, fields)
		return
	}
	d.forward(func(f *model.Forward) {
		f.Fallback = model.Fallback{Upstream: instead, Statuses: e.Statuses, Empty: true, Path: "/", Fields: fields}
	})
}

// insteadOfNone leads a route whose service is missing to the default backend.
func (d *draft) insteadOfNone(to model.UpstreamID, fields []model.FallbackField) {
	type header struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	var known []header
	for _, f := range fields {
		switch f.Value {
		case "{status}":
			known = append(known, header{f.Name, "503"})
		case "{accept}", "{uri}":
		default:
			known = append(known, header{f.Name, f.Value})
		}
	}
	d.filter("request-headers", settings{"remove": []string{"X-Format"}, "set": known, "copy": []map[string]string{{"from": "Accept", "to": "X-Format"}}})
	d.route.Action = model.Forward{Targets: []model.Target{{Upstream: to}}}
}

// servicePort is the port of the service as the Ingress names it.
func (d *draft) servicePort() string {
	if n := d.service.Service.Port.Number; n != 0 {
		return strconv.Itoa(int(n))
	}
	return d.service.Service.Port.Name
}
