package translate

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
)

// verified is proxy-ssl-secret, -verify, -name and -server-name: what endpoints that are spoken to over TLS show, and what they are shown.
func (d *draft) verified(u *model.Upstream) {
	t := &d.set.TLS
	if t.Verify {
		u.TLS.SkipVerify = false
	}
	if u.TLS.Mode == model.TLSAlways || u.TLS.Mode == model.TLSAsAsked {
		u.TLS.HideName = t.Hide
	}
	if t.Name != "" {
		u.TLS.Name = strings.ToLower(t.Name)
	}
	if t.Secret == "" {
		return
	}
	refuse := func(code model.Code, why string) {
		d.set.Denied = "proxy-ssl-secret"
		if d.say {
			d.diagnose(d.o, annotationField(d.store.reader.Prefix()+"proxy-ssl-secret"), model.Error, code, "%s: every path of this Ingress answers 503", why)
		}
	}
	ns, name, _ := strings.Cut(t.Secret, "/")
	id := ns + "/" + name
	o := d.get(Key{KindSecret, ns, name})
	switch {
	case ns != d.o.key.Namespace:
		refuse(model.CodeInvalid, "secret "+id+" is in another namespace, which is not allowed")
		return
	case o == nil:
		refuse(model.CodeSecretMissing, "secret "+id+" does not exist")
		return
	}
	s := o.Value.(*corev1.Secret)
	if secretValue(s, caCertKey) != "" {
		text, code, why := d.ownCAs(id)
		if code != "" {
			refuse(code, why)
			return
		}
		u.TLS.CASecret, u.TLS.CA = id, text
	}
	if secretValue(s, corev1.TLSCertKey) != "" {
		chain, key, code, why := d.ownPair(id)
		switch {
		case code != "" && chain == "":
			refuse(code, why)
			return
		case code != "" && d.say:
			d.diagnose(d.o, annotationField(d.store.reader.Prefix()+"proxy-ssl-secret"), model.Error, code, "%s: %s", why, servedFor(chain))
		}
		u.TLS.ClientSecret, u.TLS.Chain, u.TLS.Key = id, chain, model.NewSecret(key)
	}
}
