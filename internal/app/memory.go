package app

import (
	"context"
	"runtime/debug"
	"time"
)

// giveBackPause is how often giveBack looks whether the process is ready, and settlePause how long it lets what follows the
// first listing settle: planes that bind, checks that begin, pools that are emptied by the second collection only.
const (
	giveBackPause = 500 * time.Millisecond
	settlePause   = 4 * time.Second
)

// giveBack returns to the system, once the process is ready and once it has settled, what reading everything for the first
// time took: several times what is kept. Left to itself the runtime would hold on to most of it, for a heap that is never
// needed again.
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
			break
		}
	}
	debug.FreeOSMemory()
	settled := time.NewTimer(settlePause)
	defer settled.Stop()
	select {
	case <-ctx.Done():
	case <-settled.C:
		debug.FreeOSMemory()
		giveBackProgram()
	}
	return nil
}
