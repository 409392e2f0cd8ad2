package translate

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

// classAnnotation named the class before spec.ingressClassName did and is still read, as Kubernetes asks of
// controllers.
const classAnnotation = "kubernetes.io/ingress.class"

// className is the class that an Ingress names, with the path of the field that does.
func className(v *networkingv1.Ingress) (name, field string) {
	if n := v.Annotations[classAnnotation]; n != "" {
		return n, "metadata.annotations[" + classAnnotation + "]"
	}
	if n := v.Spec.IngressClassName; n != nil {
		return *n, "spec.ingressClassName"
	}
	return "", ""
}

// verdict says whether an Ingress is served, and if not, why.
type verdict uint8

const (
	served       verdict = iota
	otherClass           // its class belongs to another controller
	unknownClass         // its class does not exist
	noClass              // it names none, and nothing says that it is ours
)

// class decides whether an Ingress is ours.
func (b *builder) class(v *networkingv1.Ingress) verdict {
	name, _ := className(v)
	class := b.classOf(v)
	switch {
	case class != nil:
		return b.controller(class)
	case name == "" && !b.store.opt.TakeUnclassed && (b.store.opt.Installed == nil || !b.store.opt.Installed.Unclassed):
		return noClass
	case name != "" && b.store.opt.Installed != nil && name == b.store.opt.Installed.Class:
		return served
	case name != "" && !slices.Contains(b.store.opt.Classes, name) && !slices.Contains(b.store.opt.Adopt, name) && !b.namesNginx(name):
		return unknownClass
	}
	return served
}

// classOf is the class of an Ingress: the one that it names, or the default. nil if there is none.
func (b *builder) classOf(v *networkingv1.Ingress) *networkingv1.IngressClass {
	name, _ := className(v)
	for _, c := range b.find("classes") {
		class := c.Value.(*networkingv1.IngressClass)
		if name == c.key.Name || name == "" && class.Annotations[networkingv1.AnnotationIsDefaultIngressClass] == "true" {
			return class
		}
	}
	return nil
}

func (b *builder) controller(c *networkingv1.IngressClass) verdict {
	if c.Spec.Controller == b.store.opt.Controller || b.adopted(c) || b.takenOver(c) {
		return served
	}
	return otherClass
}

// adopted tells whether a class of another controller is read as ours.
func (b *builder) adopted(c *networkingv1.IngressClass) bool {
	return slices.Contains(b.store.opt.Adopt, c.Name) || b.store.opt.AdoptNginx && c.Spec.Controller == ControllerNginx
}

// namesNginx tells whether a class that is not there is the usual one of ingress-nginx, and that is read as ours.
func (b *builder) namesNginx(name string) bool { return b.store.opt.AdoptNginx && name == "nginx" }

// takenOver tells whether a class is one of the installation's, by its controller or its name.
func (b *builder) takenOver(c *networkingv1.IngressClass) bool {
	x := b.store.opt.Installed
	return x != nil && (x.Controller != "" && c.Spec.Controller == x.Controller || x.ByName && c.Name == x.Class)
}

// ingressNotes says what concerns an Ingress as a whole.
func (b *builder) ingressNotes(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	v := o.Value.(*networkingv1.Ingress)
	name, field := className(v)
	switch b.class(v) {
	case otherClass:
		if name == "" {
			b.diagnose(o, "spec", model.Info, model.CodeIgnored, "has no class, and the default class belongs to another controller")
			return
		}
		b.diagnose(o, field, model.Info, model.CodeIgnored, "class %s belongs to another controller", name)
		return
	case unknownClass:
		b.diagnose(o, field, model.Warning, model.CodeIgnored,
			"class %s does not exist, so nothing is served: add an IngressClass with controller %s, or leave the class out", name, b.store.opt.Controller)
		return
	case noClass:
		b.diagnose(o, "spec", model.Info, model.CodeIgnored, "has no class, and no class is the default")
		return
	}
	b.verdicts(o, v)
	b.ownNames(o, "metadata.annotations", v.Annotations, []string{AnnotationFilters})
	if b.isCanary(v) {
		b.canaryNotes(o)
	}
	if len(v.Spec.Rules) == 0 && v.Spec.DefaultBackend == nil {
		b.diagnose(o, "spec", model.Error, model.CodeInvalid, "has neither rules nor a defaultBackend")
	}
}
