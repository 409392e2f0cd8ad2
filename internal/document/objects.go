package document

import (
	"reflect"

	"go.yaml.in/yaml/v3"

	"paifang/internal/model"
)

// APIVersion is what our own documents begin with.
const APIVersion = "paifang.dev/v1"

// The kinds of our own documents.
const (
	KindListener    = "Listener"
	KindRoute       = "Route"
	KindL4Route     = "L4Route"
	KindUpstream    = "Upstream"
	KindEndpoints   = "Endpoints"
	KindCertificate = "Certificate"
	KindTLSPolicy   = "TLSPolicy"
	KindLocator     = "Locator"
	KindZone        = "Zone"
	KindWorkload    = "Workload"
)

// object is the shape that all our documents share.
type object[S any] struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       S        `json:"spec"`
}

// metadata carries what a model object has outside its settings: its ID or name, and its origin's namespace.
type metadata struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// routeFields has the fields of a route without its methods, of which the JSON codec would decode in our place, without
// field and line.
type routeFields model.Route

// routeSpec is a route whose action is the one of three keys that is there.
type routeSpec struct {
	routeFields
	Forward  *model.Forward  `json:"forward,omitempty"`
	Redirect *model.Redirect `json:"redirect,omitempty"`
	Respond  *model.Respond  `json:"respond,omitempty"`
}

// specTypes hides what has its place in metadata, and certificates that are read from their Secret together with a key.
func specTypes() typeCache {
	c := typeCache{}
	c.hide(reflect.TypeFor[model.Listener](), "id")
	c.hide(reflect.TypeFor[routeSpec](), "id")
	c.hide(reflect.TypeFor[model.L4Route](), "id")
	c.hide(reflect.TypeFor[model.Upstream](), "id")
	c.hide(reflect.TypeFor[model.UpstreamTLS](), "chain")
	c.hide(reflect.TypeFor[model.Certificate](), "id", "chain")
	c.hide(reflect.TypeFor[model.TLSPolicy](), "id")
	c.hide(reflect.TypeFor[model.Locator](), "id")
	c.hide(reflect.TypeFor[model.Zone](), "name")
	c.hide(reflect.TypeFor[model.Workload](), "id")
	return c
}

// Print writes objects as our own documents. Origins are left out and secrets never shown: a certificate names its
// Secret, and one without a Secret prints [redacted], which Parse refuses. What was read from a Secret is left out where
// the Secret is named. Diagnostics are no objects and are left out.
// It fails only on a filter configuration that is not JSON.
func Print(o model.Objects) ([]byte, error) { return printAll(o, false) }

// PrintWithOrigins is Print with a comment before each document that says where the object came from.
func PrintWithOrigins(o model.Objects) ([]byte, error) { return printAll(o, true) }

func printAll(o model.Objects, origins bool) ([]byte, error) {
	p := &printer{enc: encoder{types: specTypes()}, origins: origins}
	for _, v := range o.Listeners {
		add(p, KindListener, string(v.ID), v.Origin, v)
	}
	for _, v := range o.Certificates {
		if v.Secret != "" {
			v.Key = model.Secret{}
		}
		add(p, KindCertificate, string(v.ID), v.Origin, v)
	}
	for _, v := range o.TLSPolicies {
		if v.CASecret != "" {
			v.ClientCAs, v.ClientCRLs = "", ""
		}
		add(p, KindTLSPolicy, string(v.ID), v.Origin, v)
	}
	for _, v := range o.Routes {
		add(p, KindRoute, string(v.ID), v.Origin, splitAction(v))
	}
	for _, v := range o.L4Routes {
		add(p, KindL4Route, string(v.ID), v.Origin, v)
	}
	for _, v := range o.Upstreams {
		if v.TLS.CASecret != "" {
			v.TLS.CA = ""
		}
		if v.TLS.ClientSecret != "" {
			v.TLS.Key = model.Secret{}
		}
		add(p, KindUpstream, string(v.ID), v.Origin, v)
	}
	for _, v := range o.Endpoints {
		name := v.Origin.Name
		if name == "" {
			name = v.List.String()
		}
		add(p, KindEndpoints, name, v.Origin, v)
	}
	for _, v := range o.Locators {
		add(p, KindLocator, v.ID, v.Origin, v)
	}
	for _, v := range o.Zones {
		add(p, KindZone, v.Name, v.Origin, v)
	}
	for _, v := range o.Workloads {
		add(p, KindWorkload, string(v.ID), v.Origin, v)
	}
	if p.err != nil {
		return nil, p.err
	}
	return write(p.docs)
}

type printer struct {
	enc     encoder
	origins bool
	docs    []*yaml.Node
	err     error
}

func add[S any](p *printer, kind, name string, origin model.Origin, spec S) {
	doc := object[S]{APIVersion, kind, metadata{name, origin.Namespace}, spec}
	n, err := p.enc.value(reflect.ValueOf(doc))
	if err != nil && p.err == nil {
		p.err = err
	}
	if n != nil && p.origins && origin.String() != "" {
		n.HeadComment = "from " + origin.String()
	}
	p.docs = append(p.docs, n)
}

func splitAction(r model.Route) routeSpec {
	s := routeSpec{routeFields: routeFields(r)}
	switch a := r.Action.(type) {
	case model.Forward:
		s.Forward = &a
	case model.Redirect:
		s.Redirect = &a
	case model.Respond:
		s.Respond = &a
	}
	return s
}
