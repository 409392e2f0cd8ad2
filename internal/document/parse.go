package document

import (
	"strings"

	"paifang/internal/model"
)

// IsOurs tells whether a document is one that Parse reads.
func IsOurs(d Document) bool { return d.Text("apiVersion") == APIVersion }

// Parse reads one of our own documents. The object's origin names the source, the kind, the document's metadata and
// its place. Values that fit their type but make no sense are left to Validate and to compile. With a Problem, the
// objects are empty, but for a TLS policy: it comes as one that refuses the hosts that could be read, since without it
// they would be open.
func Parse(d Document, source string) (model.Objects, []Problem) {
	p := parser{doc: d, source: source}
	o := p.parse()
	if len(p.problems) > 0 {
		return refusing(o), p.problems
	}
	return o, nil
}

// refusing is what remains of objects that could not be read whole.
func refusing(o model.Objects) model.Objects {
	var out model.Objects
	for _, t := range o.TLSPolicies {
		if len(t.Hosts) > 0 && len(t.Attach) > 0 {
			out.TLSPolicies = append(out.TLSPolicies, model.TLSPolicy{ID: t.ID, Origin: t.Origin, Attach: t.Attach, Hosts: t.Hosts, Reject: model.CodeUnreadable})
		}
	}
	return out
}

type parser struct {
	doc      Document
	source   string
	problems []Problem
}

func (p *parser) parse() (o model.Objects) {
	switch kind := p.doc.Text("kind"); kind {
	case KindListener:
		v, origin := spec[model.Listener](p)
		v.ID, v.Origin = model.ListenerID(origin.Name), origin
		o.Listeners = []model.Listener{v}
	case KindRoute:
		s, origin := spec[routeSpec](p)
		v := model.Route(s.routeFields)
		v.ID, v.Origin, v.Action = model.RouteID(origin.Name), origin, p.action(s)
		o.Routes = []model.Route{v}
	case KindL4Route:
		v, origin := spec[model.L4Route](p)
		v.ID, v.Origin = model.RouteID(origin.Name), origin
		o.L4Routes = []model.L4Route{v}
	case KindUpstream:
		v, origin := spec[model.Upstream](p)
		v.ID, v.Origin = model.UpstreamID(origin.Name), origin
		p.secretName("spec.tls.caSecret", v.TLS.CASecret)
		p.secretName("spec.tls.clientSecret", v.TLS.ClientSecret)
		o.Upstreams = []model.Upstream{v}
	case KindEndpoints:
		v, origin := spec[model.EndpointSet](p)
		v.Origin = origin
		o.Endpoints = []model.EndpointSet{v}
	case KindCertificate:
		v, origin := spec[model.Certificate](p)
		v.ID, v.Origin = model.CertificateID(origin.Name), origin
		p.secret(v)
		o.Certificates = []model.Certificate{v}
	case KindTLSPolicy:
		v, origin := spec[model.TLSPolicy](p)
		v.ID, v.Origin = model.TLSPolicyID(origin.Name), origin
		p.secretName("spec.caSecret", v.CASecret)
		if v.CASecret != "" && v.ClientCRLs != "" {
			p.problems = append(p.problems, p.doc.Problem("spec.clientCRLs", "revocation lists are read from ca.crl of the Secret that caSecret names: give them there"))
		}
		o.TLSPolicies = []model.TLSPolicy{v}
	case KindLocator:
		v, origin := spec[model.Locator](p)
		v.ID, v.Origin = origin.Name, origin
		o.Locators = []model.Locator{v}
	case KindZone:
		v, origin := spec[model.Zone](p)
		v.Name, v.Origin = origin.Name, origin
		p.records(v)
		o.Zones = []model.Zone{v}
	case KindWorkload:
		v, origin := spec[model.Workload](p)
		v.ID, v.Origin = model.WorkloadID(origin.Name), origin
		o.Workloads = []model.Workload{v}
	default:
		nearest := Nearest(kind, ourKinds)
		hint := ""
		if nearest != "" {
			hint = ": did you mean " + nearest + "?"
		}
		problem := p.doc.Problem("kind", "%q is no kind of %s%s", kind, APIVersion, hint)
		problem.Nearest = nearest
		p.problems = append(p.problems, problem)
	}
	return o
}

var ourKinds = []string{
	KindListener, KindRoute, KindL4Route, KindUpstream, KindEndpoints, KindCertificate, KindTLSPolicy, KindLocator, KindZone, KindWorkload,
}

// spec decodes the document strictly and says where it came from.
func spec[S any](p *parser) (S, model.Origin) {
	var o object[S]
	dec := decoder{file: p.doc.File, types: specTypes()}
	decode(&dec, p.doc, &o)
	p.problems = append(p.problems, dec.problems...)
	if o.Metadata.Name == "" {
		p.problems = append(p.problems, p.doc.Problem("metadata.name", "is missing"))
	}
	return o.Spec, model.Origin{
		Source: p.source, Kind: o.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name,
		File: p.doc.File, Line: p.doc.Line(""),
	}
}

// action is the one action that is written; none is left to Validate.
func (p *parser) action(s routeSpec) model.Action {
	var out model.Action
	n := 0
	if s.Forward != nil {
		out, n = *s.Forward, n+1
	}
	if s.Redirect != nil {
		out, n = *s.Redirect, n+1
	}
	if s.Respond != nil {
		out, n = *s.Respond, n+1
	}
	if n > 1 {
		p.problems = append(p.problems, p.doc.Problem("spec", "has more than one of forward, redirect, respond"))
	}
	return out
}

func (p *parser) secret(c model.Certificate) {
	if !isSecretName(c.Secret) {
		p.problems = append(p.problems, p.doc.Problem("spec.secret", "name the TLS Secret as namespace/name"))
	}
}

// secretName checks a Secret that may be named.
func (p *parser) secretName(field, text string) {
	if text != "" && !isSecretName(text) {
		p.problems = append(p.problems, p.doc.Problem(field, "name the Secret as namespace/name"))
	}
}

func isSecretName(text string) bool {
	ns, name, ok := strings.Cut(text, "/")
	return ok && ns != "" && name != "" && !strings.Contains(name, "/")
}

// records gives each record the line it stands on.
func (p *parser) records(z model.Zone) {
	for i := range z.Records {
		z.Records[i].Origin = z.Origin
		z.Records[i].Origin.Line = p.doc.Line(item("spec.records", i))
	}
}
