package trace

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"

	"paifang/internal/model"
	"paifang/internal/telemetry"
)

// Tracer makes the spans of a listener. It is safe for concurrent use.
type Tracer struct {
	set    model.Tracing // effective
	below  uint64        // what numbers of traces are below that are sampled, for samplers that go by a ratio
	sender *sender
}

func newTracer(set model.Tracing, s *sender) *Tracer {
	return &Tracer{set: set, below: uint64(set.Ratio * (1 << 63)), sender: s}
}

// Of is what holds for a route.
func (t *Tracer) Of(route model.RouteTracing) model.RouteTracing {
	return route.Over(t.set.RouteTracing)
}

// Span is the part of a trace that one request is.
type Span struct {
	// Header is the traceparent that endpoints get: their spans are children of this one.
	Header string
	// State is the tracestate that they get; "" = none.
	State string

	tracer *Tracer
	id     parent  // as the parent of others
	above  [8]byte // its own parent; zero: the trace begins here
	name   string  // of its route
}

// Trace is the ID of its trace, as logs write it.
func (s *Span) Trace() string { return s.Header[traceAt:traceEnd] }

// Start begins the span of a request that came with these headers, by what holds for its route. What the headers say that are
// malformed, and those that are not trusted, is not passed on.
func (t *Tracer) Start(as model.RouteTracing, traceparent, tracestate string) *Span {
	s := &Span{tracer: t, name: as.Name}
	binary.NativeEndian.PutUint64(s.id.span[:], rand.Uint64()|1)
	from, ok := parseParent(traceparent)
	if ok && as.Incoming != model.IncomingIgnore {
		s.id.trace, s.above = from.trace, from.span
		if validState(tracestate) {
			s.State = tracestate
		}
		s.id.sampled = t.samples(&s.id.trace, &from)
	} else {
		binary.NativeEndian.PutUint64(s.id.trace[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(s.id.trace[8:], rand.Uint64()|1)
		s.id.sampled = t.samples(&s.id.trace, nil)
	}
	s.Header = s.id.format()
	return s
}

// samples decides for a trace; from is nil where it begins here.
func (t *Tracer) samples(trace *[16]byte, from *parent) bool {
	sampler := t.set.Sampler
	switch sampler {
	case model.SamplerParentOn, model.SamplerParentOff, model.SamplerParentRatio:
		if from != nil {
			return from.sampled
		}
	}
	switch sampler {
	case model.SamplerOn, model.SamplerParentOn:
		return true
	case model.SamplerRatio, model.SamplerParentRatio: // as the SDKs of OpenTelemetry: all decide alike about one trace
		return binary.BigEndian.Uint64(trace[8:])>>1 < t.below
	}
	return false
}

// End ends the span by the record of its request. It is sent later, or dropped and counted where too many wait. The record's own
// strings are copied.
func (s *Span) End(a *telemetry.Access, secure bool) {
	if !s.id.sampled {
		return
	}
	f := &finished{span: *s, access: *a, secure: secure}
	f.span.State = strings.Clone(s.State)
	for _, text := range []*string{&f.access.Method, &f.access.Host, &f.access.Path, &f.access.RequestID, &f.access.Pod} {
		*text = strings.Clone(*text)
	}
	f.access.Target, f.access.Protocol, f.access.UserAgent, f.access.Referer = "", strings.Clone(a.Protocol), "", ""
	s.tracer.sender.take(f)
}

// finished is a span that waits to be sent.
type finished struct {
	span   Span
	access telemetry.Access
	secure bool
}

// end is when its request ended.
func (f *finished) end() time.Time { return f.access.Time.Add(f.access.Total) }
