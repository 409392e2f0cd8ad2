package httpproxy

import (
	"log/slog"
	"time"

	"paifang/internal/filter"
	"paifang/internal/http1"
	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

// Recorder takes a record of each request. It must not block and not keep the record.
type Recorder interface{ Record(*telemetry.Access) }

var _ Recorder = (*telemetry.AccessLog)(nil)

// Config is what a Plane works with. Every zero field but Upstreams and Listeners has a default.
type Config struct {
	Upstreams *upstream.Table
	Listeners *listener.Set // its limits bound the connections
	Filters   filter.Catalog
	Recorder  Recorder     // of requests; nil = none
	Log       *slog.Logger // of events; default: none
	Timeouts  Timeouts
	Limits    http1.Limits // of request heads
	HTTP2     HTTP2

	// Loop is told of each request that came back to the listener that had sent it on. It must not block nor keep the strings. May be nil.
	Loop func(listener model.ListenerID, host, path string)
}

// HTTP2 bounds the HTTP/2 connections of clients. Zero fields have the defaults of http2.Config: 100 streams, windows of 64 KiB
// for a stream and 1 MiB for a connection, 64 KiB of a header section, 1,000 glitches.
type HTTP2 struct {
	Streams, StreamWindow, ConnWindow, HeaderList, Glitches int
}

// Timeouts bound every wait. They are kept by a sweeper: a wait may last a quarter longer than its timeout, at most
// half a second.
type Timeouts struct {
	Handshake     time.Duration // TLS, all of it; default 10 s
	RequestHead   time.Duration // from the first byte of a request to the end of its head; default 10 s
	Idle          time.Duration // of a client connection between two requests; default 75 s
	RequestBody   time.Duration // between two parts of a request body; default 60 s
	Connect       time.Duration // to an endpoint, one try; default 1 s: endpoints are in the same network
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
	t := &c.Timeouts
	setDefault(&t.Handshake, 10*time.Second)
	setDefault(&t.RequestHead, 10*time.Second)
	setDefault(&t.Idle, 75*time.Second)
	setDefault(&t.RequestBody, time.Minute)
	setDefault(&t.Connect, time.Second)
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

// tick is how often the sweeper looks: often enough for the shortest timeout.
func (t *Timeouts) tick() time.Duration {
	shortest := min(t.Handshake, t.RequestHead, t.Idle, t.RequestBody, t.Response, t.ResponseBody, t.Write, t.Upgraded, t.RetiredStream)
	return max(2*time.Millisecond, min(shortest/8, 250*time.Millisecond))
}

type noRecorder struct{}

func (noRecorder) Record(*telemetry.Access) {}
