// Package tracetest has a collector of traces for tests: a gRPC server of OTLP in the process, which keeps what it is sent.
package tracetest

import (
	"context"
	"encoding/hex"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Span is a span as it was sent.
type Span struct {
	Service, Name, Trace, ID, Parent, State string
	Server, Error                           bool
	Took                                    time.Duration
	Attributes                              map[string]any // texts and int64
}

// Collector takes spans. Make it with Listen.
type Collector struct {
	collector.UnimplementedTraceServiceServer
	Addr string // host:port

	mu       sync.Mutex
	spans    []Span
	messages []int // spans of each
	fail     error
	hold     chan struct{} // nil: nobody waits
}

// Listen starts a collector at an address, "127.0.0.1:0" for a free port. It ends with the test.
func Listen(t testing.TB, at string) *Collector {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{Addr: l.Addr().String()}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return c
}

// Export is the service.
func (c *Collector) Export(ctx context.Context, m *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &collector.ExportTraceServiceResponse{}, c.take(m)
}

func (c *Collector) take(m *collector.ExportTraceServiceRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	n := len(c.spans)
	for _, r := range m.ResourceSpans {
		service := ""
		for _, a := range r.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, scope := range r.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, read(service, s))
			}
		}
	}
	c.messages = append(c.messages, len(c.spans)-n)
	return nil
}

func read(service string, s *otlp.Span) Span {
	out := Span{
		Service: service, Name: s.Name, Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		State: s.TraceState, Server: s.Kind == otlp.Span_SPAN_KIND_SERVER, Error: s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR,
		Took: time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano), Attributes: map[string]any{},
	}
	for _, a := range s.Attributes {
		if _, ok := a.Value.Value.(*common.AnyValue_IntValue); ok {
			out.Attributes[a.Key] = a.Value.GetIntValue()
			continue
		}
		out.Attributes[a.Key] = a.Value.GetStringValue()
	}
	return out
}

// Fail has every message refused with this error from now on; nil: taken.
func (c *Collector) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

// Hold has every message wait, until it is given back.
func (c *Collector) Hold() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hold := make(chan struct{})
	c.hold = hold
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.hold = nil
		close(hold)
	})
}

// Spans are all that were taken.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Messages are how many spans each message had.
func (c *Collector) Messages() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

// Wait waits until there are this many spans, and returns all.
func (c *Collector) Wait(t testing.TB, n int) []Span {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		spans := c.Spans()
		if len(spans) >= n {
			return spans
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d spans came, want %d: %+v", len(spans), n, spans)
		}
	}
}
