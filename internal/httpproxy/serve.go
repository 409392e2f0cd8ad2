package httpproxy

import (
	"errors"
	"io"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// begin makes the exchange ready for a request of its connection.
func (w *work) begin() {
	c, x := w.c, &w.x
	x.TLS = c.session
	x.Listener, x.Secure, x.Peer, x.Client = &w.site.listener, c.secure, c.peer.Addr(), c.peer.Addr()
	x.Request.Reset()
	x.Response.Reset()
}

// readHead reads the head of a request, from the buffer and the connection.
func (w *work) readHead() {
	w.begin()
	n, err := w.c.readHead(&w.x.Request, &w.site.limits)
	w.headed(n, err)
}

// headed notes how reading the head ended; n is its length.
func (w *work) headed(n int, err error) {
	c, x := w.c, &w.x
	x.Started = time.Now()
	w.note()
	if w.headErr = err; err != nil {
		return
	}
	w.pending = c.buf[n:c.n]
	w.keep = x.Request.KeepAlive
	w.request.Reset(x.Request.Body, x.Request.ContentLength, &x.Request.Fields)
	w.whole = w.request.Done()
}

// serve answers the request whose head was read. It returns whether the connection can be used for another.
func (w *work) serve() bool {
	c := w.c
	if w.headErr != nil {
		return w.refuseHead(w.headErr)
	}
	c.served++
	w.exchangeOne()
	if !w.keep || !w.whole {
		if w.began && !w.whole && !c.left.Load() {
			c.linger()
		}
		return false
	}
	c.keep(w.pending)
	return true
}

// exchangeOne answers a request that was understood.
func (w *work) exchangeOne() {
	w.c.port.counts.enter(w.shard)
	w.identify()
	w.dispatch()
	if w.replaced.status != 0 {
		w.fallBack()
	}
	w.x.Finish()
	w.record()
	if w.route != nil {
		w.route.release()
	}
}

// refuseHead answers what is no request.
func (w *work) refuseHead(err error) bool {
	var fault http1.Fault
	switch {
	case errors.As(err, &fault):
		w.own(fault.Status(), model.Code(fault.Code()))
	case errors.Is(err, errLate):
		w.own(408, CodeRequestTimeout)
	case errors.Is(err, errHeadsFull):
		w.own(503, CodeHeadsFull)
	default:
		return false // it closed before it had said anything
	}
	w.c.port.counts.enter(w.shard)
	w.record()
	w.c.linger()
	return false
}

// dispatch answers a request, if it may be asked here at all.
func (w *work) dispatch() {
	if w.c.plane.cfg.Pressure.RefusesRequests() {
		w.keep = false
		w.own(503, CodeOverloaded)
		return
	}
	if w.misdirected() {
		return
	}
	if w.loops() {
		w.own(508, model.CodeLoop)
		return
	}
	if w.x.Request.Moved {
		w.move()
		return
	}
	for w.carryOut(); w.rerouting; w.carryOut() {
		if !w.reroute() {
			return
		}
	}
}

// carryOut finds the route and does what it says.
func (w *work) carryOut() {
	x := &w.x
	b, code := w.find()
	switch code {
	case "":
	case CodeNoHost:
		if w.hostKnown() {
			code = CodeNoRoute
		}
		w.own(404, code)
		return
	default:
		w.own(503, code)
		return
	}
	w.route, w.hosts = b, &b.host
	if t := w.site.tracer; t != nil {
		w.beginSpan(t, b.route.Tracing)
	}
	w.expires = w.c.plane.until(b.route.Timeouts.Request, w.c.plane.cfg.Timeouts.Request)
	x.Bind(b.route)
	if b.refuse != "" {
		w.own(503, b.refuse)
		return
	}
	if b.chain.OwnsFields() && x.Request.Body != http1.NoBody {
		w.request.DropTrailers()
		x.Request.Fields.Del("Trailer")
	}
	switch b.chain.Request(x) {
	case filter.Continue:
	case filter.Reroute:
		if w.reroutes == maxReroutes {
			w.own(508, model.CodeLoop)
			return
		}
		w.rerouting = true
		return
	case filter.Respond:
		if w.status == 499 { // the client left while its body was read, or a filter waited
			return
		}
		b.chain.Response(x)
		w.sendOwn()
		return
	}
	if x.Request.Path != w.path && x.Request.SetPath(x.Request.Path) != nil {
		w.own(500, CodeBadPath) // whatever a filter makes is normalised and checked like what a client sends
		return
	}
	switch a := b.route.Action.(type) {
	case model.Redirect:
		x.Respond(a.Status, "", "")
		x.Response.Fields.Set("Location", a.Location)
	case model.Respond:
		x.Respond(a.Status, a.Code, a.Body)
	default:
		if w.needsTLS() {
			return
		}
		if w.gathers() {
			w.forward()
			return
		}
		if w.status == 499 {
			return
		}
	}
	b.chain.Response(x)
	w.sendOwn()
}

// move sends the client to the path with its slashes decoded, so that the request that is decided on says what it means.
func (w *work) move() {
	x := &w.x
	location := x.Request.Path
	if x.Request.HasQuery {
		location = x.Request.Mem.Join(location, "?", x.Request.RawQuery)
	}
	x.Respond(307, CodeEncodedSlash, "")
	x.Response.Fields.Set("Location", location)
	w.sendOwn()
}

// find returns the route of the request with a reference taken, or why there is none.
func (w *work) find() (*boundRoute, model.Code) {
	for {
		found, ok := snapshot.Find(w.site.bound.site, w.site.listener.HostRule, w.x.Request.Host, snapshot.Request(w))
		if !ok {
			return nil, CodeNoHost
		}
		if s, ok := w.site.bound.routes.Get(found.Route.Hash(), found.Route); ok && s.bound.acquire() {
			return s.bound, ""
		}
		// The route was retired since the site was loaded: there is a newer site, unless the port is at its end.
		next := w.c.port.site.Load()
		if next == w.site {
			return nil, CodeShutdown
		}
		w.site = next
		w.x.Listener = &w.site.listener
	}
}

// hostKnown tells whether any route is for the host of the request.
func (w *work) hostKnown() bool {
	host := w.x.Request.Host
	if _, ok := w.site.bound.site.Get(model.Host(host)); ok && host != "" {
		return true
	}
	for i, rest := 0, host; ; i++ {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		rest = after
		if _, ok := w.site.bound.site.Get(model.Host("**." + rest)); ok {
			return true
		}
		if _, ok := w.site.bound.site.Get(model.Host("*." + rest)); ok && i == 0 {
			return true
		}
	}
	_, ok := w.site.bound.site.Get("")
	return ok
}

// own answers with a status of ours and its reason.
func (w *work) own(status int, code model.Code) {
	if w.judged(status, code) {
		return
	}
	w.x.Respond(status, code, sentence(status))
	w.sendOwn()
}

// sendOwn writes the response that is in the exchange, with its body.
func (w *work) sendOwn() {
	x, c := &w.x, w.c
	if w.began {
		return // too late: the answer has begun
	}
	if w.replaces(x.Response.Status) {
		return
	}
	w.ours = true
	if x.Transformed() {
		w.transformOwn()
	}
	if x.Code != "" {
		x.Response.Fields.Set(fieldReason, string(x.Code))
	}
	if s := x.Response.Status; s == 201 || s >= 300 && s < 400 {
		filter.KeepLocation(&x.Response)
	}
	if !x.Response.Fields.Has("Date") {
		x.Response.Fields.Add("Date", c.plane.date())
	}
	if c.h2 != nil {
		w.sendOwnStream()
		return
	}
	w.settle()
	w.head()
	rest := ""
	if w.bodyAllowed() {
		now := min(len(x.Body), largeBlock)
		w.out = append(w.out, x.Body[:now]...)
		w.sent, rest = int64(len(x.Body)), x.Body[now:]
	}
	w.beginAnswer()
	err := c.write(w.out)
	for err == nil && rest != "" { // of one that is long no copy is made as a whole
		n := min(len(rest), largeBlock)
		w.out = append(w.out[:0], rest[:n]...)
		rest = rest[n:]
		err = c.write(w.out)
	}
	if err != nil {
		w.clientFailed(err)
	}
}

// bodyAllowed tells whether the answer to this request may have a body (RFC 9110, 6.4.1).
func (w *work) bodyAllowed() bool {
	s := w.x.Response.Status
	return w.x.Request.Method != "HEAD" && s >= 200 && s != 204 && s != 304
}

// settle decides whether the connection can go on after an answer for which the request body was not needed: what of
// it has arrived is thrown away.
func (w *work) settle() {
	for !w.whole && w.keep && len(w.pending) > 0 {
		data, n, err := w.request.Next(w.pending)
		w.size += int64(len(data))
		w.pending = w.pending[n:]
		if err != nil {
			break
		}
		w.whole = w.request.Done()
	}
	if !w.whole {
		w.keep = false
	}
}

// connection says what the answer says about the connection.
func (w *work) connection() http1.Connection {
	most := w.site.clients.Requests
	if w.keep && (w.c.port.draining.Load() || most > 0 && w.c.served >= most || !w.c.plane.cfg.Pressure.KeepsAlive()) {
		w.keep = false
	}
	switch {
	case !w.keep:
		return http1.Close
	case w.x.Request.Minor == 0:
		return http1.KeepAlive
	}
	return http1.Persist
}

// beginAnswer notes that the answer begins.
func (w *work) beginAnswer() {
	w.began = true
	w.status = w.x.Response.Status
	if w.first == 0 {
		w.first = time.Since(w.x.Started)
	}
}

// clientFailed notes why the client could not be written to, or read from.
func (w *work) clientFailed(err error) {
	w.keep, w.whole = false, false
	switch {
	case w.c.cut.Load():
		w.fail(CodeShutdown)
	case errors.Is(err, errLate) && !w.c.left.Load():
		w.fail(CodeClientSlow)
	default:
		w.c.left.Store(true)
		w.fail(CodeClientLeft)
	}
	if !w.began && w.x.Code == CodeClientLeft {
		w.status = 499
	}
}

// closed tells whether err is the end of a connection, whichever way it ended.
func closed(err error) bool { return err == io.EOF || err != nil && !errors.Is(err, errLate) }
