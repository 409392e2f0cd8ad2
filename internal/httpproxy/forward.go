package httpproxy

import (
	"errors"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
	"paifang/internal/upstream"
)

// codeKeptLost counts requests that a kept connection failed, and that are sent again on a new one.
const codeKeptLost model.Code = "kept-connection-lost"

// outcome is what became of one try.
type outcome uint8

const (
	settled  outcome = iota // the request has its answer, or cannot have one any more
	unsent                  // nothing reached the endpoint: another may be tried
	spoilt                  // a kept connection was known to be of no use: the same endpoint, on another one
	lostRace                // a kept connection died before a byte of the answer: the same endpoint, on a new connection
	again                   // the route says that what came of it is not the end, and the next endpoint is chosen
)

// codeAgain is what try returns for again.
const codeAgain model.Code = "again"

// forward sends the request to an endpoint of the route's upstream, and again, where that is safe or the route says so.
func (w *work) forward() {
	if w.route.forward.Target == model.TargetReceived {
		w.x.Request.SendAsReceived()
	}
	w.authority = w.x.Request.Authority
	to, ok := w.aimed()
	if !ok {
		return
	}
	w.lead(to)
	w.tryEnd, w.tryBy = never, never
	if d := w.route.forward.Retry.Within; d > 0 {
		w.tryBy = w.c.plane.in(d)
	}
	if w.shared = w.handle.Shared(); w.shared {
		w.unframeSpool()
	}
	w.tapped = w.x.Tapped()
	whole, ok := w.takeBody()
	if !ok {
		return
	}
	w.held = whole
	if whole {
		w.tapEnd()
	}
	w.aim()
	if err := w.handle.Enter(w.c.plane.ctx); err != nil {
		w.cannotPick(err, "")
		return
	}
	w.send(whole)
	w.handle.Leave()
	if w.counted {
		w.handle.Once()
	}
}

// send makes one try after the other until the request is settled.
func (w *work) send(whole bool) {
	var last model.Code // why the try before failed
	for {
		e, err := w.pick()
		if err != nil {
			w.cannotPick(err, last)
			return
		}
		if last != "" {
			w.retried(last)
		}
		w.tried[w.passed] = e
		w.passed++
		w.tries++
		w.x.Endpoint, w.pod = e.Addr, e.Name
		switch code := w.try(e, whole); code {
		case "":
			return
		case codeAgain:
			last = w.why
			if !w.pause() {
				return
			}
			continue
		case upstream.CodeConnectCancelled:
			w.own(503, CodeShutdown)
			return
		case CodeExchangeTimeout:
			w.own(504, code)
			return
		default:
			last = code
		}
		if w.tries > w.route.further || w.c.plane.clock.Load() >= w.tryBy {
			w.own(statusOf(last), last)
			return
		}
		if err := w.count(true); err != nil {
			w.cannotPick(err, "")
			return
		}
	}
}

// pick returns the endpoint of the next try.
func (w *work) pick() (*upstream.Endpoint, error) {
	if e := w.next; e != nil {
		w.next = nil
		return e, nil
	}
	if w.passed == len(w.tried) {
		return w.startOver()
	}
	w.hint.Tried = w.tried[:w.passed]
	e, err := w.handle.Pick(w.hint)
	if err == upstream.ErrUnknown && w.tries == 0 {
		if err = w.handle.Wait(w.c.plane.ctx); err == nil {
			e, err = w.handle.Pick(w.hint)
		}
	}
	if err != nil && w.yields(err) {
		e, err = w.handle.Pick(w.hint)
	}
	if err == upstream.ErrAllTried && w.route.forward.Retry.Allows(model.RetryConnect) {
		e, err = w.startOver()
	}
	return e, err
}

// cannotPick answers when no endpoint is left: with why the last one failed, if one was tried.
func (w *work) cannotPick(err error, last model.Code) {
	if last != "" {
		w.own(statusOf(last), last)
		return
	}
	if w.replacesNone(err) {
		return
	}
	code := upstream.CodeAllUnhealthy
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		code = e.Code
	}
	if w.judged(503, code) { // a failure, whatever the client is told
		return
	}
	status := 503
	if err == upstream.ErrNoEndpoints || err == upstream.ErrAllUnhealthy {
		status = w.handle.StatusWhenEmpty()
	}
	w.x.Respond(status, code, sentence(status))
	w.sendOwn()
}

// statusOf is the status for an endpoint that could not be reached.
func statusOf(code model.Code) int {
	switch code {
	case upstream.CodeConnectTimeout, upstream.CodeTLSTimeout, CodeTryTimeout:
		return 504
	case upstream.CodeConnectLocal, upstream.CodeConnectionLimit:
		return 503
	}
	return 502
}

// try sends the request to one endpoint, on a kept connection or a new one. It returns "" when the request is settled,
// or why another endpoint may be tried.
func (w *work) try(e *upstream.Endpoint, whole bool) model.Code {
	w.setHost(e)
	w.beginTry()
	idempotent := isIdempotent(w.x.Request.Method)
	if w.shared {
		return w.tryShared(e, whole, idempotent)
	}
	for fresh := false; ; {
		up, err := w.reach(e, fresh)
		if err != nil {
			return w.dialFailed(e, err)
		}
		kept := up.Requests > 0
		switch result := w.exchange(e, up, whole, idempotent); {
		case result == settled:
			return ""
		case result == again:
			return codeAgain
		case result == spoilt:
			w.kept--
			continue
		case !kept:
			e.Done(upstream.Failed)
			return CodeUpstreamReset
		case result == lostRace:
			w.resent++
		}
		w.retried(codeKeptLost)
		fresh = true
	}
}

