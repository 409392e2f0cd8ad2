package kubernetes

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/source/kubernetes/translate"
)

// NodeAddress says which address of a Node is written.
type NodeAddress string

// The addresses.
const (
	NodeNone     NodeAddress = ""
	NodeInternal NodeAddress = "internal"
	NodeExternal NodeAddress = "external" // where a Node has none: its internal one
)

// hosts are the Nodes that pods of this controller run on, whose addresses Ingresses show.
type hosts struct {
	pods  map[string]*corev1.Pod
	nodes map[string]*corev1.Node // where external addresses are wanted
}

// hostFeeds follow what hosts knows. They are apart from the others: without them a status is not written, and everything is
// served as before.
func (r *run) hostFeeds() []*feed {
	p := r.opt.Publish
	if p.Nodes == NodeNone || p.Service != "" || len(p.Addresses) > 0 {
		return nil
	}
	r.hosts = &hosts{map[string]*corev1.Pod{}, map[string]*corev1.Node{}}
	f := r.feed(pods(), r.opt.Lease.Namespace, "")
	f.labels = cmp.Or(p.Pods, "app.kubernetes.io/name=paifang")
	out := []*feed{f}
	if p.Nodes == NodeExternal {
		out = append(out, r.feed(nodes(), "", ""))
	}
	for _, f := range out {
		f.aside = true
	}
	return out
}

// frontFeeds follow the one Service whose addresses Ingresses show, where no other feed tells of it: apart, for the same reason.
func (r *run) frontFeeds() []*feed {
	if !r.frontAside() || len(r.opt.Publish.Addresses) > 0 {
		return nil
	}
	namespace, name, _ := strings.Cut(r.opt.Publish.Service, "/")
	f := r.feed(services(), namespace, "metadata.name="+name)
	f.aside = true
	return []*feed{f}
}

// frontAside tells whether the Service whose addresses Ingresses show has a feed of its own. Namespaces that are read by their labels
// come and go, and it stays.
func (r *run) frontAside() bool {
	namespace, _, named := strings.Cut(r.opt.Publish.Service, "/")
	return named && (r.opt.selects() || !r.reads(namespace))
}

// front takes what is said of that Service. While it does not exist, Ingresses go on showing what they do.
func (r *run) front(c change) {
	all := c.all
	if !c.listed && !c.gone {
		all = []translate.Value{c.object}
	}
	for _, v := range all {
		if s, ok := v.(*corev1.Service); ok {
			r.status.publish(addressesOf(s))
		}
	}
}

// missing is why the addresses to show are not known.
func (r *run) missing() error {
	for _, f := range r.aside {
		if x, bad := r.health.of(f); bad {
			return reason(f, x.err)
		}
	}
	return nil
}

// take brings a change in, and returns the addresses that Ingresses should show then.
func (h *hosts) take(c change, want NodeAddress) []string {
	if c.listed {
		if c.from.kind == translate.KindPod {
			clear(h.pods)
		} else {
			clear(h.nodes)
		}
		for _, v := range c.all {
			h.put(v, false)
		}
	} else {
		h.put(c.object, c.gone)
	}
	var out []string
	for _, p := range h.pods {
		if p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil {
			continue
		}
		address := p.Status.HostIP // which is the internal address of its Node
		if n := h.nodes[p.Spec.NodeName]; n != nil && want == NodeExternal {
			address = cmp.Or(externalOf(n), address)
		}
		if address != "" && (want == NodeInternal || h.nodes[p.Spec.NodeName] != nil) {
			out = append(out, address)
		}
	}
	return out
}

func (h *hosts) put(v translate.Value, gone bool) {
	switch v := v.(type) {
	case *corev1.Pod:
		if h.pods[v.Name] = v; gone {
			delete(h.pods, v.Name)
		}
	case *corev1.Node:
		if h.nodes[v.Name] = v; gone {
			delete(h.nodes, v.Name)
		}
	}
}

func externalOf(n *corev1.Node) string {
	i := slices.IndexFunc(n.Status.Addresses, func(a corev1.NodeAddress) bool { return a.Type == corev1.NodeExternalIP && a.Address != "" })
	if i < 0 {
		return ""
	}
	return n.Status.Addresses[i].Address
}
