package translate

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"paifang/internal/source/kubernetes/installation"
)

// InstalledBy is the installation that a Deployment or DaemonSet of ingress-nginx's controller makes; nil where it runs anything
// else. Its arguments are read as they stand, with the namespace of the object for that of the pod.
func InstalledBy(o Object, source string) *Installed {
	k, _ := o.Key()
	spec := podSpec(o.Value)
	if spec == nil {
		return nil
	}
	for i, c := range spec.Containers {
		args, is := installation.Controller(c.Image, c.Command, c.Args)
		if !is {
			continue
		}
		flags, found := installation.ProgramArgs(args, k.Namespace)
		s := stored{Object: o, key: k, source: source}
		return &Installed{Flags: flags, Findings: found, Origin: s.at("spec.template.spec.containers" + nth(i) + ".args")}
	}
	return nil
}

// podSpec is what the pods of a Deployment or DaemonSet are.
func podSpec(v Value) *corev1.PodSpec {
	switch v := v.(type) {
	case *appsv1.Deployment:
		return &v.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return &v.Spec.Template.Spec
	}
	return nil
}

// controllerNotes says what would become of the flags and settings of a controller of ingress-nginx, without any effect: what
// takes an installation over is Options.Installed.
func (b *builder) controllerNotes(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	x := InstalledBy(o.Object, o.source)
	if x == nil {
		b.gone = true
		return
	}
	b.flagNotes(x)
	b.keyNotes(x)
	for _, m := range []struct{ flag, name string }{{"tcp-services-configmap", x.TCP}, {"udp-services-configmap", x.UDP}} {
		b.configured(x, m.flag, m.name)
	}
}
