package httpproxy

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"paifang/internal/model"
	"paifang/internal/upstream"
)

// What a retry policy leaves open.
const (
	defaultFurther = 2
	defaultBase    = 25 * time.Millisecond
	defaultMost    = 250 * time.Millisecond
	defaultFactor  = 2
	defaultPercent = 20
	defaultLeast   = 3
)

// Codes of requests that were tried, or not tried, again.
const (
	CodeExchangeTimeout model.Code = "exchange-timeout" // 504: the whole took longer than it may
	CodeTryTimeout      model.Code = "try-timeout"      // 504: the last try took longer than one may
	CodeKeptClosed      model.Code = "kept-closed"      // 502: the endpoint closed a kept connection while a request was on its way that may not be sent twice
)

// codeStatus is why a request is tried again whose answer had a status that the route does not take for an end.
const codeStatus model.Code = "status"

// pauseStep is how often a pause looks whether the client is still there.
const pauseStep = 20 * time.Millisecond

// furtherOf is how many further tries a route allows.
func furtherOf(r *model.Retry) int {
	if r.Attempts == 0 {
		return defaultFurther
	}
	return min(max(r.Attempts, 0), model.MostAttempts)
}

// beginTry sets the end of the next try.
func (w *work) beginTry() {
	w.tryEnd = never
	if t := w.route.forward.Retry.PerTry; t > 0 {
		w.tryEnd = w.c.plane.in(t)
	}
}

// until is the end of a wait whose length a route may set. Negative = it does not end.
func (p *Plane) until(own, otherwise time.Duration) int64 {
	if own == 0 {
		own = otherwise
	}
	if own < 0 {
		return never
	}
	return p.in(own)
}

// expiry is when the whole of a request is over time. For each byte of its body that has arrived it has a millisecond more: a
// body that keeps coming is not cut, one that drips is.
func (w *work) expiry() int64 { return min(w.expires+w.size, never) }

// by is the end of a wait for the upstream, which ends with the try and the whole as well.
func (w *work) by(d time.Duration) int64 { return min(w.c.plane.in(d), w.tryEnd, w.expiry()) }

// lateCode says which time was over when a wait was ended.
func (w *work) lateCode() model.Code {
	switch now := w.c.plane.clock.Load(); {
	case now >= w.expiry():
		return CodeExchangeTimeout
	case now >= w.tryEnd:
		return CodeTryTimeout
	}
	return CodeUpstreamTimeout
}

// dial connects within what is left of the try, or takes a stream of a connection. A connect that is given up because of
// that says nothing about the endpoint.
func (w *work) dial(e *upstream.Endpoint, fresh bool) (*upstream.Conn, error) {
	o := w.dialOptions()
	o.Fresh = fresh
	ctx := w.c.plane.ctx
	if end := min(w.tryEnd, w.expiry()); end < w.c.plane.in(o.Timeout) {
		left := time.Duration(max(end-w.c.plane.clock.Load(), 0)) * time.Millisecond
		// Not a deadline: the system's own timer could end the connect first, as if it were the endpoint that is late.
		within, cancel := context.WithCancel(ctx)
		defer cancel()
		defer time.AfterFunc(left, cancel).Stop()
		ctx = within
	}
	if w.shared {
		return e.Open(ctx, o)
	}
	return e.DialApart(ctx, o)
}

// count notes that the request is tried again, and tells whether it may be. unseen: no endpoint can have seen it.
func (w *work) count(unseen bool) error {
	b := w.route.forward.Retry.Budget
	setDefault(&b.Percent, defaultPercent)
	setDefault(&b.Least, defaultLeast)
	r := upstream.Retries{Percent: b.Percent, Least: b.Least, Unseen: unseen}
	if w.counted {
		return w.handle.Affords(r)
	}
	err := w.handle.Again(r)
	w.counted = err == nil
	return err
}

// again tells whether an answer with this status is thrown away for another try, and chooses the endpoint for that.
func (w *work) again(status int) bool {
	if r := &w.route.forward.Retry; w.replaced.status != 0 || status < 300 || !r.Again(status) {
		return false
	}
	w.why = codeStatus
	return w.another()
}

// repeats tells whether a try that failed is repeated, ends its pick and chooses the next endpoint.
func (w *work) repeats(e *upstream.Endpoint, err error, broke bool, sent int) bool {
	r := &w.route.forward.Retry
	switch {
	case w.tries > w.route.further, w.replaced.status != 0, w.c.left.Load(), w.c.cut.Load(), w.stream != nil:
		return false
	case broke && r.Allows(model.RetryReset):
		w.why = CodeUpstreamReset
	case errors.Is(err, errLate) && r.Allows(model.RetryTimeout):
		if w.why = w.lateCode(); w.why == CodeExchangeTimeout {
			return false
		}
	case brokenHead(err) && r.Allows(model.RetryInvalid):
		w.why = CodeUpstreamProtocol
	default:
		return false
	}
	if !w.another() {
		return false
	}
	e.Count(int64(sent), 0)
	e.Done(upstream.Failed)
	return true
}

