package httpproxy

import (
	"cmp"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
	"paifang/internal/shard"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/trace"
	"paifang/internal/upstream"
)

// maxPassed is how many endpoints a request remembers that it has tried. After so many it begins another round.
const maxPassed = 8

// usualFields is how many fields a short request has once those that say who sent it are there.
const usualFields = 12

// work is what one request needs besides its connection. It is pooled.
type work struct {
	x        filter.Exchange
	request  http1.BodyReader
	response http1.BodyReader
	out      []byte // heads, and what leaves together with them
	framed   []byte // room for a request body framed for the upstream
	buffers  net.Buffers
	asking   asking
	vector   [3][]byte
	fields   []http2.Field     // a head in HTTP/2
	rec      *telemetry.Access // made when there is something to record: a request may wait for long before
	tried    [maxPassed]*upstream.Endpoint
	shard    uint32 // of what is counted
	job
}

// job is the part of a work that begins anew with each request.
type job struct {
	c     *conn
	site  *site // loaded once for the request
	route *boundRoute

	answer  []byte // block that the upstream's answer is read into; nil until one is expected
	block   []byte // block that the request body is read into; nil until one is
	pending []byte // read from the client and not used yet
	wire    []byte // request body, framed for the upstream, as far as it is known before it is sent
	rest    []byte // of the answer: what was read after its head, later after its body

	early       int // bytes of the answer that asking read
	interims    int // interim heads of the answer
	answerBytes int // of the answer that were read before its head was complete
	bodyAt      int // where in answer the first part of the body is

	headErr error // why the head is none
	asked         // filters change what is sent on, and the log is about what was decided on

	size       int64 // request body bytes from the client
	sent       int64 // response body bytes to the client
	began      bool  // the answer has begun: no other can be given
	wrote      bool  // bytes of it were given to the client
	whole      bool  // the request body is used up, and what follows is the next request
	keep       bool  // the connection is used again
	filled     bool  // the last part of the request body took all of block
	trailers   bool  // the client takes trailers
	ours       bool  // the answer is of our own
	transforms bool  // filters change the body of the answer, and have not seen its end
	stream     *uploadState
	shared     bool  // the upstream speaks HTTP/2: requests share its connections
	headDue    bool  // HTTP/2: the head of the answer was not sent yet
	rerouting  bool  // the request is looked up again
	held       bool  // the request body is held whole, so that it can be sent again
	counted    bool  // as a request that is tried again
	reroutes   int   // how often it was
	ended      bool  // HTTP/2: all of the answer was sent
	bodiless   bool  // HTTP/2: the answer is a head and nothing else
	unsized    bool  // HTTP/2: and does not say so in a Content-Length
	tapped     bool  // a filter is given the request body: known before an upload begins, which must not ask the exchange
	broken     bool  // the answer could not be completed: a stream is reset
	spool      spool // the request body, where a filter has asked for all of it

	hint      upstream.Hint      // what decides where the request goes
	unbound   bool               // hint.Key is a new one, which the client is not bound to yet
	next      *upstream.Endpoint // picked for the next try
	passed    int                // endpoints in tried
	paused    time.Duration      // before the last try that had a pause
	why       model.Code         // the try before was not the end
	expires   int64              // when the whole is over time, in milliseconds of the plane's clock; see expiry
	tryEnd    int64              // when this try is
	replaced  replacement        // of an answer, by that of the fallback
	authority string             // of the request, before anything was sent
	tryBy     int64              // by when another try must begin

	lot     uint64 // of LookupDraw; 0 = not drawn
	tries   int
	status  int   // sent; 0 = nothing was
	kept    uint8 // connections of endpoints that were used again
	dialled uint8 // connections to endpoints that were made
	resent  uint8 // times it went once more to an endpoint that may have seen it: a kept connection was lost
	connect time.Duration
	first   time.Duration // from the start to the head of the answer; 0 = there was none
	handle  *upstream.Handle
	other   *upstream.Handle // asked once handle has nobody; may be nil
	hosts   *hostRule        // which host the endpoints are told
	pod     string
	span    *trace.Span // nil: the request is not traced
}

func (p *Plane) takeWork(c *conn) *work {
	w := p.works.Get().(*work)
	w.c = c
	w.site = c.port.site.Load()
	return w
}

// giveWork resets a work and puts it back.
func (p *Plane) giveWork(w *work) {
	w.x.Reset()
	w.x.Listener = nil
	if w.answer != nil {
		p.blocks.give(w.answer)
	}
	if w.block != nil {
		p.blocks.give(w.block)
	}
	w.spool.release(p)
	clear(w.tried[:max(w.passed, 1)])
	clear(w.vector[:])
	clear(w.fields)
	w.fields = w.fields[:0]
	if w.rec != nil {
		*w.rec = telemetry.Access{}
	}
	w.out, w.framed = trimmed(w.out), trimmed(w.framed)
	w.job = job{}
	p.works.Put(w)
}

// trimmed empties a buffer and drops one that grew too far.
func trimmed(b []byte) []byte {
	if cap(b) > 2*largeBlock {
		return nil
	}
	return b[:0]
}

// work is what a lookup sees.
var _ snapshot.Request = (*work)(nil)

