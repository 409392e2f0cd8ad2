package podrun

import (
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"paifang/internal/model"
)

// self is what the downward API tells a pod of itself.
type self struct {
	name, namespace, node string
	ip, host              netip.Addr
	labels                model.Tags
}

// field returns the value of a field of the pod (Kubernetes, "Downward API": fields available through fieldRef).
func (s self) field(name string) (string, error) {
	switch name {
	case "metadata.name":
		return s.name, nil
	case "metadata.namespace":
		return s.namespace, nil
	case "spec.nodeName":
		return s.node, nil
	case "status.podIP", "status.podIPs":
		return s.ip.String(), nil
	case "status.hostIP", "status.hostIPs":
		return s.host.String(), nil
	}
	if key, ok := strings.CutPrefix(name, "metadata.labels['"); ok {
		if key, ok = strings.CutSuffix(key, "']"); ok {
			v, _ := s.labels.Get(key) // a label that is not there is empty, as in Kubernetes
			return v, nil
		}
	}
	return "", faultf(model.CodeUnsupported, "the field %s cannot be told to a pod here: use metadata.name, metadata.namespace, "+
		"metadata.labels['KEY'], spec.nodeName, status.podIP or status.hostIP", name)
}

// environ is the environment of a pod: few variables of ours, further ones of the configuration, the container's own,
// and where the pod stands, for programs that look for that by name.
type environ struct {
	names  []string
	values map[string]string
}

func (e *environ) set(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environ) get(name string) (string, bool) {
	v, ok := e.values[name]
	return v, ok
}

// list is the form that a process takes.
func (e *environ) list() []string {
	out := make([]string, 0, len(e.names))
	for _, n := range e.names {
		out = append(out, n+"="+e.values[n])
	}
	slices.Sort(out)
	return out
}

// newEnviron makes the environment of a container. port, if it is not 0, is told in portEnv and cannot be overridden:
// the mapping leads there.
func newEnviron(mark string, extra map[string]string, c model.Container, s self, portEnv string, port uint16) (*environ, error) {
	e := &environ{values: map[string]string{}}
	for _, name := range keptEnv {
		if v, ok := os.LookupEnv(name); ok {
			e.set(name, v)
		}
	}
	e.set(markVar, mark)
	e.set("POD_NAME", s.name)
	e.set("POD_NAMESPACE", s.namespace)
	e.set("POD_IP", s.ip.String())
	e.set("NODE_NAME", s.node)
	e.set("PAIFANG_IMAGE", c.Image)
	for name, v := range extra {
		e.set(name, v)
	}
	if port != 0 {
		e.set(portEnv, strconv.Itoa(int(port)))
	}
	for _, v := range c.Env {
		if port != 0 && v.Name == portEnv {
			continue
		}
		switch secret := v.Secret.Reveal(); {
		case v.Field != "":
			value, err := s.field(v.Field)
			if err != nil {
				return nil, err
			}
			e.set(v.Name, value)
		case secret != "":
			e.set(v.Name, secret)
		default:
			e.set(v.Name, expand(v.Value, e.get))
		}
	}
	return e, nil
}
