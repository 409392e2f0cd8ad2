package filter

import (
	"io"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"paifang/internal/certs"
	"paifang/internal/http1"
	"paifang/internal/model"
	"paifang/internal/snapshot"
)

// Exchange is one request and its response on their way through the engine. It is pooled with its connection:
// whatever is in it is valid for this exchange only.
type Exchange struct {
	Request  http1.Request
	Response http1.Response

	Route    *snapshot.Route // that took the request
	Listener *model.Listener // it came in by
	Secure   bool            // over TLS
	Stored   bool            // set by a filter that answers with what the upstream has said before
	Instead  bool            // the answer is of the route's fallback, and not of who was asked first; it is the engine's
	Foreign  bool            // what is sent on is in a protocol that the client does not speak: answers of our own are in the client's
	TLS      *certs.Session  // what the handshake came to, the client's certificate included; nil in clear text
	Peer     netip.Addr      // of the connection, or what a trusted PROXY header says
	Client   netip.Addr      // Peer, or the client that a trusted proxy in front names
	ID       string          // X-Request-ID
	Claimed  Claims          // what the client said before it was replaced by what is known
	User     string          // who a filter has found the client to be; "" = nobody was asked
	Started  time.Time       // when the head was complete

	Endpoint netip.AddrPort // that was tried last; zero before the first
	Code     model.Code     // why the answer is our own; empty if it is the upstream's, or meant so
	Body     string         // of an answer of our own
	Failure  Failure        // in place of what the request is answered by another route

	// Cookies are Set-Cookie fields that a filter was given on the client's behalf, for its response phase to give on.
	Cookies []string

	rare *rare // nil until a filter has something for it

	// RequestBody is the whole body, once a BodyFilter has asked for it; nil if nobody has, or there is none. It is sent
	// on as it is.
	RequestBody RequestBody
	// MaxBody is how many bytes of body the request may have, 0 = no bound. The engine holds a body to it whose length the
	// client does not say; filters lower it, and refuse themselves what says too much.
	MaxBody int64
	// Gatherer reads RequestBody. It is the engine's, and stays when the exchange is reset.
	Gatherer Gatherer
	// Waiter lets filters wait. It is the engine's, and stays when the exchange is reset.
	Waiter Waiter

	settled  bool // a filter has answered
	dropped  bool // the body of the answer does not leave
	gathered bool
	stripped bool                                    // looked up again without what the client shows to be let in
	told     uint32                                  // bytes at the end of X-Forwarded-Prefix that filters of the route have put there
	asked    string                                  // the path that the route was found by
	captures *[snapshot.MaxCaptures]snapshot.Capture // nil until a route has variables
	captured int
	ran      int // filters whose request phase ran
	held     []held

	transforms transforms
	judges     []Judge
	rerouted   string
	accepts    []string // what the client said in Accept-Encoding, where a filter has changed that; nil = none has
}

// rare is what few exchanges have. It is apart because there may be many of them at a time, which wait.
type rare struct {
	promised   []http1.Field // fields that the answer will have
	kept       []keptState
	taps       []Tap // that are given the body of the request
	admissions int   // filters that have let the request pass for who asks
	identified bool  // one of them knows who that is
}

func (r *rare) reset() {
	clear(r.promised)
	clear(r.kept)
	*r = rare{promised: r.promised[:0], kept: r.kept[:0], taps: r.taps[:0]}
}

// rarely returns where to note what few exchanges have.
func (x *Exchange) rarely() *rare {
	if x.rare == nil {
		x.rare = &rare{}
	}
	return x.rare
}

// Failure is an answer that a client does not get, since there is a fallback.
type Failure struct {
	Status int        // 0 = there was none
	Code   model.Code // why it was our own; empty where the upstream has answered
}

// Claims are fields as the client sent them.
type Claims struct{ ForwardedFor, ForwardedHost, RequestID string }

// maxRequestID bounds a request ID that is taken over.
const maxRequestID = 128

// IsRequestID tells whether an X-Request-ID of somebody else's can be taken over: it is a token, and not long.
func IsRequestID(id string) bool { return len(id) <= maxRequestID && http1.IsToken(id) }

// held is what a filter has taken for as long as the exchange lasts.
type held struct {
	by    Holder
	token uint64
}

// Holder takes back what it gave for an exchange. It may look at how that went: Response.Status is what was answered, Code why.
type Holder interface {
	Release(x *Exchange, token uint64)
}

