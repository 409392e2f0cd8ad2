package translate

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// fastCGI is fastcgi-index and fastcgi-params-configmap. A ConfigMap that is not there lets nothing past, as under ingress-nginx; one
// parameter that is none is left out.
func (d *draft) fastCGI() model.FastCGI {
	f := &d.set.Backend.FastCGI
	out := model.FastCGI{Index: f.Index}
	if f.Params == "" {
		return out
	}
	say := func(code model.Code, format string, args ...any) {
		if d.say {
			d.diagnose(d.o, annotationField(d.store.reader.Prefix()+"fastcgi-params-configmap"), model.Error, code, format, args...)
		}
	}
	ns, name, found := strings.Cut(f.Params, "/")
	if !found {
		ns, name = d.o.key.Namespace, f.Params
	}
	o := d.get(Key{KindConfigMap, ns, name})
	switch {
	case ns != d.o.key.Namespace:
		d.set.Denied = "fastcgi-params-configmap"
		say(model.CodeInvalid, "ConfigMap %s is in another namespace, which is not allowed: every path of this Ingress answers 503", f.Params)
		return out
	case o == nil:
		d.set.Denied = "fastcgi-params-configmap"
		say(CodeReferenceMissing, "ConfigMap %s/%s does not exist: every path of this Ingress answers 503", ns, name)
		return out
	}
	data := o.Value.(*corev1.ConfigMap).Data
	for _, key := range slices.Sorted(maps.Keys(data)) {
		value, err := annotation.FastCGIValue(data[key])
		if err != nil {
			say(model.CodeInvalid, "ConfigMap %s: %s %v: the parameter is left out", f.Params, key, err)
			continue
		}
		out.Params = append(out.Params, model.FastCGIParam{Name: key, Value: value})
	}
	return out
}
