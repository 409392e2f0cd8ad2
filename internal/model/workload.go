package model

import (
	"fmt"
	"time"
)

// WorkloadID names a set of like pods: "deployment/shop/order", "pod/shop/order-debug".
type WorkloadID string

// Workload is what runs: so many pods of one template. Its source has resolved every selector and reference, so
// it says itself which lists its pods serve.
type Workload struct {
	ID        WorkloadID    `json:"id"`
	Origin    Origin        `json:"origin"`
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Replicas  int           `json:"replicas"`
	Single    bool          `json:"single,omitempty"` // a Pod object: its one pod has the workload's own name
	Node      string        `json:"node,omitempty"`   // spec.nodeName; empty = the emptier node
	Labels    Tags          `json:"labels,omitempty"`
	Container Container     `json:"container"`
	Serves    []Serves      `json:"serves,omitempty"`
	Grace     time.Duration `json:"grace,omitempty"` // between SIGTERM and SIGKILL; default 30s
	Never     bool          `json:"never,omitempty"` // restartPolicy Never
	// Template identifies what a rollout replaces: pods whose template differs are replaced one by one. Labels,
	// replicas and lists may change without it.
	Template string `json:"template"`
	// Surge and Unavailable bound a rollout; both zero = one more, none fewer.
	Surge       int `json:"surge,omitempty"`
	Unavailable int `json:"unavailable,omitempty"`
}

// Serves says that the pods are endpoints of a list, on a port.
type Serves struct {
	List EndpointsID `json:"list"`
	Port uint16      `json:"port"`
}

// Container is the program of a pod.
type Container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command,omitempty"` // as a program on this machine; first word relative to Dir
	Args    []string `json:"args,omitempty"`
	Exec    string   `json:"exec,omitempty"` // the annotation paifang.dev/exec: a command line
	Dir     string   `json:"dir,omitempty"`  // directory of the file that names it
	Env     []EnvVar `json:"env,omitempty"`
	Ports   []Port   `json:"ports,omitempty"`
	// PortEnv is the variable from which a program that binds all addresses takes its port (the annotation
	// paifang.dev/port-env).
	PortEnv   string `json:"portEnv,omitempty"`
	Readiness *Probe `json:"readiness,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
	Startup   *Probe `json:"startup,omitempty"`
}

// EnvVar is a variable of the program: a literal, or a field of the pod (downward API).
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	// Field is metadata.name, metadata.namespace, metadata.labels['x'], spec.nodeName, status.podIP or status.hostIP.
	Field string `json:"field,omitempty"`
	// Secret is a value that must not be shown.
	Secret Secret `json:"secret,omitzero"`
}

// Port is a port of a container.
type Port struct {
	Name string `json:"name,omitempty"`
	Port uint16 `json:"port"`
	Host uint16 `json:"host,omitempty"` // hostPort: mapped on the node's address
}

// ProbeKind is what a probe does.
type ProbeKind string

// The probes of a container.
const (
	ProbeHTTP ProbeKind = "httpGet"
	ProbeTCP  ProbeKind = "tcpSocket"
	ProbeExec ProbeKind = "exec"
)

// Probe is a check of a running container, with the defaults of Kubernetes filled in by the source.
type Probe struct {
	Kind             ProbeKind     `json:"kind"`
	Path             string        `json:"path,omitempty"`
	Scheme           string        `json:"scheme,omitempty"` // HTTP or HTTPS
	Port             uint16        `json:"port,omitempty"`
	Host             string        `json:"host,omitempty"` // default: the pod's address
	Headers          []EnvVar      `json:"headers,omitempty"`
	Command          []string      `json:"command,omitempty"`
	InitialDelay     time.Duration `json:"initialDelay,omitempty"`
	Period           time.Duration `json:"period"`
	Timeout          time.Duration `json:"timeout"`
	SuccessThreshold int           `json:"successThreshold"`
	FailureThreshold int           `json:"failureThreshold"`
}

// Validate reports the first field that its type does not allow.
func (w Workload) Validate() error {
	switch {
	case w.ID == "":
		return fieldError("id", "is empty")
	case w.Name == "":
		return fieldError("name", "is empty")
	case w.Replicas < 0:
		return fieldError("replicas", fmt.Sprintf("%d is negative", w.Replicas))
	}
	return nil
}
