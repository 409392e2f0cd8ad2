package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"paifang/internal/model"
)

// deployment makes the workload of a Deployment.
func (b *builder) deployment(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	v := o.Value.(*appsv1.Deployment)
	t := v.Spec.Template
	selector, err := metav1.LabelSelectorAsSelector(v.Spec.Selector)
	switch {
	case v.Spec.Selector == nil:
		b.diagnose(o, "spec.selector", model.Error, model.CodeInvalid, "is missing: give the labels of the template as matchLabels")
		return
	case err != nil:
		b.diagnose(o, "spec.selector", model.Error, model.CodeInvalid, "%v", err)
		return
	case selector.Empty() || !selector.Matches(labels.Set(t.Labels)):
		b.diagnose(o, "spec.selector", model.Error, model.CodeInvalid, "does not select the labels of the template")
		return
	}
	replicas := int32(1)
	if v.Spec.Replicas != nil {
		replicas = *v.Spec.Replicas
	}
	if replicas < 0 {
		b.diagnose(o, "spec.replicas", model.Error, model.CodeInvalid, "%d is negative", replicas)
		return
	}
	w, ok := b.workload(o, podTemplate{meta: t.ObjectMeta, spec: t.Spec, at: "spec.template.", hash: hash(t)})
	if !ok {
		return
	}
	w.ID = model.WorkloadID("deployment/" + k.Namespace + "/" + k.Name)
	w.Replicas = int(replicas)
	w.Surge, w.Unavailable = b.rollout(o, v, int(replicas))
	b.out.Workloads = append(b.out.Workloads, w)
}

// pod makes the workload of a Pod object. Its template leaves the labels out: an edited label moves the pod between
// Services and does not restart it.
func (b *builder) pod(k Key) {
	o := b.get(k)
	if o == nil {
		b.gone = true
		return
	}
	v := o.Value.(*corev1.Pod)
	ours := map[string]string{}
	for name, value := range v.Annotations {
		if slices.Contains(podAnnotations, name) {
			ours[name] = value
		}
	}
	w, ok := b.workload(o, podTemplate{meta: v.ObjectMeta, spec: v.Spec, hash: hash(struct {
		Annotations map[string]string
		Spec        corev1.PodSpec
	}{ours, v.Spec})})
	if !ok {
		return
	}
	w.ID = model.WorkloadID("pod/" + k.Namespace + "/" + k.Name)
	w.Replicas, w.Single = 1, true
	b.out.Workloads = append(b.out.Workloads, w)
}

// podTemplate is what a Deployment and a Pod have in common.
type podTemplate struct {
	meta metav1.ObjectMeta
	spec corev1.PodSpec
	at   string // path before "metadata" and "spec": "" or "spec.template."
	hash string
}

// hash identifies a value by its JSON, whose keys are sorted.
func hash[T any](v T) string {
	b, err := json.Marshal(v)
	if err != nil { // API types always marshal
		return err.Error()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:5])
}

func (b *builder) workload(o *stored, t podTemplate) (model.Workload, bool) {
	spec := t.at + "spec"
	if len(t.spec.Containers) == 0 {
		b.diagnose(o, spec+".containers", model.Error, model.CodeInvalid, "is empty: a pod runs at least one container")
		return model.Workload{}, false
	}
	b.misplaced(o, t.at+"metadata.annotations", t.meta.Annotations, podAnnotations)
	b.unsupported(o, spec, t.spec)
	w := model.Workload{
		Origin: o.at(""), Namespace: o.key.Namespace, Name: o.key.Name, Node: t.spec.NodeName,
		Labels: model.NewTags(t.meta.Labels), Template: t.hash, Grace: 30 * time.Second,
		Never:     t.spec.RestartPolicy == corev1.RestartPolicyNever,
		Container: b.container(o, t),
	}
	if s := t.spec.TerminationGracePeriodSeconds; s != nil {
		w.Grace = max(seconds(*s), time.Nanosecond) // 0 ends the pod at once, and a zero field would mean the default
	}
	w.Serves = b.serves(o, t)
	return w, true
}

// unsupported says what of a pod is not carried out.
func (b *builder) unsupported(o *stored, at string, s corev1.PodSpec) {
	if len(s.Containers) > 1 {
		var names []string
		for _, c := range s.Containers[1:] {
			names = append(names, c.Name)
		}
		b.diagnose(o, at+".containers[1]", model.Info, model.CodeUnsupported,
			"only the first container, %s, runs here; not: %s", s.Containers[0].Name, strings.Join(names, ", "))
	}
	if len(s.InitContainers) > 0 {
		b.diagnose(o, at+".initContainers", model.Info, model.CodeUnsupported, "init containers do not run here")
	}
	if len(s.Volumes) > 0 {
		b.diagnose(o, at+".volumes", model.Info, model.CodeUnsupported, "volumes are not mounted here: the program sees the files of this machine")
	}
	if s.Containers[0].Lifecycle != nil {
		b.diagnose(o, at+".containers[0].lifecycle", model.Info, model.CodeUnsupported, "lifecycle hooks do not run here")
	}
	if s.RestartPolicy == corev1.RestartPolicyOnFailure {
		b.diagnose(o, at+".restartPolicy", model.Info, model.CodeUnsupported, "OnFailure is taken as Always here")
	}
}