// Hold has h.Release(token) called when the exchange is over, whichever way it ends: the answer is sent, the client has left, an
// upgraded connection has ended.
func (x *Exchange) Hold(h Holder, token uint64) { x.held = append(x.held, held{h, token}) }

// Finish ends the exchange: what filters hold for it is given back. It is for the engine; Reset does it too.
func (x *Exchange) Finish() {
	x.transforms.release()
	x.dropJudges()
	x.releaseTaps()
	for i := range x.held {
		x.held[i].by.Release(x, x.held[i].token)
	}
	clear(x.held)
	x.held = x.held[:0]
}

// Reset makes the exchange ready for the next request of its connection.
func (x *Exchange) Reset() {
	x.Finish()
	x.Request.Reset()
	x.Response.Reset()
	x.Route, x.Secure, x.TLS, x.ID, x.User, x.asked, x.told = nil, false, nil, "", "", "", 0
	x.Client, x.Endpoint, x.Started = netip.Addr{}, netip.AddrPort{}, time.Time{}
	x.Code, x.Body, x.Claimed, x.Failure, x.Foreign = "", "", Claims{}, Failure{}, false
	x.RequestBody, x.gathered, x.MaxBody, x.accepts = nil, false, 0, nil
	clear(x.Cookies)
	x.Cookies = x.Cookies[:0]
	if x.rare != nil {
		x.rare.reset()
	}
	if x.captured > 0 {
		clear(x.captures[:x.captured])
	}
	x.captured, x.ran = 0, 0
	x.Stored, x.Instead, x.settled, x.dropped, x.stripped = false, false, false, false, false
}

// RequestBody is a body that was read whole, into memory or a file.
type RequestBody interface {
	io.ReaderAt
	Size() int64
}

// Gatherer reads a request body whole: it fills Exchange.RequestBody, or the response, and then returns Respond.
type Gatherer interface {
	Gather(limit int64) Verdict
	// Replace has another body sent on, after Gather. It copies body.
	Replace(body []byte)
}

// ReplaceBody has another body sent on. It is for a BodyFilter, whose RequestBody is no more.
func (x *Exchange) ReplaceBody(body []byte) {
	x.RequestBody = nil
	x.Gatherer.Replace(body)
}

// Codes of answers where a filter asked for a body, or had to wait.
const (
	CodeBodyTooLarge model.Code = "body-too-large" // 413: longer than a filter of the route takes
	CodeNoGathering  model.Code = "no-gathering"   // 500: whoever runs the filters cannot read bodies whole
	CodeNoWaiting    model.Code = "no-waiting"     // 500: whoever runs the filters cannot let them wait
)

// gather has the body read, once.
func (x *Exchange) gather(limit int64) Verdict {
	switch {
	case x.gathered:
	case x.Gatherer == nil: // a filter that goes by the body must not be passed without
		return x.Respond(500, CodeNoGathering, "")
	case x.Gatherer.Gather(limit) == Respond:
		return Respond
	}
	x.gathered = true
	if x.RequestBody != nil && x.RequestBody.Size() > limit {
		return x.TooLarge()
	}
	return Continue
}

// TooLarge is the answer to a body that is longer than a filter takes.
func (x *Exchange) TooLarge() Verdict {
	return x.Respond(413, CodeBodyTooLarge, "The body of this request is too large.\n")
}

// Bind sets the route and captures the variables of its path. It is for the engine, before the first filter.
func (x *Exchange) Bind(r *snapshot.Route) {
	x.Route, x.asked = r, x.Request.Path
	x.untell()
	if x.captured = 0; !r.HasVariables() {
		return
	}
	if x.captures == nil {
		x.captures = new([snapshot.MaxCaptures]snapshot.Capture)
	}
	x.captured = r.Captures(x.Request.Path, x.Request.Host, x.captures)
}

// Asked is the path that the route was found by, whatever filters have made of it.
func (x *Exchange) Asked() string { return x.asked }

// TakenOff is what filters have taken off the front of the path that the route was found by: "/api" where /api/x has become /x. A slash at
// the end of either counts for nothing. What would lead to another host, put in front of a path, is nothing.
func (x *Exchange) TakenOff() string {
	prefix, ok := strings.CutSuffix(strings.TrimSuffix(x.asked, "/"), strings.TrimSuffix(x.Request.Path, "/"))
	if !ok || strings.HasPrefix(prefix, "//") {
		return ""
	}
	return prefix
}

