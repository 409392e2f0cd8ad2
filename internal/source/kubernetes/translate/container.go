package translate

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"paifang/internal/model"
)

// Annotations on a pod template.
const (
	AnnotationExec    = "paifang.dev/exec"     // a command line to run in place of the image
	AnnotationPortEnv = "paifang.dev/port-env" // the variable from which the program takes its port
)

var podAnnotations = []string{AnnotationExec, AnnotationPortEnv}

// container makes the program of a pod from its first container.
func (b *builder) container(o *stored, t podTemplate) model.Container {
	c := t.spec.Containers[0]
	at := t.at + "spec.containers[0]"
	out := model.Container{
		Name: c.Name, Image: c.Image, Command: c.Command, Args: c.Args,
		Exec: t.meta.Annotations[AnnotationExec], PortEnv: t.meta.Annotations[AnnotationPortEnv],
		Env: b.env(o, at, c, t),
	}
	if o.File != "" {
		out.Dir = filepath.Dir(o.File)
	}
	for i, p := range c.Ports {
		port, ok := portNumber(p.ContainerPort)
		if !ok {
			b.diagnose(o, at+".ports"+nth(i)+".containerPort", model.Error, model.CodeInvalid, "%d is not a port", p.ContainerPort)
			continue
		}
		host, ok := portNumber(p.HostPort)
		if !ok && p.HostPort != 0 {
			b.diagnose(o, at+".ports"+nth(i)+".hostPort", model.Error, model.CodeInvalid, "%d is not a port", p.HostPort)
		}
		out.Ports = append(out.Ports, model.Port{Name: p.Name, Port: port, Host: host})
	}
	out.Readiness = b.probe(o, at+".readinessProbe", c.ReadinessProbe, c)
	out.Liveness = b.probe(o, at+".livenessProbe", c.LivenessProbe, c)
	out.Startup = b.probe(o, at+".startupProbe", c.StartupProbe, c)
	return out
}

// env resolves the environment: envFrom first, then env, of one name the last. References in values, such as $(POD_IP), are
// left to whoever runs the program, since only there the address is known.
func (b *builder) env(o *stored, at string, c corev1.Container, t podTemplate) []model.EnvVar {
	var out []model.EnvVar
	set := func(e model.EnvVar) {
		out = slices.DeleteFunc(out, func(f model.EnvVar) bool { return f.Name == e.Name })
		out = append(out, e)
	}
	for i, f := range c.EnvFrom {
		field := at + ".envFrom" + nth(i)
		switch {
		case f.ConfigMapRef != nil:
			if m := b.configMap(o, field+".configMapRef", f.ConfigMapRef.Name, f.ConfigMapRef.Optional); m != nil {
				for _, k := range sortedKeys(m.Data) {
					set(model.EnvVar{Name: f.Prefix + k, Value: m.Data[k]})
				}
			}
		case f.SecretRef != nil:
			if s := b.secret(o, field+".secretRef", f.SecretRef.Name, f.SecretRef.Optional); s != nil {
				for _, k := range slices.Compact(slices.Sorted(slices.Values(append(sortedKeys(s.Data), sortedKeys(s.StringData)...)))) {
					set(model.EnvVar{Name: f.Prefix + k, Secret: model.NewSecret(secretValue(s, k))})
				}
			}
		}
	}
	for i, e := range c.Env {
		if v, ok := b.variable(o, at+".env"+nth(i), e, t); ok {
			set(v)
		}
	}
	return out
}

// downward are the fields of a pod that a variable may take; labels and annotations come on top.
var downward = []string{"metadata.name", "metadata.namespace", "spec.nodeName", "status.podIP", "status.hostIP"}

// variable resolves one variable. Without a value, it is left out and diagnosed.
func (b *builder) variable(o *stored, at string, e corev1.EnvVar, t podTemplate) (model.EnvVar, bool) {
	out := model.EnvVar{Name: e.Name, Value: e.Value}
	from := e.ValueFrom
	switch {
	case from == nil:
		return out, true
	case from.FieldRef != nil:
		return b.field(o, at+".valueFrom.fieldRef.fieldPath", e.Name, from.FieldRef.FieldPath, t)
	case from.ConfigMapKeyRef != nil:
		r, field := from.ConfigMapKeyRef, at+".valueFrom.configMapKeyRef"
		m := b.configMap(o, field+".name", r.Name, r.Optional)
		if m == nil {
			return out, false
		}
		v, ok := m.Data[r.Key]
		out.Value = v
		return out, b.has(o, field+".key", ok, "ConfigMap", r.Name, r.Key, r.Optional)
	case from.SecretKeyRef != nil:
		r, field := from.SecretKeyRef, at+".valueFrom.secretKeyRef"
		s := b.secret(o, field+".name", r.Name, r.Optional)
		if s == nil {
			return out, false
		}
		_, inData := s.Data[r.Key]
		_, inText := s.StringData[r.Key]
		out.Secret = model.NewSecret(secretValue(s, r.Key))
		return out, b.has(o, field+".key", inData || inText, "Secret", r.Name, r.Key, r.Optional)
	default:
		b.diagnose(o, at+".valueFrom", model.Warning, model.CodeUnsupported, "the variable %s is not set: only fieldRef, configMapKeyRef and secretKeyRef are supported", e.Name)
		return out, false
	}
}

