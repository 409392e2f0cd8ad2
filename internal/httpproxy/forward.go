package httpproxy

import (
	"errors"
	"time"

	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// defaultTries is how many further endpoints are tried where a route does not say.
const defaultTries = 2

// outcome is what became of one try.
type outcome uint8

const (
	settled  outcome = iota // the request has its answer, or cannot have one any more
	unsent                  // nothing reached the endpoint: another may be tried
	lostRace                // a kept connection died before a byte of the answer: the same endpoint, on a new connection
)

// forward sends the request to an endpoint of the route's upstream, to another if the first cannot be reached.
func (w *work) forward() {
	w.handle = w.route.choose()
	w.shared = w.handle.Shared()
	whole, ok := w.takeBody()
	if !ok {
		return
	}
	further := defaultTries
	if n := w.route.forward.Retry.Attempts; n != 0 {
		further = min(max(n, 0), maxTries-1)
	}
	var last model.Code // why the try before failed
	for w.tries <= further {
		e, err := w.handle.Pick(upstream.Hint{Tried: w.tried[:w.tries]})
		if err == upstream.ErrUnknown && w.tries == 0 {
			if err = w.handle.Wait(w.c.plane.ctx); err == nil {
				e, err = w.handle.Pick(upstream.Hint{})
			}
		}
		if err != nil {
			w.cannotPick(err, last)
			return
		}
		w.tried[w.tries] = e
		w.tries++
		w.x.Endpoint, w.pod = e.Addr, e.Name
		switch code := w.try(e, whole); code {
		case "":
			return
		case upstream.CodeConnectCancelled:
			w.own(503, CodeShutdown)
			return
		default:
			last = code
		}
	}
	w.own(statusOf(last), last)
}

// cannotPick answers when no endpoint is left: with why the last one failed, if one was tried.
func (w *work) cannotPick(err error, last model.Code) {
	if last != "" {
		w.own(statusOf(last), last)
		return
	}
	code := upstream.CodeAllUnhealthy
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		code = e.Code
	}
	w.own(503, code)
}

// statusOf is the status for an endpoint that could not be reached.
func statusOf(code model.Code) int {
	switch code {
	case upstream.CodeConnectTimeout:
		return 504
	case upstream.CodeConnectLocal:
		return 503
	}
	return 502
}

// try sends the request to one endpoint, on a kept connection or a new one. It returns "" when the request is settled,
// or why another endpoint may be tried.
func (w *work) try(e *upstream.Endpoint, whole bool) model.Code {
	w.setHost(e)
	idempotent := isIdempotent(w.x.Request.Method)
	if w.shared {
		return w.tryShared(e, whole, idempotent)
	}
	if e.Secure {
		e.Done(upstream.Abandoned)
		return CodeUpstreamTLS
	}
	for kept := e.Get(); kept != nil; kept = e.Get() {
		// A connection that is known to be dead is not tried. Nor is one on which something waits: that was sent before
		// anybody asked (a second answer, or the 408 of a server that is tired of waiting), and would be taken for the answer
		// to this request, which may be another client's.
		if kept.Stale() {
			kept.Close()
			continue
		}
		switch w.exchange(e, kept, whole, idempotent) {
		case settled:
			return ""
		case unsent, lostRace:
		}
		break
	}
	began := time.Now()
	fresh, err := e.Dial(w.c.plane.ctx, w.dialOptions())
	w.connect += time.Since(began)
	if err != nil {
		return notConnected(e, err)
	}
	if w.exchange(e, fresh, whole, idempotent) == settled {
		return ""
	}
	e.Done(upstream.Failed)
	return CodeUpstreamReset
}