const forwardedPrefix = "X-Forwarded-Prefix"

// ToldPrefix notes that a filter has made X-Forwarded-Prefix so many bytes longer.
func (x *Exchange) ToldPrefix(n int) { x.told += uint32(n) }

// untell takes from X-Forwarded-Prefix what was told of the path by a route before: of that which is looked up again it is no part.
func (x *Exchange) untell() {
	if x.told == 0 {
		return
	}
	text := x.Request.Fields.Get(forwardedPrefix)
	if text = text[:max(0, len(text)-int(x.told))]; text == "" {
		x.Request.Fields.Del(forwardedPrefix)
	} else {
		x.Request.Fields.Set(forwardedPrefix, text)
	}
	x.told = 0
}

// Capture returns the value of a variable of the route: of its path, percent-encoded as in the normalised path, or else of its host.
func (x *Exchange) Capture(name string) (string, bool) {
	for i := range x.captured {
		if x.captures[i].Name == name {
			return x.captures[i].Value, true
		}
	}
	return "", false
}

// Respond fills the response with an answer of our own: a filter returns what it returns. code tells operators why,
// in header and log; body is for the client and has no inside information. Fields may be set afterwards.
func (x *Exchange) Respond(status int, code model.Code, body string) Verdict {
	x.transforms.release() // they were for another answer
	x.Stored, x.settled, x.dropped = false, false, false
	x.Response.Reset()
	x.Response.Status = status
	x.Response.Body, x.Response.ContentLength = http1.SizedBody, int64(len(body))
	if status == 304 { // a length would be that of what the client has (RFC 9110, 8.6)
		x.Response.Body, x.Response.ContentLength = http1.NoBody, -1
	}
	if body != "" {
		x.Response.Fields.Add("Content-Type", "text/plain; charset=utf-8")
	}
	x.Code, x.Body = code, body
	return Respond
}

// keptState is what a filter has to remember of an exchange.
type keptState struct {
	by    Filter
	state any
}

// Keep has what a filter found in its request phase travel with the exchange, for its response phase. by is a pointer.
func (x *Exchange) Keep(by Filter, state any) {
	r := x.rarely()
	r.kept = append(r.kept, keptState{by, state})
}

// Kept returns what this filter has kept last; nil if it has not.
func (x *Exchange) Kept(by Filter) any {
	if x.rare == nil {
		return nil
	}
	for i := len(x.rare.kept) - 1; i >= 0; i-- {
		if x.rare.kept[i].by == by {
			return x.rare.kept[i].state
		}
	}
	return nil
}

// Admit notes that a filter has let the request pass for who asks: what it is answered is not for everybody. identified says that it
// knows who that is, so that the answer may be for this client alone.
func (x *Exchange) Admit(identified bool) {
	r := x.rarely()
	r.admissions++
	r.identified = r.identified || identified
}

// Admissions is how many filters have let the request pass for who asks.
func (x *Exchange) Admissions() int {
	if x.rare == nil {
		return 0
	}
	return x.rare.admissions
}

// Identified tells whether a filter knows who asks.
func (x *Exchange) Identified() bool {
	return x.User != "" || x.rare != nil && x.rare.identified
}

// Promise has the answer carry a field, whoever gives it, behind all response phases. It is for request phases.
func (x *Exchange) Promise(name, value string) {
	r := x.rarely()
	r.promised = append(r.promised, http1.Field{Name: name, Value: value})
}

func (x *Exchange) keepPromises() {
	r := x.rare
	if r == nil {
		return
	}
	for i := range r.promised {
		x.Response.Fields.Set(r.promised[i].Name, r.promised[i].Value)
	}
	clear(r.promised)
	r.promised = r.promised[:0]
}

// KeepAcceptEncoding keeps what the client says of the codings that it takes, for a filter that asks the upstream for another one.
func (x *Exchange) KeepAcceptEncoding() {
	if x.accepts == nil {
		x.accepts = []string{}
		for v := range x.Request.Fields.Values("Accept-Encoding") {
			x.accepts = append(x.accepts, v)
		}
	}
}

// AcceptEncodings are the client's Accept-Encoding fields, whatever filters have made of them.
func (x *Exchange) AcceptEncodings() iter.Seq[string] {
	if x.accepts != nil {
		return slices.Values(x.accepts)
	}
	return x.Request.Fields.Values("Accept-Encoding")
}
