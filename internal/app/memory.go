package app

import (
	"context"
	"runtime/debug"
	"time"
)

// giveBackPause is how often giveBack looks whether the process is ready. One more pause lets what was read settle.
const giveBackPause = 500 * time.Millisecond

// giveBack returns to the system, once, what reading everything for the first time took: several times what is kept. Left
// to itself the runtime would hold on to most of it, for a heap that is never needed again.
func (a *App) giveBack(ctx context.Context) error {
	tick := time.NewTicker(giveBackPause)
	defer tick.Stop()
	for ready := false; ; ready = a.hub.Ready() {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if ready {
			debug.FreeOSMemory()
			return nil
		}
	}
}
