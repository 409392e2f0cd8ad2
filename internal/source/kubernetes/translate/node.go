package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"paifang/internal/model"
)

// NodeList is a list of addresses made of the Nodes of a cluster: the members of an SLB.
type NodeList struct {
	Name     string // of the list, of keeper model.KeeperKubernetes: "nodes/NAME"
	Selector string // labels of Nodes, as kubectl writes them; empty: all
	Port     uint16
}

// List is the list's identity.
func (n NodeList) List() model.EndpointsID {
	return model.EndpointsID{Keeper: model.KeeperKubernetes, Name: "nodes/" + n.Name}
}

// Validate reports a selector that cannot be read.
func (n NodeList) Validate() error {
	if _, err := labels.Parse(n.Selector); err != nil {
		return fmt.Errorf("translate: selector of nodes %q: %w", n.Selector, err)
	}
	return nil
}

// labelExclude on a Node keeps balancers from it (KEP-1143).
const labelExclude = "node.kubernetes.io/exclude-from-external-load-balancers"

// taintsLeaving are set by autoscalers and the cloud on a Node that is about to go.
func taintsLeaving() []string {
	return []string{"ToBeDeletedByClusterAutoscaler", "node.cloudprovider.kubernetes.io/shutdown"}
}

func (s *Store) markNodes() {
	for _, n := range s.opt.Nodes {
		s.mark("nodes/" + n.Name)
	}
}

// nodes makes a list: a Node that is Ready takes new connections, one that is cordoned or about to go finishes those it has,
// and one that is not Ready is out.
func (b *builder) nodes(name string) {
	i := slices.IndexFunc(b.store.opt.Nodes, func(n NodeList) bool { return n.Name == name })
	if i < 0 {
		b.gone = true
		return
	}
	list := b.store.opt.Nodes[i]
	selector, err := labels.Parse(list.Selector)
	if err != nil {
		selector = labels.Nothing() // refused with the configuration, see Validate
	}
	set := model.EndpointSet{List: list.List(), Origin: model.Origin{Source: b.store.opt.Source, Kind: string(KindNode)}}
	for _, o := range b.find("nodes") {
		v := o.Value.(*corev1.Node)
		if _, excluded := v.Labels[labelExclude]; excluded || !selector.Matches(labels.Set(v.Labels)) {
			continue
		}
		addr, ok := nodeAddress(v)
		if !ok {
			b.diagnose(o, "status.addresses", model.Warning, model.CodeInvalid, "has no internal address: it gets no connections")
			continue
		}
		state, why := nodeState(v)
		if why != "" {
			why = "Node " + o.key.Name + " " + why
		}
		set.Endpoints = append(set.Endpoints, model.Endpoint{
			Addr: netip.AddrPortFrom(addr, list.Port), State: state, Reason: why, Node: o.key.Name, Name: o.key.Name, Zone: v.Labels[corev1.LabelTopologyZone],
		})
	}
	b.out.Endpoints = []model.EndpointSet{set}
}

func nodeAddress(v *corev1.Node) (netip.Addr, bool) {
	for _, a := range v.Status.Addresses {
		if addr, err := netip.ParseAddr(a.Address); err == nil && a.Type == corev1.NodeInternalIP {
			return addr.Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// nodeState returns what a Node's state is to a balancer, and what keeps it from being ready.
func nodeState(v *corev1.Node) (model.EndpointState, string) {
	is := func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady }
	switch i := slices.IndexFunc(v.Status.Conditions, is); {
	case i < 0:
		return model.Unhealthy, "has not said whether it is Ready"
	case v.Status.Conditions[i].Status != corev1.ConditionTrue:
		return model.Unhealthy, strings.TrimSuffix("is not Ready: "+v.Status.Conditions[i].Reason, ": ")
	case v.Spec.Unschedulable:
		return model.Draining, "is cordoned"
	}
	if i := slices.IndexFunc(v.Spec.Taints, func(t corev1.Taint) bool { return slices.Contains(taintsLeaving(), t.Key) }); i >= 0 {
		return model.Draining, "is about to go: it has the taint " + v.Spec.Taints[i].Key
	}
	return model.Ready, ""
}
