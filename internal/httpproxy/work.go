package httpproxy

import (
	"net"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/http2"
	"paifang/internal/model"
	"paifang/internal/snapshot"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

// maxTries bounds the endpoints of one request, whatever a route says.
const maxTries = 8

// work is what one request needs besides its connection. It is pooled.
type work struct {
	x        filter.Exchange
	request  http1.BodyReader
	response http1.BodyReader
	out      []byte // heads, and what leaves together with them
	framed   []byte // room for a request body framed for the upstream
	buffers  net.Buffers
	vector   [3][]byte
	fields   []http2.Field // a head in HTTP/2
	rec      telemetry.Access
	tried    [maxTries]*upstream.Endpoint
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

	answerBytes int // of the answer that were read before its head was complete

	host, path string // as asked: filters change what is sent on, and the log is about what was decided on

	size     int64 // request body bytes from the client
	sent     int64 // response body bytes to the client
	began    bool  // a byte of the answer was given to the client
	whole    bool  // the request body is used up, and what follows is the next request
	keep     bool  // the connection is used again
	trailers bool  // the client takes trailers
	shared   bool  // the upstream speaks HTTP/2: requests share its connections
	headDue  bool  // HTTP/2: the head of the answer was not sent yet
	ended    bool  // HTTP/2: all of the answer was sent
	bodiless bool  // HTTP/2: the answer is a head and nothing else
	unsized  bool  // HTTP/2: and does not say so in a Content-Length
	stream   *uploadState

	tries   int
	status  int // sent; 0 = nothing was
	connect time.Duration
	first   time.Time
	handle  *upstream.Handle
	pod     string
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
	clear(w.tried[:w.tries])
	clear(w.vector[:])
	clear(w.fields)
	w.fields = w.fields[:0]
	w.rec = telemetry.Access{}
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

// LookupHeader returns the first field with a name.
func (w *work) LookupHeader(name string) (string, bool) {
	f := &w.x.Request.Fields
	return f.Get(name), f.Has(name)
}

// LookupQuery returns the first query parameter with a name.
func (w *work) LookupQuery(name string) (string, bool) {
	return http1.Parameter(w.x.Request.RawQuery, name, &w.x.Request.Mem)
}

// record writes the access log line and counts.
func (w *work) record() {
	x := &w.x
	now := time.Now()
	took := now.Sub(x.Started)
	counters := &w.c.plane.counters.no
	r := &w.rec
	*r = telemetry.Access{
		Time: x.Started, Listener: string(w.site.listener.ID), Node: w.site.listener.Node, Peer: w.c.peer, Client: x.Client,
		Method: x.Request.Method, Host: w.host, Path: w.path, Status: w.status, Reason: string(x.Code),
		Endpoint: x.Endpoint, Pod: w.pod, Tries: w.tries, In: w.size, Out: w.sent, Connect: w.connect,
		Total: took, RequestID: x.ID, Version: w.site.version,
	}
	if r.Path == "" {
		r.Path = x.Request.Target
	}
	if !w.first.IsZero() {
		r.FirstByte = w.first.Sub(x.Started)
	}
	if w.route != nil {
		r.Route = string(w.route.route.ID)
		counters = w.route.counters
	}
	if w.handle != nil {
		r.Upstream = string(w.handle.ID())
	}
	counters.count(w.status, x.Code != "", took)
	w.c.plane.cfg.Recorder.Record(r)
}

// fail notes why a request failed once its answer has begun, or cannot be given.
func (w *work) fail(code model.Code) {
	if w.x.Code == "" {
		w.x.Code = code
	}
	w.keep = false
}
