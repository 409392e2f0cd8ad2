package trace

import (
	"cmp"
	"net"
	"strconv"
	"strings"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"paifang/internal/telemetry"
)

// request is the message for a batch.
func request(to *destination, batch []*finished, hide func(string) string) *collector.ExportTraceServiceRequest {
	spans := make([]*otlp.Span, len(batch))
	for i, f := range batch {
		spans[i] = f.message(hide)
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{text("service.name", to.service)}},
		ScopeSpans: []*otlp.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "paifang"}, Spans: spans}},
	}}}
}

// The flags of a span: those of its trace, and what is known of its parent.
const (
	sampledFlag  = 0x001
	parentKnown  = 0x100 // where the parent is, is known
	parentIsAway = 0x200 // in another process
)

// message is a span as OTLP has it, with the attributes of OpenTelemetry's semantic conventions for servers of HTTP, and those of
// our own under paifang.
func (f *finished) message(hide func(string) string) *otlp.Span {
	a, id := &f.access, &f.span.id
	s := &otlp.Span{
		TraceId: id.trace[:], SpanId: id.span[:], TraceState: f.span.State, Flags: sampledFlag | parentKnown, Kind: otlp.Span_SPAN_KIND_SERVER, Name: name(f.span.name, a, hide(a.Path)),
		StartTimeUnixNano: uint64(a.Time.UnixNano()), EndTimeUnixNano: uint64(f.end().UnixNano()),
	}
	if f.span.above != [8]byte{} {
		s.Flags |= parentIsAway
		s.ParentSpanId = f.span.above[:]
	}
	add := func(key, value string) {
		if value != "" {
			s.Attributes = append(s.Attributes, text(key, value))
		}
	}
	count := func(key string, n int64) {
		if n != 0 {
			s.Attributes = append(s.Attributes, number(key, n))
		}
	}
	method := knownMethod(a.Method)
	add("http.request.method", method)
	if method != a.Method {
		add("http.request.method_original", a.Method)
	}
	add("url.scheme", scheme(f.secure))
	add("url.path", hide(a.Path))
	add("server.address", host(a.Host))
	if a.Client.IsValid() {
		add("client.address", a.Client.String())
	}
	if a.Peer.IsValid() {
		add("network.peer.address", a.Peer.Addr().String())
		count("network.peer.port", int64(a.Peer.Port()))
	}
	version := strings.TrimPrefix(a.Protocol, "HTTP/")
	if version == "2.0" {
		version = "2"
	}
	add("network.protocol.version", version)
	count("http.response.status_code", int64(a.Status))
	count("http.request.body.size", a.In)
	count("http.response.body.size", a.Out)
	add("http.route", a.Route)
	add("paifang.listener", a.Listener)
	add("paifang.node", a.Node)
	add("paifang.upstream", a.Upstream)
	if a.Endpoint.IsValid() {
		add("paifang.endpoint", a.Endpoint.String())
	}
	add("paifang.pod", a.Pod)
	count("paifang.tries", int64(a.Tries))
	count("paifang.resent", int64(a.Resent))
	add("paifang.reason", a.Reason)
	add("paifang.request_id", a.RequestID)
	if a.Status >= 500 {
		add("error.type", cmp.Or(a.Reason, strconv.Itoa(a.Status)))
		s.Status = &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR, Message: a.Reason}
	}
	return s
}

// name is that of a span: what its route says, or the method and the route.
func name(said string, a *telemetry.Access, path string) string {
	method := knownMethod(a.Method)
	if method == otherMethod {
		method = "HTTP"
	}
	switch {
	case said != "":
		text := strings.NewReplacer("{method}", method, "{host}", host(a.Host), "{path}", path, "{upstream}", a.Upstream).Replace(said)
		return strings.ToValidUTF8(text, "\uFFFD")
	case a.Route == "":
		return method
	}
	return method + " " + a.Route
}

// otherMethod stands for those that nobody knows: a client can think of any number.
const otherMethod = "_OTHER"

func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH":
		return m
	}
	return otherMethod
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

// host is one without its port.
func host(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		return h
	}
	return s
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(value, "\uFFFD")}}}
}

func number(key string, n int64) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}}
}