// another chooses the endpoint for another try of a request that may have been seen, if there may be one.
func (w *work) another() bool {
	r := &w.route.forward.Retry
	switch {
	case !w.held, !r.NonIdempotent && !isIdempotent(w.x.Request.Method), !r.Takes(w.x.Request.Method):
		return false
	case w.c.plane.clock.Load() >= w.expiry():
		return false
	}
	w.paused = w.nextPause()
	if w.c.plane.clock.Load()+w.paused.Milliseconds() >= w.tryBy || w.count(false) != nil {
		return false
	}
	e, err := w.untried()
	if err != nil {
		return false
	}
	w.next = e
	return true
}

// untried picks an endpoint that was not tried yet; where there is none, or too many were, one of another round.
func (w *work) untried() (*upstream.Endpoint, error) {
	if w.passed < len(w.tried) {
		w.hint.Tried = w.tried[:w.passed]
		if e, err := w.handle.Pick(w.hint); err != upstream.ErrAllTried {
			return e, err
		}
	}
	return w.startOver()
}

// startOver begins another round through the endpoints: if possible not with the last one.
func (w *work) startOver() (*upstream.Endpoint, error) {
	w.hint.Tried = w.tried[w.passed-1 : w.passed]
	e, err := w.handle.Pick(w.hint)
	if err == upstream.ErrAllTried {
		w.hint.Tried = nil
		e, err = w.handle.Pick(w.hint)
	}
	clear(w.tried[:w.passed])
	w.hint.Tried, w.passed = nil, 0
	return e, err
}

// discard throws an answer away. Its connection is kept if all of it has arrived.
func (w *work) discard(e *upstream.Endpoint, up *upstream.Conn, sent int) {
	r := &w.x.Response
	up.Requests++
	w.response.Reset(r.Body, r.ContentLength, &r.Fields)
	rest, reusable := w.rest, r.KeepAlive && up.H2 == nil && !w.doubtful()
	if !w.stopUpload() {
		reusable = false
	}
	for reusable && !w.response.Done() && len(rest) > 0 {
		_, n, err := w.response.Next(rest)
		rest = rest[n:]
		reusable = err == nil
	}
	w.rest = nil
	w.c.up.Store(nil)
	e.Count(int64(sent), int64(w.answerBytes))
	if reusable && w.response.Done() && len(rest) == 0 {
		e.Put(up)
	} else {
		up.Close()
	}
	e.Done(upstream.ResultOf(r.Status))
}

// nextPause is how long to wait before the next try.
func (w *work) nextPause() time.Duration {
	b := w.route.forward.Retry.Backoff
	setDefault(&b.Base, defaultBase)
	setDefault(&b.Most, defaultMost)
	setDefault(&b.Factor, defaultFactor)
	if b.Base < 0 {
		return 0
	}
	whole, factor := b.Base, time.Duration(b.Factor)
	if b.FromLast && w.tries > 1 {
		whole = max(w.paused*factor, b.Base)
	} else {
		for times := w.tries - 1; times > 0 && whole < b.Most; times-- {
			whole *= factor
		}
	}
	whole = min(whole, b.Most)
	switch {
	case b.Spread == 0:
		return rand.N(whole) + 1
	case b.Spread < 0:
		return whole
	}
	either := whole * time.Duration(b.Spread) / 100
	low, high := max(whole-either, min(b.Base, whole)), min(whole+either, b.Most)
	return low + rand.N(high-low+1)
}

// pause waits before the next try. It is false where the request is over meanwhile: it is answered then, as far as anybody is
// there, and the endpoint that was chosen is given back.
func (w *work) pause() bool {
	if w.paused == 0 {
		return true
	}
	wait := w.paused
	if end := w.expiry(); end < never { // the request is over then, and is answered
		wait = min(wait, time.Duration(max(end-w.c.plane.clock.Load(), 0))*time.Millisecond)
	}
	end := time.Now().Add(wait)
	step := time.NewTimer(0)
	defer step.Stop()
	for left := time.Until(end); left > 0; left = time.Until(end) {
		step.Reset(min(left, pauseStep))
		select {
		case <-step.C:
		case <-w.c.plane.ctx.Done():
		}
		cut := w.c.cut.Load() || w.c.plane.ctx.Err() != nil
		if cut || w.c.hasLeft() {
			w.next.Done(upstream.Abandoned)
			w.next = nil
			if cut {
				w.own(503, CodeShutdown)
			} else {
				w.clientFailed(io.EOF)
			}
			return false
		}
	}
	return true
}
