package podrun

import (
	"context"
	"slices"
	"time"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

var _ snapshot.Plane = (*Runner)(nil)

// Name is "podrun".
func (r *Runner) Name() string { return "podrun" }

// aheadFor bounds how long a generation waits for addresses.
const aheadFor = time.Second

// Prepare reads the workloads of a generation. Nothing in it can fail: what keeps a pod from running is that pod's
// diagnostic. Where a Service comes whose pods run already, they are in its list when Prepare returns: rules that lead there would else be in
// force for a moment in which the list is known to be empty, and every request be refused.
func (r *Runner) Prepare(ctx context.Context, next *snapshot.Snapshot) (snapshot.Change, error) {
	c := &change{r: r, workloads: slices.Collect(next.Workloads())}
	if !r.goAhead(c.workloads) {
		return c, nil
	}
	late := time.NewTimer(aheadFor)
	defer late.Stop()
	select {
	case <-r.announce():
	case <-late.C:
	case <-r.closing:
	case <-ctx.Done():
	}
	return c, nil
}

// goAhead takes the workloads of a generation that is being prepared, and tells whether any that is there already serves more lists in it.
func (r *Runner) goAhead(next []model.Workload) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	serves := make(map[model.WorkloadID][]model.Serves, len(r.wanted))
	for _, w := range r.wanted {
		serves[w.ID] = w.Serves
	}
	joins := slices.ContainsFunc(next, func(w model.Workload) bool {
		before, there := serves[w.ID]
		return there && len(more(before, w.Serves)) > 0
	})
	if joins {
		r.ahead = next
	}
	return joins
}

type change struct {
	r         *Runner
	workloads []model.Workload
}

// Commit hands the workloads to the owner.
func (c *change) Commit() {
	c.r.mu.Lock()
	c.r.wanted, c.r.ahead, c.r.committed = c.workloads, nil, true
	c.r.mu.Unlock()
	c.r.poke()
}

// Retire has nothing to wait for: a rollout takes its own time, and the owner sees it through.
func (c *change) Retire(context.Context) {}

// Abort takes pods out of lists that they do not serve yet.
func (c *change) Abort() {
	c.r.mu.Lock()
	c.r.ahead = nil
	c.r.mu.Unlock()
	c.r.poke()
}
