package translate

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"paifang/internal/document"
	"paifang/internal/model"
)

// Kind is a Kubernetes kind that is read.
type Kind string

// The kinds.
const (
	KindNamespace     Kind = "Namespace"
	KindDeployment    Kind = "Deployment"
	KindDaemonSet     Kind = "DaemonSet" // of ingress-nginx's controller only
	KindPod           Kind = "Pod"
	KindService       Kind = "Service"
	KindIngress       Kind = "Ingress"
	KindIngressClass  Kind = "IngressClass"
	KindSecret        Kind = "Secret"
	KindConfigMap     Kind = "ConfigMap"
	KindEndpointSlice Kind = "EndpointSlice"
	KindEndpoints     Kind = "Endpoints"
	KindNode          Kind = "Node"
)

// Key identifies an object. Namespace is empty for kinds without one.
type Key struct {
	Kind      Kind
	Namespace string
	Name      string
}

// String returns "Kind/namespace/name".
func (k Key) String() string { return string(k.Kind) + "/" + k.Namespace + "/" + k.Name }

// Compare orders by namespace, name, kind.
func (k Key) Compare(l Key) int {
	return cmp.Or(cmp.Compare(k.Namespace, l.Namespace), cmp.Compare(k.Name, l.Name), cmp.Compare(k.Kind, l.Kind))
}

// Value is a typed Kubernetes object, such as *corev1.Service.
type Value interface {
	metav1.Object
	runtime.Object
}

// Object is a Kubernetes object with the place it came from.
type Object struct {
	Value Value          // never changed after Put
	File  string         // empty where it came from an API server
	Lines document.Lines // of its fields in the file; empty where it came from an API server
}

// Key returns the object's key. It is false for a type that is not read. A namespace that is left out is "default".
func (o Object) Key() (Key, bool) {
	var kind Kind
	namespaced := true
	switch o.Value.(type) {
	case *corev1.Namespace:
		kind, namespaced = KindNamespace, false
	case *networkingv1.IngressClass:
		kind, namespaced = KindIngressClass, false
	case *corev1.Node:
		kind, namespaced = KindNode, false
	case *appsv1.Deployment:
		kind = KindDeployment
	case *appsv1.DaemonSet:
		kind = KindDaemonSet
	case *corev1.Pod:
		kind = KindPod
	case *corev1.Service:
		kind = KindService
	case *networkingv1.Ingress:
		kind = KindIngress
	case *corev1.Secret:
		kind = KindSecret
	case *corev1.ConfigMap:
		kind = KindConfigMap
	case *discoveryv1.EndpointSlice:
		kind = KindEndpointSlice
	case *corev1.Endpoints: //nolint:staticcheck // deprecated, but still what hand-written lists of addresses use
		kind = KindEndpoints
	default:
		return Key{}, false
	}
	k := Key{Kind: kind, Name: o.Value.GetName()}
	if namespaced {
		k.Namespace = cmp.Or(o.Value.GetNamespace(), metav1.NamespaceDefault)
	}
	return k, true
}

// stored is an object in the store.
type stored struct {
	Object
	key    Key
	fact   string // its key, as groups remember it: one text for all of them
	source string // its name
}

func (o *stored) line(path string) int { return o.Lines.Line(path) }

// at is the object's origin with the line of a field; that of "" is the object's own.
func (o *stored) at(path string) model.Origin {
	origin := model.Origin{
		Source: o.source, Kind: string(o.key.Kind), Namespace: o.key.Namespace, Name: o.key.Name,
		Revision: o.Value.GetResourceVersion(), File: o.File, Line: o.line(path),
	}
	if created := o.Value.GetCreationTimestamp(); !created.IsZero() {
		origin.Created = created.UTC()
	}
	return origin
}