// rollout resolves maxSurge and maxUnavailable as Kubernetes does: 25% by default, surge rounded up, unavailable down,
// and one fewer where both come to nothing.
func (b *builder) rollout(o *stored, v *appsv1.Deployment, replicas int) (surge, unavailable int) {
	if v.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return 0, max(replicas, 1)
	}
	quarter := intstr.FromString("25%")
	maxSurge, maxUnavailable := &quarter, &quarter
	if r := v.Spec.Strategy.RollingUpdate; r != nil {
		maxSurge = intstr.ValueOrDefault(r.MaxSurge, quarter)
		maxUnavailable = intstr.ValueOrDefault(r.MaxUnavailable, quarter)
	}
	surge, err := intstr.GetScaledValueFromIntOrPercent(maxSurge, replicas, true)
	if err != nil || surge < 0 {
		b.diagnose(o, "spec.strategy.rollingUpdate.maxSurge", model.Warning, model.CodeInvalid, "is neither a number nor a percentage: taken as 25%%")
		surge, _ = intstr.GetScaledValueFromIntOrPercent(&quarter, replicas, true) // a constant that scales
	}
	unavailable, err = intstr.GetScaledValueFromIntOrPercent(maxUnavailable, replicas, false)
	if err != nil || unavailable < 0 {
		b.diagnose(o, "spec.strategy.rollingUpdate.maxUnavailable", model.Warning, model.CodeInvalid, "is neither a number nor a percentage: taken as 25%%")
		unavailable, _ = intstr.GetScaledValueFromIntOrPercent(&quarter, replicas, false) // as above
	}
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// podLabels are the labels of the pods of a Deployment or Pod.
func podLabels(o *stored) map[string]string {
	if d, ok := o.Value.(*appsv1.Deployment); ok {
		return d.Spec.Template.Labels
	}
	return o.Value.GetLabels()
}

// serves finds the Services that select the pods, and on which port.
func (b *builder) serves(o *stored, t podTemplate) []model.Serves {
	if b.store.opt.Slices {
		return nil
	}
	var out []model.Serves
	for _, fact := range labelFacts(o.key.Namespace, t.meta.Labels) {
		for _, s := range b.find("selector/" + strings.TrimPrefix(fact, "label/")) {
			v := s.Value.(*corev1.Service)
			if v.Spec.Type == corev1.ServiceTypeExternalName || !labels.SelectorFromSet(v.Spec.Selector).Matches(labels.Set(t.meta.Labels)) {
				continue
			}
			for _, p := range listedPorts(v) {
				port, ok := targetPort(p, t.spec.Containers[0])
				if !ok {
					b.diagnose(s, portField(v, p, "targetPort"), model.Error, model.CodePortMissing,
						"container %s of %s has no port named %q, so its pods do not serve port %d", t.spec.Containers[0].Name, o.at("").Object(), p.TargetPort.String(), p.Port)
					continue
				}
				for _, list := range b.lists(s.key, v, p) {
					out = append(out, model.Serves{List: list, Port: port})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, c model.Serves) int { return a.List.Compare(c.List) })
	return out
}

// targetPort resolves a Service's targetPort; left out, it is the port itself.
func targetPort(p corev1.ServicePort, c corev1.Container) (uint16, bool) {
	if p.TargetPort == (intstr.IntOrString{}) {
		return portNumber(p.Port)
	}
	return containerPort(p.TargetPort, c)
}

// containerPort resolves a number or the name of a container's port.
func containerPort(p intstr.IntOrString, c corev1.Container) (uint16, bool) {
	if p.Type == intstr.Int {
		return portNumber(p.IntVal)
	}
	for _, cp := range c.Ports {
		if cp.Name == p.StrVal {
			return portNumber(cp.ContainerPort)
		}
	}
	return 0, false
}

func portNumber(n int32) (uint16, bool) {
	if n < 1 || n > math.MaxUint16 {
		return 0, false
	}
	return uint16(n), true
}

func seconds[T int32 | int64](n T) time.Duration {
	return time.Duration(min(int64(n), math.MaxInt32)) * time.Second
}

func nth(i int) string { return "[" + strconv.Itoa(i) + "]" }

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
