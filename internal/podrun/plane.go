package podrun

import (
	"context"
	"slices"

	"paifang/internal/model"
	"paifang/internal/snapshot"
)

var _ snapshot.Plane = (*Runner)(nil)

// Name is "podrun".
func (r *Runner) Name() string { return "podrun" }

// Prepare reads the workloads of a generation. Nothing in it can fail: what keeps a pod from running is that pod's
// diagnostic.
func (r *Runner) Prepare(_ context.Context, next *snapshot.Snapshot) (snapshot.Change, error) {
	return &change{r: r, workloads: slices.Collect(next.Workloads())}, nil
}

type change struct {
	r         *Runner
	workloads []model.Workload
}

// Commit hands the workloads to the owner.
func (c *change) Commit() {
	c.r.mu.Lock()
	c.r.wanted, c.r.committed = c.workloads, true
	c.r.mu.Unlock()
	c.r.poke()
}

// Retire has nothing to wait for: a rollout takes its own time, and the owner sees it through.
func (c *change) Retire(context.Context) {}

// Abort has nothing to give back.
func (c *change) Abort() {}
