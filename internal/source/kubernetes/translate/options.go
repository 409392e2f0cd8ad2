package translate

import (
	"paifang/internal/model"
	"paifang/internal/source/kubernetes/annotation"
)

// Controller is the spec.controller of the IngressClasses that are ours.
const Controller = "paifang.dev/controller"

// Options say which objects are taken and what they become.
type Options struct {
	Source        string      // name of the source in every origin; default "kubernetes"
	Controller    string      // spec.controller of the IngressClasses that serve; default Controller
	Classes       []string    // names of classes that serve even without an IngressClass object
	Adopt         []string    // names of classes that are taken over: they serve whatever their controller is
	AdoptNginx    bool        // classes of ingress-nginx are taken over as well, and the name nginx without a class
	TakeUnclassed bool        // an Ingress without a class is ours where no IngressClass is the default
	Attach        model.Class // class of the listeners that serve Ingresses; default "ingress"
	Priority      int         // of this source; lower first
	// Slices says that the addresses of a Service with a selector come from EndpointSlices, as in a cluster. Otherwise
	// they come from the workloads, and slices count only for a Service without a selector.
	Slices bool
	Nodes  []NodeList // lists of addresses made of Nodes
	// ByName says that every Service is a list of its own name too, for those who know no ports: the addresses of its main port.
	ByName bool
	// Resolved says that somebody looks up the names of Services of type ExternalName, see ManagedByResolver. Without, they
	// are not supported.
	Resolved bool
	// Loopback says that services which decide about requests (auth-url) may be on this machine.
	Loopback bool
	// Traced says that listeners name somebody who takes spans of traces, whatever an installation says.
	Traced bool
	Zone   string // of this process: of the zones that an endpoint is meant for, it is told if it is one
	// Annotations is what the names of annotations begin with that are read as those of ingress-nginx; default
	// annotation.DefaultPrefix. Defaults is what holds where an Ingress says nothing and its class behaves as ingress-nginx;
	// default annotation.Defaults.
	Annotations string
	Defaults    *annotation.Settings
	// Installed is the installation of ingress-nginx whose classes, settings and ports are taken over; nil: none. Its settings
	// count in place of Defaults.
	Installed *Installed
	// Bridge says which Services are offered in a registry, and which registries Services may take their addresses from.
	Bridge Bridge
}

func (o Options) withDefaults() Options {
	if o.Source == "" {
		o.Source = "kubernetes"
	}
	if o.Controller == "" {
		o.Controller = Controller
	}
	if o.Attach == "" {
		o.Attach = "ingress"
	}
	if o.Installed != nil && o.Annotations == "" {
		o.Annotations = o.Installed.Prefix
	}
	if o.Defaults == nil {
		d := annotation.Defaults()
		o.Defaults = &d
	}
	return o
}
