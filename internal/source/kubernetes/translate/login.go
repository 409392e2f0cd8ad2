package translate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/htpasswd"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// loggedIn is auth-type. Without its users nobody passes.
func (d *draft) loggedIn() {
	a := &d.set.Auth
	if a.Scheme == "" || a.Secret == "" {
		return
	}
	field := annotationField(d.store.reader.Prefix() + "auth-secret")
	refuse := func(code model.Code, format string, args ...any) {
		d.set.Denied = "auth-secret"
		if d.say {
			d.diagnose(d.o, field, model.Error, code, format+": every path of this Ingress answers 503", args...)
		}
	}
	ns, name, other := strings.Cut(a.Secret, "/")
	if !other {
		ns, name = d.o.key.Namespace, a.Secret
	}
	if ns != d.o.key.Namespace {
		refuse(model.CodeInvalid, "secret %s/%s is in another namespace, which is not allowed", ns, name)
		return
	}
	o := d.get(Key{KindSecret, ns, name})
	if o == nil {
		refuse(model.CodeSecretMissing, "secret %s/%s does not exist", ns, name)
		return
	}
	data := secretData(o.Value.(*corev1.Secret))
	if _, ok := data.Get("auth"); !ok && !a.Map {
		refuse(model.CodeSecretInvalid, "secret %s/%s has no key auth", ns, name)
		return
	}
	if data.Empty() {
		refuse(model.CodeSecretInvalid, "secret %s/%s is empty", ns, name)
		return
	}
	if d.say {
		d.users(o, data)
	}
	kind, format := "basic-auth", "htpasswd"
	if a.Scheme == annotation.DigestAuth {
		kind, format = "digest-auth", "htdigest"
	}
	if a.Map {
		format = "map"
	}
	d.filter(kind, settings{"realm": a.Realm, "format": format})
	spec := &d.route.Filters[len(d.route.Filters)-1]
	spec.Secret, spec.Data = ns+"/"+name, data
}

// users says which users of a Secret cannot log in.
func (d *draft) users(o *stored, data model.SecretData) {
	a := &d.set.Auth
	warn := func(format string, args ...any) {
		d.diagnose(o, "data", model.Warning, model.CodeSecretInvalid, format, args...)
	}
	var basic htpasswd.Users
	var digest htpasswd.Digests
	add := basic.Add
	if a.Scheme == annotation.DigestAuth {
		add = digest.Add
	}
	var problems []htpasswd.Problem
	text, _ := data.Get("auth")
	switch {
	case a.Map:
		for name, hash := range data.All() {
			if why := add(name, strings.TrimSpace(hash.Reveal())); why != "" {
				problems = append(problems, htpasswd.Problem{User: name, Why: why})
			}
		}
	case a.Scheme == annotation.DigestAuth:
		digest, problems = htpasswd.ParseDigests(text.Reveal())
	default:
		_, problems = htpasswd.Parse(text.Reveal())
	}
	for _, p := range problems {
		warn("%s: cannot log in", p)
	}
	if a.Scheme == annotation.DigestAuth && digest.Len(a.Realm) == 0 {
		warn("has no user of realm %q: nobody can log in", a.Realm)
	}
}
