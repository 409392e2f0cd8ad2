package podrun

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// order is something that somebody wants of a pod by hand.
type order struct {
	signal Signal
	hold   bool // and do not start it again
	start  bool // start it again, or continue it
	reply  chan error
}

func (o order) answer(err error) { o.reply <- err }

// ErrNoPod is returned for a pod that does not exist.
var ErrNoPod = errors.New("no such pod")

// Stop ends a pod's process and keeps it from being started again until Start: with TERM, which an empty signal is, it
// drains and has its grace period; with KILL it ends at once. STOP freezes the process as it is, and CONT lets a
// frozen one go on. A pod is called by its name, by namespace/name where two have that name, or with "pod/" before
// either. Stop returns when the process has ended, or when ctx ends.
func (r *Runner) Stop(ctx context.Context, pod string, signal Signal) error {
	if signal == "" {
		signal = TERM
	}
	return r.order(ctx, "stop", pod, order{signal: signal, hold: signal != CONT})
}

// Start starts a pod that was stopped by hand, lets a frozen one go on, and starts one at once that waits to be restarted.
func (r *Runner) Start(ctx context.Context, pod string) error {
	return r.order(ctx, "start", pod, order{start: true})
}

// Kill sends a signal, KILL if it is empty, and leaves the pod to its restart policy.
func (r *Runner) Kill(ctx context.Context, pod string, signal Signal) error {
	if signal == "" {
		signal = KILL
	}
	return r.order(ctx, "kill", pod, order{signal: signal})
}

func (r *Runner) order(ctx context.Context, verb, name string, o order) error {
	if o.signal != "" && !o.signal.known() {
		return fmt.Errorf("podrun: %s %s: signal %q is none of TERM, KILL, STOP, CONT", verb, name, o.signal)
	}
	p, err := r.find(name)
	if err != nil {
		return fmt.Errorf("podrun: %s: %w", verb, err)
	}
	o.reply = make(chan error, 1)
	select {
	case p.orders <- o:
	case <-p.over:
		return fmt.Errorf("podrun: %s %s: the pod has just ended", verb, name)
	case <-ctx.Done():
		return fmt.Errorf("podrun: %s %s: %w", verb, name, ctx.Err())
	}
	select {
	case err = <-o.reply:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("podrun: %s %s: %w", verb, name, err)
	}
	return nil
}

func (r *Runner) find(name string) (*pod, error) {
	bare := strings.TrimPrefix(name, "pod/")
	var found []*pod
	var names []string
	for _, p := range r.members() {
		if p.gone() {
			continue
		}
		names = append(names, p.name)
		if p.name == bare || p.spec.Namespace+"/"+p.name == bare {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if len(names) == 0 {
			return nil, fmt.Errorf("%s: %w: there are none at all", name, ErrNoPod)
		}
		return nil, fmt.Errorf("%s: %w: there are %s", name, ErrNoPod, strings.Join(names, ", "))
	default:
		return nil, fmt.Errorf("%s: several pods have this name: write %s/%s", name, found[0].spec.Namespace, bare)
	}
}

func (p *pod) noProcess() error {
	s, _ := p.look()
	return fmt.Errorf("it has no process now: it is %s", s.Phase)
}
