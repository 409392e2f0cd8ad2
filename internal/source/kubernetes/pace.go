package kubernetes

import (
	"context"
	"time"
)

// pace bounds how often something is done: so many at once, and then one after every pause. One goroutine owns it.
type pace struct {
	every time.Duration
	burst int
	free  time.Time // when everything that was done so far is paid for
}

// wait returns when the next one may be done, and false if ctx ends before.
func (p *pace) wait(ctx context.Context) bool {
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(p.every)
	early := p.free.Sub(now) - time.Duration(p.burst)*p.every
	return early <= 0 || sleep(ctx, early)
}

// sleep tells whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
