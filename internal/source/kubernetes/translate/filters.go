package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"paifang/internal/model"
)

// AnnotationFilters, on an Ingress, is a list of filters for all of its paths, in the form that routes of our own have: kind,
// config, and secret for those that take one. They run behind those that other annotations ask for.
const AnnotationFilters = "paifang.dev/filters"

// maxFilters bounds the list and its text.
const (
	maxFilters     = 50
	maxFiltersText = 256 << 10
)

// ownFilters is AnnotationFilters. A list that cannot be read lets nobody in: what it was to protect is not known. Whether kinds
// and settings are right is for compile to say, which refuses the route.
func (d *draft) ownFilters() {
	text, given := d.ingress.Annotations[AnnotationFilters]
	if !given {
		return
	}
	refuse := func(code model.Code, format string, args ...any) {
		d.set.Denied = AnnotationFilters
		if d.say {
			d.diagnose(d.o, annotationField(AnnotationFilters), model.Error, code, format+": every path of this Ingress answers 503", args...)
		}
	}
	var specs []model.FilterSpec
	if len(text) > maxFiltersText {
		refuse(model.CodeInvalid, "has %d bytes, more than %d", len(text), maxFiltersText)
		return
	}
	if err := yaml.UnmarshalStrict([]byte(text), &specs); err != nil {
		refuse(model.CodeInvalid, "is no list of filters: %s", strings.TrimPrefix(model.JSONError(err), "error unmarshaling JSON: "))
		return
	}
	if len(specs) == 0 || len(specs) > maxFilters {
		refuse(model.CodeInvalid, "has %d filters: want 1 to %d", len(specs), maxFilters)
		return
	}
	for i := range specs {
		s := &specs[i]
		if len(s.Upstreams) > 0 { // their names are of the whole process, and an Ingress is of its namespace
			refuse(model.CodeInvalid, "filter %s: upstreams cannot be named on an Ingress: give URLs", s.Kind)
			return
		}
		if err := d.confine(s); err != nil {
			refuse(model.CodeInvalid, "filter %s: %s", s.Kind, err)
			return
		}
		if s.Secret == "" {
			continue
		}
		ns, name, other := strings.Cut(s.Secret, "/")
		if !other {
			ns, name = d.o.key.Namespace, s.Secret
		}
		if ns != d.o.key.Namespace {
			refuse(model.CodeInvalid, "filter %s: secret %s/%s is in another namespace, which is not allowed", s.Kind, ns, name)
			return
		}
		o := d.get(Key{KindSecret, ns, name})
		if o == nil {
			refuse(model.CodeSecretMissing, "filter %s: secret %s/%s does not exist", s.Kind, ns, name)
			return
		}
		s.Secret, s.Data = ns+"/"+name, secretData(o.Value.(*corev1.Secret))
	}
	d.route.Filters = append(d.route.Filters, specs...)
}

// errLoopback is why an Ingress may not have requests sent to this machine, where the admin API believes whoever asks.
var errLoopback = errors.New("loopback is not for an Ingress to say: what is on the gateway's own machine is not its author's")

// confine keeps a filter of an Ingress to what its author may do: it reaches nothing on this machine, unless who runs the gateway allows that,
// and what it shares by a name it shares within its namespace. What the configuration says otherwise is for compile to check.
func (d *draft) confine(s *model.FilterSpec) error {
	var config map[string]any
	from := json.NewDecoder(bytes.NewReader(s.Config))
	from.UseNumber()
	if len(s.Config) == 0 || from.Decode(&config) != nil {
		return nil
	}
	for key, value := range config {
		switch {
		case strings.EqualFold(key, "loopback") && value == true && !d.store.opt.Loopback:
			return errLoopback
		case strings.EqualFold(key, "redis"):
			if redis, ok := value.(map[string]any); ok {
				maps.DeleteFunc(redis, func(name string, _ any) bool { return strings.EqualFold(name, "outside") }) // each of which would count
				redis["outside"] = !d.store.opt.Loopback
			}
		case strings.EqualFold(key, "group"), strings.EqualFold(key, "name") && s.Kind == "circuit-breaker":
			if name, ok := value.(string); ok && name != "" {
				config[key] = d.o.key.Namespace + "/" + name
			}
		}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	s.Config = text
	return nil
}
