package app

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/source/kubernetes"
	"paifang/internal/source/kubernetes/translate"
)

// Kubernetes is a cluster whose Ingresses are served.
type Kubernetes struct {
	Kubeconfig string   `json:"kubeconfig,omitempty" doc:"file that says how the API server is reached; none: inside a pod its service account, elsewhere the file that kubectl takes"`
	Context    string   `json:"context,omitempty" doc:"of the kubeconfig; default its current one"`
	Namespaces []string `json:"namespaces,omitempty" doc:"whose objects are read; default all"`
	// NamespaceSelector is watch-namespace-selector of ingress-nginx.
	NamespaceSelector string `json:"namespaceSelector,omitempty" doc:"labels, as kubectl takes them, of the namespaces whose objects are read, from when they have them to when they do not; where namespaces is empty"`

	Ingresses  *bool    `json:"ingresses,omitempty" doc:"Ingresses, their classes and what they name are read; default true. false: Services and their addresses alone, for lb:// or a bridge, which needs no right to read Secrets"`
	Controller string   `json:"controller,omitempty" doc:"spec.controller of the IngressClasses that are served; default paifang.dev/controller"`
	Adopt      []string `json:"adopt,omitempty" doc:"names of IngressClasses of other controllers, such as nginx, whose Ingresses are taken over unchanged; one of ingress-nginx behaves as it did there"`
	Unclassed  bool     `json:"unclassed,omitempty" doc:"Ingresses without a class are served where no IngressClass is the default; default false"`
	Publish    Publish  `json:"publish,omitzero" doc:"what is written into the status of Ingresses; none: nothing"`
	External   External `json:"externalNames,omitzero" doc:"Services of type ExternalName, whose names are looked up"`
	Events     *bool    `json:"events,omitempty" doc:"faults and verdicts are written as Events on the objects; default true, without Ingresses false"`
	Lease      Lease    `json:"lease,omitzero" doc:"by which replicas agree on the one that writes"`
}

// Publish says which addresses the status of Ingresses has.
type Publish struct {
	Service   string       `json:"service,omitempty" doc:"NAMESPACE/NAME of the Service in front of this controller, whose addresses are written"`
	Addresses []netip.Addr `json:"addresses,omitempty" doc:"addresses to write instead"`
	Nodes     string       `json:"nodes,omitempty" doc:"internal or external: where neither of these is given, the addresses of the Nodes that pods of this controller run on; external ones are the internal ones of Nodes that have no others"`
	Pods      string       `json:"pods,omitempty" doc:"labels of those pods, in the namespace of the lease; default app.kubernetes.io/name=paifang"`
}

// External bounds what Services of type ExternalName lead to.
type External struct {
	Allow []netip.Prefix `json:"allow,omitempty" doc:"loopback, link-local and cluster addresses that are taken all the same"`
}

// Lease is a Lease object.
type Lease struct {
	Namespace string   `json:"namespace,omitempty" doc:"default that of the pod"`
	Name      string   `json:"name,omitempty" doc:"default paifang"`
	Duration  Duration `json:"duration,omitempty" doc:"after which a replica that is not heard of has lost it; default 15s"`
}

// Members are SLB members that a cluster's Nodes are.
type Members struct {
	Selector string `json:"selector,omitempty" doc:"labels of Nodes, as kubectl takes them, such as role=edge; default all Nodes"`
	Port     int    `json:"port" doc:"of the ingress on each of them: a hostPort or NodePort"`
}

// kubernetesPart makes the source for the cluster of a configuration.
func (a *App) kubernetesPart() (hub.Part, error) {
	client, err := a.cfg.Sources.Kubernetes.connect(a.cfg.installed())
	if err != nil {
		return hub.Part{}, err
	}
	a.cluster = kubernetes.New(a.cfg.clusterOptions(client, a.log))
	a.clusterClient = client
	return hub.Part{Source: a.cluster, Required: true, Keepers: []string{model.KeeperKubernetes}}, nil
}

func (k *Kubernetes) connect(x *translate.Installed) (*kubernetes.Client, error) {
	client, err := kubernetes.Connect(kubernetes.Access{Kubeconfig: k.told(x).Kubeconfig, Context: k.Context})
	if err != nil {
		return nil, fmt.Errorf("app: sources.kubernetes: %w", err)
	}
	return client, nil
}

