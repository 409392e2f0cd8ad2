package explain

import (
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"paifang/internal/filter"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// World is what explain looks at: one generation of rules, and what is known of addresses at this moment. Upstreams,
// Lists and Pods may be nil: then nothing runs, and the lines say what the rules alone decide.
type World struct {
	Snapshot  *snapshot.Snapshot
	Upstreams Upstreams
	Lists     Lists
	Pods      Pods
	Filters   filter.Catalog // kinds that edit requests are run; none: what they do is not known
	Now       time.Time      // for ages
	Dir       string         // files below it are shown relative to it; empty = as they are
}

// Upstreams tells how the endpoints of an upstream stand. It takes no turn of a picker.
type Upstreams interface {
	// Upstream returns the state of an upstream as the given node sees it: where every node is a process of its own,
	// each has its own picker and its own observations. ok is false for an upstream that nothing serves.
	Upstream(id model.UpstreamID, node string) (state Upstream, ok bool)
}

// Upstream is an upstream at one moment.
type Upstream struct {
	Known     bool           `json:"known"` // at least one set of addresses was delivered, or its sources are synced
	Endpoints []Endpoint     `json:"endpoints"`
	Next      netip.AddrPort `json:"next,omitzero"`     // what the next request would get; zero = nothing can be picked, or Chance
	Balance   string         `json:"balance,omitempty"` // how one is chosen; empty = by turns, as their shares are
	Chance    bool           `json:"chance,omitempty"`  // chance, or what is in a request, decides among those with a share
}

// Endpoint is one address with what its sources say and what was observed here.
type Endpoint struct {
	Addr    netip.AddrPort      `json:"addr"`
	Name    string              `json:"name,omitempty"` // of the pod, instance or node
	Node    string              `json:"node,omitempty"` // the machine it is on
	Weight  int                 `json:"weight"`         // in thousandths; 1000 is the default, 0 means no new traffic
	Share   float64             `json:"share"`          // of the requests now, 0 to 1; 0 = it takes no turn
	State   model.EndpointState `json:"state"`          // what the sources say
	Healthy bool                `json:"healthy"`        // own observation: probes and connects
	Why     string              `json:"why,omitempty"`  // it is not healthy or not ready
	Open    int                 `json:"open"`           // connections or requests in flight
	Since   time.Time           `json:"since,omitzero"` // of its present state
}

// up tells whether the endpoint may be chosen and own observation has nothing against it.
func (e Endpoint) up() bool { return e.Healthy && e.Weight > 0 && e.State < model.Unhealthy }

// Ready tells whether the endpoint is one of those that are chosen first.
func (e Endpoint) Ready() bool { return e.Healthy && e.State == model.Ready }

// Lists tells how lists of addresses stand.
type Lists interface {
	List(id model.EndpointsID) (List, bool)
}

// List is this process's copy of a list at one moment.
type List struct {
	ID        model.EndpointsID `json:"id"`
	Origin    model.Origin      `json:"origin"`
	Known     bool              `json:"known"`
	Revision  uint64            `json:"revision,omitempty"` // of the keeper
	Heard     time.Time         `json:"heard,omitzero"`     // when its keeper was last heard to say it
	Failed    bool              `json:"failed,omitempty"`   // its source is red: this is the last good state
	Error     string            `json:"error,omitempty"`    // of the source, while Failed
	Endpoints []model.Endpoint  `json:"endpoints"`
}

// Pods lists what runs.
type Pods interface {
	Pods() []Pod
}

// Pod is a running, or waiting, pod of this machine.
type Pod struct {
	Workload  model.WorkloadID `json:"workload"`
	Namespace string           `json:"namespace"`
	Name      string           `json:"name"`
	Node      string           `json:"node"`
	Addr      netip.Addr       `json:"addr,omitzero"`
	Reached   []netip.AddrPort `json:"reached,omitempty"`  // where its ports are reached: on a shared address they tell pods apart
	PID       int              `json:"pid,omitempty"`      // of its process; 0 = none now, or attached
	Attached  bool             `json:"attached,omitempty"` // its process was started by somebody else
	Phase     string           `json:"phase"`              // Waiting, Running, BackOff, Stopped, Frozen, Terminating, …
	Ready     bool             `json:"ready"`
	Restarts  int              `json:"restarts"`
	Reason    string           `json:"reason,omitempty"` // it is not ready, or waits
	Origin    model.Origin     `json:"origin,omitzero"`
	Since     time.Time        `json:"since,omitzero"` // of its phase
}

// podAt returns the pod that an address belongs to. On machines where pods share one address the port tells them apart.
func (w *World) podAt(at netip.AddrPort) (Pod, bool) {
	if w.Pods == nil {
		return Pod{}, false
	}
	var found Pod
	n := 0
	for _, p := range w.Pods.Pods() {
		if slices.Contains(p.Reached, at) {
			return p, true
		}
		if p.Addr == at.Addr() {
			found, n = p, n+1
		}
	}
	return found, n == 1
}

// upstream is Upstreams.Upstream, and nothing where nothing runs.
func (w *World) upstream(id model.UpstreamID, node string) (Upstream, bool) {
	if w.Upstreams == nil {
		return Upstream{}, false
	}
	return w.Upstreams.Upstream(id, node)
}

func (w *World) list(id model.EndpointsID) (List, bool) {
	if w.Lists == nil {
		return List{}, false
	}
	return w.Lists.List(id)
}

// at is where an object stands, relative to the directory of the world, or its name where it is one of a live cluster.
func (w *World) at(o model.Origin) string {
	if o.File == "" && !o.Created.IsZero() {
		return o.Object()
	}
	o.File = Shown(w.Dir, o.File)
	return o.At()
}

// Shown is how a file is named to a person who watches a directory, or that file alone: relative to it where it lies
// below, whole where it does not.
func Shown(dir, file string) string {
	if dir == "" || file == "" {
		return file
	}
	rel, err := filepath.Rel(dir, file)
	switch {
	case err != nil || !filepath.IsLocal(rel):
		return file
	case rel == ".":
		return filepath.Base(file)
	}
	return filepath.ToSlash(rel)
}
