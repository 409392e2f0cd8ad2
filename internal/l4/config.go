package l4

import (
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"paifang/internal/listener"
	"paifang/internal/model"
	"paifang/internal/telemetry"
	"paifang/internal/upstream"
)

// Recorder takes a record of each connection at its end. It must not block and not keep the record.
type Recorder interface{ Record(*telemetry.Access) }

var _ Recorder = (*telemetry.AccessLog)(nil)

// Config is what a Plane works with. Every zero field but the first two has a default.
type Config struct {
	Sockets   *listener.Set
	Upstreams *upstream.Table
	Recorder  Recorder // of connections; nil = none
	// Connected is told of each connection once it stands. It must not block and not keep the record. May be nil.
	Connected func(*telemetry.Access)
	Log       *slog.Logger // of events; default: none
	// ConnectTimeout bounds one try to connect to an endpoint. Default 1 s.
	ConnectTimeout time.Duration
	// ConnectTotal bounds all tries of a connection together. Default 10 s.
	ConnectTotal time.Duration
	// IdleTimeout, unless a route says another one, ends a connection on which neither side has sent anything for so long; it may live half as long
	// again, because time is looked at only twice within it. Default 1 h.
	IdleTimeout time.Duration
	// Datagrams bounds the sessions of UDP of all listeners together; each has a socket. Who comes when there are so many is not served.
	// Default 10,000, and what the limits of Sockets leave to one address.
	Datagrams int
	// DatagramIdle, unless a route says another one, ends a session of UDP in which neither side has sent anything for so long. Default
	// 1 min.
	DatagramIdle time.Duration
	// DrainTimeout is how long connections of a listener or an upstream that went may live on. Default 240 s.
	DrainTimeout time.Duration
}

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Recorder == nil {
		c.Recorder = noRecorder{}
	}
	setDefault(&c.ConnectTimeout, time.Second)
	setDefault(&c.ConnectTotal, 10*time.Second)
	setDefault(&c.IdleTimeout, time.Hour)
	setDefault(&c.DrainTimeout, 240*time.Second)
	setDefault(&c.DatagramIdle, time.Minute)
	if c.Datagrams == 0 {
		each, _ := c.Sockets.Limits()
		c.Datagrams = min(10_000, each)
	}
}

// datagramIdle is how long a session of UDP of a route may be still.
func (c *Config) datagramIdle(r model.L4Route) time.Duration {
	if r.Idle > 0 {
		return r.Idle
	}
	return c.DatagramIdle
}

// within is how long the tries of a connection of a route may take together.
func (c *Config) within(r model.L4Route) time.Duration {
	if r.Within > 0 {
		return r.Within
	}
	return c.ConnectTotal
}

// idle is how long a connection of a route may be still.
func (c *Config) idle(r model.L4Route) time.Duration {
	if r.Idle > 0 {
		return r.Idle
	}
	return c.IdleTimeout
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

type noRecorder struct{}

func (noRecorder) Record(*telemetry.Access) {}

// Codes of how a connection ended, in the access log; those of package upstream say why none was made. A connection
// that both sides closed has none.
const (
	CodeClientReset   model.Code = "client-reset"   // the client broke it off
	CodeUpstreamReset model.Code = "upstream-reset" // the endpoint broke it off
	CodeIdle          model.Code = "idle-timeout"   // nobody sent anything for as long as may be
	CodeDrained       model.Code = "drained"        // its listener or upstream went, and it did not end in time
)

// CodeNoRoute is the diagnostic for a listener of protocol TCP or UDP that no L4 route is attached to.
const CodeNoRoute model.Code = "no-l4-route"

func noRoute(l model.Listener) model.Diagnostic {
	return model.Diagnostic{Origin: l.Origin, Severity: model.Warning, Code: CodeNoRoute,
		Message: fmt.Sprintf("listener %s is not bound: attach an L4 route to class %s", l.ID, l.EffectiveClass())}
}

func noUpstream(r model.L4Route) model.Diagnostic {
	return model.Diagnostic{Origin: r.Origin, Field: "upstream", Severity: model.Error, Code: model.CodeUpstreamMissing,
		Message: fmt.Sprintf("L4 route %s names the upstream %s, which does not exist", r.ID, r.Upstream)}
}

func notBound(l model.Listener, i int, at netip.AddrPort, err error) model.Diagnostic {
	return model.Diagnostic{Origin: l.Origin, Field: fmt.Sprintf("bind[%d]", i), Severity: model.Error, Code: model.CodeListenerFailed,
		Message: fmt.Sprintf("listener %s does not serve at %s: %v", l.ID, at, err)}
}
