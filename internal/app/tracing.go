package app

import (
	"errors"
	"time"

	"paifang/internal/model"
)

// Tracing says which requests are told of as spans, and to whom. docs/tracing.md tells more.
type Tracing struct {
	Collector string   `json:"collector,omitempty" doc:"who takes spans by OTLP: grpc://host:4317, or http://host:4318/v1/traces; over TLS grpcs:// and https://; none: nobody"`
	Service   string   `json:"service,omitempty" doc:"the name of this service in traces; default paifang"`
	Sampler   string   `json:"sampler,omitempty" doc:"which traces are recorded: always_on, always_off or traceidratio, and with parentbased_ before it only of those that begin here; default parentbased_always_on"`
	Ratio     float64  `json:"ratio,omitempty" doc:"how many of them traceidratio records, above 0, up to 1; default 0.01"`
	Spans     string   `json:"spans,omitempty" doc:"all requests are traced, or none but those of routes that say all themselves; default all"`
	Incoming  string   `json:"incoming,omitempty" doc:"trust: a client's traceparent is continued; ignore: another trace begins; default trust"`
	Name      string   `json:"name,omitempty" doc:"of spans, where {method}, {host}, {path} and {upstream} stand for what they say; default the method and the route"`
	Queue     int      `json:"queue,omitempty" doc:"spans that wait to be sent, further ones are dropped and counted; default 2048"`
	Batch     int      `json:"batch,omitempty" doc:"spans that are sent together at most; default 512"`
	Delay     Duration `json:"delay,omitempty" doc:"how long a span waits for others; default 5s"`
}

// model is the same as listeners have it.
func (t *Tracing) model() model.Tracing {
	return model.Tracing{
		Collector: t.Collector, Service: t.Service, Sampler: model.Sampler(t.Sampler), Ratio: t.Ratio, Queue: t.Queue, Batch: t.Batch, Delay: time.Duration(t.Delay),
		RouteTracing: model.RouteTracing{Spans: model.Spans(t.Spans), Incoming: model.Incoming(t.Incoming), Name: t.Name},
	}
}

// check finds what cannot work.
func (t *Tracing) check(say func(field, format string, args ...any)) {
	if *t != (Tracing{}) && t.Collector == "" {
		say("tracing.collector", "is missing: give the address of a collector, such as grpc://127.0.0.1:4317")
	}
	if f, ok := errors.AsType[*model.FieldError](t.model().Validate()); ok {
		say("tracing."+f.Field, "%s", f.Problem)
	}
}
