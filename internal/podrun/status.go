package podrun

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/model"
)

// Phase is where a pod is in its life.
type Phase string

// The phases.
const (
	Waiting     Phase = "Waiting"     // not started: no program, no address; Message says why
	Running     Phase = "Running"     // its process lives
	BackOff     Phase = "BackOff"     // its process ended and is started again later
	Stopped     Phase = "Stopped"     // ended by hand, until Start
	Frozen      Phase = "Frozen"      // stopped by SIGSTOP by hand, until Start
	Terminating Phase = "Terminating" // told to end
	Succeeded   Phase = "Succeeded"   // ended with status 0 and is not restarted
	Failed      Phase = "Failed"      // ended otherwise and is not restarted
)

// PodPort is a port of a pod.
type PodPort struct {
	Port    uint16         `json:"port"`             // containerPort
	Addr    netip.AddrPort `json:"addr"`             // where it is reached
	Process netip.AddrPort `json:"process,omitzero"` // where the process listens, if Addr is mapped to it
	Host    netip.AddrPort `json:"host,omitzero"`    // hostPort on the node's address
}

// PodStatus is how a pod stands.
type PodStatus struct {
	Namespace string           `json:"namespace"`
	Name      string           `json:"name"`
	Node      string           `json:"node"`
	IP        netip.Addr       `json:"ip,omitzero"`
	Ports     []PodPort        `json:"ports,omitempty"`
	PID       int              `json:"pid,omitempty"`
	Phase     Phase            `json:"phase"`
	Ready     bool             `json:"ready"`
	Attached  bool             `json:"attached,omitempty"` // a process that podrun did not start
	Restarts  int              `json:"restarts"`
	Workload  model.WorkloadID `json:"workload"`
	Origin    model.Origin     `json:"origin"`           // of the workload
	Started   time.Time        `json:"started,omitzero"` // of the present process
	Since     time.Time        `json:"since,omitzero"`   // when Ready last became true
	Message   string           `json:"message,omitempty"`
	Log       string           `json:"log,omitempty"` // path of the file with what it printed
}

// same tells whether there is nothing in b that somebody who read a would call a change.
func (a PodStatus) same(b PodStatus) bool {
	return a.Phase == b.Phase && a.Ready == b.Ready && a.PID == b.PID && a.Message == b.Message && a.IP == b.IP &&
		a.Restarts == b.Restarts && slices.Equal(a.Ports, b.Ports)
}

// Pods returns how the pods stand, by namespace and name.
func (r *Runner) Pods() []PodStatus {
	var out []PodStatus
	for _, p := range r.members() {
		s, _ := p.look()
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b PodStatus) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name))
	})
	return out
}

// PodAt returns the pod that is reached at an address.
func (r *Runner) PodAt(at netip.AddrPort) (PodStatus, bool) {
	for _, p := range r.Pods() {
		for _, port := range p.Ports {
			if port.Addr == at {
				return p, true
			}
		}
		if !r.cfg.Single && !p.Attached && p.IP == at.Addr() {
			return p, true
		}
	}
	return PodStatus{}, false
}

// Diagnostics returns what is wrong with pods now, in the total order of diagnostics.
func (r *Runner) Diagnostics() []model.Diagnostic {
	var out []model.Diagnostic
	for _, p := range r.members() {
		_, ds := p.look()
		out = append(out, ds...)
	}
	out = append(out, r.unmet()...)
	slices.SortFunc(out, model.CompareDiagnostics)
	return slices.CompactFunc(out, func(a, b model.Diagnostic) bool { return model.CompareDiagnostics(a, b) == 0 })
}
