package filter

import (
	"context"
	"time"
)

// Waiter lets the goroutine of a request wait for something that is neither its client nor its upstream.
type Waiter interface {
	// Wait calls f, as Exchange.Wait has it. Where the request is over it fills the response, as far as there is anybody to
	// answer, and returns false.
	Wait(limit time.Duration, f func(ctx context.Context)) bool
}

// Wait calls f, which may block as long as ctx lasts: limit at most, which must be above 0, and not longer than the request as a
// whole may take, than its client stays, and than a process that ends gives to what is in flight. f runs in the caller's
// goroutine and must not touch the exchange after it has returned.
//
// Wait returns whether the request goes on. Where it does not, the filter returns Respond at once: the response is filled. That
// ctx ended by its limit alone is for the filter to answer.
//
// A request that waits costs a context and a timer: filters look first whether they know the answer.
func (x *Exchange) Wait(limit time.Duration, f func(ctx context.Context)) bool {
	if x.Waiter == nil {
		x.Respond(500, CodeNoWaiting, "")
		return false
	}
	return x.Waiter.Wait(limit, f)
}
