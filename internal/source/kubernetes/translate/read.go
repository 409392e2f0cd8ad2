package translate

import (
	"unique"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"paifang/internal/document"
)

// Reader reads documents. It remembers what it found of the types of kinds, which would be a tenth of reading thousands of
// documents. One goroutine may use it at a time.
type Reader struct{ types *document.Types }

// NewReader returns a Reader.
func NewReader() *Reader { return &Reader{document.NewTypes()} }

// Read decodes a YAML document into one of the kinds that are read, strictly: what kubectl would refuse for an unknown
// field or a wrong type is a Problem here, with file and line. known is false for any other kind, as it is for every
// DaemonSet but one of ingress-nginx's controller.
func (r *Reader) Read(d document.Document) (o Object, problems []document.Problem, known bool) {
	o = Object{File: d.File, Lines: d.Lines()}
	switch (groupKind{d.Text("apiVersion"), Kind(d.Text("kind"))}) {
	case groupKind{"v1", KindNamespace}:
		o.Value, problems = decode[corev1.Namespace](r.types, d)
	case groupKind{"apps/v1", KindDeployment}:
		o.Value, problems = decode[appsv1.Deployment](r.types, d)
	case groupKind{"apps/v1", KindDaemonSet}:
		o.Value, problems = decode[appsv1.DaemonSet](r.types, d)
		if InstalledBy(o, "") == nil { // the pods of others would run on nodes that are not there
			return Object{}, nil, false
		}
	case groupKind{"v1", KindPod}:
		o.Value, problems = decode[corev1.Pod](r.types, d)
	case groupKind{"v1", KindService}:
		o.Value, problems = decode[corev1.Service](r.types, d)
	case groupKind{"networking.k8s.io/v1", KindIngress}:
		o.Value, problems = decode[networkingv1.Ingress](r.types, d)
	case groupKind{"networking.k8s.io/v1", KindIngressClass}:
		o.Value, problems = decode[networkingv1.IngressClass](r.types, d)
	case groupKind{"v1", KindSecret}:
		o.Value, problems = decode[corev1.Secret](r.types, d)
	case groupKind{"v1", KindConfigMap}:
		o.Value, problems = decode[corev1.ConfigMap](r.types, d)
	case groupKind{"discovery.k8s.io/v1", KindEndpointSlice}:
		o.Value, problems = decode[discoveryv1.EndpointSlice](r.types, d)
	case groupKind{"v1", KindEndpoints}:
		o.Value, problems = decode[corev1.Endpoints](r.types, d) //nolint:staticcheck // see Object.Key
	default:
		return Object{}, nil, false
	}
	if len(problems) == 0 {
		problems = names(d, o.Value)
	}
	Strip(o.Value)
	return o, problems, true
}

// Strip takes out of an object what nobody asks of it here and what may be most of it: who manages which field, the copy of
// the whole object that kubectl apply leaves, and its kind, which its type says, as for the objects of typed clients. All
// objects of a namespace share its name.
func Strip(v Value) {
	v.SetManagedFields(nil)
	if _, is := v.(*networkingv1.Ingress); is {
		v.SetLabels(nil) // those of pods, slices, services and namespaces are selected by
	}
	delete(v.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
	v.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	v.SetNamespace(unique.Make(v.GetNamespace()).Value())
}

// names reports a name that the API server would refuse: identities are built from them.
func names(d document.Document, v Value) []document.Problem {
	const rule = "is not a name: lower case letters, digits, - and . in between"
	var problems []document.Problem
	if name := v.GetName(); name == "" {
		problems = append(problems, d.Problem("metadata.name", "is missing"))
	} else if len(validation.IsDNS1123Subdomain(name)) > 0 {
		problems = append(problems, d.Problem("metadata.name", rule))
	}
	if ns := v.GetNamespace(); ns != "" && len(validation.IsDNS1123Label(ns)) > 0 {
		problems = append(problems, d.Problem("metadata.namespace", rule))
	}
	return problems
}

type groupKind struct {
	version string
	kind    Kind
}

// decode fills a new T; P is *T with the methods of an object.
func decode[T any, P interface {
	*T
	Value
}](types *document.Types, d document.Document) (Value, []document.Problem) {
	v := P(new(T))
	return v, document.DecodeBy(types, d, (*T)(v))
}
