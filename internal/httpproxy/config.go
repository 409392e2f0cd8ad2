package httpproxy

import (
	"log/slog"
	"os"
	"time"

	"paifang/internal/certs"
	"paifang/internal/filter"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/trace"
	"paifang/internal/upstream"
)

// Recorder takes a record of each request. It must not block and not keep the record.
type Recorder interface{ Record(*telemetry.Access) }

var _ Recorder = (*telemetry.AccessLog)(nil)

// Passthrough carries TLS connections that are passed on as they are; l4.Plane is one.
type Passthrough interface {
	// Passes tells whether a listener passes any on. It is asked for each connection and must not block.
	Passes(l model.ListenerID) bool
	// Pass returns what carries a connection that is for a server name, to its end; nil: it is not passed on. What was read of it
	// has been put back.
	Pass(c *listener.Conn, l model.ListenerID, name string) (carry func())
	// Passed tells whether connections for a name are passed on. It must not block.
	Passed(l model.ListenerID, name string) bool
}

// Pressure tells what a process that is short of memory must do without; overload.Watch is one. It is asked by every
// request and must not block.
type Pressure interface {
	Idle(normal time.Duration) time.Duration // how long a connection may be idle now
	KeepsAlive() bool                        // connections are used for another request
	RefusesRequests() bool                   // new requests are answered with 503
}

// calm is a process that has room.
type calm struct{}

func (calm) Idle(normal time.Duration) time.Duration { return normal }
func (calm) KeepsAlive() bool                        { return true }
func (calm) RefusesRequests() bool                   { return false }

// Config is what a Plane works with. Every zero field but Upstreams and Listeners has a default.
type Config struct {
	Upstreams *upstream.Table
	Listeners *listener.Set // its limits bound the connections
	Filters   filter.Catalog
	Recorder  Recorder     // of requests; nil = none
	Fields    bool         // records have the fields User-Agent and Referer
	Log       *slog.Logger // of events; default: none
	Timeouts  Timeouts
	Pressure  Pressure // default: none, ever
	// Series bounds the time series that metrics by route may have, and those by upstream: a route takes 31, which
	// is enough for two listeners with one upstream, an upstream 24. Those that come when it is used up are shown together as "other".
	// Default 10,000.
	Series int
	// Tickets are the keys of TLS sessions, shared by all listeners. Default: keys of its own, rotated in time.
	Tickets *certs.Tickets
	// Staples is how OCSP responses are asked for, where a listener staples them. Its log is Log unless it has one.
	Staples certs.StaplerConfig
	// Passthrough takes connections that are not for this plane, by the server name of their TLS. May be nil.
	Passthrough Passthrough
	Spill       Spill
	HTTP2       HTTP2
	// Heads bounds the bytes that request heads of more than 4 KiB take, all those under way together. A request that has no
	// room is answered 503. Default 8 MiB.
	Heads int

	// Loop is told of each request that came back to the listener that had sent it on. It must not block nor keep the strings. May be nil.
	Loop func(listener model.ListenerID, host, path string)

	// Traces take the spans of listeners that have requests traced. nil = none has. It is closed after the plane.
	Traces *trace.Exporters

	parkAfter time.Duration // see there; tests have less patience
}

// HTTP2 bounds the HTTP/2 connections of clients. Zero fields have the defaults of http2.Config: 100 streams, windows of 64 KiB
// for a stream and 1 MiB for a connection, 64 KiB of a header section, 1,000 glitches.
type HTTP2 struct {
	Streams, StreamWindow, ConnWindow, HeaderList, Glitches int
}

// Spill says where request bodies go that a filter wants whole and that are longer than 64 KiB.
type Spill struct {
	Dir   string // of the files, which have no name as soon as they are open; default: the system's directory for such files
	Total int64  // bytes of all files together; a body that would make them more is answered 503; default 1 GiB
}

// Timeouts bound every wait. They are kept by a sweeper: a wait may last a quarter longer than its timeout, at most
// half a second.
type Timeouts struct {
	Handshake     time.Duration // TLS, all of it; default 10 s
	RequestHead   time.Duration // from the first byte of a request to the end of its head; default 10 s
	Idle          time.Duration // of a client connection between two requests; default 75 s
	RequestBody   time.Duration // between two parts of a request body; default 60 s
	Connect       time.Duration // to an endpoint, one try; default 1 s: endpoints are in the same network
	UpstreamTLS   time.Duration // the handshake with an endpoint, after it; default 5 s
	Request       time.Duration // from the head of a request to the head of its answer, see work.expiry; default 300 s, negative = no bound
	Response      time.Duration // from the end of the request to the head of the answer; default 60 s
	ResponseBody  time.Duration // between two parts of an answer; default 60 s
	Write         time.Duration // until a client, or an upstream, takes the next part; default 60 s
	Upgraded      time.Duration // between two parts, either way, of an upgraded connection; default 1 h
	Drain         time.Duration // of a listener that goes: requests in flight may end within it; default 5 s
	RetiredStream time.Duration // of an upgraded connection whose route went; default 240 s
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Recorder == nil {
		c.Recorder = noRecorder{}
	}
	if c.Pressure == nil {
		c.Pressure = calm{}
	}
	setDefault(&c.Series, 10_000)
	setDefault(&c.Heads, 8<<20)
	setDefault(&c.parkAfter, parkAfter)
	if c.Tickets == nil {
		c.Tickets = certs.NewTickets(certs.TicketConfig{})
	}
	if c.Staples.Log == nil {
		c.Staples.Log = c.Log
	}
	t := &c.Timeouts
	setDefault(&c.Spill.Dir, os.TempDir())
	setDefault(&c.Spill.Total, 1<<30)
	setDefault(&t.Handshake, 10*time.Second)
	setDefault(&t.RequestHead, 10*time.Second)
	setDefault(&t.Idle, 75*time.Second)
	setDefault(&t.RequestBody, time.Minute)
	setDefault(&t.Connect, time.Second)
	setDefault(&t.UpstreamTLS, 5*time.Second)
	setDefault(&t.Request, 300*time.Second)
	setDefault(&t.Response, time.Minute)
	setDefault(&t.ResponseBody, time.Minute)
	setDefault(&t.Write, time.Minute)
	setDefault(&t.Upgraded, time.Hour)
	setDefault(&t.Drain, 5*time.Second)
	setDefault(&t.RetiredStream, 240*time.Second)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// clients is what a listener says of its clients, filled with what holds for all. Streams of 0 are left to HTTP/2's default.
func (c *Config) clients(of model.Clients) model.Clients {
	setDefault(&of.Head, c.Timeouts.RequestHead)
	setDefault(&of.Body, c.Timeouts.RequestBody)
	setDefault(&of.Idle, c.Timeouts.Idle)
	setDefault(&of.Drain, c.Timeouts.Drain)
	setDefault(&of.Streams, c.HTTP2.Streams)
	return of
}

// tick is how often the sweeper looks: often enough for the shortest timeout.
func (t *Timeouts) tick() time.Duration {
	shortest := min(t.Handshake, t.RequestHead, t.Idle, t.RequestBody, t.Response, t.ResponseBody, t.Write, t.Upgraded, t.RetiredStream)
	if t.Request > 0 {
		shortest = min(shortest, t.Request)
	}
	return max(2*time.Millisecond, min(shortest/8, 250*time.Millisecond))
}

type noRecorder struct{}

func (noRecorder) Record(*telemetry.Access) {}
