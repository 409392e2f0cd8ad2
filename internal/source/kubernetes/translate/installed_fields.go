package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/installation"
)

// field is a header field in the text form of filters.
type field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// answered is hsts, add-headers and hide-headers: what the gateway itself answers has them too.
func (d *draft) answered() {
	if !d.asInstalled() {
		return
	}
	s := &d.whole
	if h := s.HSTS; h.On && d.certified(d.host) {
		text := fmt.Sprintf("max-age=%d", h.MaxAge)
		if h.Subdomains {
			text += "; includeSubDomains"
		}
		if h.Preload {
			text += "; preload"
		}
		d.filter("response-headers", settings{"set": []field{{"Strict-Transport-Security", text}}, "secureOnly": true})
	}
	set, _ := d.fields(s.AddHeaders)
	if len(set)+len(s.HideHeaders) > 0 {
		d.filter("response-headers", settings{"set": set, "remove": s.HideHeaders})
	}
}

// compressed is use-gzip and enable-brotli. Filters see answers in reverse, so brotli comes first, as in ingress-nginx, and leaves to
// gzip what its client does not take.
func (d *draft) compressed() {
	if !d.asInstalled() {
		return
	}
	for _, c := range []struct {
		coding string
		installation.Compression
	}{{"gzip", d.whole.Gzip}, {"br", d.whole.Brotli}} {
		if c.On {
			d.filter("compress", settings{"codings": []string{c.coding}, "types": c.Types, "minSize": c.Least, "level": c.Level})
		}
	}
}

// setForEndpoints is proxy-set-headers.
func (d *draft) setForEndpoints() {
	if !d.asInstalled() {
		return
	}
	if set, _ := d.fields(d.whole.SetHeaders); len(set) > 0 {
		d.filter("request-headers", settings{"set": set})
	}
}

// asInstalled tells whether what an installation was told counts for this Ingress.
func (d *draft) asInstalled() bool { return d.nginx && d.store.opt.Installed != nil }

// fields are the header fields in a ConfigMap, in the order of their names, and what is wrong with the others by name.
func (b *builder) fields(configMap string) (set []field, faults map[string]string) {
	if configMap == "" {
		return nil, nil
	}
	o := b.get(configMapKey(configMap))
	if o == nil {
		return nil, nil
	}
	data := o.Value.(*corev1.ConfigMap).Data
	faults = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[name])
		switch {
		case !http1.IsToken(name):
			faults[name] = "is no name of a field"
		case http1.Managed(name):
			faults[name] = "is managed by the gateway"
		case !http1.IsFieldValue(value):
			faults[name] = "has a control byte"
		case strings.ContainsAny(value, "{}$"):
			faults[name] = "has braces or a variable of nginx: write a request-headers or response-headers filter into paifang.dev/filters"
		default:
			set = append(set, field{name, value})
		}
	}
	return set, faults
}

// fieldNotes says which fields of the two ConfigMaps have no effect.
func (b *builder) fieldNotes() {
	s := &b.store.set
	for _, name := range []string{s.AddHeaders, s.SetHeaders} {
		if name == "" {
			continue
		}
		o := b.get(configMapKey(name))
		if o == nil {
			b.installedFault("configmap", model.Error, model.CodeInvalid, "ConfigMap "+name+", which the settings name, does not exist: its fields are missing")
			continue
		}
		_, faults := b.fields(name)
		for _, f := range slices.Sorted(maps.Keys(faults)) {
			b.diagnose(o, "data."+f, model.Warning, model.CodeInvalid, "%s: it has no effect", faults[f])
		}
	}
}