// reach returns a kept connection, or a new one where there is none or it has to be fresh.
func (w *work) reach(e *upstream.Endpoint, fresh bool) (*upstream.Conn, error) {
	if !fresh {
		if kept := e.GetFor(w.hosts.name); kept != nil {
			w.kept++
			return kept, nil
		}
	}
	began := time.Now()
	up, err := w.dial(e, fresh)
	w.connect += time.Since(began)
	if err == nil && up.Requests > 0 {
		w.kept++
	} else {
		w.dialled++
	}
	return up, err
}

// dialFailed ends the pick of an endpoint that there is no connection to, and returns why.
func (w *work) dialFailed(e *upstream.Endpoint, err error) model.Code {
	code := upstream.CodeConnectFailed
	if u, ok := errors.AsType[*upstream.Error](err); ok {
		code = u.Code
	}
	if code == upstream.CodeConnectCancelled && w.c.plane.ctx.Err() == nil {
		if code = w.lateCode(); code != CodeExchangeTimeout { // in time for another, of which the route allows for as long
			e.Done(upstream.Failed)
			return CodeTryTimeout
		}
	}
	switch code {
	case upstream.CodeConnectCancelled, upstream.CodeConnectLocal, upstream.CodeConnectionLimit, CodeExchangeTimeout:
		e.Done(upstream.Abandoned)
	default:
		e.Done(upstream.Failed)
	}
	return code
}

func (w *work) dialOptions() upstream.DialOptions {
	t := w.route.route.Timeouts.Connect
	if t <= 0 {
		t = w.c.plane.cfg.Timeouts.Connect
	}
	name := w.hosts.name
	if w.replaced.status != 0 { // it is that of the route's own upstream
		name = ""
	}
	return upstream.DialOptions{Timeout: t, Handshake: w.c.plane.cfg.Timeouts.UpstreamTLS, Client: w.c.peer, Server: w.c.server, Name: name, Behind: w.c.stands()}
}

// stands is where a request stands among those that connect to an endpoint: that of a client which was served before, and has no other
// one under way, stands in front.
func (c *conn) stands() int {
	switch {
	case c.h2 != nil:
		return c.behind
	case c.once.Load():
		return 0
	}
	return 1
}

// setHost makes the Host field what the route says for this endpoint.
func (w *work) setHost(e *upstream.Endpoint) {
	r := &w.x.Request
	mode := w.hosts.mode
	switch {
	case mode == model.HostLiteral && w.replaced.status == 0:
		_ = r.SetAuthority(w.hosts.text) // checked when the route was compiled; else the client's stays
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
// when it returns settled or again; otherwise it has closed the connection and nothing else.
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
	w.stream = nil
	w.answerBytes = 0 // of a try before
	var began time.Time
	if e.Measured() {
		began = time.Now()
	}
	n, err := w.ask(up, whole && w.spool.file == nil)
	if err == errStale {
		c.up.Store(nil)
		up.Close()
		return spoilt
	}
	if err == nil && w.spool.file != nil {
		w.startUpload(up)
	}
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
		if e.Measured() {
			e.Observe(time.Since(began))
		}
		if w.tries <= w.route.further && w.again(w.x.Response.Status) {
			w.discard(e, up, n)
			return again
		}
		if w.diverted(e, up, n) {
			return settled
		}
		if w.replaces(w.x.Response.Status) {
			w.discard(e, up, n)
			return settled
		}
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
	if w.repeats(e, err, broke, n) {
		return again
	}
	if broke && kept && !c.left.Load() && !c.cut.Load() && (w.stream == nil || w.stream.code == "") {
		e.Count(int64(n), 0)
		e.Done(upstream.Broken)
		w.own(502, CodeKeptClosed)
		return settled
	}
	e.Count(int64(n), 0)
	w.failed(e, err)
	return settled
}

// brokenHead tells whether what came in place of the head of an answer breaks the protocol.
func brokenHead(err error) bool {
	var fault http1.Fault
	return errors.As(err, &fault) || brokeHTTP2(err)
}

// failed answers for an endpoint that has not answered well.
func (w *work) failed(e *upstream.Endpoint, err error) {
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
	case errors.Is(err, upstream.ErrLongBody):
		e.Done(upstream.Abandoned)
		w.keep = false
		w.own(413, filter.CodeBodyTooLarge)
	case brokenHead(err):
		e.Done(upstream.Failed)
		w.own(502, CodeUpstreamProtocol)
	case errors.Is(err, errLate), s != nil && s.late:
		code := w.lateCode()
		if code == CodeExchangeTimeout {
			e.Done(upstream.Broken) // what took so long may have been another endpoint, or the client
		} else {
			e.Done(upstream.Failed)
		}
		w.own(504, code)
	case errors.Is(err, errUnasked):
		e.Done(upstream.Failed)
		w.own(502, CodeUpgradeRefused)
	case upstream.IsAlert(err):
		e.Done(upstream.Failed)
		w.own(502, upstream.CodeTLS)
	default:
		e.Done(upstream.Failed)
		w.own(502, CodeUpstreamReset)
	}
}
