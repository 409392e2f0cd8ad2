package translate

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/few"
	"paifang/internal/source/kubernetes/annotation"
)

// index finds objects by what others know of them: fact → keys. The facts are
//
//	host/HOST               Ingresses with a rule for a host, or a default backend where it is empty
//	canary/HOST             those of them that are canaries
//	regex/HOST              those of them that make every path of the host an expression under ingress-nginx
//	tlshost/HOST            Ingresses that name a certificate for a host
//	tlsrule/HOST            Ingresses with a rule for a host, and a section on TLS
//	secret/NS/NAME          Ingresses whose TLS names a Secret
//	classes                 IngressClasses
//	selector/NS/LABEL=VALUE Services whose selector's first label this is
//	label/NS/LABEL=VALUE    workloads whose pods carry a label
//	slices/NS/NAME          EndpointSlices and Endpoints of a Service
//	nodes                   Nodes
type index map[string]few.Set[Key]

func (s *Store) reindex(o *stored) {
	for _, fact := range s.indexed(o) {
		few.Put(s.index, fact, o.key)
		s.touch(fact)
	}
}

func (s *Store) unindex(o *stored) {
	for _, fact := range s.indexed(o) {
		few.Take(s.index, fact, o.key)
		s.touch(fact)
	}
}

// indexed lists the facts under which an object is found.
func (s *Store) indexed(o *stored) []string {
	ns := o.key.Namespace
	var facts []string
	switch v := o.Value.(type) {
	case *networkingv1.Ingress:
		facts = s.ingressFacts(v)
		for _, t := range v.Spec.TLS {
			facts = append(facts, "secret/"+ns+"/"+t.SecretName)
		}
	case *networkingv1.IngressClass:
		facts = append(facts, "classes")
	case *corev1.Node:
		facts = append(facts, "nodes")
	case *corev1.Service:
		if first := firstLabel(v.Spec.Selector); first != "" {
			facts = append(facts, "selector/"+ns+"/"+first)
		}
	case *appsv1.Deployment:
		facts = labelFacts(ns, v.Spec.Template.Labels)
	case *corev1.Pod:
		facts = labelFacts(ns, v.Labels)
	case *discoveryv1.EndpointSlice:
		facts = append(facts, "slices/"+ns+"/"+v.Labels[discoveryv1.LabelServiceName])
	default:
		if o.key.Kind == KindEndpoints {
			facts = append(facts, "slices/"+ns+"/"+o.key.Name)
		}
	}
	return facts
}

// ingressFacts are those of the hosts of an Ingress.
func (s *Store) ingressFacts(v *networkingv1.Ingress) []string {
	var facts []string
	var set annotation.Settings
	if s.reader.Has(v.Annotations) {
		set, _ = s.reader.Read(v.Annotations)
	}
	for _, h := range ingressHosts(v) {
		facts = append(facts, "host/"+h)
		if set.Canary.On {
			facts = append(facts, "canary/"+h)
		}
		if makesRegex(v, &set.Rewrite, h) {
			facts = append(facts, "regex/"+h)
		}
		if len(v.Spec.TLS) > 0 {
			facts = append(facts, "tlsrule/"+h)
		}
	}
	for _, h := range tlsNames(v) {
		facts = append(facts, "tlshost/"+h)
	}
	return facts
}

// firstLabel is the first pair of a selector in the order of names. One pair is enough to find the few services that
// may select a workload.
func firstLabel(selector map[string]string) string {
	names := slices.Sorted(maps.Keys(selector))
	if len(names) == 0 {
		return ""
	}
	return names[0] + "=" + selector[names[0]]
}

func labelFacts(ns string, labels map[string]string) []string {
	var facts []string
	for k, v := range labels {
		facts = append(facts, "label/"+ns+"/"+k+"="+v)
	}
	return facts
}

// ingressHosts lists the hosts of an Ingress, each once; "" stands for any host.
func ingressHosts(v *networkingv1.Ingress) []string {
	var hosts []string
	if v.Spec.DefaultBackend != nil {
		hosts = append(hosts, "")
	}
	for _, r := range v.Spec.Rules {
		hosts = append(hosts, r.Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
