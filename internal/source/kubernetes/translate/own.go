package translate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
)

// Where a Secret has the certificates of CAs, and the lists of those that they have revoked.
const (
	caCertKey = "ca.crt"
	caListKey = "ca.crl"
)

// own passes one of our own documents on. What names a Secret gets what is in it: a certificate its chain and key, TLS
// rules their CAs.
func (b *builder) own(group string) {
	o, ok := b.store.own[group]
	b.gone = !ok
	b.out = o
	b.out.Diagnostics = slices.Clone(o.Diagnostics)
	b.ownCertificates(o.Certificates)
	b.ownPolicies(o.TLSPolicies)
	b.ownUpstreams(o.Upstreams)
	b.out.Routes = slices.Clone(o.Routes)
	for i := range b.out.Routes {
		r := &b.out.Routes[i]
		r.Filters = b.ownFilters(r.Filters)
	}
	b.out.Locators = slices.Clone(o.Locators)
	for i := range b.out.Locators {
		l := &b.out.Locators[i]
		l.Filters = b.ownFilters(l.Filters)
	}
}

// ownFilters fills the filters that name a Secret. One whose Secret is missing is left to compile, which refuses its route.
func (b *builder) ownFilters(all []model.FilterSpec) []model.FilterSpec {
	out := slices.Clone(all)
	for i := range out {
		if f := &out[i]; f.Secret != "" {
			if s, ok := b.ownSecret(f.Secret); ok {
				f.Data = secretData(s)
			}
		}
	}
	return out
}

func (b *builder) ownFault(o model.Origin, field string, code model.Code, message string) {
	b.out.Diagnostics = append(b.out.Diagnostics, model.Diagnostic{Origin: o, Field: field, Severity: model.Error, Code: code, Message: message})
}

func (b *builder) ownCertificates(all []model.Certificate) {
	b.out.Certificates = nil
	for _, c := range all {
		chain, key, code, why := b.ownPair(c.Secret)
		if code != "" {
			b.ownFault(c.Origin, "spec.secret", code, why+": "+servedFor(chain)+" for "+hostList(c.Hosts))
		}
		if chain == "" {
			continue
		}
		c.Chain, c.Key = chain, model.NewSecret(key)
		b.out.Certificates = append(b.out.Certificates, c)
	}
}

// ownPolicies keeps a policy whose CAs cannot be read: it refuses its hosts, which would be open without it.
func (b *builder) ownPolicies(all []model.TLSPolicy) {
	b.out.TLSPolicies = slices.Clone(all)
	for i := range all {
		p := &b.out.TLSPolicies[i]
		if p.CASecret == "" || p.Reject != "" {
			continue
		}
		if code, why := b.clientCAs(p); code != "" {
			b.ownFault(p.Origin, "spec.caSecret", code, why+": requests for "+hostList(p.Hosts)+" are refused")
			p.Reject = code
		}
	}
}

// clientCAs reads the Secret of a policy into it: the CAs, and their revocation lists where there are any. Lists that cannot be
// read make the Secret one that cannot be read.
func (b *builder) clientCAs(p *model.TLSPolicy) (code model.Code, why string) {
	p.ClientCAs, code, why = b.ownCAs(p.CASecret)
	if code != "" {
		return code, why
	}
	s, _ := b.ownSecret(p.CASecret)
	text := secretValue(s, caListKey)
	if text == "" {
		return "", ""
	}
	if err := model.CheckRevocationLists(text, p.ClientCAs); err != nil {
		return model.CodeSecretInvalid, "secret " + p.CASecret + ": " + caListKey + " " + err.Error()
	}
	p.ClientCRLs = text
	return "", ""
}

// ownUpstreams leaves to compile what an upstream without its Secret means: it is not served.
func (b *builder) ownUpstreams(all []model.Upstream) {
	b.out.Upstreams = slices.Clone(all)
	for i := range all {
		u := &b.out.Upstreams[i]
		if u.TLS.CASecret != "" {
			text, code, why := b.ownCAs(u.TLS.CASecret)
			if code != "" {
				b.ownFault(u.Origin, "spec.tls.caSecret", code, why)
			}
			u.TLS.CA = text
		}
		if u.TLS.ClientSecret != "" {
			chain, key, code, why := b.ownPair(u.TLS.ClientSecret)
			if code != "" {
				if chain != "" {
					why += ": " + servedFor(chain)
				}
				b.ownFault(u.Origin, "spec.tls.clientSecret", code, why)
			}
			u.TLS.Chain, u.TLS.Key = chain, model.NewSecret(key)
		}
	}
}

// ownSecret returns a Secret by "namespace/name".
func (b *builder) ownSecret(name string) (*corev1.Secret, bool) {
	o := b.get(secretKey(name))
	if o == nil {
		return nil, false
	}
	return o.Value.(*corev1.Secret), true
}

// ownPair reads a key pair, or says why it cannot be used; there is one all the same where it could be used before. why never shows
// a value.
func (b *builder) ownPair(secret string) (chain, key string, code model.Code, why string) {
	o := b.get(secretKey(secret))
	if o == nil {
		return "", "", model.CodeSecretMissing, "secret " + secret + " does not exist"
	}
	chain, key, _, why = b.keyPair(o)
	if why != "" {
		return chain, key, model.CodeSecretInvalid, "secret " + secret + " " + why
	}
	return chain, key, "", ""
}

// ownCAs reads the certificates of CAs.
func (b *builder) ownCAs(secret string) (text string, code model.Code, why string) {
	s, ok := b.ownSecret(secret)
	if !ok {
		return "", model.CodeSecretMissing, "secret " + secret + " does not exist"
	}
	text = secretValue(s, caCertKey)
	if text == "" {
		return "", model.CodeSecretInvalid, "secret " + secret + " has no " + caCertKey
	}
	if _, err := model.ParseCertificates(text); err != nil {
		return "", model.CodeSecretInvalid, "secret " + secret + ": " + caCertKey + " " + err.Error()
	}
	return text, "", ""
}
