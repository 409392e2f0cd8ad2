package kubernetes

import (
	"cmp"
	"slices"

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

// missing is why addresses of Nodes are not known.
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
