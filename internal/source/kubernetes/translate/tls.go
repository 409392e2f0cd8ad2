package translate

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

// tls makes the certificate that a Secret holds, for every host that an Ingress names it for.
func (b *builder) tls(secret Key) {
	ingresses := b.find("secret/" + secret.Namespace + "/" + secret.Name)
	b.gone = len(ingresses) == 0
	var hosts []model.Host
	var first *stored
	var firstField string
	for _, o := range ingresses {
		v := o.Value.(*networkingv1.Ingress)
		if b.class(v) != served {
			continue
		}
		for i, t := range v.Spec.TLS {
			if t.SecretName != secret.Name {
				continue
			}
			field := fmt.Sprintf("spec.tls[%d]", i)
			named := b.tlsHosts(o, field, v, t)
			if first == nil && len(named) > 0 {
				first, firstField = o, field+".secretName"
			}
			hosts = append(hosts, named...)
		}
		if b.likeNginx(v) {
			hosts = append(hosts, b.covered(v, secret)...)
		}
	}
	if first == nil {
		return
	}
	slices.SortFunc(hosts, model.Host.Compare)
	hosts = slices.Compact(hosts)
	o := b.get(secret)
	if o == nil {
		b.diagnose(first, firstField, model.Error, model.CodeSecretMissing,
			"secret %s/%s does not exist: the default certificate is served for %s", secret.Namespace, secret.Name, hostList(hosts))
		return
	}
	chain, key, field, why := b.keyPair(o)
	if why != "" {
		b.diagnose(o, field, model.Error, model.CodeSecretInvalid, "%s: %s for %s", why, servedFor(chain), hostList(hosts))
	}
	if chain == "" {
		return
	}
	b.out.Certificates = append(b.out.Certificates, model.Certificate{
		ID: certificateID(secret), Origin: o.at(""), Attach: []model.Class{b.store.opt.Attach},
		Hosts: hosts, Secret: secret.Namespace + "/" + secret.Name, Chain: chain, Key: model.NewSecret(key),
	})
}

func certificateID(secret Key) model.CertificateID {
	return model.CertificateID("secret/" + secret.Namespace + "/" + secret.Name)
}

// tlsHosts are the hosts of a TLS entry; an entry without hosts means those of the rules.
func (b *builder) tlsHosts(o *stored, field string, v *networkingv1.Ingress, t networkingv1.IngressTLS) []model.Host {
	var out []model.Host
	for i, h := range t.Hosts {
		if why := invalidHost(h); why != "" || h == "" {
			b.diagnose(o, fmt.Sprintf("%s.hosts[%d]", field, i), model.Error, model.CodeInvalid, "%q is not a host: %s", h, why)
			continue
		}
		out = append(out, model.Host(h))
	}
	if len(t.Hosts) > 0 {
		return out
	}
	for _, h := range ingressHosts(v) {
		if invalidHost(h) == "" {
			out = append(out, model.Host(h))
		}
	}
	return out
}

// covered are the hosts of an Ingress that its TLS names no certificate for, and that the one in a Secret is good for: under ingress-nginx
// the first Secret that is has them.
func (b *builder) covered(v *networkingv1.Ingress, secret Key) []model.Host {
	named := map[string]bool{}
	for _, t := range v.Spec.TLS {
		if len(t.Hosts) == 0 && t.SecretName != "" {
			return nil // it names all of them
		}
		for _, h := range t.Hosts {
			named[strings.ToLower(h)] = true
		}
	}
	var out []model.Host
	for _, h := range ingressHosts(v) {
		if h == "" || named[h] || invalidHost(h) != "" {
			continue
		}
		for _, t := range v.Spec.TLS {
			if k := (Key{KindSecret, secret.Namespace, t.SecretName}); t.SecretName != "" && b.goodFor(k, h) {
				if k == secret {
					out = append(out, model.Host(h))
				}
				break
			}
		}
	}
	return out
}

// goodFor tells whether the certificate in a Secret is one for a host.
func (b *builder) goodFor(secret Key, host string) bool {
	o := b.get(secret)
	if o == nil {
		return false
	}
	chain, key, _, _ := b.keyPair(o)
	if chain == "" {
		return false
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	return err == nil && pair.Leaf.VerifyHostname(host) == nil
}

func hostList(hosts []model.Host) string {
	var names []string
	for _, h := range hosts {
		if h == "" {
			h = "any host"
		}
		names = append(names, string(h))
	}
	return strings.Join(names, ", ")
}

// keepPair remembers what a Secret was good for when it is replaced by one that is good for nothing: a slip in an edit costs no
// host its certificate, as with ingress-nginx. That the Secret is deleted does.
func (s *Store) keepPair(k Key, old, now *stored) {
	if k.Kind != KindSecret {
		return
	}
	if now == nil {
		delete(s.pairs, k)
		return
	}
	if old == nil || secretValue(old.Value.(*corev1.Secret), corev1.TLSCertKey) == "" && s.pairs[k] == nil {
		return
	}
	if _, _, _, why := keyPair(now.Value.(*corev1.Secret)); why == "" {
		delete(s.pairs, k)
	} else if _, _, _, before := keyPair(old.Value.(*corev1.Secret)); before == "" {
		s.pairs[k] = old.Value.(*corev1.Secret)
	}
}

// keyPair reads a Secret of type kubernetes.io/tls. Where it cannot be used any more it says why, and returns the pair that it had.
func (b *builder) keyPair(o *stored) (chain, key, field, why string) {
	chain, key, field, why = keyPair(o.Value.(*corev1.Secret))
	if was := b.store.pairs[o.key]; why != "" && was != nil {
		chain, key, _, _ = keyPair(was)
	}
	return chain, key, field, why
}

// servedFor says what is served in place of a Secret that cannot be used: the pair that it had, where it had one.
func servedFor(chain string) string {
	if chain != "" {
		return "the last good certificate stays in effect"
	}
	return "the default certificate is served"
}

// keyPair reads it. why never shows a value.
func keyPair(s *corev1.Secret) (chain, key, field, why string) {
	chain, key = secretValue(s, corev1.TLSCertKey), secretValue(s, corev1.TLSPrivateKeyKey)
	switch {
	case chain == "":
		return "", "", "data[" + corev1.TLSCertKey + "]", "has no " + corev1.TLSCertKey
	case key == "":
		return "", "", "data[" + corev1.TLSPrivateKeyKey + "]", "has no " + corev1.TLSPrivateKeyKey
	}
	if _, err := tls.X509KeyPair([]byte(chain), []byte(key)); err != nil {
		return "", "", "data", "certificate and key do not load: " + strings.TrimPrefix(err.Error(), "tls: ")
	}
	return chain, key, "", ""
}

// secretValue is a value of a Secret. stringData wins over data, as when it is applied.
func secretValue(s *corev1.Secret, name string) string {
	if v, ok := s.StringData[name]; ok {
		return v
	}
	return string(s.Data[name])
}

// secretKey is the key of a Secret named "namespace/name".
func secretKey(text string) Key {
	ns, name, _ := strings.Cut(text, "/")
	return Key{KindSecret, ns, name}
}