// LookupMethod returns the method.
func (w *work) LookupMethod() string { return w.x.Request.Method }

// LookupPath returns the normalised path.
func (w *work) LookupPath() string { return w.x.Request.Path }

// LookupValue returns value i of a field, query parameter or cookie. X-Request-ID is what the client has sent: the request has another one
// by now, of which no rule can mean anything.
func (w *work) LookupValue(in snapshot.Place, name string, i int) (string, bool) {
	if in == snapshot.InHeaders && http1.EqualFold(name, "X-Request-ID") {
		return w.x.Claimed.RequestID, i == 0 && w.x.Claimed.RequestID != ""
	}
	return snapshot.Value(&w.x.Request, in, name, i)
}

// LookupPeer returns the client's address, as the connection or a trusted PROXY header has it.
func (w *work) LookupPeer() netip.Addr { return w.x.Peer }

// LookupForwarded returns an address of the chain that identify has left. Its last one is the peer, which no proxy says
// of itself.
func (w *work) LookupForwarded(n int) netip.Addr {
	if w.site.listener.Trust.ClientOnly {
		return w.x.Client
	}
	chain := w.x.Request.Fields.Get("X-Forwarded-For")
	if i := strings.LastIndexByte(chain, ','); i >= 0 && w.site.trusts(w.x.Peer) {
		return snapshot.Forwarded(chain[:i], n)
	}
	return w.x.Peer
}

// LookupTime returns when the head of the request was complete.
func (w *work) LookupTime() time.Time { return w.x.Started }

// LookupDraw returns the number that the request draws for a group. One draw of the request decides those of all groups,
// each in its own way.
func (w *work) LookupDraw(group string) int {
	if w.lot == 0 {
		w.lot = rand.Uint64() | 1
	}
	return int((shard.Hash(group)^w.lot)*0x9e3779b97f4a7c15>>32) * model.ShareWhole >> 32
}

// asked is what the log says of a request as it came.
type asked struct{ host, path, target, userAgent, referer string }

// note keeps what the log says of the request as it came.
func (w *work) note() {
	r := &w.x.Request
	w.asked = asked{host: r.Host, path: r.Path, target: r.Target}
	if w.c.plane.cfg.Fields {
		w.userAgent, w.referer = r.Fields.Get("User-Agent"), r.Fields.Get("Referer")
	}
}

// record counts the request and hands its record on.
func (w *work) record() {
	x := &w.x
	took := time.Since(x.Started)
	if w.rec == nil {
		w.rec = new(telemetry.Access)
	}
	r := w.rec
	*r = telemetry.Access{
		Time: x.Started, Listener: string(w.site.listener.ID), Node: w.site.listener.Node, Peer: w.c.peer, Client: x.Client,
		Method: x.Request.Method, Host: w.host, Path: w.path, Target: w.target, Protocol: w.protocol(), Status: w.status, Reason: string(x.Code),
		Endpoint: x.Endpoint, Pod: w.pod, Tries: w.tries, Resent: int(w.resent), In: w.size, Out: w.sent, Connect: w.connect,
		Total: took, RequestID: x.ID, UserAgent: w.userAgent, Referer: w.referer, Version: w.site.version, Shard: w.shard,
	}
	n := counted{status: w.status, failed: x.Code != "", latency: took, in: w.size, out: w.sent, kept: w.kept, dialled: w.dialled}
	if r.FirstByte = w.first; w.first > 0 {
		if !w.ours {
			n.firstByte = w.first
		}
	}
	set := &w.c.plane.counters
	route := &set.none
	if w.route != nil {
		route = w.route.counters
		r.Route = string(w.route.route.ID)
	}
	if w.handle != nil {
		r.Upstream = string(w.handle.ID())
	}
	route.of(w.c.port.counts, model.UpstreamID(r.Upstream)).counts.At(w.shard).count(&n)
	switch {
	case w.ours:
		set.own.Add(w.shard, cmp.Or(x.Code, codeOfRoute))
	case x.Code != "":
		set.broken.Add(w.shard, x.Code)
	}
	if w.passed > 0 {
		w.tried[w.passed-1].Answered(w.shard, w.status, cmp.Or(r.FirstByte, took))
	}
	if t := w.site.tracer; t != nil {
		w.endSpan(t, r)
	}
	w.c.plane.cfg.Recorder.Record(r)
}

// codeOfRoute counts the answers that a route gives itself, and which need no reason: redirects, fixed answers.
const codeOfRoute model.Code = "route"

// protocol is the version of HTTP that the client spoke, "" where its request was not understood.
func (w *work) protocol() string {
	switch {
	case w.path == "":
		return ""
	case w.c.h2 != nil:
		return "HTTP/2.0"
	case w.x.Request.Minor == 0:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// retried counts a further try, and why there is one.
func (w *work) retried(cause model.Code) {
	if u := w.route.counters.of(w.c.port.counts, w.handle.ID()).upstream; u != nil {
		u.retries.Add(w.shard, cause)
	}
}

// fail notes why a request failed once its answer has begun, or cannot be given.
func (w *work) fail(code model.Code) {
	if w.x.Code == "" {
		w.x.Code = code
	}
	w.keep = false
	w.broken = true
}
