package translate

import (
	networkingv1 "k8s.io/api/networking/v1"

	"paifang/internal/model"
)

// AnnotationBehavior, on an IngressClass, says which way its Ingresses behave where ingress-nginx and the specification
// differ: "spec" (the default) or "nginx".
const AnnotationBehavior = "paifang.dev/behavior"

// The values of AnnotationBehavior.
const (
	behaviorSpec  = "spec"
	behaviorNginx = "nginx"
)

// likeNginx tells whether an Ingress behaves as under ingress-nginx.
func (b *builder) likeNginx(v *networkingv1.Ingress) bool {
	if c := b.classOf(v); c != nil {
		return b.behavior(c) == behaviorNginx
	}
	name, _ := className(v)
	return b.store.opt.Installed != nil || b.namesNginx(name) // it is served because ingress-nginx served it
}

// ControllerNginx is the spec.controller of ingress-nginx.
const ControllerNginx = "k8s.io/ingress-nginx"

// behavior is what a class asks for. One that is taken over from ingress-nginx as it stands behaves as it did there.
func (b *builder) behavior(c *networkingv1.IngressClass) string {
	if how, given := c.Annotations[AnnotationBehavior]; given {
		return how
	}
	if b.takenOver(c) || c.Spec.Controller == ControllerNginx && b.adopted(c) {
		return behaviorNginx
	}
	return behaviorSpec
}

// classNotes makes what concerns a class as a whole: how its rules expect requests to be read. nginx drops names with an
// underscore, merges slashes and decodes encoded ones before it looks for a location.
func (b *builder) classNotes(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	v := o.Value.(*networkingv1.IngressClass)
	if b.controller(v) != served {
		return
	}
	b.misplaced(o, "metadata.annotations", v.Annotations, []string{AnnotationBehavior})
	field := "metadata.annotations[" + AnnotationBehavior + "]"
	switch how := b.behavior(v); how {
	case behaviorSpec:
	case behaviorNginx:
		b.out.Expectations = []model.Expectation{{
			Class: b.store.opt.Attach, Origin: o.at(field), Who: "ingress-nginx",
			Parsing: model.Parsing{Underscores: model.UnderscoresDrop, Slashes: model.SlashesMerge, EncodedSlashes: model.EncodedSlashesDecode},
		}}
	default:
		b.diagnose(o, field, model.Warning, model.CodeInvalid, "%q is neither spec nor nginx: it has no effect", how)
	}
}
