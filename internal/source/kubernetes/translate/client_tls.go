package translate

import (
	"slices"
	"strings"

	"paifang/internal/model"
)

// clientTLS is auth-tls-secret and what belongs to it: TLS rules for the host, which all its Ingresses share, and what the
// upstream is told. Rules that cannot be carried out refuse the host.
func (d *draft) clientTLS() {
	c := &d.set.ClientTLS
	if c.Secret == "" || c.Auth == model.ClientNone {
		return
	}
	p := model.TLSPolicy{
		ID:     model.TLSPolicyID("ingress/" + d.o.key.Namespace + "/" + d.o.key.Name + "/" + d.host),
		Origin: d.o.at(annotationField(d.store.reader.Prefix() + "auth-tls-secret")), Attach: []model.Class{d.store.opt.Attach}, Hosts: []model.Host{model.Host(d.host)},
		ClientAuth: c.Auth, CASecret: c.Secret, Depth: c.Depth, AnswerFailures: true,
	}
	if !slices.ContainsFunc(d.out.TLSPolicies, func(q model.TLSPolicy) bool { return q.ID == p.ID }) {
		code, why := model.CodeInvalid, "secret "+c.Secret+" is in another namespace, which is not allowed"
		if ns, _, _ := strings.Cut(c.Secret, "/"); ns == d.o.key.Namespace {
			code, why = d.clientCAs(&p)
		}
		if code != "" {
			p.Reject = code
			if d.say {
				d.diagnose(d.o, annotationField(d.store.reader.Prefix()+"auth-tls-secret"), model.Error, code, "%s: requests for %s are refused", why, hostList(p.Hosts))
			}
		}
		d.out.TLSPolicies = append(d.out.TLSPolicies, p)
	}
	config := settings{"verify": "ssl-client-verify", "subject": "ssl-client-subject-dn", "issuer": "ssl-client-issuer-dn", "match": c.Match}
	if c.Pass {
		config["certificate"] = "ssl-client-cert"
	}
	d.filter("client-certificate", config)
}
