package kubernetes

import (
	"reflect"
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/source/kubernetes/translate"
)

// trim takes out of an object what nobody reads, which is most of it, before anything keeps it. The status of an Ingress
// and of a Service stays: who writes it must know what is there.
func trim(x any) (any, error) {
	v, ok := x.(translate.Value)
	if !ok {
		return x, nil // the reflector says what is wrong with it
	}
	translate.Strip(v)
	v.SetOwnerReferences(nil)
	v.SetFinalizers(nil)
	v.SetGenerateName("")
	v.SetSelfLink("")
	switch v := v.(type) {
	case *discoveryv1.EndpointSlice:
		trimSlice(v)
	case *corev1.Service:
		v.Status.Conditions = nil
	case *corev1.Node:
		trimNode(v)
	case *corev1.Namespace:
		v.Labels, v.Annotations, v.Spec, v.Status = nil, nil, corev1.NamespaceSpec{}, corev1.NamespaceStatus{}
	case *corev1.Pod:
		v.Labels, v.Annotations = nil, nil
		v.Spec = corev1.PodSpec{NodeName: v.Spec.NodeName}
		v.Status = corev1.PodStatus{Phase: v.Status.Phase, HostIP: v.Status.HostIP}
	case *corev1.Secret:
		v.Labels, v.Annotations = nil, nil
	case *corev1.ConfigMap:
		v.Labels, v.Annotations = nil, nil
	}
	return v, nil
}

func trimSlice(v *discoveryv1.EndpointSlice) {
	service := v.Labels[discoveryv1.LabelServiceName]
	v.Labels = map[string]string{discoveryv1.LabelServiceName: service}
	v.Annotations = nil
	for i := range v.Endpoints {
		e := &v.Endpoints[i]
		e.Hostname, e.DeprecatedTopology = nil, nil
		e.NodeName, e.Zone = one(e.NodeName), one(e.Zone)
		if e.TargetRef != nil {
			e.TargetRef = &corev1.ObjectReference{Name: e.TargetRef.Name}
		}
	}
}

// one is the one copy of a text that many objects share.
func one(s *string) *string {
	if s == nil {
		return nil
	}
	text := unique.Make(*s).Value()
	return &text
}

// trimNode leaves what tells where a node is and whether it takes traffic. Images and the times of heartbeats are most of
// the rest.
func trimNode(v *corev1.Node) {
	v.Annotations = nil
	v.Spec = corev1.NodeSpec{Unschedulable: v.Spec.Unschedulable, Taints: v.Spec.Taints}
	was := v.Status
	v.Status = corev1.NodeStatus{Addresses: was.Addresses}
	for _, c := range was.Conditions {
		if c.Type == corev1.NodeReady {
			v.Status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status, Reason: c.Reason}}
		}
	}
}

// same tells whether two versions of an object differ in nothing that is read: a status that was written, or a heartbeat, must
// not have rules compiled.
func same(old, now translate.Value) bool {
	if old.GetResourceVersion() == now.GetResourceVersion() && old.GetUID() == now.GetUID() {
		return true
	}
	if old.GetUID() != now.GetUID() {
		return false
	}
	a, b := bare(old), bare(now)
	return reflect.DeepEqual(a, b)
}

// bare is a shallow copy of an object without its version and what only its status says.
func bare(v translate.Value) translate.Value {
	switch v := v.(type) {
	case *networkingv1.Ingress:
		c := *v
		c.ResourceVersion, c.Generation, c.Status = "", 0, networkingv1.IngressStatus{}
		return &c
	case *corev1.Service:
		c := *v
		c.ResourceVersion, c.Status = "", corev1.ServiceStatus{}
		return &c
	case *discoveryv1.EndpointSlice:
		c := *v
		c.ResourceVersion, c.Generation = "", 0
		return &c
	case *corev1.Node:
		c := *v
		c.ResourceVersion = ""
		return &c
	}
	return v
}
