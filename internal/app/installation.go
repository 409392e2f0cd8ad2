package app

import (
	"paifang/internal/source/kubernetes"
	"paifang/internal/source/kubernetes/installation"
	"paifang/internal/source/kubernetes/translate"
)

// IngressNginx is an installation of ingress-nginx that is taken over as it stands. What the other sections say goes before it.
type IngressNginx struct {
	Args      []string `json:"args" doc:"the arguments of its container, copied from its Deployment: every flag gets a verdict, and those that can act do; docs/ingress-nginx-settings.md"`
	Namespace string   `json:"namespace,omitempty" doc:"the one that it runs in, which stands for $(POD_NAMESPACE) in args; default ingress-nginx"`
}

// installed is what the installation was told; nil where none is taken over.
func (c *Config) installed() *translate.Installed {
	x := c.Sources.IngressNginx
	if x == nil {
		return nil
	}
	flags, found := installation.Args(x.Args, orDefault(x.Namespace, "ingress-nginx"))
	return &translate.Installed{Flags: flags, Findings: found, Places: c.streamPlaces()}
}

// streamPlaces are where TCP services listen: on the addresses of the ingress nodes.
func (c *Config) streamPlaces() []translate.Place {
	if c.Ingress == nil {
		return nil
	}
	var out []translate.Place
	for _, n := range c.Ingress.Nodes {
		out = append(out, translate.Place{Node: n.Name, Addr: n.HTTP.Addr(), Advertise: c.Ingress.Advertise, Elsewhere: c.Ingress.Elsewhere})
	}
	return out
}

// told is what the installation's flags say of how the cluster is read and written, where the configuration says nothing.
func (k *Kubernetes) told(x *translate.Installed) Kubernetes {
	out := *k
	if x == nil {
		return out
	}
	if len(out.Namespaces) == 0 && x.Namespace != "" {
		out.Namespaces = []string{x.Namespace}
	}
	if len(out.Namespaces) == 0 {
		out.NamespaceSelector = orDefault(out.NamespaceSelector, x.NamespaceSelector)
	}
	if p := &out.Publish; p.Service == "" && len(p.Addresses) == 0 && p.Nodes == "" && !x.NoStatus {
		p.Service, p.Addresses = x.PublishService, x.PublishAddress
		if x.NodeInternal {
			p.Nodes = string(kubernetes.NodeInternal)
		}
	}
	if out.Events == nil && x.NoEvents {
		off := false
		out.Events = &off
	}
	out.Lease.Name = orDefault(out.Lease.Name, x.Lease)
	if out.Lease.Duration == 0 {
		out.Lease.Duration = Duration(x.LeaseTime)
	}
	out.Kubeconfig = orDefault(out.Kubeconfig, x.Kubeconfig)
	return out
}

// external is what Services of type ExternalName may lead to.
func (k *Kubernetes) external(x *translate.Installed) kubernetes.External {
	return kubernetes.External{Allow: k.External.Allow, Off: x != nil && x.NoExternal}
}

func (c *Config) installationFaults(f *faults) {
	x := c.Sources.IngressNginx
	if x == nil {
		return
	}
	const at = "sources.ingressNginx"
	if len(x.Args) == 0 {
		f.say(at+".args", "is empty: copy the arguments of the container of ingress-nginx")
	}
	if x.Namespace != "" {
		f.name(at+".namespace", x.Namespace)
	}
	if err := kubernetes.ValidSelector(c.installed().NamespaceSelector); err != nil { // ingress-nginx does not start with it either
		f.say(at+".args", "--watch-namespace-selector: %v", err)
	}
	if c.Sources.Kubernetes == nil && len(c.Sources.Manifests) == 0 {
		f.say(at, "needs sources.kubernetes or sources.manifests, which its ConfigMaps and Ingresses are in")
	}
}
