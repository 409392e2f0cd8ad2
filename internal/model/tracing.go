package model

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Tracing says which requests of a listener are told of as spans of a trace, and to whom. The zero value: none are.
type Tracing struct {
	// Collector is who takes the spans by OTLP: "host:4317" or grpc://host:4317 by gRPC in clear text, grpcs:// over TLS,
	// http://host:4318/v1/traces and https:// by HTTP. Empty = nobody, and no request is traced.
	Collector string  `json:"collector,omitempty"`
	Service   string  `json:"service,omitempty"` // the name under which spans are shown; default "paifang"
	Sampler   Sampler `json:"sampler,omitempty"`
	// Ratio is how many of the traces that begin here are sampled, where the sampler goes by it: above 0, up to 1. Default 0.01.
	Ratio float64       `json:"ratio,omitempty"`
	Queue int           `json:"queue,omitempty"` // spans that wait to be sent; further ones are dropped and counted. Default 2048
	Batch int           `json:"batch,omitempty"` // spans that are sent together at most; default 512
	Delay time.Duration `json:"delay,omitempty"` // that a span waits for others; default 5 s

	RouteTracing // for routes that do not say otherwise
}

// RouteTracing is what a route says about traces. A zero field leaves it to the listener.
type RouteTracing struct {
	Spans    Spans    `json:"spans,omitempty"`
	Incoming Incoming `json:"incoming,omitempty"`
	// Name is that of the spans. {method}, {host}, {path} and {upstream} stand for what they say. Empty = the method and the route.
	Name string `json:"name,omitempty"`
}

// Spans says whether requests are traced.
type Spans string

// The choices; empty = SpansOn, where there is a collector.
const (
	SpansOn  Spans = "all"
	SpansOff Spans = "none"
)

// Incoming says what becomes of the trace that a request says it belongs to.
type Incoming string

// The choices; empty = IncomingTrust.
const (
	IncomingTrust  Incoming = "trust"  // it is continued
	IncomingIgnore Incoming = "ignore" // another one begins
)

// Sampler decides which traces are recorded. The names are those of OTEL_TRACES_SAMPLER.
type Sampler string

// The samplers; empty = SamplerParentOn. Those with a parent go by what the request says, where it belongs to a trace already.
const (
	SamplerOn          Sampler = "always_on"
	SamplerOff         Sampler = "always_off"
	SamplerRatio       Sampler = "traceidratio"
	SamplerParentOn    Sampler = "parentbased_always_on"
	SamplerParentOff   Sampler = "parentbased_always_off"
	SamplerParentRatio Sampler = "parentbased_traceidratio"
)

// MaxTraceQueue bounds Tracing.Queue and Tracing.Batch.
const MaxTraceQueue = 1 << 20

// Effective is t with its defaults filled in.
func (t Tracing) Effective() Tracing {
	t.Service = cmp.Or(t.Service, "paifang")
	t.Sampler = cmp.Or(t.Sampler, SamplerParentOn)
	t.Ratio = cmp.Or(t.Ratio, 0.01)
	t.Queue = cmp.Or(t.Queue, 2048)
	t.Batch = min(cmp.Or(t.Batch, 512), t.Queue)
	t.Delay = cmp.Or(t.Delay, 5*time.Second)
	t.RouteTracing = t.RouteTracing.Over(RouteTracing{Spans: SpansOn, Incoming: IncomingTrust})
	return t
}

// Over is what a route says on top of what holds where it says nothing.
func (r RouteTracing) Over(base RouteTracing) RouteTracing {
	return RouteTracing{cmp.Or(r.Spans, base.Spans), cmp.Or(r.Incoming, base.Incoming), cmp.Or(r.Name, base.Name)}
}

// Validate reports the first field that its type does not allow.
func (t Tracing) Validate() error {
	if t.Collector != "" {
		if _, err := ParseCollector(t.Collector); err != nil {
			return fieldError("collector", err.Error())
		}
	}
	switch t.Effective().Sampler {
	case SamplerOn, SamplerOff, SamplerRatio, SamplerParentOn, SamplerParentOff, SamplerParentRatio:
	default:
		return fieldError("sampler", fmt.Sprintf("%q is none of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio", t.Sampler))
	}
	switch {
	case !(t.Ratio >= 0 && t.Ratio <= 1):
		return fieldError("ratio", fmt.Sprintf("%v: want above 0, up to 1", t.Ratio))
	case t.Queue < 0 || t.Queue > MaxTraceQueue:
		return fieldError("queue", fmt.Sprintf("%d: want 1 to %d", t.Queue, MaxTraceQueue))
	case t.Batch < 0 || t.Batch > MaxTraceQueue:
		return fieldError("batch", fmt.Sprintf("%d: want 1 to %d", t.Batch, MaxTraceQueue))
	case t.Delay < 0:
		return fieldError("delay", "is negative")
	}
	return t.RouteTracing.Validate()
}

// Validate reports the first field that its type does not allow.
func (r RouteTracing) Validate() error {
	switch r.Spans {
	case "", SpansOn, SpansOff:
	default:
		return fieldError("spans", fmt.Sprintf("%q is neither all nor none", r.Spans))
	}
	switch r.Incoming {
	case "", IncomingTrust, IncomingIgnore:
	default:
		return fieldError("incoming", fmt.Sprintf("%q is neither trust nor ignore", r.Incoming))
	}
	return nil
}

// Collector is where spans are sent.
type Collector struct {
	HTTP bool   // by HTTP, else by gRPC
	TLS  bool   // over it
	At   string // the whole URL for HTTP, host:port for gRPC
}

// ParseCollector reads Tracing.Collector. Where no port is given, that of OTLP is meant, 4317 for gRPC and 4318
// for HTTP, or that of https; where no path is, /v1/traces.
func ParseCollector(text string) (Collector, error) {
	if !strings.Contains(text, "://") {
		text = "grpc://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Collector{}, fmt.Errorf("%q is no address of a collector, such as grpc://host:4317 or http://host:4318/v1/traces", text)
	}
	c := Collector{TLS: u.Scheme == "grpcs" || u.Scheme == "https", HTTP: u.Scheme == "http" || u.Scheme == "https"}
	switch {
	case c.HTTP:
		if u.Port() == "" && !c.TLS {
			u.Host += ":4318"
		}
		if u.Path == "" || u.Path == "/" {
			u.Path = "/v1/traces"
		}
		c.At = u.String()
		return c, nil
	case u.Scheme != "grpc" && u.Scheme != "grpcs":
		return Collector{}, fmt.Errorf("%q: %s is none of grpc, grpcs, http, https", text, u.Scheme)
	case u.Path != "" && u.Path != "/":
		return Collector{}, fmt.Errorf("%q: gRPC has no path: leave %s out, or say http", text, u.Path)
	}
	if c.At = u.Host; u.Port() == "" {
		c.At += ":4317"
	}
	return c, nil
}
