package httpproxy

import "sync/atomic"

// phase is what a goroutine waits for.
type phase uint8

const (
	busy        phase = iota // nothing: it works
	idling                   // the first byte of a request
	readingHead              // the rest of a request head
	readingBody              // a part of a request body
	answering                // the client takes a part of the answer
	lingering                // the client closes after an answer it did not wait for
	waiting                  // what a filter waits for
	sending                  // the upstream takes a part of the request
	awaiting                 // the head of the answer
	relaying                 // a part of the answer's body
	splicing                 // a part of the answer's body, on its way through the kernel
	tunnelling               // a part of an upgraded connection, either way
	parked                   // the first byte of a request, and has no goroutine
)

// never is a deadline that does not come.
const never = 1<<55 - 1

// overtime marks a watch whose goroutine has been interrupted.
const overtime = ^uint64(0)

// watch says for what a goroutine waits and until when, in milliseconds of the plane's clock. Only its goroutine enters
// and leaves; others may only interrupt.
type watch struct{ state atomic.Uint64 }

// enter begins a wait.
func (w *watch) enter(p phase, deadline int64) { w.state.Store(uint64(deadline)<<8 | uint64(p)) }

// leave ends a wait and tells whether it was interrupted. If so, the one who interrupts may not have done so yet: lock
// its mutex before clearing deadlines.
func (w *watch) leave() bool { return w.state.Swap(0) == overtime }

// phase returns what the goroutine waits for.
func (w *watch) phase() phase {
	if s := w.state.Load(); s != overtime {
		return phase(s & 0xff)
	}
	return busy
}

// late marks the watch if it waits longer than it should and returns for what.
func (w *watch) late(now int64) (phase, bool) {
	s := w.state.Load()
	if s == 0 || s == overtime || int64(s>>8) > now {
		return busy, false
	}
	return phase(s & 0xff), w.state.CompareAndSwap(s, overtime)
}

// interrupt marks the watch if it is in this phase.
func (w *watch) interrupt(p phase) bool {
	s := w.state.Load()
	return s != overtime && phase(s&0xff) == p && w.state.CompareAndSwap(s, overtime)
}

// due marks the watch if it is in this phase, and its deadline is not after another one.
func (w *watch) due(p phase, deadline int64) bool {
	_, due := w.claim(p, deadline)
	return due
}

// claim is due, and returns the deadline.
func (w *watch) claim(p phase, until int64) (deadline int64, _ bool) {
	s := w.state.Load()
	deadline = int64(s >> 8)
	return deadline, s != overtime && phase(s&0xff) == p && deadline <= until && w.state.CompareAndSwap(s, overtime)
}

// extend gives a wait that is still in this phase another deadline.
func (w *watch) extend(p phase, deadline int64) {
	for {
		s := w.state.Load()
		if s == overtime || phase(s&0xff) != p || w.state.CompareAndSwap(s, uint64(deadline)<<8|uint64(p)) {
			return
		}
	}
}

// extendOrEnter begins a wait, or gives it another deadline if it has begun: several goroutines may share one.
func (w *watch) extendOrEnter(p phase, deadline int64) {
	for {
		s := w.state.Load()
		if s == overtime || w.state.CompareAndSwap(s, uint64(deadline)<<8|uint64(p)) {
			return
		}
	}
}
