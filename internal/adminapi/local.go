package adminapi

import (
	"context"
	"fmt"
	"os"
	"time"

	"paifang/internal/explain"
	"paifang/internal/filter"
	"paifang/internal/hub"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/upstream"
)

// Generations is where the published snapshot is; snapshot.Store is one.
type Generations interface {
	Load() *snapshot.Snapshot
	Planes() []snapshot.PlaneState
}

// Control is how the sources stand and whether the process is ready; hub.Hub is one.
type Control interface {
	Sources() []hub.SourceStatus
	Ready() bool
}

// Addresses is what is known of endpoints; explain.Live is one.
type Addresses interface {
	explain.Upstreams
	explain.Lists
	Lists() []explain.List
}

// ListenerStates tells how the sockets stand.
type ListenerStates interface {
	ListenerState(id model.ListenerID) (ListenerState, bool)
}

// ServiceLister lists what a registry in this process holds, used or not.
type ServiceLister interface {
	Services() []Service
}

// Finder tells what was found wrong while running: listeners that could not be bound, pods that do not start. What is wrong with
// a source that runs has the kind source and its name as origin: the source shows it.
type Finder interface {
	Diagnostics() []model.Diagnostic
}

// Local reads this process. Generations is needed; what else is nil is not there.
type Local struct {
	Name, Version string
	Started       time.Time
	Dir, StateDir string // see Info
	Generations   Generations
	Control       Control
	// Addresses returns what is known of endpoints beside a snapshot. Nil: nothing runs, rules alone are told.
	Addresses func(*snapshot.Snapshot) Addresses
	Pods      explain.Pods
	Listeners ListenerStates
	Registry  ServiceLister
	Carrier   Carrier
	Finders   []Finder
	Actions   Actions
	Traces    explain.Traces
	Filters   filter.Catalog // for explain
}

var (
	_ Reader    = (*Local)(nil)
	_ Explainer = (*Local)(nil)
	_ Health    = (*Local)(nil)
)

// Live returns the Addresses of a table. keeping may be nil.
func Live(table *upstream.Table, sources explain.Sources, keeping explain.Keeping) func(*snapshot.Snapshot) Addresses {
	return func(s *snapshot.Snapshot) Addresses {
		return explain.Live{Table: table, Snapshot: s, Sources: sources, Keeping: keeping}
	}
}

// Read implements Reader. All kinds are of one generation.
func (l *Local) Read(_ context.Context, kinds ...Kind) (View, error) {
	g := &gatherer{local: l, snap: l.Generations.Load(), states: map[model.UpstreamID]explain.Upstream{}}
	if l.Addresses != nil {
		g.addresses = l.Addresses(g.snap)
	}
	for _, k := range kinds {
		g.read(k)
	}
	return g.view, nil
}

// World is this process as explain takes it.
func (l *Local) World() explain.World {
	w := explain.World{Snapshot: l.Generations.Load(), Pods: l.Pods, Filters: l.Filters, Now: time.Now(), Dir: l.Dir}
	if l.Addresses != nil {
		a := l.Addresses(w.Snapshot)
		w.Upstreams, w.Lists = a, a
	}
	return w
}

// Explain implements Explainer.
func (l *Local) Explain(ctx context.Context, q explain.Request, send bool) (explain.Result, error) {
	if send {
		return explain.Send(ctx, l.World, l.Traces, q)
	}
	return explain.Explain(l.World(), q)
}

// Ready implements Health: every required source was heard, and every plane serves.
func (l *Local) Ready() (bool, []string) {
	if l.Control == nil {
		return true, nil
	}
	if l.Control.Ready() {
		return true, nil
	}
	var why []string
	for _, s := range l.Control.Sources() {
		if !s.Required || s.Synced {
			continue
		}
		text := "source " + s.Name + " has not delivered its first full set"
		if s.Error != "" {
			text += ": " + s.Error
		}
		why = append(why, text)
	}
	for _, p := range l.Generations.Planes() {
		if p.Err != "" {
			why = append(why, fmt.Sprintf("plane %s does not serve the newest generation: %s", p.Name, p.Err))
		}
	}
	if len(why) == 0 {
		why = append(why, "the first generation is not bound yet, or the process is shutting down")
	}
	return false, why
}

func (l *Local) info() Info {
	ready, why := l.Ready()
	out := Info{Name: l.Name, PID: os.Getpid(), Version: l.Version, Started: l.Started, Ready: ready, Why: why,
		Snapshot: l.Generations.Load().Version(), Dir: l.Dir, State: l.StateDir}
	for _, p := range l.Generations.Planes() {
		out.Planes = append(out.Planes, PlaneStatus{p.Name, p.Version, p.Err})
	}
	if l.Actions != nil {
		out.Pieces = l.Actions.Pieces()
	}
	return out
}