func (c *Config) clusterOptions(client *kubernetes.Client, log *slog.Logger) kubernetes.Options {
	t := c.translateOptions()
	k := c.Sources.Kubernetes.told(t.Installed)
	t.Loopback = false // who writes an Ingress in a cluster is not who runs this machine
	t.Controller, t.Adopt, t.TakeUnclassed, t.Nodes, t.Zone = k.Controller, k.Adopt, k.Unclassed, c.nodeLists(), c.Zone
	return kubernetes.Options{
		Client: client, Namespaces: k.Namespaces, NamespaceSelector: k.NamespaceSelector, ServicesOnly: !k.ingresses(), Translate: t,
		Publish:  kubernetes.Publish{Service: k.Publish.Service, Addresses: k.Publish.Addresses, Nodes: kubernetes.NodeAddress(k.Publish.Nodes), Pods: k.Publish.Pods},
		External: k.external(t.Installed),
		Events:   k.events(),
		Lease:    kubernetes.Lease{Namespace: k.Lease.Namespace, Name: k.Lease.Name, Duration: k.Lease.Duration.or(0)},
		Log:      log,
	}
}

func (k *Kubernetes) ingresses() bool { return k.Ingresses == nil || *k.Ingresses }

// events tells whether Events are written. Without Ingresses there is hardly anything to say, and nobody has to give the right to.
func (k *Kubernetes) events() bool {
	if k.Events == nil {
		return k.ingresses()
	}
	return *k.Events
}

// nodeLists are the lists of addresses that SLB listeners take from the cluster.
func (c *Config) nodeLists() []translate.NodeList {
	if c.SLB == nil {
		return nil
	}
	var out []translate.NodeList
	for _, l := range c.SLB.Listeners {
		if l.Members != nil {
			out = append(out, l.nodeList())
		}
	}
	return out
}

func (l *SLBListener) nodeList() translate.NodeList {
	return translate.NodeList{Name: l.Name, Selector: l.Members.Selector, Port: uint16(l.Members.Port)} // checked with the configuration
}

func (c *Config) kubernetesFaults(f *faults) {
	k := c.Sources.Kubernetes
	if k == nil {
		return
	}
	const at = "sources.kubernetes"
	f.ranges(at+".external.allow", k.External.Allow)
	if s := k.Publish.Service; s != "" && (strings.Count(s, "/") != 1 || strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/")) {
		f.say(at+".publish.service", "%q is not NAMESPACE/NAME", s)
	}
	if !k.ingresses() {
		without := []struct {
			field string
			set   bool
		}{
			{at + ".controller", k.Controller != ""}, {at + ".adopt", len(k.Adopt) > 0}, {at + ".unclassed", k.Unclassed},
			{at + ".publish", k.Publish.Service != "" || len(k.Publish.Addresses) > 0 || k.Publish.Nodes != ""}, {"webhook", c.Webhook != nil},
		}
		for _, x := range without {
			if x.set {
				f.say(x.field, "is about Ingresses, and %s.ingresses is false", at)
			}
		}
	}
	for i, n := range k.Namespaces {
		if n == "" {
			f.say(fmt.Sprintf("%s.namespaces[%d]", at, i), "is empty: leave namespaces out for all")
		}
	}
	if err := kubernetes.ValidSelector(k.NamespaceSelector); err != nil {
		f.say(at+".namespaceSelector", "%v", err)
	}
	if len(k.Namespaces) > 0 && k.NamespaceSelector != "" {
		f.say(at+".namespaceSelector", "is given beside namespaces: it would have no effect")
	}
	switch kubernetes.NodeAddress(k.Publish.Nodes) {
	case kubernetes.NodeNone, kubernetes.NodeInternal, kubernetes.NodeExternal:
	default:
		f.say(at+".publish.nodes", "%q is neither internal nor external", k.Publish.Nodes)
	}
	if err := kubernetes.ValidSelector(k.Publish.Pods); err != nil {
		f.say(at+".publish.pods", "%v", err)
	}
	if d := k.Lease.Duration; d != 0 && d.or(0).Seconds() < 3 {
		f.say(at+".lease.duration", "want 3s or more")
	}
}

// membersFaults checks where an SLB listener gets its members.
func (c *Config) membersFaults(f *faults, at string, l *SLBListener) {
	if l.Members == nil {
		return
	}
	if c.Sources.Kubernetes == nil {
		f.say(at+".members", "needs sources.kubernetes: it takes the Nodes of a cluster")
	}
	if l.Members.Port < 1 || l.Members.Port > 65535 {
		f.say(at+".members.port", "%d is not a port", l.Members.Port)
	}
	if err := l.nodeList().Validate(); err != nil {
		f.say(at+".members.selector", "%v", err)
	}
}