// field is a downward API variable. Annotations are known here; the rest is known when the pod starts.
func (b *builder) field(o *stored, at, name, path string, t podTemplate) (model.EnvVar, bool) {
	if key, ok := strings.CutPrefix(path, "metadata.annotations['"); ok {
		return model.EnvVar{Name: name, Value: t.meta.Annotations[strings.TrimSuffix(key, "']")]}, true
	}
	switch {
	case path == "status.podIPs":
		path = "status.podIP"
	case path == "status.hostIPs":
		path = "status.hostIP"
	case path == "spec.serviceAccountName":
		return model.EnvVar{Name: name, Value: cmp.Or(t.spec.ServiceAccountName, "default")}, true
	case strings.HasPrefix(path, "metadata.labels['") && strings.HasSuffix(path, "']"):
	case !slices.Contains(downward, path):
		b.diagnose(o, at, model.Warning, model.CodeUnsupported, "the variable %s is not set: %q is not supported", name, path)
		return model.EnvVar{}, false
	}
	return model.EnvVar{Name: name, Field: path}, true
}

// CodeReferenceMissing is a ConfigMap, Secret or key of one that a container names and that does not exist.
const CodeReferenceMissing model.Code = "reference-missing"

func (b *builder) configMap(o *stored, field, name string, optional *bool) *corev1.ConfigMap {
	s := b.get(Key{KindConfigMap, o.key.Namespace, name})
	if !b.has(o, field, s != nil, "ConfigMap", name, "", optional) {
		return nil
	}
	return s.Value.(*corev1.ConfigMap)
}

func (b *builder) secret(o *stored, field, name string, optional *bool) *corev1.Secret {
	s := b.get(Key{KindSecret, o.key.Namespace, name})
	if !b.has(o, field, s != nil, "Secret", name, "", optional) {
		return nil
	}
	return s.Value.(*corev1.Secret)
}

// has passes ok on and diagnoses what is neither there nor optional.
func (b *builder) has(o *stored, field string, ok bool, kind, name, key string, optional *bool) bool {
	if !ok && !deref(optional) {
		what := kind + " " + o.key.Namespace + "/" + name + " does not exist"
		if key != "" {
			what = kind + " " + o.key.Namespace + "/" + name + " has no key " + key
		}
		b.diagnose(o, field, model.Warning, CodeReferenceMissing, "%s: the program runs without what it would set", what)
	}
	return ok
}

// probe fills in what Kubernetes has as defaults: every 10s, 1s time, healthy after 1, unhealthy after 3.
func (b *builder) probe(o *stored, at string, p *corev1.Probe, c corev1.Container) *model.Probe {
	if p == nil {
		return nil
	}
	out := &model.Probe{
		InitialDelay: seconds(p.InitialDelaySeconds), Period: seconds(cmp.Or(p.PeriodSeconds, 10)), Timeout: seconds(cmp.Or(p.TimeoutSeconds, 1)),
		SuccessThreshold: int(cmp.Or(p.SuccessThreshold, 1)), FailureThreshold: int(cmp.Or(p.FailureThreshold, 3)),
	}
	for _, f := range []struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds}, {"periodSeconds", p.PeriodSeconds}, {"timeoutSeconds", p.TimeoutSeconds},
		{"successThreshold", p.SuccessThreshold}, {"failureThreshold", p.FailureThreshold},
	} {
		if f.value < 0 {
			b.diagnose(o, at+"."+f.name, model.Error, model.CodeInvalid, "%d is negative: the probe is left out", f.value)
			return nil
		}
	}
	switch {
	case p.HTTPGet != nil:
		g := p.HTTPGet
		out.Kind, out.Path, out.Scheme, out.Host = model.ProbeHTTP, cmp.Or(g.Path, "/"), cmp.Or(string(g.Scheme), "HTTP"), g.Host
		for _, h := range g.HTTPHeaders {
			out.Headers = append(out.Headers, model.EnvVar{Name: h.Name, Value: h.Value})
		}
		out.Port, _ = containerPort(g.Port, c)
		b.probePort(o, at+".httpGet.port", out.Port, c)
	case p.TCPSocket != nil:
		out.Kind, out.Host = model.ProbeTCP, p.TCPSocket.Host
		out.Port, _ = containerPort(p.TCPSocket.Port, c)
		b.probePort(o, at+".tcpSocket.port", out.Port, c)
	case p.Exec != nil:
		out.Kind, out.Command = model.ProbeExec, p.Exec.Command
	default:
		b.diagnose(o, at, model.Warning, model.CodeUnsupported, "the probe is left out: only httpGet, tcpSocket and exec are supported")
		return nil
	}
	return out
}

// probePort diagnoses a probe that can never succeed. It stays, and the pod stays unready, as in Kubernetes.
func (b *builder) probePort(o *stored, field string, port uint16, c corev1.Container) {
	if port == 0 {
		b.diagnose(o, field, model.Error, model.CodePortMissing, "container %s has no such port: the probe never succeeds", c.Name)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
