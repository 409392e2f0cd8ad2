package app

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"paifang/internal/model"
	"paifang/internal/trace/tracetest"
)

// TestTracesOfAProcess: what the configuration file says of traces is done by the whole program: spans, the log, the counters, and the
// last spans at the end.
func TestTracesOfAProcess(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	g := startGateway(t, fmt.Sprintf("tracing: {collector: '%s', service: edge, delay: 1ms, name: '{method} {host}'}\n", c.Addr), nil)
	if code, body := g.ask("GET", g.front+"/order/1?card=c4rd"); code != 200 || body != "hello" {
		t.Fatal(code, body)
	}
	span := c.Wait(t, 1)[0]
	if span.Service != "edge" || span.Name != "GET 127.0.0.1" || span.Attributes["http.route"] != "springgw/order" || span.Attributes["url.path"] != "/order/1" {
		t.Errorf("%+v", span)
	}
	for key, value := range span.Attributes {
		if text, _ := value.(string); strings.Contains(text, "s3cret") || strings.Contains(text, "c4rd") {
			t.Errorf("%s is %q", key, text)
		}
	}
	if code, _ := g.ask("GET", g.front+"/order/1;sid=s3cret"); code != 200 {
		t.Errorf("status %d", code)
	}
	if got := c.Wait(t, 2)[1].Attributes["url.path"]; got != "/order/1;sid=***" {
		t.Errorf("the path is %q", got)
	}
	until(t, "both are counted", func() bool {
		p := g.metrics()
		return p.Sum("paifang_trace_spans_sent_total") == 2 && p.Sum("paifang_trace_spans_dropped_total") == 0 && p.Sum("paifang_trace_exports_failed_total") == 0
	})
	until(t, "the log has the trace", func() bool {
		text, err := os.ReadFile(g.log)
		if err != nil {
			t.Fatal(err)
		}
		var line struct{ TraceID string }
		first, _, whole := strings.Cut(string(text), "\n")
		return whole && json.Unmarshal([]byte(first), &line) == nil && line.TraceID == span.Trace
	})
}

// TestTracesAtTheEnd: a process that ends sends what waits.
func TestTracesAtTheEnd(t *testing.T) {
	c := tracetest.Listen(t, "127.0.0.1:0")
	t.Run("process", func(t *testing.T) {
		g := startGateway(t, fmt.Sprintf("tracing: {collector: 'grpc://%s', delay: 1h}\n", c.Addr), nil)
		g.ask("GET", g.front+"/order/1")
		if n := len(c.Spans()); n != 0 {
			t.Errorf("%d spans came before", n)
		}
	})
	if spans := c.Spans(); len(spans) != 1 || spans[0].Name != "GET springgw/order" {
		t.Errorf("%+v", spans)
	}
}

// TestTracesWithNobody: a collector that is away is diagnosed, and requests are answered.
func TestTracesWithNobody(t *testing.T) {
	g := startGateway(t, fmt.Sprintf("tracing: {collector: '127.0.0.1:%d', delay: 1ms}\n", freePorts(t, 1)[0]), nil)
	if code, _ := g.ask("GET", g.front+"/order/1"); code != 200 {
		t.Errorf("status %d", code)
	}
	until(t, "it is told", func() bool {
		return slices.ContainsFunc(g.diagnostics(), func(d model.Diagnostic) bool {
			return d.Code == codeTracesAway && d.Severity == model.Warning && strings.Contains(d.Message, "takes no spans since")
		})
	})
}

// TestTracingIsChecked: what cannot work is said, with line and field.
func TestTracingIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"tracing: {service: edge}\n":                          "f.yaml:1: tracing.collector: is missing",
		"tracing:\n  collector: ftp://x\n":                    `f.yaml:2: tracing.collector: "ftp://x": ftp is none of grpc, grpcs, http, https`,
		"tracing: {collector: a, sampler: AlwaysOn}\n":        `tracing.sampler: "AlwaysOn" is none of always_on,`,
		"tracing:\n  collector: a\n  ratio: 2\n":              "f.yaml:3: tracing.ratio: 2: want above 0, up to 1",
		"tracing: {collector: a, spans: some}\n":              `tracing.spans: "some" is neither all nor none`,
		"tracing: {collector: a, incoming: maybe}\n":          `tracing.incoming: "maybe" is neither trust nor ignore`,
		"tracing: {collector: a, queue: -1}\n":                "tracing.queue: -1: want 1 to",
		"tracing:\n  collector: a\n  ratio: much\n":           "f.yaml:3: tracing.ratio",
		"tracing: {collector: a, ratio: 0.5, delay: 100ms}\n": "no role is switched on",
	} {
		if _, err := ParseConfig("f.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}