// notConnected ends the pick of an endpoint without a connection, and returns why there is none.
func notConnected(e *upstream.Endpoint, err error) model.Code {
	code := upstream.CodeConnectFailed
	if u, ok := errors.AsType[*upstream.Error](err); ok {
		code = u.Code
	}
	if code == upstream.CodeConnectCancelled || code == upstream.CodeConnectLocal {
		e.Done(upstream.Abandoned)
	} else {
		e.Done(upstream.Failed)
	}
	return code
}

func (w *work) dialOptions() upstream.DialOptions {
	t := w.route.route.Timeouts.Connect
	if t <= 0 {
		t = w.c.plane.cfg.Timeouts.Connect
	}
	return upstream.DialOptions{Timeout: t, Client: w.c.peer, Server: w.c.local}
}

// setHost makes the Host field what the route says for this endpoint.
func (w *work) setHost(e *upstream.Endpoint) {
	r := &w.x.Request
	mode := w.route.forward.Host
	switch {
	case mode == model.HostLiteral:
		_ = r.SetAuthority(w.route.forward.HostName) // checked when the route was compiled; else the client's stays
	case mode == model.HostEndpoint || r.Authority == "":
		var b [64]byte
		_ = r.SetAuthority(r.Mem.Join(bytesView(e.Addr.AppendTo(b[:0]))))
	}
}

// isIdempotent tells the methods that may be sent twice (RFC 9110, 9.2.2).
func isIdempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// exchange sends the request on a connection and passes the answer on. It ends the endpoint's pick and the connection
// when it returns settled; otherwise it has closed the connection and nothing else.
func (w *work) exchange(e *upstream.Endpoint, up *upstream.Conn, whole, idempotent bool) outcome {
	c := w.c
	c.up.Store(up)
	if c.cut.Load() || c.left.Load() { // while it was connecting, when there was nothing to interrupt
		c.up.Store(nil)
		up.Close()
		e.Done(upstream.Abandoned)
		w.clientFailed(errLate)
		return settled
	}
	kept := up.Requests > 0
	n, err := w.sendRequest(up)
	if err == nil && !whole {
		if !w.goOn() {
			c.up.Store(nil)
			up.Close()
			e.Done(upstream.Abandoned)
			return settled
		}
		w.startUpload(up)
	}
	if err == nil {
		err = w.awaitAnswer(up)
	}
	if err == nil {
		w.deliver(e, up)
		return settled
	}
	w.stopUpload()
	c.up.Store(nil)
	if errors.Is(err, errLate) {
		up.Silent()
	}
	up.Close()
	var fault http1.Fault
	broke := closed(err) && !errors.As(err, &fault) && w.answerBytes == 0
	if broke && !c.left.Load() && !c.cut.Load() {
		if n == 0 || whole && http2.Unprocessed(err) {
			return unsent
		}
		if kept && whole && idempotent {
			return lostRace
		}
	}
	e.Count(int64(n), 0)
	w.failed(e, err)
	return settled
}

// failed answers for an endpoint that has not answered well.
func (w *work) failed(e *upstream.Endpoint, err error) {
	var fault http1.Fault
	s := w.stream
	switch {
	case w.c.cut.Load():
		e.Done(upstream.Abandoned)
		w.fail(CodeShutdown)
	case w.c.left.Load():
		e.Done(upstream.Abandoned)
		w.clientFailed(err)
	case s != nil && s.code != "":
		e.Done(upstream.Abandoned)
		if s.code == CodeClientLeft {
			w.clientFailed(s.err)
			return
		}
		w.own(s.status, s.code)
	case errors.As(err, &fault), brokeHTTP2(err):
		e.Done(upstream.Failed)
		w.own(502, CodeUpstreamProtocol)
	case errors.Is(err, errLate), s != nil && s.late:
		e.Done(upstream.Failed)
		w.own(504, CodeUpstreamTimeout)
	case errors.Is(err, errUnasked):
		e.Done(upstream.Failed)
		w.own(502, CodeUpgradeRefused)
	default:
		e.Done(upstream.Failed)
		w.own(502, CodeUpstreamReset)
	}
}
