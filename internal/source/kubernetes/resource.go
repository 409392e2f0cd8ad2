package kubernetes

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"paifang/internal/source/kubernetes/translate"
)

// resource is a kind as the API server has it.
type resource struct {
	kind       translate.Kind
	version    schema.GroupVersion
	name       string
	namespaced bool
	object     func() translate.Value
	list       func() runtime.Object
}

func ingressClasses() resource {
	return resource{translate.KindIngressClass, networkingv1.SchemeGroupVersion, "ingressclasses", false,
		func() translate.Value { return &networkingv1.IngressClass{} }, func() runtime.Object { return &networkingv1.IngressClassList{} }}
}

func ingresses() resource {
	return resource{translate.KindIngress, networkingv1.SchemeGroupVersion, "ingresses", true,
		func() translate.Value { return &networkingv1.Ingress{} }, func() runtime.Object { return &networkingv1.IngressList{} }}
}

func services() resource {
	return resource{translate.KindService, corev1.SchemeGroupVersion, "services", true,
		func() translate.Value { return &corev1.Service{} }, func() runtime.Object { return &corev1.ServiceList{} }}
}

func endpointSlices() resource {
	return resource{translate.KindEndpointSlice, discoveryv1.SchemeGroupVersion, "endpointslices", true,
		func() translate.Value { return &discoveryv1.EndpointSlice{} }, func() runtime.Object { return &discoveryv1.EndpointSliceList{} }}
}

func secrets() resource {
	return resource{translate.KindSecret, corev1.SchemeGroupVersion, "secrets", true,
		func() translate.Value { return &corev1.Secret{} }, func() runtime.Object { return &corev1.SecretList{} }}
}

func configMaps() resource {
	return resource{translate.KindConfigMap, corev1.SchemeGroupVersion, "configmaps", true,
		func() translate.Value { return &corev1.ConfigMap{} }, func() runtime.Object { return &corev1.ConfigMapList{} }}
}

func nodes() resource {
	return resource{translate.KindNode, corev1.SchemeGroupVersion, "nodes", false,
		func() translate.Value { return &corev1.Node{} }, func() runtime.Object { return &corev1.NodeList{} }}
}

func namespaces() resource {
	return resource{translate.KindNamespace, corev1.SchemeGroupVersion, "namespaces", false,
		func() translate.Value { return &corev1.Namespace{} }, func() runtime.Object { return &corev1.NamespaceList{} }}
}

func pods() resource {
	return resource{translate.KindPod, corev1.SchemeGroupVersion, "pods", true,
		func() translate.Value { return &corev1.Pod{} }, func() runtime.Object { return &corev1.PodList{} }}
}

func deployments() resource {
	return resource{translate.KindDeployment, appsv1.SchemeGroupVersion, "deployments", true,
		func() translate.Value { return &appsv1.Deployment{} }, func() runtime.Object { return &appsv1.DeploymentList{} }}
}

func daemonSets() resource {
	return resource{translate.KindDaemonSet, appsv1.SchemeGroupVersion, "daemonsets", true,
		func() translate.Value { return &appsv1.DaemonSet{} }, func() runtime.Object { return &appsv1.DaemonSetList{} }}
}

// listTimeout bounds a list, all of its answer included.
const listTimeout = time.Minute

func (c *Client) list(ctx context.Context, r resource, namespace string, o metav1.ListOptions) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	out := r.list()
	err := c.groups[r.version].Get().NamespaceIfScoped(namespace, namespace != "").Resource(r.name).
		VersionedParams(&o, metav1.ParameterCodec).Do(ctx).Into(out)
	return out, err
}

// watch ends at the server's side after the time that its options say.
func (c *Client) watch(ctx context.Context, r resource, namespace string, o metav1.ListOptions) (watch.Interface, error) {
	o.Watch = true
	return c.groups[r.version].Get().NamespaceIfScoped(namespace, namespace != "").Resource(r.name).
		VersionedParams(&o, metav1.ParameterCodec).Watch(ctx)
}
