package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"paifang/internal/adminapi"
	"paifang/internal/explain"
	"paifang/internal/model"
	"paifang/internal/podrun"
)

// Pieces lists what Act can stop and start: the roles of this process and the pods.
func (a *App) Pieces() []string {
	var out []string
	for _, p := range a.static.pieces {
		if !p.elsewhere {
			out = append(out, p.name)
		}
	}
	if a.reg != nil {
		out = append(out, "registry")
	}
	if a.opt.Processes != nil {
		out = append(out, a.opt.Processes.Pieces()...)
	}
	if a.pods != nil {
		for _, p := range a.pods.Pods() {
			out = append(out, p.Name)
		}
	}
	return out
}

// errOwnProcess is returned for signals that only a process of its own can take.
var errOwnProcess = errors.New("it is a part of this process, which KILL and STOP would hit as a whole: leave the signal out, or run `paifang up --split`")

// Act stops or starts a piece.
func (a *App) Act(ctx context.Context, name string, verb adminapi.Verb, signal adminapi.Signal) error {
	known := func(n string) bool { return n == name }
	isPiece := name == "registry" && a.reg != nil
	for _, p := range a.static.pieces {
		isPiece = isPiece || p.name == name && !p.elsewhere
	}
	if isPiece && (signal == adminapi.KILL || signal == adminapi.STOP) {
		return fmt.Errorf("%s %s with signal %s: %w", verb, name, signal, errOwnProcess)
	}
	switch {
	case a.opt.Processes != nil && slices.ContainsFunc(a.opt.Processes.Pieces(), known):
		if err := a.opt.Processes.Act(ctx, name, verb, signal); err != nil {
			return err
		}
		a.acted(name, verb, signal)
		return nil
	case name == "registry" && a.reg != nil:
		return a.actRegistry(ctx, verb)
	case isPiece:
		return a.actStatic(ctx, name, verb)
	case a.pods != nil && slices.ContainsFunc(a.Pieces(), known):
		if verb == adminapi.Start {
			return a.pods.Start(ctx, name)
		}
		return a.pods.Stop(ctx, name, podrun.Signal(signal))
	default:
		return fmt.Errorf("there is no piece %q", name)
	}
}

// acted notes what was done to a piece that is a process of its own: its listeners count as stopped here too, so that a request
// is explained as it would go.
func (a *App) acted(name string, verb adminapi.Verb, signal adminapi.Signal) {
	switch {
	case verb == adminapi.Start:
		a.static.set(name, false)
		a.events.say("%s started", name)
	case signal == adminapi.STOP:
		a.events.say("%s frozen", name)
	default:
		a.static.set(name, true)
		a.events.say("%s stopped", name)
	}
}

// PieceEnded is told of a piece that was a process of its own and ended without being asked; what else there is to say is
// added to what changed.
func (a *App) PieceEnded(name, more string) {
	a.static.set(name, true)
	a.events.say("%s ended: %s", name, more)
}

func (a *App) actRegistry(ctx context.Context, verb adminapi.Verb) error {
	if verb == adminapi.Start {
		if err := a.reg.start(); err != nil {
			return err
		}
		if a.reg.keeps() {
			a.events.say("registry started")
		} else {
			a.events.say("registry started, empty")
		}
		return nil
	}
	if !a.reg.stop(ctx) {
		return errors.New("the registry is stopped already")
	}
	a.events.say("registry stopped: what was known of its services stays")
	return nil
}

func (a *App) actStatic(ctx context.Context, name string, verb adminapi.Verb) error {
	stop := verb == adminapi.Stop
	if !a.static.set(name, stop) {
		return fmt.Errorf("%s is %s already", name, map[bool]string{true: "stopped", false: "running"}[stop])
	}
	if name == "gateway" {
		a.gateway.hold(ctx, stop)
	}
	if err := a.settled(ctx, name, stop); err != nil {
		return err
	}
	a.events.say("%s %s", name, map[bool]string{true: "stopped", false: "started"}[stop])
	return nil
}

// settled waits until the listeners of a piece are gone from, or back in, the snapshot that is served, and those that
// are gone have closed.
func (a *App) settled(ctx context.Context, name string, stop bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if a.pieceIs(name, stop) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has not settled: %w", name, ctx.Err())
		}
	}
}

func (a *App) pieceIs(name string, stopped bool) bool {
	i := slices.IndexFunc(a.static.pieces, func(p piece) bool { return p.name == name })
	snap := a.store.Load()
	for _, l := range a.static.pieces[i].objects.Listeners {
		if _, there := snap.Listener(l.ID); there == stopped {
			return false
		}
		st, known := a.ListenerState(l.ID)
		if stopped && known || !stopped && (!known || !st.Bound && st.Error == "") {
			return false
		}
	}
	return true
}

// ListenerState tells how the sockets of a listener stand, whichever plane has it.
func (a *App) ListenerState(id model.ListenerID) (adminapi.ListenerState, bool) {
	for _, l := range a.http.Listeners() {
		if l.ID == id {
			st := adminapi.ListenerState{Bound: len(l.Bound) > 0 && len(l.Failed) == 0, Open: l.Open, Draining: l.Draining}
			for _, f := range l.Failed {
				st.Error = fmt.Sprintf("%s: %v", f.Addr, f.Err)
			}
			return st, true
		}
	}
	for _, l := range a.l4.Status() {
		if l.Listener == id {
			return adminapi.ListenerState{Bound: true, Open: l.Open}, true
		}
	}
	if l, ok := a.store.Load().Listener(id); ok && l.Protocol == model.DNS && !l.Elsewhere {
		for _, d := range a.dns.Diagnostics() {
			if d.Origin.Name == l.Origin.Name {
				return adminapi.ListenerState{Error: d.Message}, true
			}
		}
		return adminapi.ListenerState{Bound: true}, true
	}
	return adminapi.ListenerState{}, false
}

// bindPause is the pause before addresses that could not be bound are tried again.
const bindPause = 2 * time.Second

// bindAgain tries addresses that could not be bound again, for as long as there are any: somebody else may have let go.
func (a *App) bindAgain(ctx context.Context) error {
	tick := time.NewTicker(bindPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		failed := len(a.dns.Diagnostics())
		for _, d := range append(a.l4.Diagnostics(), httpFinder{a.http}.Diagnostics()...) {
			if d.Code == model.CodeListenerFailed {
				failed++
			}
		}
		if failed > 0 {
			a.static.again()
		}
	}
}

// podRows shows pods as explain and the console know them.
type podRows struct{ runner *podrun.Runner }

// Pods implements explain.Pods.
func (p podRows) Pods() []explain.Pod {
	var out []explain.Pod
	for _, s := range p.runner.Pods() {
		row := explain.Pod{Workload: s.Workload, Namespace: s.Namespace, Name: s.Name, Node: s.Node, Addr: s.IP, PID: s.PID, Attached: s.Attached,
			Phase: string(s.Phase), Ready: s.Ready, Restarts: s.Restarts, Reason: s.Message, Origin: s.Origin, Since: s.Started}
		for _, port := range s.Ports {
			row.Reached = append(row.Reached, port.Addr)
		}
		out = append(out, row)
	}
	return out
}
