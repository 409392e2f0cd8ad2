package httpproxy

import (
	"context"
	"io"
	"time"

	"paifang/internal/filter"
)

var _ filter.Waiter = (*work)(nil)

// Wait lets a filter wait. The sweeper ends that for a client that has closed, a stream for one that was reset, and a drain
// that is over for everybody; the time is the context's own, as a filter may know better than the sweeper's tick.
func (w *work) Wait(limit time.Duration, f func(ctx context.Context)) bool {
	c := w.c
	left := time.Duration(max(w.expiry()-c.plane.clock.Load(), 0)) * time.Millisecond
	ctx, cancel := context.WithTimeout(c.plane.ctx, min(limit, left))
	defer cancel()
	c.mu.Lock()
	c.release = cancel
	c.mu.Unlock()
	if c.cut.Load() || c.left.Load() { // before there was anything to end
		cancel()
	}
	c.watch.enter(waiting, never)
	f(ctx)
	c.watch.leave()
	c.mu.Lock() // whoever interrupts is done, and nobody begins to
	c.release = nil
	c.mu.Unlock()
	switch {
	case c.cut.Load(), c.plane.ctx.Err() != nil:
		w.keep = false
		w.x.Respond(503, CodeShutdown, sentence(503))
		return false
	case c.left.Load():
		w.clientFailed(io.EOF)
		return false
	case left <= limit && ctx.Err() != nil:
		w.x.Respond(504, CodeExchangeTimeout, sentence(504))
		return false
	}
	return true
}
